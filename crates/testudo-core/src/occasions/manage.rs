//! A client that registered without evidence reads, replaces or deletes its registration. [RFC7592]
//!
//! The only credential for this is the registration access token. Attested clients have none; they register again. The
//! token is valid for one client until the client is removed, but not while an administrator has frozen the client,
//! blocked its identity or disabled its authority.

use crate::actor::Actor;
use crate::admission::conflicts::conflict_of_client;
use crate::admission::governed::GovernedIdentity;
use crate::admission::known::{StoredClient, is_not_frozen};
use crate::admission::lifecycle::{self, Cause, Traces};
use crate::decision::{ClientMemory, Decision, Moment, Resolution};
use crate::occasions::occasion::Occasion;
use crate::occasions::registered::Registered;
use crate::occasions::unattested::record::answer_as_registered;
use crate::occasions::unattested::{self, RegistrationRequest};
use crate::records::{Batch, Client, Conflict, Loaded, ManagementToken, Needs, Versioned};
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use testudo_protocol::{Seconds, Timestamp};

/// How long the previous token is still accepted while its successor has not been used: the answer with the successor
/// may have been lost.
const OVERLAP: Seconds = Seconds(60);
/// Number of unused successors that are kept, for answers that are lost one after the other within the minute.
const UNUSED_MAX: usize = 4;

/// The requested change.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// No change: read the registration. [RFC7592 §2.1]
    Read,
    /// Replace the metadata completely, and the token with a new one. [RFC7592 §2.2]
    Replace(RegistrationRequest<'a>),
    /// Delete the client. [RFC7592 §2.3]
    Delete,
}

/// Which of a client's tokens the request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The current token.
    Current,
    /// The previous token, within the minute in which it is still accepted.
    Previous,
    /// A successor that was issued and not used, and after which another one was issued; with its position in the list.
    Unused(usize),
}

/// A management request.
#[derive(Debug, Clone, Copy)]
pub struct ManagementRequest<'a> {
    /// The client, found by its client id, with its rule.
    pub governed: &'a GovernedIdentity<'a>,
    /// The requested change.
    pub change: Change<'a>,
    /// SHA-256 of the token in the request.
    pub token_digest: &'a [u8; 32],
}

impl ManagementRequest<'_> {
    /// The records to load for the client with this key. They are also loaded before the request body is read, since
    /// the token is checked first.
    pub fn needed(client_key: &[u8]) -> Needs<'_> {
        StoredClient::needed(client_key)
    }
}

impl Occasion for ManagementRequest<'_> {
    type Outcome = Registered;

    /// The client is read from the store and not from memory, since only the store has the current token.
    fn needs(&self) -> Needs<'_> {
        StoredClient::needs(self.governed)
    }

    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        _trace: &mut Trace,
    ) -> Result<Decision<Registered>, Rejection> {
        let stored = StoredClient::of(self.governed, loaded);
        // [RFC7592 §2.1] If there is no client, the answer is 401, as for a wrong token.
        let client = stored
            .alive(at.now)
            .ok_or(CredentialReason::RegistrationTokenRefused { is_superseded: false })?;
        let management = client.record.management.as_ref();
        let management =
            management.ok_or(CredentialReason::RegistrationTokenRefused { is_superseded: false })?;
        let shown = management.shown(self.token_digest, at.now)?;
        // This also applies to reading and deleting: a frozen client that deletes its registration and registers again
        // would undo the freeze.
        is_not_frozen(&client.record)?;
        match self.change {
            Change::Read => Ok(read(client, management.confirmed(shown, at.now))),
            Change::Replace(asked) => {
                let next = management.succeeded_by(asked.management_digest, shown, at.now);
                unattested::replace(self.governed, client, &asked, next, at)
            }
            // The previous token may be used to repeat a request whose answer was lost, but not to delete the client.
            Change::Delete if shown == Shown::Previous => {
                Err(CredentialReason::RegistrationTokenRefused { is_superseded: true }.into())
            }
            Change::Delete => {
                let cause = Cause {
                    actor: &Actor::Client,
                    reason: "deregistered",
                    note: None,
                    entropy: at.entropy,
                    now: at.now,
                };
                let traces = Traces {
                    history: stored.removed,
                    alias: None,
                };
                Ok(Decision {
                    batch: lifecycle::remove(client, traces, &cause),
                    ..read(client, None)
                })
            }
        }
    }

    fn conflict(&self, on: &Conflict) -> Resolution {
        conflict_of_client(self.governed, on)
    }
}

fn read(client: &Versioned<Client>, confirmed: Option<ManagementToken>) -> Decision<Registered> {
    let mut batch = Batch::default();
    let mut record = client.record.clone();
    if let Some(management) = confirmed {
        record.management = Some(Box::new(management));
        batch.replace(&record, client.version);
    }
    let answer = answer_as_registered(&record);
    Decision {
        batch,
        memory: ClientMemory::Outdated,
        ..Decision::of(Registered {
            answer,
            client: record,
            is_new: false,
        })
    }
}

impl ManagementToken {
    /// Finds the token with this SHA-256.
    pub fn shown(&self, digest: &[u8; 32], now: Timestamp) -> Result<Shown, Rejection> {
        let is = |kept: &[u8; 32]| aws_lc_rs::constant_time::verify_slices_are_equal(kept, digest).is_ok();
        match &self.previous {
            _ if is(&self.digest) => Ok(Shown::Current),
            _ if let Some(rank) = self.unused.iter().position(is) => Ok(Shown::Unused(rank)),
            Some((previous, until)) if is(previous) && now < *until => Ok(Shown::Previous),
            Some((previous, _)) => Err(CredentialReason::RegistrationTokenRefused {
                is_superseded: is(previous),
            }
            .into()),
            None => Err(CredentialReason::RegistrationTokenRefused { is_superseded: false }.into()),
        }
    }

