//! The status lists of issuers of verifiable credentials. [TSL §8] [BITSTRING §3.2]
//!
//! A list is fetched only for a credential whose signature was verified, and only from an origin that the entry of its
//! issuer names. Each list has one fetch at a time, in a task of its own, for all requests that wait for it. After a
//! failure it is not fetched again for a while; whether the list before may be used meanwhile is decided in
//! `core/doors/shared/credential_status.rs`.

mod fetch;
mod turns;

use super::anchor::{Anchor, NO_PAUSES};
use crate::state::clock::Clock;
use crate::state::metrics::FetchLabel;
use crate::state::moment::Moment;
use arc_swap::ArcSwap;
use fetch::{Asked, Fault};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testudo_core::doors::{AuthorityKeys, ListFailure, ListForm, ListFound, StatusNeeded, fresh_for};
use testudo_core::identity::Signer;
use testudo_fetch::{Fetcher, Held, Kept, NotFetched};
use testudo_protocol::credentials::status::StatusList;
use testudo_protocol::{Seconds, Timestamp};
use turns::Turns;

/// Most bytes of lists in memory; the least used list is dropped first. They are 500 million entries of one bit.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What a list counts for at least, so that the number of lists is bounded too: 4,096.
const BYTES_COUNTED_MIN: u64 = 16 * 1024;
/// The expected number of lists. With less than 64, the cache has one part, and the largest list fits into it.
const LISTS_EXPECTED: usize = 32;
/// Most fetches at the same time. Each needs memory for a list as it is sent and for its values.
const FETCHES_MAX: usize = 8;
/// Most fetches at the same time for one issuer: slow lists of one issuer must not delay the clients of all others.
const FETCHES_OF_ISSUER_MAX: usize = 2;
/// For how long a list is not fetched again after a failure.
const PAUSE: Seconds = Seconds(30);

/// The lists in memory.
pub struct StatusLists {
    entries: Arc<Entries>,
    fetcher: Arc<ArcSwap<Fetcher>>,
    turns: Arc<Turns>,
    /// Fetches by outcome.
    fetches: Family<FetchLabel, Counter>,
}

type Entries = Cache<Name, Weighed, Weight>;

/// A list is one of an issuer: two issuers that name the same URL sign with different keys.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name {
    authority: Box<str>,
    form: ListForm,
    url: Box<str>,
}

/// An entry of the cache with its weight, which must not change while it is in the cache.
#[derive(Clone)]
struct Weighed {
    entry: Arc<Entry>,
    bytes: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Name, Weighed> for Weight {
    fn weight(&self, _: &Name, weighed: &Weighed) -> u64 {
        weighed.bytes.max(BYTES_COUNTED_MIN)
    }
}

/// What is known of a list, with the moment of its last fetch. A failure is kept as well.
type Entry = Kept<Known, Moment>;

#[derive(Default)]
struct Known {
    good: Option<Arc<Good>>,
    /// Why the last fetch failed.
    failure: Option<ListFailure>,
    /// The failure was a limit of this server, so the next request begins another fetch.
    is_shed: bool,
}

/// The last list that was verified.
struct Good {
    list: Arc<StatusList>,
    /// The keys with which it was verified: after a change, the list is fetched again, since it may be signed with a key
    /// that its issuer withdrew.
    keys: AuthorityKeys,
    /// What is kept of the key that verified it.
    signer: Option<Signer>,
    fetched: Moment,
    fresh_for: Seconds,
    /// True if an event states that the list is used although it is not fresh.
    has_event: AtomicBool,
}

impl Good {
    /// For how long the list has not been fresh; zero while it is.
    fn overdue(&self, keys: &AuthorityKeys, now: Moment) -> Seconds {
        let age = self.fetched.age(now);
        match self.keys.are(keys) {
            true if age < self.fresh_for => Seconds(0),
            true => Seconds(1 + age.0 - self.fresh_for.0),
            false => age.max(Seconds(1)),
        }
    }

    /// True if the key that signed the list is still one of its issuer. An attacker with a stolen key, which was withdrawn
    /// for that, could have signed the list.
    fn is_signed_with(&self, keys: &AuthorityKeys) -> bool {
        self.keys.are(keys) || self.signer.is_some_and(|signer| keys.have_signer(&signer))
    }
}

/// Outcomes of fetches, as the metric names them.
const OUTCOMES: [&str; 4] = ["fetched", "refused", "failed", "shed"];

/// What is known of a list, for the decision.
pub struct Answer {
    /// The list, or why there is none.
    pub found: ListFound,
    good: Option<Arc<Good>>,
}

impl Answer {
    /// The lists of the credential were not read in the time that its request has.
    pub fn too_late() -> Answer {
        Answer {
            found: ListFound {
                failure: Some(ListFailure::Unavailable {
                    why: "the lists of the credential were not fetched in time".to_owned(),
                    again_after: Seconds(1),
                }),
                ..ListFound::default()
            },
            good: None,
        }
    }

    /// True for the first request for which a list is used although it is not fresh.
    pub fn is_news(&self) -> bool {
        self.good
            .as_ref()
            .is_some_and(|good| !good.has_event.swap(true, Ordering::Relaxed))
    }
}

impl StatusLists {
    /// No lists yet. They are fetched with `fetcher`, and the fetches are counted in `fetches`.
    pub fn new(fetcher: Arc<ArcSwap<Fetcher>>, fetches: Family<FetchLabel, Counter>) -> StatusLists {
        for outcome in OUTCOMES {
            drop(fetches.get_or_create(&FetchLabel { outcome }));
        }
        StatusLists {
            entries: Arc::new(Cache::with_weighter(LISTS_EXPECTED, BYTES_MAX, Weight)),
            fetcher,
            turns: Arc::new(Turns::new(FETCHES_MAX, FETCHES_OF_ISSUER_MAX)),
            fetches,
        }
    }

