//! Which clients a sweep removes: those whose lifetime has ended, and those that were not used for their idle lifetime.

use crate::records::Client;
use testudo_protocol::{Seconds, Timestamp};

/// Why a client is removed because of its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOfLife {
    /// Its absolute lifetime has ended.
    Expired,
    /// It was not used for its idle lifetime.
    Idle,
}

impl EndOfLife {
    /// The reason in the history of the client and in the event.
    pub fn name(self) -> &'static str {
        match self {
            EndOfLife::Expired => "expired",
            EndOfLife::Idle => "idle",
        }
    }
}

/// Why a sweep removes the client; `None` if it does not. Other nodes may know of uses that they have not yet written to
/// the store, the oldest of them `unwritten_age_max` ago: a client is idle only if such a use would not prevent it.
pub fn end_of_life(client: &Client, now: Timestamp, unwritten_age_max: Seconds) -> Option<EndOfLife> {
    if client.is_expired(now) {
        return Some(EndOfLife::Expired);
    }
    client.is_idle(now - unwritten_age_max).then_some(EndOfLife::Idle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::client_tests::whole;

    /// A client with this end of its lifetime that was last used at 100 and has this idle lifetime.
    fn client(expires: Option<i64>, idle: Option<i64>) -> Client {
        Client {
            expires: expires.map(Timestamp),
            idle_lifetime: idle.map(Seconds),
            last_used: Timestamp(100),
            ..whole()
        }
    }

    #[test]
    fn client_is_removed_from_the_second_in_which_its_lifetime_or_its_idle_lifetime_ends() {
        for (name, client, now, expected) in [
            ("no end", client(None, None), i64::MAX, None),
            ("before its end", client(Some(500), None), 499, None),
            (
                "at its end",
                client(Some(500), None),
                500,
                Some(EndOfLife::Expired),
            ),
            ("not yet idle", client(None, Some(50)), 149, None),
            ("idle", client(None, Some(50)), 150, Some(EndOfLife::Idle)),
            ("both", client(Some(150), Some(50)), 150, Some(EndOfLife::Expired)),
        ] {
            assert_eq!(
                end_of_life(&client, Timestamp(now), Seconds(0)),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn client_that_another_node_may_have_used_meanwhile_is_not_removed_as_idle() {
        let client = client(Some(500), Some(50));
        for (now, expected) in [
            (150, None),
            (169, None),
            (170, Some(EndOfLife::Idle)),
            (500, Some(EndOfLife::Expired)),
        ] {
            assert_eq!(
                end_of_life(&client, Timestamp(now), Seconds(20)),
                expected,
                "{now}"
            );
        }
    }
}
