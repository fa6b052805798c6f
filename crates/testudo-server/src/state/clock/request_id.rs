//! Request ids: 28 hexadecimal digits, of which 12 are the time in milliseconds, 8 identify the node and 8 are a
//! counter. They sort by time, and two nodes do not make the same id. A request id is not secret.

use testudo_protocol::Timestamp;

pub(super) fn request_id(millis: u64, node: u32, sequence: u32) -> String {
    format!("{:012x}{node:08x}{sequence:08x}", millis & 0xffff_ffff_ffff)
}

/// The time that a request id contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestTime {
    millis: u64,
}

impl RequestTime {
    /// Number of digits of an id, and of an id that an earlier version made, which lacks the node.
    const DIGITS: [usize; 2] = [28, 20];

    /// The time in a request id; `None` where the text is not a request id.
    pub(crate) fn of_id(id: &str) -> Option<RequestTime> {
        let is_id = RequestTime::DIGITS.contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if !is_id {
            return None;
        }
        let millis = u64::from_str_radix(id.get(..12)?, 16).ok()?;
        Some(RequestTime { millis })
    }

    /// The time in whole seconds.
    pub(crate) fn seconds(self) -> Timestamp {
        Timestamp(i64::try_from(self.millis / 1000).unwrap_or(i64::MAX))
    }

    /// A store key that sorts before the events of this time. The key of an event is its id, which begins with the time
    /// in milliseconds in 16 hexadecimal digits.
    pub(crate) fn key_before_events(self) -> Vec<u8> {
        format!("{:016x}", self.millis).into_bytes()
    }

    /// A store key that sorts after the events that were made within `millis` milliseconds after this time.
    pub(crate) fn key_after(self, millis: u64) -> Vec<u8> {
        format!("{:016x}", self.millis.saturating_add(millis).saturating_add(1)).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_of_a_request_gives_its_time_back() {
        let id = request_id(1_795_000_000_123, 0xdead_beef, 7);
        assert_eq!(id.len(), 28);
        let time = RequestTime::of_id(&id).unwrap();
        assert_eq!(time.seconds(), Timestamp(1_795_000_000));
        let earlier_form = RequestTime::of_id(&format!("{:012x}{:08x}", 1_795_000_000_123u64, 7));
        assert_eq!(earlier_form, Some(time));
    }

    #[test]
    fn ids_that_two_nodes_make_in_the_same_millisecond_differ() {
        assert_ne!(request_id(5, 1, 0), request_id(5, 2, 0));
    }

    #[test]
    fn text_that_is_no_id_has_no_time() {
        for text in [
            "",
            "0",
            "trace-1",
            &"0".repeat(27),
            &"0".repeat(29),
            &"G".repeat(28),
            &"é".repeat(14),
        ] {
            assert_eq!(RequestTime::of_id(text), None, "{text}");
        }
    }

    #[test]
    fn search_begins_before_the_first_event_of_the_millisecond_and_ends_after_the_bound() {
        let time = RequestTime { millis: 1_000 };
        let event = |millis: u64| format!("{millis:016x}00000000{:08x}", 0).into_bytes();
        assert!(time.key_before_events() < event(1_000));
        assert!(time.key_before_events() > event(999));
        assert!(event(1_999) < time.key_after(1_000));
        assert!(event(2_001) > time.key_after(1_000));
    }
}
