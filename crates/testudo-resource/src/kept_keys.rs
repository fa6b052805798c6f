//! Caches the issuer's key set: when it is fetched, and when a request waits for a fetch.
//!
//! A verification does not wait for the network while a usable key is cached: an aging set is refreshed in the
//! background, with growing pauses after failures. A request waits only if the `kid` of its token is not in the set, or
//! if the set is missing or too old. All requests wait for the same fetch, so an issuer that hangs costs them one
//! deadline together.

use std::sync::Arc;
use std::time::Duration;
use testudo_fetch::{Held, Kept, Moment as _, NotFetched, Pauses};
use testudo_protocol::jose::KeySet;
use tokio::time::Instant;

/// A key set younger than this is used without a fetch.
const FRESH_FOR: Duration = Duration::from_secs(300);
/// A key set older than this is not used, even if the issuer cannot be reached.
const USABLE_FOR: Duration = Duration::from_secs(3600);
/// Pause between fetches for an unknown `kid`, since any caller can invent one.
const UNKNOWN_KID_PAUSE: Duration = Duration::from_secs(10);
/// How long the verification of a token with an unknown `kid` waits for a new set; then the cached set is used.
const UNKNOWN_KID_WAIT: Duration = Duration::from_secs(3);
/// Pause after the first failed fetch. It doubles with each further failure in a row.
const FAILURE_PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause after failures.
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(60);

/// The issuer's key set, kept between fetches.
pub(crate) struct KeptKeys(Arc<Kept<KeySet, Instant>>);

impl Default for KeptKeys {
    fn default() -> KeptKeys {
        KeptKeys(Arc::new(Kept::new(Pauses {
            between: Duration::ZERO,
            after_failure: FAILURE_PAUSE_MIN,
            after_failure_max: FAILURE_PAUSE_MAX,
        })))
    }
}

impl KeptKeys {
    /// The keys for a token with this `kid`. `fetch` is called if a new set is needed. The error contains why there is
    /// no usable set.
    pub(crate) async fn get<F>(
        &self,
        kid: Option<&str>,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<KeySet>, String>
    where
        F: Future<Output = Result<KeySet, String>> + Send + 'static,
    {
        let fetch = || {
            let fetching = fetch();
            async { fetching.await.map_err(NotFetched::after_asking) }
        };
        let Some(held) = self.usable() else {
            self.wait_for(fetch).await;
            let held = self.usable();
            let keys = held.map(|held| held.value.clone());
            return keys.ok_or_else(|| self.0.last_error().unwrap_or_default());
        };
        let age = held.confirmed.age(Instant::now());
        let has_kid = kid.is_none_or(|kid| held.value.has_kid(kid));
        if has_kid {
            if age >= FRESH_FOR {
                // The fetch runs in the background; this request uses the cached set.
                let _ = self.0.fetch(Instant::now(), fetch);
            }
            return Ok(held.value.clone());
        }
        if age >= UNKNOWN_KID_PAUSE {
            // Without an answer in time, the cached set is used, which refuses the token.
            let _ = tokio::time::timeout(UNKNOWN_KID_WAIT, self.wait_for(fetch)).await;
        }
        Ok(self.usable().unwrap_or(held).value.clone())
    }

    fn usable(&self) -> Option<Arc<Held<KeySet, Instant>>> {
        let held = self.0.held();
        held.filter(|held| held.confirmed.age(Instant::now()) < USABLE_FOR)
    }

    async fn wait_for<F>(&self, fetch: impl FnOnce() -> F)
    where
        F: Future<Output = Result<KeySet, NotFetched>> + Send + 'static,
    {
        if let Some(running) = self.0.fetch(Instant::now(), fetch) {
            running.ended().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// An issuer that counts fetches and gives the answers that a test sets.
    #[derive(Clone, Default)]
    struct Issuer(Arc<AtomicUsize>);

    impl Issuer {
        fn count(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }

        fn answers(
            &self,
            answer: Result<&'static str, &'static str>,
        ) -> impl FnOnce() -> std::future::Ready<Result<KeySet, String>> + use<> {
            let count = self.0.clone();
            move || {
                count.fetch_add(1, Ordering::SeqCst);
                std::future::ready(answer.map(set_with).map_err(str::to_owned))
            }
        }

        /// Hangs for `DEADLINE`, then fails, as the fetcher does.
        fn hangs(&self) -> impl FnOnce() -> Answer + use<> {
            let count = self.0.clone();
            move || {
                count.fetch_add(1, Ordering::SeqCst);
                Box::pin(async {
                    tokio::time::sleep(DEADLINE).await;
                    Err("no complete answer within 10 s".to_owned())
                })
            }
        }
    }

    type Answer = std::pin::Pin<Box<dyn Future<Output = Result<KeySet, String>> + Send>>;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn set_with(kid: &str) -> KeySet {
        let key = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}}"#
        );
        KeySet::from_jwks(key.as_bytes()).unwrap()
    }