    /// The first use of a new token revokes its predecessor, and all tokens that were issued later in exchange for that
    /// predecessor. `None` if nothing changes.
    fn confirmed(&self, shown: Shown, now: Timestamp) -> Option<ManagementToken> {
        match (shown, self.previous) {
            (Shown::Current, Some((previous, until))) if now < until => Some(ManagementToken {
                previous: Some((previous, now)),
                ..self.clone()
            }),
            (Shown::Unused(rank), previous) => Some(ManagementToken {
                digest: *self.unused.get(rank)?,
                previous: previous.map(|(previous, until)| (previous, until.min(now))),
                unused: self.unused.iter().take(rank).copied().collect(),
            }),
            (Shown::Current | Shown::Previous, _) => None,
        }
    }

    /// [RFC7592 §5] The token is replaced together with the metadata. A caller with the previous token either did not
    /// receive the current one, or stole the previous one. So the current token stays valid besides the new one and
    /// takes precedence over it, and the minute of the previous token is not extended.
    fn succeeded_by(&self, digest: [u8; 32], shown: Shown, now: Timestamp) -> ManagementToken {
        match shown {
            Shown::Current => ManagementToken {
                digest,
                previous: Some((self.digest, now + OVERLAP)),
                unused: self.unused.clone(),
            },
            Shown::Unused(_) => {
                let confirmed = self.confirmed(shown, now).unwrap_or_else(|| self.clone());
                confirmed.succeeded_by(digest, Shown::Current, now)
            }
            Shown::Previous => {
                let mut unused = self.unused.clone();
                // The first successor takes precedence; the later ones were issued for the same previous token, so the
                // number is limited.
                if unused.len() < UNUSED_MAX {
                    unused.push(self.digest);
                }
                ManagementToken {
                    digest,
                    previous: self.previous,
                    unused,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);
    const LATER: Timestamp = Timestamp(1_060);

    #[test]
    fn rfc7592_5_token_is_revoked_when_its_successor_is_used_or_after_a_minute() {
        let first = ManagementToken {
            digest: [1; 32],
            previous: None,
            unused: Vec::new(),
        };
        let second = first.succeeded_by([2; 32], Shown::Current, NOW);
        assert_eq!(second.shown(&[2; 32], NOW), Ok(Shown::Current));
        assert_eq!(second.shown(&[1; 32], NOW), Ok(Shown::Previous));
        let gone = Rejection::Credential(CredentialReason::RegistrationTokenRefused { is_superseded: true });
        assert_eq!(second.shown(&[1; 32], LATER), Err(gone.clone()));
        let confirmed = second.confirmed(Shown::Current, NOW).unwrap();
        assert_eq!(confirmed.shown(&[1; 32], NOW), Err(gone.clone()));
        assert_eq!(confirmed.confirmed(Shown::Current, NOW), None);
        assert_eq!(second.confirmed(Shown::Previous, NOW), None);
        // The answer with the second token was lost: the first one is used again, and its minute is not extended.
        let third = second.succeeded_by([3; 32], Shown::Previous, Timestamp(1_050));
        assert_eq!(third.shown(&[1; 32], Timestamp(1_059)), Ok(Shown::Previous));
        assert_eq!(third.shown(&[1; 32], LATER), Err(gone));
        // The second may have arrived after all, and the first may have been stolen: the second is valid, takes
        // precedence over the third, and revokes it.
        assert_eq!(third.shown(&[2; 32], LATER), Ok(Shown::Unused(0)));
        let used = third.confirmed(Shown::Current, LATER);
        assert_eq!(used, None, "the first token had expired");
        let fourth = third.succeeded_by([4; 32], Shown::Current, LATER);
        assert_eq!(fourth.shown(&[2; 32], LATER), Ok(Shown::Unused(0)));
        let unknown =
            Rejection::Credential(CredentialReason::RegistrationTokenRefused { is_superseded: false });
        for beaten in [third, fourth] {
            let won = beaten.confirmed(Shown::Unused(0), LATER).unwrap();
            assert_eq!(won.shown(&[2; 32], LATER), Ok(Shown::Current));
            assert_eq!(won.shown(&[4; 32], LATER), Err(unknown.clone()));
            assert!(won.shown(&[3; 32], LATER).is_err() && won.shown(&[1; 32], LATER).is_err());
        }
    }

    #[test]
    fn first_unused_successor_stays_valid_when_the_previous_token_is_used_several_times() {
        let first = ManagementToken {
            digest: [0; 32],
            previous: None,
            unused: Vec::new(),
        };
        let mut token = first.succeeded_by([1; 32], Shown::Current, NOW);
        for number in 2..60 {
            token = token.succeeded_by([number; 32], Shown::Previous, NOW);
            assert_eq!(token.shown(&[1; 32], NOW), Ok(Shown::Unused(0)));
            assert!(token.unused.len() <= UNUSED_MAX);
        }
        let won = token.succeeded_by([99; 32], Shown::Unused(0), NOW);
        assert_eq!(
            won.shown(&[1; 32], NOW),
            Ok(Shown::Previous),
            "the answer may be lost several times"
        );
        for number in 2..60 {
            assert!(won.shown(&[number; 32], NOW).is_err(), "{number}");
        }
    }
}
