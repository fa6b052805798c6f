//! A client that registered without evidence reads, replaces or deletes its registration. [RFC7592]
//!
//! The only credential for it is the registration access token; an attested client has none and registers again. The
//! token is valid for this one client until the client is removed, and not while an administrator has frozen, blocked
//! or disabled it.

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

/// How long the token before the last one opens, if the last one was not used yet: its answer may have been lost.
const OVERLAP: Seconds = Seconds(60);
/// Unused successors that are kept: answers that are lost one after the other within the minute.
const UNUSED_MAX: usize = 4;

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Nothing. [RFC7592 §2.1]
    Read,
    /// The metadata is replaced whole, and the token by another one. [RFC7592 §2.2]
    Replace(RegistrationRequest<'a>),
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
    /// One that was given out, was not used, and was not the last to be given out; by its rank.
    Unused(usize),
}

/// A management request.
#[derive(Debug, Clone, Copy)]
pub struct ManagementRequest<'a> {
    /// The client, with its rule, found by its client id.
    pub governed: &'a GovernedIdentity<'a>,
    /// What is to be done.
    pub change: Change<'a>,
    /// SHA-256 of the token that was shown.
    pub token: &'a [u8; 32],
}

impl ManagementRequest<'_> {
    /// What is needed of the client with this key, also before the request is complete: the token is judged first.
    pub fn needed(client_key: &[u8]) -> Needs<'_> {
        StoredClient::needed(client_key)
    }
}

impl Occasion for ManagementRequest<'_> {
    type Outcome = Registered;

    /// Never from memory: the token that opens is in the store.
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
        // [RFC7592 §2.1] No client, no token: 401, as for a wrong one.
        let client = stored
            .alive(at.now)
            .ok_or(CredentialReason::RegistrationTokenRefused { is_superseded: false })?;
        let management = client.record.management.as_ref();
        let management =
            management.ok_or(CredentialReason::RegistrationTokenRefused { is_superseded: false })?;
        let shown = management.shown(self.token, at.now)?;
        // Also for reading and deleting: a frozen client that deletes itself and registers again would undo the freeze.
        is_not_frozen(&client.record)?;
        match self.change {
            Change::Read => Ok(read(client, management.confirmed(shown, at.now))),
            Change::Replace(asked) => {
                let next = management.succeeded_by(asked.management_digest, shown, at.now);
                unattested::replace(self.governed, client, &asked, next, at)
            }
            // A superseded token may ask again for the answer that was lost, and end nothing.
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
    /// Which token was shown, by its SHA-256.
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

    /// The first use of a new token ends the one before it, and every token that was given out later to the holder who
    /// showed that one. Nothing where that has been so already.
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

    /// [RFC7592 §5] The token is replaced with the metadata. A caller with the previous one never got the latest, or
    /// stole the previous one: the latest stays good beside the new one and outranks it, and the minute of the
    /// previous one is not begun anew.
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
                // The first is the one that counts; those beyond were given to the same superseded token.
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
    fn rfc7592_5_a_token_ends_when_its_successor_is_used_or_after_a_minute() {
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
        // The answer with the second was lost: the first is shown again, and its minute is not begun anew.
        let third = second.succeeded_by([3; 32], Shown::Previous, Timestamp(1_050));
        assert_eq!(third.shown(&[1; 32], Timestamp(1_059)), Ok(Shown::Previous));
        assert_eq!(third.shown(&[1; 32], LATER), Err(gone));
        // The second may have arrived all the same, and the first have been stolen: the second is good, outranks the
        // third whatever was done with that, and ends it.
        assert_eq!(third.shown(&[2; 32], LATER), Ok(Shown::Unused(0)));
        let used = third.confirmed(Shown::Current, LATER);
        assert_eq!(used, None, "the first had ended by itself");
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
    fn first_unused_successor_stays_good_however_often_the_superseded_token_is_shown() {
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
            "the answer may be lost again"
        );
        for number in 2..60 {
            assert!(won.shown(&[number; 32], NOW).is_err(), "{number}");
        }
    }
}
