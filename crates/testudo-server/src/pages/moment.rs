//! Times as pages show them.

use testudo_protocol::Timestamp;

/// A time to the minute, as `2026-11-27, 08:30 UTC`.
pub fn moment(time: &Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('T') {
        Some((day, rest)) => format!("{day}, {} UTC", rest.get(..5).unwrap_or(rest)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shown_to_the_minute_with_its_zone() {
        assert_eq!(moment(&Timestamp(1_795_854_659)), "2026-11-28, 08:30 UTC");
        assert_eq!(moment(&Timestamp(0)), "1970-01-01, 00:00 UTC");
    }
}
