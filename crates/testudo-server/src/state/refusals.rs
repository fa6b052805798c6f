//! Audit events of refused requests: a sample, and a count of the refusals that are not in the sample.
//!
//! A caller can cause any number of refusals. Per minute, the first 20 of each combination of reason, authority and
//! identity prefix become events, at most 200 in all. The others are counted, and when the minute is over one event per
//! reason and authority states the count: "and 40 more of this kind". The count includes only refusals without an event
//! of their own, so events and counts together are the number of refusals. Memory and disk stay bounded even for a
//! million distinct refused identities.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use testudo_core::Entropy;
use testudo_core::records::{Event, EventKind};
use testudo_core::rejection::{Exceeded, Rejection};
use testudo_protocol::{Seconds, Timestamp};

const SAMPLES_PER_KEY: u32 = 20;
const SAMPLES_PER_MINUTE: u32 = 200;
const KEYS_MAX: usize = 1_000;
/// How long events of refusals are kept: shorter than events of clients, because any caller can cause them.
pub const REFUSAL_RETENTION: Seconds = Seconds(30 * 86_400);

/// Counts the refusals of the current minute.
#[derive(Default)]
pub struct RefusalLedger {
    minute: Mutex<Minute>,
}

#[derive(Default)]
struct Minute {
    number: i64,
    samples: u32,
    per_key: HashMap<(&'static str, String), u32>,
    left_out: HashMap<Like, LeftOut>,
}

/// A refusal, with the fields by which refusals are sampled and counted.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The kind of its event.
    pub kind: EventKind,
    /// Name of the rejection.
    pub reason: &'static str,
    /// Authority of the identity, or `unproven`.
    pub authority: &'a str,
    /// The first segments of the identity.
    pub prefix: &'a str,
}

/// The refusals that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Like {
    kind: EventKind,
    reason: &'static str,
    /// `None` for the refusals of all authorities beyond [`KEYS_MAX`], which are counted together.
    authority: Option<String>,
}

/// How many refusals have no event of their own, and in which period.
#[derive(Debug, Clone, Copy)]
pub struct LeftOut {
    count: u64,
    since: Timestamp,
    until: Timestamp,
}

impl LeftOut {
    fn join(&mut self, other: LeftOut) {
        self.count += other.count;
        self.since = self.since.min(other.since);
        self.until = self.until.max(other.until);
    }
}

impl Minute {
    fn leave_out(&mut self, mut like: Like, what: LeftOut) {
        if self.left_out.len() >= KEYS_MAX && !self.left_out.contains_key(&like) {
            like.authority = None;
        }
        self.left_out
            .entry(like)
            .and_modify(|known| known.join(what))
            .or_insert(what);
    }
}

impl RefusalLedger {
    /// Notes a refusal. True where it has to become an event of its own.
    pub fn note(&self, refused: Refused<'_>, now: Timestamp) -> bool {
        let mut minute = self.lock();
        if minute.number != now.0 / 60 {
            minute.number = now.0 / 60;
            minute.samples = 0;
            minute.per_key.clear();
        }
        let key = (refused.reason, format!("{}{}", refused.authority, refused.prefix));
        let has_room = minute.per_key.len() < KEYS_MAX || minute.per_key.contains_key(&key);
        if minute.samples < SAMPLES_PER_MINUTE && has_room {
            let seen = minute.per_key.entry(key).or_insert(0);
            *seen += 1;
            if *seen <= SAMPLES_PER_KEY {
                minute.samples += 1;
                return true;
            }
        }
        let like = Like {
            kind: refused.kind,
            reason: refused.reason,
            authority: Some(refused.authority.to_owned()),
        };
        let once = LeftOut {
            count: 1,
            since: now,
            until: now,
        };
        minute.leave_out(like, once);
        false
    }

    /// The counts since the last call, if the minute is over or the server stops.
    pub fn take_left_out(&self, now: Timestamp, is_stopping: bool) -> Vec<(Like, LeftOut)> {
        let mut minute = self.lock();
        let is_over = minute.number != now.0 / 60;
        match is_over || is_stopping {
            true => std::mem::take(&mut minute.left_out).into_iter().collect(),
            false => Vec::new(),
        }
    }

