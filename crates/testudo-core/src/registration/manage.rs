//! A client that registered without evidence looks after its registration. [RFC7592]
//!
//! With a registration access token, and nothing else: who is attested has none, and registers again. The token
//! opens this one client, in this one life, and nothing that an administrator has closed.

use super::admit::{Known, Placed, is_not_frozen};
use super::lifecycle::{self, Actor};
use super::register::Registered;
use super::unattested::{self, Asked};
use super::velocity::Limit;
use crate::Entropy;
use crate::policy::Policy;
use crate::records::{Batch, Client, ManagementToken, Versioned};
use crate::rejection::Rejection;
use testudo_protocol::{Seconds, Timestamp};

/// How long the token before the last one opens, if the last one was not used yet: its answer may have been lost.
const OVERLAP: Seconds = Seconds(60);

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Nothing. [RFC7592 §2.1]
    Read,
    /// The metadata is replaced whole, and the token by another one. [RFC7592 §2.2]
    Replace(Asked<'a>),
    /// The client ends. [RFC7592 §2.3]
    Delete,
}

/// Which of a client's tokens was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The latest.
    Current,
    /// The one before, in its last minute.
    Previous,
}

/// Decides a management request. `token` is the SHA-256 of what was shown.
pub fn manage(
    placed: &Placed<'_>,
    known: Known<'_>,
    (change, token): (Change<'_>, &[u8; 32]),
    room: impl FnOnce(&[Limit]) -> Result<(), Rejection>,
    (policy, entropy, now): (&Policy, &Entropy, Timestamp),
) -> Result<Registered, Rejection> {
    // [RFC7592 §2.1] No client, no token: 401, as for a wrong one.
    let client = known
        .client
        .filter(|client| !client.record.is_expired(now))
        .ok_or(Rejection::RegistrationTokenRefused { is_superseded: false })?;
    let management = client.record.management.as_ref();
    let management = management.ok_or(Rejection::RegistrationTokenRefused { is_superseded: false })?;
    let shown = management.shown(token, now)?;
    // Also for reading, and for deleting most of all: it would shake off the freeze.
    is_not_frozen(&client.record)?;
    match change {
        Change::Read => Ok(read(client, management.confirmed(shown, now))),
        Change::Replace(asked) => {
            let next = management.succeeded_by(asked.management_digest, shown, now);
            unattested::replace(placed, client, (asked, next), room, (policy, entropy, now))
        }
        Change::Delete => {
            let actor = Actor {
                name: "client",
                reason: "deregistered",
            };
            Ok(Registered {
                batch: lifecycle::remove(client, known.removed, None, &actor, entropy, now),
                ..read(client, None)
            })
        }
    }
}

fn read(client: &Versioned<Client>, confirmed: Option<ManagementToken>) -> Registered {
    let mut batch = Batch::default();
    let mut record = client.record.clone();
    if let Some(management) = confirmed {
        record.management = Some(Box::new(management));
        batch.replace(&record, client.version);
    }
    Registered {
        answer: unattested::standing(&record),
        client: record,
        batch,
        limits: Vec::new(),
        is_new: false,
    }
}

impl ManagementToken {
    /// Which token was shown, by its SHA-256.
    pub fn shown(&self, digest: &[u8; 32], now: Timestamp) -> Result<Shown, Rejection> {
        let is = |kept: &[u8; 32]| aws_lc_rs::constant_time::verify_slices_are_equal(kept, digest).is_ok();
        match &self.previous {
            _ if is(&self.digest) => Ok(Shown::Current),
            Some((previous, until)) if is(previous) && now < *until => Ok(Shown::Previous),
            Some((previous, _)) => Err(Rejection::RegistrationTokenRefused {
                is_superseded: is(previous),
            }),
            None => Err(Rejection::RegistrationTokenRefused { is_superseded: false }),
        }
    }

    /// The first use of a new token ends the one before it. Nothing where that has been so already.
    fn confirmed(&self, shown: Shown, now: Timestamp) -> Option<ManagementToken> {
        match (shown, self.previous) {
            (Shown::Current, Some((previous, until))) if now < until => Some(ManagementToken {
                digest: self.digest,
                previous: Some((previous, now)),
            }),
            (Shown::Current | Shown::Previous, _) => None,
        }
    }

    /// [RFC7592 §5] The token is replaced with the metadata. Whoever shows the previous one never got the latest:
    /// its minute runs on, and is not begun anew.
    fn succeeded_by(&self, digest: [u8; 32], shown: Shown, now: Timestamp) -> ManagementToken {
        let previous = match shown {
            Shown::Current => Some((self.digest, now + OVERLAP)),
            Shown::Previous => self.previous,
        };
        ManagementToken { digest, previous }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);
    const LATER: Timestamp = Timestamp(1_060);

    #[test]
    fn rfc7592_5_a_token_ends_when_its_successor_is_used_or_after_a_minute() {
        let first = ManagementToken {
            digest: [1; 32],
            previous: None,
        };
        let second = first.succeeded_by([2; 32], Shown::Current, NOW);
        assert_eq!(second.shown(&[2; 32], NOW), Ok(Shown::Current));
        assert_eq!(second.shown(&[1; 32], NOW), Ok(Shown::Previous));
        let gone = Rejection::RegistrationTokenRefused { is_superseded: true };
        assert_eq!(second.shown(&[1; 32], LATER), Err(gone.clone()));
        let confirmed = second.confirmed(Shown::Current, NOW).unwrap();
        assert_eq!(confirmed.shown(&[1; 32], NOW), Err(gone.clone()));
        assert_eq!(confirmed.confirmed(Shown::Current, NOW), None);
        assert_eq!(second.confirmed(Shown::Previous, NOW), None);
        // The answer with the second was lost: the first is shown again, and its minute is not begun anew.
        let third = second.succeeded_by([3; 32], Shown::Previous, Timestamp(1_050));
        assert_eq!(third.shown(&[1; 32], Timestamp(1_059)), Ok(Shown::Previous));
        assert_eq!(third.shown(&[1; 32], LATER), Err(gone));
        let unknown = Rejection::RegistrationTokenRefused { is_superseded: false };
        assert_eq!(third.shown(&[2; 32], NOW), Err(unknown));
    }
}
