//! Which clients a sweep removes: those whose lifetime has ended, and those that were not used for their idle lifetime.
//! A client with which people have something to lose is not removed as idle: a refresh token that is still valid, or a
//! consent that has not ended.

use crate::records::{Client, Consent, Grant};
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

/// True if a token of the grant is still valid: its client is not removed as idle.
pub fn is_grant_live(grant: &Grant, now: Timestamp) -> bool {
    // A consent that moved the end of the authorization is live itself.
    now < grant.live_until && !grant.has_ended(now)
}

/// True if the consent has not ended: its client is not removed as idle.
pub fn is_consent_live(consent: &Consent, now: Timestamp) -> bool {
    consent.until.is_none_or(|until| now < until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::tests::world::{DAY, START, World, web};
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

    #[test]
    fn grant_is_live_while_a_token_of_it_is_valid_and_the_authorization_has_not_ended() {
        let mut world = World::new();
        world.redeem(&web(), "").unwrap();
        let unused = world.grant().unwrap();
        let mut short = unused.clone();
        short.terms.ends = Some(Timestamp(START + 10 * DAY));
        for (name, grant, end) in [
            ("its refresh token ends", unused, START + 14 * DAY),
            ("its authorization ends", short, START + 10 * DAY),
        ] {
            assert!(is_grant_live(&grant, Timestamp(end - 1)), "{name}");
            assert!(!is_grant_live(&grant, Timestamp(end)), "{name}");
        }
    }
}
