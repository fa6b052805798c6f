//! Audit events: written with the change they tell of, or, for refusals, sampled.
//!
//! Refusals come in floods. Per minute, the first 20 of each (reason, authority, prefix) become events, at most
//! 200 in all; the rest is counted, and the counts of a minute are one event per reason and authority. So a
//! million distinct refused identities cost a constant amount of memory and disk.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use testudo_core::Entropy;
use testudo_core::records::{Event, EventKind};
use testudo_core::rejection::{AdmissionReason, Rejection};
use testudo_protocol::{Seconds, Timestamp};

const SAMPLES_PER_KEY: u32 = 20;
const SAMPLES_PER_MINUTE: u32 = 200;
const KEYS_MAX: usize = 1_000;
/// Refusals are kept shorter than what happened to clients.
pub const REFUSAL_RETENTION: Seconds = Seconds(30 * 86_400);

/// Counts refusals of the running minute.
#[derive(Default)]
pub struct RefusalLedger {
    minute: Mutex<Minute>,
}

#[derive(Default)]
struct Minute {
    number: i64,
    samples: u32,
    per_key: HashMap<(&'static str, String), u32>,
    counts: HashMap<(&'static str, String), u64>,
}

impl RefusalLedger {
    /// Notes a refusal; true where it shall become an event of its own.
    pub fn note(&self, reason: &'static str, authority: &str, prefix: &str, now: Timestamp) -> bool {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.number != now.0 / 60 {
            minute.number = now.0 / 60;
            minute.samples = 0;
            minute.per_key.clear();
        }
        if minute.counts.len() < KEYS_MAX || minute.counts.contains_key(&(reason, authority.to_owned())) {
            *minute.counts.entry((reason, authority.to_owned())).or_insert(0) += 1;
        }
        if minute.samples >= SAMPLES_PER_MINUTE || minute.per_key.len() >= KEYS_MAX {
            return false;
        }
        let seen = minute
            .per_key
            .entry((reason, format!("{authority}{prefix}")))
            .or_insert(0);
        *seen += 1;
        let is_sample = *seen <= SAMPLES_PER_KEY;
        minute.samples += u32::from(is_sample);
        is_sample
    }

    /// The counts since the last call, as events.
    pub fn take_counts(&self, entropy: impl Fn() -> Option<Entropy>, now: Timestamp) -> Vec<Event> {
        let counts = {
            let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut minute.counts)
        };
        counts
            .into_iter()
            .filter_map(|((reason, authority), count)| {
                let id = entropy()?.event_id(EventKind::ClientRefused as u8);
                let mut event = Event::new(id, now, EventKind::ClientRefused, now + REFUSAL_RETENTION);
                event.reason = Some(reason.to_owned());
                event.authority = Some(authority);
                event.count = Some(count);
                Some(event)
            })
            .collect()
    }
}

/// The kind of event that a rejection is.
pub fn kind_of(rejection: &Rejection) -> EventKind {
    match rejection {
        Rejection::Admission(AdmissionReason::TooFast { .. }) => EventKind::VelocityLimited,
        Rejection::Admission(AdmissionReason::TooManyClients { .. }) => EventKind::QuotaReached,
        Rejection::Request(_)
        | Rejection::Credential(_)
        | Rejection::Metadata(_)
        | Rejection::Admission(
            AdmissionReason::EvidenceNotTaken
            | AdmissionReason::AuthorityDisabled { .. }
            | AdmissionReason::IdentityBlocked { .. }
            | AdmissionReason::NoRule
            | AdmissionReason::RuleDisabled { .. }
            | AdmissionReason::CredentialNotAccepted { .. }
            | AdmissionReason::ClientIdMismatch { .. }
            | AdmissionReason::ClientFrozen
            | AdmissionReason::FirstUseOff { .. }
            | AdmissionReason::FirstUseObserved { .. }
            | AdmissionReason::AttestedClaimMalformed(_)
            | AdmissionReason::GrantNotAllowed { .. }
            | AdmissionReason::ScopeNotAllowed { .. }
            | AdmissionReason::ResourceNotAllowed { .. }
            | AdmissionReason::BindingMissing { .. }
            | AdmissionReason::ClientIdClash { .. }
            | AdmissionReason::ClientIdReserved { .. },
        ) => EventKind::ClientRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Row RF-67.
    #[test]
    fn flood_of_refusals_takes_constant_memory() {
        let ledger = RefusalLedger::default();
        let now = Timestamp(60);
        let sampled = (0..200_000)
            .filter(|n| ledger.note("no_rule", "spiffe://a.example", &format!("/p{n}"), now))
            .count();
        assert_eq!(sampled, SAMPLES_PER_MINUTE as usize);
        assert!(ledger.minute.lock().unwrap().per_key.len() <= KEYS_MAX);
        let events = ledger.take_counts(
            || {
                Some(Entropy {
                    millis: 0,
                    sequence: 0,
                    random: [0; 20],
                })
            },
            now,
        );
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].count, Some(200_000));
    }

    #[test]
    fn first_twenty_refusals_of_a_kind_are_events() {
        let ledger = RefusalLedger::default();
        let sampled = (0..100)
            .filter(|_| ledger.note("no_rule", "a", "/x", Timestamp(0)))
            .count();
        assert_eq!(sampled, 20);
        assert!(ledger.note("no_rule", "a", "/y", Timestamp(0)));
    }
}
