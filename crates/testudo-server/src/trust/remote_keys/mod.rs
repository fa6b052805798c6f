//! Key sets that registered clients publish themselves (`jwks_uri`). [RFC7591 §2]
//!
//! Strangers wrote these URLs: they are fetched by the guarded client, from public addresses and port 443 only, when
//! a client shows an assertion that a good signature would let in, and never before; each place not more often than
//! every 30 s, one at a time, within 3 s, and each host not more often than its share. A failed fetch keeps the last
//! good keys for an hour.

mod hosts;
mod place;

use crate::state::clock::Clock;
use crate::state::metrics::FetchLabel;
use crate::state::moment::Moment;
use arc_swap::ArcSwapOption;
use hosts::Hosts;
pub(crate) use place::Place;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use quick_cache::sync::Cache;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use testudo_core::metadata::keys::key_set;
use testudo_fetch::{FetchFault, FetchLimits, Fetcher, UrlOrigin};
use testudo_protocol::jose::KeySet;
use testudo_protocol::{Seconds, json};
use url::Url;

/// Key sets held; the ones least used go first.
const KEY_SETS_MAX: usize = 1_000;
/// A document, bytes. Registered by value, a key set has as many.
const BYTES_MAX: usize = 16 * 1024;
/// Younger keys are used without a look at where they come from.
const FRESH: Seconds = Seconds(300);
/// Older keys are not used, however long the place is away.
const STALE_MAX: Seconds = Seconds(3600);
/// Pause between fetches of one place, for all clients together.
const PAUSE: Seconds = Seconds(30);
/// A request waits for this.
const DEADLINE: Duration = Duration::from_secs(3);

/// The key sets held, by place.
pub struct RemoteKeys {
    entries: Entries,
    hosts: Hosts,
    fetches: Fetches,
}

/// Counts fetches by outcome.
type Fetches = Family<FetchLabel, Counter>;

struct Entries(Cache<String, Arc<Entry>>);

impl Default for Entries {
    fn default() -> Entries {
        Entries(Cache::new(KEY_SETS_MAX))
    }
}

#[derive(Default)]
struct Entry {
    held: ArcSwapOption<(Arc<KeySet>, Moment)>,
    tried: Mutex<Tried>,
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Tried {
    last: Option<Moment>,
    /// Why the last one failed.
    why: Option<String>,
}

impl RemoteKeys {
    /// Nothing held; fetches are counted in `fetches`.
    pub fn new(fetches: Fetches) -> RemoteKeys {
        // Shown as zero from the start: an alert on a series that appears with its first event misses that event.
        for outcome in ["fetched", "failed", "shed"] {
            drop(fetches.get_or_create(&FetchLabel { outcome }));
        }
        RemoteKeys {
            entries: Entries::default(),
            hosts: Hosts::default(),
            fetches,
        }
    }

    /// The keys at a place, fetched if they are old or do not have `kid`, and if it `is_worth` a fetch; why not, where
    /// there are none.
    pub(crate) async fn get(
        &self,
        (fetcher, clock): (&Arc<Fetcher>, &Clock),
        place: &Place,
        kid: Option<&str>,
        is_worth: impl FnOnce() -> bool,
    ) -> Result<Arc<KeySet>, String> {
        let entry = self.entries.at(place.0.as_str());
        if let Some(keys) = entry.enough(kid, Moment::now(clock)) {
            return Ok(keys);
        }
        if is_worth() {
            let turn = entry.one_at_a_time.clone().lock_owned().await;
            let now = Moment::now(clock);
            // The request that had the turn before may have brought what is wanted.
            if entry.enough(kid, now).is_none() && entry.is_due(now) && self.may_visit(place, now) {
                let fetches = self.fetches.clone();
                let (entry, fetcher, url) = (entry.clone(), fetcher.clone(), place.0.clone());
                // Not by the request: a caller that hangs up would use up the pause of the client's own requests.
                let fetching = tokio::spawn(async move {
                    let outcome = entry.fetch(&fetcher, &url, now).await;
                    fetches.get_or_create(&FetchLabel { outcome }).inc();
                    drop(turn);
                });
                // A panic in there is logged by the runtime; what is held is what there is.
                let _ = fetching.await;
            }
        }
        entry.usable(Moment::now(clock))
    }

    fn may_visit(&self, place: &Place, now: Moment) -> bool {
        let may = self.hosts.may_visit(place.0.host_str().unwrap_or_default(), now);
        if !may {
            self.fetches.get_or_create(&FetchLabel { outcome: "shed" }).inc();
        }
        may
    }
}

impl Entries {
    fn at(&self, url: &str) -> Arc<Entry> {
        let new = || Ok::<_, std::convert::Infallible>(Arc::default());
        match self.0.get_or_insert_with(url, new) {
            Ok(place) => place,
            Err(never) => match never {},
        }
    }
}

impl Entry {
    /// Keys that need no look at where they come from.
    fn enough(&self, kid: Option<&str>, now: Moment) -> Option<Arc<KeySet>> {
        let held = self.held.load();
        let (keys, since) = held.as_deref()?;
        let has_key = kid.is_none_or(|kid| keys.has_kid(kid));
        (has_key && since.age(now) <= FRESH).then(|| keys.clone())
    }

    /// Keys, as long as they may be used at all.
    fn usable(&self, now: Moment) -> Result<Arc<KeySet>, String> {
        let held = self.held.load();
        if let Some((keys, since)) = held.as_deref()
            && since.age(now) <= STALE_MAX
        {
            return Ok(keys.clone());
        }
        let why = self.tried().why.clone();
        Err(why.unwrap_or_else(|| "they were not fetched".into()))
    }

    fn tried(&self) -> std::sync::MutexGuard<'_, Tried> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self, now: Moment) -> bool {
        self.tried().last.is_none_or(|last| last.age(now) >= PAUSE)
    }

    /// One fetch; how it ended, for the metric.
    async fn fetch(&self, fetcher: &Fetcher, url: &Url, now: Moment) -> &'static str {
        self.tried().last = Some(now);
        let outcome = fetch(fetcher, url).await;
        let mut tried = self.tried();
        match outcome {
            Ok(keys) => {
                self.held.store(Some(Arc::new((Arc::new(keys), now))));
                tried.why = None;
                "fetched"
            }
            Err(fault) => {
                tracing::debug!(
                    url = url.as_str(),
                    why = fault.why,
                    "the keys of a registered client cannot be had"
                );
                tried.why = Some(fault.why);
                if !fault.is_ours {
                    return "failed";
                }
                // The place was not asked, so it needs no pause.
                tried.last = None;
                "shed"
            }
        }
    }
}

struct NotFetched {
    why: String,
    /// One of our own limits, not the place.
    is_ours: bool,
}

async fn fetch(fetcher: &Fetcher, url: &Url) -> Result<KeySet, NotFetched> {
    let limits = FetchLimits {
        body_bytes_max: BYTES_MAX,
        deadline: DEADLINE,
    };
    let theirs = |why: String| NotFetched { why, is_ours: false };
    let fetched = fetcher.get(url, UrlOrigin::Stranger, limits).await;
    let fetched = fetched.map_err(|fault| NotFetched {
        is_ours: matches!(fault, FetchFault::Busy { .. }),
        why: fault.to_string(),
    })?;
    if fetched.status != 200 {
        return Err(theirs(format!("the server answers {}", fetched.status)));
    }
    let document = json::from_slice(&fetched.body).map_err(|fault| theirs(fault.to_string()))?;
    key_set(&document).map_err(|rejection| theirs(rejection.to_string()))
}
