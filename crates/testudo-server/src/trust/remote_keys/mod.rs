//! Key sets that registered clients publish themselves (`jwks_uri`). [RFC7591 §2]
//!
//! Any client may register such a URL, so an attacker can. It is fetched by the guarded client, from public addresses
//! and port 443 only, and only for an assertion that would be accepted if its signature is valid. Each URL is fetched
//! at most once per 30 s, with one fetch at a time and 3 s for each, and each host at most 60 times per minute. After a
//! failed fetch, the last good keys are used for one hour.

mod hosts;
mod key_set_url;

use crate::state::clock::Clock;
use crate::state::metrics::FetchLabel;
use crate::state::moment::Moment;
use arc_swap::ArcSwap;
use hosts::Hosts;
pub(crate) use key_set_url::KeySetUrl;
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

/// Most key sets in memory; the least used one is dropped first.
const KEY_SETS_MAX: usize = 1_000;
/// Most bytes of a key set: as many as a client may register by value in `jwks`.
const BYTES_MAX: usize = 16 * 1024;
/// Keys up to this age are used without a fetch.
const FRESH: Duration = Duration::from_secs(300);
/// Keys beyond this age are not used, even if the URL cannot be fetched.
const STALE_MAX: Duration = Duration::from_secs(3600);
/// Pause between fetches of one URL, for all clients together.
const PAUSE: Duration = Duration::from_secs(30);
/// Most time for one fetch. The request that needs the keys waits for it.
const DEADLINE: Duration = Duration::from_secs(3);

/// The key sets in memory, by URL.
pub struct RemoteKeys {
    entries: Cache<String, Arc<Entry>>,
    fetcher: Arc<ArcSwap<Fetcher>>,
    hosts: Arc<Hosts>,
    fetches: Fetches,
}

/// Counts fetches by outcome.
type Fetches = Family<FetchLabel, Counter>;

/// The key set of one URL.
type Entry = Kept<KeySet, Moment>;

const PAUSES: Pauses = Pauses {
    between: PAUSE,
    after_failure: PAUSE,
    after_failure_max: PAUSE,
};

impl RemoteKeys {
    /// No key sets yet. They are fetched with `fetcher`, and the fetches are counted in `fetches`.
    pub fn new(fetcher: Arc<ArcSwap<Fetcher>>, fetches: Fetches) -> RemoteKeys {
        // Each outcome has its series from the start: an alert on a series that appears with its first event misses
        // that event.
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

    /// The keys at a URL. They are fetched if they are older than [`FRESH`] or lack `kid`, and if `is_worth` says that
    /// a fetch is justified. The error states why there are no keys.
    pub(crate) async fn get(
        &self,
        clock: &Clock,
        url: &KeySetUrl,
        kid: Option<&str>,
        is_worth: impl FnOnce() -> bool,
    ) -> Result<Arc<KeySet>, String> {
        let entry = self.at(url);
        let now = Moment::now(clock);
        if let Some(keys) = enough(&entry, kid, now) {
            return Ok(keys);
        }
        if is_worth()
            && let Some(running) = entry.fetch(now, || self.fetch(url.0.clone(), now))
        {
            running.ended().await;
        }
        let usable = entry.younger_than(STALE_MAX, Moment::now(clock));
        usable.ok_or_else(|| {
            entry
                .last_error()
                .unwrap_or_else(|| "the keys were not fetched".into())
        })
    }

    fn at(&self, url: &KeySetUrl) -> Arc<Entry> {
        let new = || Ok::<_, std::convert::Infallible>(Arc::new(Entry::new(PAUSES)));
        match self.entries.get_or_insert_with(url.0.as_str(), new) {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }

    /// One fetch, counted by its outcome.
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
                    why: "the host was already asked for key sets too often within this minute".to_owned(),
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
                tracing::debug!(
                    event = "client_keys.unavailable",
                    url,
                    fault = why,
                    "the key set of a registered client could not be fetched"
                );
            }
            fetches.get_or_create(&FetchLabel { outcome: label }).inc();
            outcome
        }
    }
}

/// The keys in memory, where they need no fetch.
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
