//! Key sets that registered clients publish themselves (`jwks_uri`). [RFC7591 §2]
//!
//! Strangers wrote these URLs: they are fetched by the guarded client, from public addresses only, when somebody
//! shows an assertion of that client and never before; not more often than every 30 s, one at a time, within 3 s.
//! A failed fetch keeps the last good keys for an hour.

use crate::clock::Clock;
use arc_swap::ArcSwapOption;
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use testudo_core::registration::requested::key_set;
use testudo_fetch::{FetchLimits, Fetcher, UrlOrigin};
use testudo_protocol::jose::KeySet;
use testudo_protocol::{Seconds, Timestamp, json};

/// Key sets held; the ones least used go first.
const KEY_SETS_MAX: usize = 1_000;
/// A document, bytes. Registered by value, a key set has as many.
const BYTES_MAX: usize = 16 * 1024;
/// Younger keys are used without a look at where they come from.
const FRESH: Seconds = Seconds(300);
/// Older keys are not used, however long the place is away.
const STALE_MAX: Seconds = Seconds(3600);
/// Pause between fetches of one URL, whoever asks.
const PAUSE: Seconds = Seconds(30);
/// A request waits for this.
const DEADLINE: Duration = Duration::from_secs(3);

/// The key sets held, by URL.
pub struct RemoteKeys {
    places: Cache<String, Arc<Place>>,
}

struct Place {
    held: ArcSwapOption<(Arc<KeySet>, Timestamp)>,
    tried: AtomicI64,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Default for RemoteKeys {
    fn default() -> RemoteKeys {
        RemoteKeys {
            places: Cache::new(KEY_SETS_MAX),
        }
    }
}

impl RemoteKeys {
    /// The keys at `url`, fetched if they are old or do not have `kid`.
    pub async fn get(
        &self,
        fetcher: &Fetcher,
        clock: &Clock,
        url: &str,
        kid: Option<&str>,
    ) -> Option<Arc<KeySet>> {
        let place = self.place(url);
        let is_enough = |now: Timestamp| {
            let held = place.held.load();
            let held = held.as_ref()?;
            let has_key = kid.is_none_or(|kid| held.0.has_kid(kid));
            (has_key && now - held.1 <= FRESH).then(|| held.0.clone())
        };
        if let Some(keys) = is_enough(clock.now()) {
            return Some(keys);
        }
        let _turn = place.one_at_a_time.lock().await;
        let now = clock.now();
        // Whoever had the turn before may have brought what is wanted.
        if let Some(keys) = is_enough(now) {
            return Some(keys);
        }
        let tried = place.tried.load(Ordering::Relaxed);
        if tried == i64::MIN || now.0.saturating_sub(tried) >= PAUSE.0 {
            place.tried.store(now.0, Ordering::Relaxed);
            match fetch(fetcher, url).await {
                Ok(keys) => place.held.store(Some(Arc::new((Arc::new(keys), now)))),
                Err(why) => tracing::debug!(url, why, "the keys of a registered client cannot be had"),
            }
        }
        let held = place.held.load();
        let (keys, since) = held.as_deref()?;
        (now - *since <= STALE_MAX).then(|| keys.clone())
    }

    fn place(&self, url: &str) -> Arc<Place> {
        let new = || {
            Ok::<_, std::convert::Infallible>(Arc::new(Place {
                held: ArcSwapOption::empty(),
                tried: AtomicI64::new(i64::MIN),
                one_at_a_time: tokio::sync::Mutex::default(),
            }))
        };
        match self.places.get_or_insert_with(url, new) {
            Ok(place) => place,
            Err(never) => match never {},
        }
    }
}

async fn fetch(fetcher: &Fetcher, url: &str) -> Result<KeySet, String> {
    let url = url::Url::parse(url).map_err(|error| error.to_string())?;
    let limits = FetchLimits {
        body_bytes_max: BYTES_MAX,
        deadline: DEADLINE,
    };
    let fetched = fetcher.get(&url, UrlOrigin::Stranger, limits).await;
    let fetched = fetched.map_err(|fault| fault.to_string())?;
    if fetched.status != 200 {
        return Err(format!("the server answers {}", fetched.status));
    }
    let document = json::from_slice(&fetched.body).map_err(|fault| fault.to_string())?;
    key_set(&document).map_err(|rejection| rejection.to_string())
}
