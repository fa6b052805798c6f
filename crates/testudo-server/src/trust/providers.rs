//! OpenID providers at which people sign in: their metadata and keys, and the exchange of a code. [OIDCD §4]
//!
//! Metadata and keys are fetched when a person signs in, and kept in memory. The URLs in the metadata are those of a
//! provider that the administrator trusts to say who a person is.

use crate::config::ProviderSettings;
use crate::state::clock::Clock;
use crate::state::moment::Moment;
use arc_swap::ArcSwap;
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::time::Duration;
use testudo_fetch::{FetchLimits, Fetcher, Kept, NotFetched, Outgoing, Pauses, UrlOrigin};
use testudo_protocol::jose::KeySet;
use testudo_protocol::limits::{ISSUER_METADATA_BYTES_MAX, PROVIDER_ANSWER_BYTES_MAX};
use testudo_protocol::openid::ProviderMetadata;
use tokio::sync::Semaphore;
use url::Url;

/// Most providers in memory; the least used one is dropped first. More than a configuration has: a reload can name others.
const PROVIDERS_MAX: usize = 1_000;
/// Metadata and keys up to this age are used without a fetch.
const FRESH: Duration = Duration::from_secs(3600);
/// Metadata and keys beyond this age are not used, also if the provider cannot be reached.
const STALE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most bytes of a key set.
const KEYS_BYTES_MAX: usize = 256 * 1024;
/// Most time for one request. The browser waits for it.
const DEADLINE: Duration = Duration::from_secs(8);
/// Most exchanges of codes at the same time, for all providers: each one holds a connection and a request.
const EXCHANGES_MAX: usize = 64;

const PAUSES: Pauses = Pauses {
    between: Duration::from_secs(30),
    after_failure: Duration::from_secs(5),
    after_failure_max: Duration::from_secs(30),
};

/// All providers.
pub struct Providers {
    entries: Cache<String, Arc<Entry>>,
    fetcher: Arc<ArcSwap<Fetcher>>,
    exchanges: Semaphore,
}

/// What is kept of one provider.
struct Entry {
    metadata: Arc<Kept<ProviderMetadata, Moment>>,
    keys: Arc<Kept<KeysAt, Moment>>,
}

/// Keys, and where they were found.
struct KeysAt {
    url: Url,
    keys: Arc<KeySet>,
}

impl Providers {
    /// Nothing is known yet.
    pub fn new(fetcher: Arc<ArcSwap<Fetcher>>) -> Providers {
        Providers {
            entries: Cache::new(PROVIDERS_MAX),
            fetcher,
            exchanges: Semaphore::new(EXCHANGES_MAX),
        }
    }

    /// The metadata of the provider. The error is a sentence.
    pub(crate) async fn metadata(
        &self,
        clock: &Clock,
        provider: &ProviderSettings,
    ) -> Result<Arc<ProviderMetadata>, String> {
        let entry = self.entry(provider);
        let kept = &entry.metadata;
        let now = Moment::now(clock);
        if let Some(known) = kept.younger_than(FRESH, now) {
            return Ok(known);
        }
        let (issuer, url) = (provider.issuer.clone(), provider.metadata.clone());
        let fetcher = self.fetcher.load_full();
        let work = || async move {
            let body = fetch(
                &fetcher,
                &url,
                UrlOrigin::Configuration,
                ISSUER_METADATA_BYTES_MAX,
            )
            .await?;
            ProviderMetadata::parse(&body, &issuer).map_err(NotFetched::after_asking)
        };
        if let Some(running) = kept.fetch(now, work) {
            running.ended().await;
        }
        let usable = kept.younger_than(STALE_MAX, Moment::now(clock));
        usable.ok_or_else(|| kept.last_error().unwrap_or_else(|| UNKNOWN.to_owned()))
    }

    /// The keys of the provider, with the one that `kid` names if the provider has it. The error is a sentence.
    pub(crate) async fn keys(
        &self,
        clock: &Clock,
        provider: &ProviderSettings,
        metadata: &ProviderMetadata,
        kid: Option<&str>,
    ) -> Result<Arc<KeySet>, String> {
        let entry = self.entry(provider);
        let kept = &entry.keys;
        let url = metadata.key_set.url.clone();
        let usable = |age_max, now| {
            let known = kept.younger_than(age_max, now)?;
            (known.url == url).then(|| known.keys.clone())
        };
        let now = Moment::now(clock);
        let has_key = |keys: &Arc<KeySet>| kid.is_none_or(|kid| keys.has_kid(kid));
        if let Some(known) = usable(FRESH, now).filter(has_key) {
            return Ok(known);
        }
        let (fetcher, at) = (self.fetcher.load_full(), url.clone());
        let origin = origin_of(&url, provider);
        let work = || async move {
            let body = fetch(&fetcher, &at, origin, KEYS_BYTES_MAX).await?;
            let keys = KeySet::of_authority(&body).map_err(NotFetched::after_asking)?;
            Ok(KeysAt {
                url: at,
                keys: Arc::new(keys),
            })
        };
        if let Some(running) = kept.fetch(now, work) {
            running.ended().await;
        }
        let known = usable(STALE_MAX, Moment::now(clock));
        known.ok_or_else(|| kept.last_error().unwrap_or_else(|| UNKNOWN.to_owned()))
    }

    /// Sends a code to the token endpoint, once. Returns status and body of the answer; the error is a sentence.
    pub(crate) async fn exchange(
        &self,
        provider: &ProviderSettings,
        request: &Outgoing<'_>,
    ) -> Result<(u16, Vec<u8>), String> {
        let Ok(_turn) = self.exchanges.try_acquire() else {
            return Err(format!("{EXCHANGES_MAX} sign-ins wait for providers already"));
        };
        let limits = FetchLimits {
            body_bytes_max: PROVIDER_ANSWER_BYTES_MAX,
            deadline: DEADLINE,
        };
        let fetcher = self.fetcher.load_full();
        let answer = fetcher
            .send_once(request, origin_of(request.url, provider), limits)
            .await;
        let answer = answer.map_err(|fault| format!("the token endpoint: {fault}"))?;
        Ok((answer.status, answer.body))
    }

    fn entry(&self, provider: &ProviderSettings) -> Arc<Entry> {
        let new = || {
            Ok::<_, std::convert::Infallible>(Arc::new(Entry {
                metadata: Arc::new(Kept::new(PAUSES)),
                keys: Arc::new(Kept::new(PAUSES)),
            }))
        };
        match self.entries.get_or_insert_with(provider.issuer.as_str(), new) {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }
}

const UNKNOWN: &str = "it was asked a moment ago, without an answer that can be used";

/// A URL on another server than that of the issuer is treated as that of a client: the provider says who a person is, and
/// not which servers of the internal network are sent requests.
fn origin_of(url: &Url, provider: &ProviderSettings) -> UrlOrigin {
    match url.origin() == provider.metadata.origin() {
        true => UrlOrigin::Configuration,
        false => UrlOrigin::Client,
    }
}

async fn fetch(
    fetcher: &Fetcher,
    url: &Url,
    origin: UrlOrigin,
    body_bytes_max: usize,
) -> Result<Vec<u8>, NotFetched> {
    let limits = FetchLimits {
        body_bytes_max,
        deadline: DEADLINE,
    };
    let fetched = fetcher.get(url, origin, limits).await;
    let fetched = fetched.map_err(|fault| NotFetched::after_asking(format!("{url}: {fault}")))?;
    match fetched.status {
        200 => Ok(fetched.body),
        status => Err(NotFetched::after_asking(format!(
            "{url}: the server of the provider answers {status}"
        ))),
    }
}