    async fn kept_for(age: Duration) -> Arc<KeptKeys> {
        let kept = Arc::new(KeptKeys::default());
        let issuer = Issuer::default();
        assert!(kept.get(Some("k"), issuer.answers(Ok("k"))).await.is_ok());
        assert_eq!(issuer.count(), 1);
        tokio::time::advance(age).await;
        kept
    }

    #[tokio::test(start_paused = true)]
    async fn requests_with_a_cached_key_do_not_wait_for_an_issuer_that_hangs() {
        let kept = kept_for(FRESH_FOR + Duration::from_secs(1)).await;
        let (issuer, started) = (Issuer::default(), Instant::now());
        for _ in 0..6 {
            let held = kept.get(Some("k"), issuer.hangs()).await;
            assert!(held.is_ok_and(|held| held.has_kid("k")));
        }
        assert_eq!(started.elapsed(), Duration::ZERO, "no request may wait");
        assert_eq!(issuer.count(), 1, "one fetch runs in the background");
    }

    #[tokio::test(start_paused = true)]
    async fn aging_key_set_is_refreshed_in_the_background() {
        let kept = kept_for(FRESH_FOR).await;
        let issuer = Issuer::default();
        assert!(kept.get(Some("k"), issuer.answers(Ok("new"))).await.is_ok());
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(kept.usable().unwrap().value.has_kid("new"));
        let fresh = Issuer::default();
        assert!(kept.get(Some("new"), fresh.answers(Ok("newer"))).await.is_ok());
        assert_eq!(fresh.count(), 0, "a fresh set is not fetched again");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_with_unknown_kids_share_one_bounded_wait() {
        let kept = kept_for(UNKNOWN_KID_PAUSE).await;
        let (issuer, started) = (Issuer::default(), Instant::now());
        let waiting = (0..6).map(|number| {
            let (kept, issuer) = (kept.clone(), issuer.clone());
            tokio::spawn(async move {
                kept.get(Some(&format!("x{number}")), issuer.hangs())
                    .await
                    .is_ok()
            })
        });
        for one in waiting.collect::<Vec<_>>() {
            assert!(one.await.unwrap());
        }
        assert_eq!(
            started.elapsed(),
            UNKNOWN_KID_WAIT,
            "all requests wait for one fetch, for a limited time"
        );
        assert_eq!(issuer.count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_without_cached_keys_share_one_fetch() {
        let kept = Arc::new(KeptKeys::default());
        let (issuer, started) = (Issuer::default(), Instant::now());
        let waiting = (0..6).map(|_| {
            let (kept, issuer) = (kept.clone(), issuer.clone());
            tokio::spawn(async move { kept.get(Some("k"), issuer.hangs()).await.err() })
        });
        for one in waiting.collect::<Vec<_>>() {
            assert_eq!(one.await.unwrap().unwrap(), "no complete answer within 10 s");
        }
        assert_eq!(
            started.elapsed(),
            DEADLINE,
            "six requests take one deadline together"
        );
        assert_eq!(issuer.count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_between_failed_fetches_grow_to_a_minute() {
        let kept = Arc::new(KeptKeys::default());
        let issuer = Issuer::default();
        for _ in 0..600 {
            assert!(kept.get(Some("k"), issuer.answers(Err("refused"))).await.is_err());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        // 1, 2, 4, 8, 16, 32 s, then one a minute.
        assert!(
            (14..=16).contains(&issuer.count()),
            "{} fetches in 10 minutes",
            issuer.count()
        );
        tokio::time::advance(FAILURE_PAUSE_MAX).await;
        assert!(
            kept.get(Some("k"), issuer.answers(Ok("k"))).await.is_ok(),
            "the keys are fetched once the issuer answers again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn new_key_is_fetched_and_unknown_kids_cause_one_fetch_per_pause() {
        let kept = kept_for(UNKNOWN_KID_PAUSE).await;
        let issuer = Issuer::default();
        let held = kept.get(Some("new"), issuer.answers(Ok("new"))).await.unwrap();
        assert!(held.has_kid("new"));
        for number in 0..50 {
            let kid = format!("x{number}");
            assert!(kept.get(Some(&kid), issuer.answers(Ok("new"))).await.is_ok());
        }
        assert_eq!(issuer.count(), 1, "unknown kids may cause one fetch per pause");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_older_than_an_hour_are_not_used() {
        let kept = kept_for(USABLE_FOR).await;
        let issuer = Issuer::default();
        let outcome = kept.get(Some("k"), issuer.answers(Err("refused"))).await;
        assert_eq!(outcome.err().as_deref(), Some("refused"));
    }

    #[tokio::test(start_paused = true)]
    async fn fetch_that_panics_does_not_block_later_fetches() {
        let kept = Arc::new(KeptKeys::default());
        let panics = || async { panic!("on purpose") };
        assert!(kept.get(Some("k"), panics).await.is_err());
        assert!(
            kept.get(Some("k"), Issuer::default().answers(Ok("k")))
                .await
                .is_ok()
        );
    }
}