    /// What is known of the list that a credential of the authority of `anchor` refers to, whose keys are `keys`. A list
    /// that is not fresh is fetched first.
    pub async fn get(
        &self,
        clock: &Clock,
        needed: &StatusNeeded<'_>,
        anchor: &Arc<Anchor>,
        keys: &AuthorityKeys,
    ) -> Answer {
        let name = Name {
            authority: needed.authority.key().into(),
            form: needed.list.form,
            url: needed.list.url.into(),
        };
        let entry = self.entry(&name);
        let now = Moment::now(clock);
        let held = entry.held();
        if let Some(held) = &held
            && is_enough(held, keys, now)
        {
            return answer(&held.value, keys, now);
        }
        let asked = Asked {
            url: needed.list.url.to_owned(),
            issuer: needed.list.issuer.to_owned(),
            form: needed.list.form,
            anchor: anchor.clone(),
            now,
        };
        let before = held.and_then(|held| held.value.good.clone());
        if let Some(running) = entry.fetch(now, || self.fetch(name, entry.clone(), asked, before)) {
            running.ended().await;
        }
        let now = Moment::now(clock);
        // The keys may have been fetched again for the list.
        let keys = anchor.current(now).unwrap_or_else(|| keys.clone());
        match entry.held() {
            Some(held) => answer(&held.value, &keys, now),
            None => answer(&Known::default(), &keys, now),
        }
    }

    fn entry(&self, name: &Name) -> Arc<Entry> {
        // The pauses follow from the age of what the entry has.
        let new = || {
            Ok::<_, std::convert::Infallible>(Weighed {
                entry: Arc::new(Entry::new(NO_PAUSES)),
                bytes: 0,
            })
        };
        match self.entries.get_or_insert_with(name, new) {
            Ok(weighed) => weighed.entry,
            Err(never) => match never {},
        }
    }

    /// One fetch, counted by its outcome. Its failure is a value, which is kept for [`PAUSE`] beside the list before.
    fn fetch(
        &self,
        name: Name,
        entry: Arc<Entry>,
        asked: Asked,
        before: Option<Arc<Good>>,
    ) -> impl Future<Output = Result<Known, NotFetched>> + Send + use<> {
        let (fetcher, fetches) = (self.fetcher.load_full(), self.fetches.clone());
        let (entries, turns) = (self.entries.clone(), self.turns.clone());
        async move {
            let fetched = match turns.of(&name.authority).await {
                Ok(_turn) => fetch::fetch(&fetcher, &asked).await,
                Err(shed) => Err(shed),
            };
            let fetched = fetched.and_then(|fetched| match is_older(&fetched.list, before.as_deref()) {
                true => Err(Fault::Refused(
                    "it is older than the list that was fetched before".to_owned(),
                )),
                false => Ok(fetched),
            });
            let outcome = match &fetched {
                Ok(_) => "fetched",
                Err(fault) => fault.outcome(),
            };
            fetches.get_or_create(&FetchLabel { outcome }).inc();
            Ok(match fetched {
                Ok(fetch::Verified { list, keys, signer }) => {
                    let bytes = list.bytes() as u64;
                    entries.insert(name, Weighed { entry, bytes });
                    let fresh_for = fresh_for(&list, asked.now.wall());
                    Known {
                        good: Some(Arc::new(Good {
                            list: Arc::new(list),
                            keys,
                            signer,
                            fetched: asked.now,
                            fresh_for,
                            has_event: AtomicBool::new(false),
                        })),
                        ..Known::default()
                    }
                }
                Err(fault) => {
                    tracing::warn!(
                        event = "status_list.failed",
                        authority = &*name.authority,
                        url = &*name.url,
                        fault = fault.why(),
                        "a status list could not be fetched, or is refused"
                    );
                    Known {
                        good: before,
                        is_shed: matches!(fault, Fault::Shed(_)),
                        failure: Some(fault.into_failure(PAUSE)),
                    }
                }
            })
        }
    }
}

/// True if the list need not be fetched now: it is fresh, or a fetch failed within [`PAUSE`].
fn is_enough(held: &Held<Known, Moment>, keys: &AuthorityKeys, now: Moment) -> bool {
    let is_fresh = |good: &Arc<Good>| good.overdue(keys, now) == Seconds(0) && !is_over(good, now.wall());
    held.value.good.as_ref().is_some_and(is_fresh)
        || (held.value.failure.is_some()
            && !held.value.is_shed
            && testudo_fetch::Moment::age(&held.confirmed, now) < Duration::from_secs(PAUSE.0.unsigned_abs()))
}

/// True if the list was issued before the one in memory: an attacker who publishes it again hides what was revoked since. So
/// does a list that does not state it any more.
fn is_older(list: &StatusList, before: Option<&Good>) -> bool {
    let before = before.and_then(|good| good.list.issued);
    match (list.issued, before) {
        (Some(issued), Some(before)) => issued < before,
        (None, Some(_)) => true,
        (Some(_) | None, None) => false,
    }
}

fn is_over(good: &Good, now: Timestamp) -> bool {
    good.list.expires.is_some_and(|expires| now >= expires)
}

fn answer(known: &Known, keys: &AuthorityKeys, now: Moment) -> Answer {
    let good = known.good.clone().filter(|good| good.is_signed_with(keys));
    Answer {
        found: ListFound {
            list: good.as_ref().map(|good| good.list.clone()),
            overdue: good.as_ref().map_or(Seconds(0), |good| good.overdue(keys, now)),
            failure: known.failure.clone(),
        },
        good,
    }
}

#[cfg(test)]
mod tests;