    /// Adds counts back that could not be written; the next event includes them.
    pub fn put_back(&self, left_out: Vec<(Like, LeftOut)>) {
        let mut minute = self.lock();
        for (like, what) in left_out {
            minute.leave_out(like, what);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Minute> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The event that states a count.
pub fn event_of_count(like: &Like, left_out: LeftOut, entropy: &Entropy, now: Timestamp) -> Event {
    let id = entropy.event_id(like.kind as u8);
    let mut event = Event::new(id, now, like.kind, now + REFUSAL_RETENTION);
    event.reason = Some(like.reason.to_owned());
    event.authority.clone_from(&like.authority);
    event.count = Some(left_out.count);
    event.detail = Some(format!(
        "and {} more of this kind from {} to {}, which have no events of their own",
        left_out.count, left_out.since, left_out.until
    ));
    event
}

/// The kind of the event of a rejection.
pub fn kind_of(rejection: &Rejection) -> EventKind {
    match rejection.exceeds() {
        Some(Exceeded::Rate) => EventKind::VelocityLimited,
        Some(Exceeded::Count) => EventKind::QuotaReached,
        None => EventKind::ClientRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<'a>(authority: &'a str, prefix: &'a str) -> Refused<'a> {
        Refused {
            kind: EventKind::ClientRefused,
            reason: "no_rule",
            authority,
            prefix,
        }
    }

    fn counts(ledger: &RefusalLedger, now: Timestamp) -> Vec<Event> {
        let entropy = Entropy {
            millis: 0,
            sequence: 0,
            random: [0; Entropy::RANDOM_BYTES],
        };
        let left_out = ledger.take_left_out(now, false);
        let events = left_out
            .iter()
            .map(|(like, what)| event_of_count(like, *what, &entropy, now));
        events.collect()
    }

    // Row RF-67.
    #[test]
    fn memory_for_many_refusals_is_bounded_and_every_refusal_is_counted() {
        let ledger = RefusalLedger::default();
        let now = Timestamp(60);
        let sampled = (0..200_000)
            .filter(|n| ledger.note(refused("spiffe://a.example", &format!("/p{n}")), now))
            .count();
        assert_eq!(sampled, SAMPLES_PER_MINUTE as usize);
        assert!(ledger.lock().per_key.len() <= KEYS_MAX);
        let events = counts(&ledger, Timestamp(120));
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].count, Some(200_000 - u64::from(SAMPLES_PER_MINUTE)));
    }

    #[test]
    fn of_sixty_equal_refusals_twenty_are_events_and_one_event_counts_the_forty_others() {
        let ledger = RefusalLedger::default();
        let sampled = (0..60)
            .filter(|_| ledger.note(refused("a", "/x"), Timestamp(5)))
            .count();
        assert_eq!(sampled, 20);
        assert_eq!(counts(&ledger, Timestamp(59)), [], "the minute is not over");
        let events = counts(&ledger, Timestamp(61));
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].count, Some(40));
        assert_eq!(events[0].event, EventKind::ClientRefused);
        let detail = events[0].detail.as_deref().unwrap();
        assert!(
            detail.starts_with("and 40 more of this kind from 1970-01-01T00:00:05Z to"),
            "{detail}"
        );
        assert_eq!(counts(&ledger, Timestamp(121)), []);
        assert!(ledger.note(refused("a", "/x"), Timestamp(130)), "a new minute");
    }

    #[test]
    fn refusals_that_are_all_events_have_no_count() {
        let ledger = RefusalLedger::default();
        (0..20).for_each(|_| assert!(ledger.note(refused("a", "/x"), Timestamp(5))));
        assert!(ledger.note(refused("a", "/y"), Timestamp(5)), "another prefix");
        assert_eq!(counts(&ledger, Timestamp(61)), []);
    }

    #[test]
    fn count_that_could_not_be_written_is_in_the_next_one() {
        let ledger = RefusalLedger::default();
        let events = |number: u32, at: i64| {
            (0..number)
                .filter(|_| ledger.note(refused("a", "/x"), Timestamp(at)))
                .count()
        };
        assert_eq!(events(30, 5), 20);
        let taken = ledger.take_left_out(Timestamp(6), true);
        assert_eq!(taken.len(), 1, "a server that stops does not wait for the minute");
        ledger.put_back(taken);
        assert_eq!(events(25, 65), 20);
        assert_eq!(counts(&ledger, Timestamp(121))[0].count, Some(15));
    }

    #[test]
    fn refusals_of_more_authorities_than_are_remembered_are_counted_together() {
        let ledger = RefusalLedger::default();
        let now = Timestamp(5);
        let number = 3 * KEYS_MAX as u64;
        let sampled = (0..number)
            .filter(|n| ledger.note(refused(&format!("a{n}"), ""), now))
            .count() as u64;
        let events = counts(&ledger, Timestamp(61));
        assert_eq!(events.len(), KEYS_MAX + 1);
        let counted: u64 = events.iter().filter_map(|event| event.count).sum();
        assert_eq!(sampled + counted, number);
    }
}
