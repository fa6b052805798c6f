//! Key sets that registered clients publish themselves (`jwks_uri`). [RFC7591 §2]
//!
//! Any client may register such a URL: it is fetched by the guarded client, from public addresses and port 443 only,
//! when a client shows an assertion that a good signature would let in, and never before; each place not more often than
//! every 30 s, one at a time, within 3 s, and each host not more often than its share. A failed fetch keeps the last
//! good keys for an hour.

mod hosts;
mod place;

use crate::state::clock::Clock;
use crate::state::metrics::FetchLabel;
use crate::state::moment::Moment;
use arc_swap::ArcSwap;
use hosts::Hosts;
pub(crate) use place::Place;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::time::Duration;
use testudo_core::metadata::keys::key_set;
use testudo_fetch::{FetchFault, FetchLimits, Fetcher, Kept, NotFetched, Pauses, UrlOrigin};
use testudo_protocol::jose::KeySet;
use testudo_protocol::json;
use url::Url;

/// Key sets held; the ones least used go first.
const KEY_SETS_MAX: usize = 1_000;
/// A document, bytes. Registered by value, a key set has as many.
const BYTES_MAX: usize = 16 * 1024;
/// Younger keys are used without a fetch.
const FRESH: Duration = Duration::from_secs(300);
/// Older keys are not used, even if the URL cannot be fetched.
const STALE_MAX: Duration = Duration::from_secs(3600);
/// Pause between fetches of one place, for all clients together.
const PAUSE: Duration = Duration::from_secs(30);
/// A request waits for this.
const DEADLINE: Duration = Duration::from_secs(3);

/// The key sets held, by place.
pub struct RemoteKeys {
    entries: Cache<String, Arc<Entry>>,
    fetcher: Arc<ArcSwap<Fetcher>>,
    hosts: Arc<Hosts>,
    fetches: Fetches,
}

/// Counts fetches by outcome.
type Fetches = Family<FetchLabel, Counter>;

/// The key set of one place.
type Entry = Kept<KeySet, Moment>;

const PAUSES: Pauses = Pauses {
    between: PAUSE,
    after_failure: PAUSE,
    after_failure_max: PAUSE,
};

impl RemoteKeys {
    /// Nothing held; it is fetched with `fetcher` and counted in `fetches`.
    pub fn new(fetcher: Arc<ArcSwap<Fetcher>>, fetches: Fetches) -> RemoteKeys {
        // Shown as zero from the start: an alert on a series that appears with its first event misses that event.
        for outcome in ["fetched", "failed", "shed"] {
            drop(fetches.get_or_create(&FetchLabel { outcome }));
        }
        RemoteKeys {
            entries: Cache::new(KEY_SETS_MAX),
            fetcher,
            hosts: Arc::default(),
            fetches,
        }
    }

    /// The keys at a place, fetched if they are old or do not have `kid`, and if it `is_worth` a fetch; why not, where
    /// there are none.
    pub(crate) async fn get(
        &self,
        clock: &Clock,
        place: &Place,
        kid: Option<&str>,
        is_worth: impl FnOnce() -> bool,
    ) -> Result<Arc<KeySet>, String> {
        let entry = self.at(place);
        let now = Moment::now(clock);
        if let Some(keys) = enough(&entry, kid, now) {
            return Ok(keys);
        }
        if is_worth()
            && let Some(running) = entry.fetch(now, || self.fetch(place.0.clone(), now))
        {
            running.ended().await;
        }
        let usable = entry.younger_than(STALE_MAX, Moment::now(clock));
        usable.ok_or_else(|| {
            entry
                .last_error()
                .unwrap_or_else(|| "they were not fetched".into())
        })
    }

    fn at(&self, place: &Place) -> Arc<Entry> {
        let new = || Ok::<_, std::convert::Infallible>(Arc::new(Entry::new(PAUSES)));
        match self.entries.get_or_insert_with(place.0.as_str(), new) {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }

    /// One fetch, counted by how it ended.
    fn fetch(
        &self,
        url: Url,
        now: Moment,
    ) -> impl Future<Output = Result<KeySet, NotFetched>> + Send + use<> {
        let (fetcher, hosts, fetches) = (self.fetcher.load_full(), self.hosts.clone(), self.fetches.clone());
        async move {
            let outcome = if hosts.may_visit(url.host_str().unwrap_or_default(), now) {
                fetch(&fetcher, &url).await
            } else {
                Err(NotFetched {
                    why: "the host was asked too often within a minute".to_owned(),
                    was_asked: false,
                })
            };
            let label = match &outcome {
                Ok(_) => "fetched",
                Err(fault) if fault.was_asked => "failed",
                Err(_) => "shed",
            };
            if let Err(fault) = &outcome {
                let (url, why) = (url.as_str(), &fault.why);
                tracing::debug!(url, why, "the keys of a registered client cannot be had");
            }
            fetches.get_or_create(&FetchLabel { outcome: label }).inc();
            outcome
        }
    }
}

/// Keys that need no fetch.
fn enough(entry: &Entry, kid: Option<&str>, now: Moment) -> Option<Arc<KeySet>> {
    let keys = entry.younger_than(FRESH, now)?;
    kid.is_none_or(|kid| keys.has_kid(kid)).then_some(keys)
}

async fn fetch(fetcher: &Fetcher, url: &Url) -> Result<KeySet, NotFetched> {
    let limits = FetchLimits {
        body_bytes_max: BYTES_MAX,
        deadline: DEADLINE,
    };
    let fetched = fetcher.get(url, UrlOrigin::Client, limits).await;
    let fetched = fetched.map_err(|fault| NotFetched {
        was_asked: !matches!(fault, FetchFault::Busy { .. }),
        why: fault.to_string(),
    })?;
    if fetched.status != 200 {
        return Err(NotFetched::after_asking(format!(
            "the server answers {}",
            fetched.status
        )));
    }
    let document =
        json::from_slice(&fetched.body).map_err(|fault| NotFetched::after_asking(fault.to_string()))?;
    key_set(&document).map_err(|rejection| NotFetched::after_asking(rejection.to_string()))
}
