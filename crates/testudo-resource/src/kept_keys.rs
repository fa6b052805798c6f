//! When the issuer's key set is fetched, and for whom a request waits.
//!
//! A verification never waits for the network while a usable key is held: a set that is due is refreshed in the
//! background, with growing pauses after failures. Only a token whose `kid` is not held, or a set that is missing
//! or too old, is worth waiting for; all requests wait for the same fetch, so an issuer that hangs costs each of
//! them one deadline and not one after the other.

use std::sync::Arc;
use std::time::Duration;
use testudo_fetch::{Held, Kept, Moment as _, NotFetched, Pauses};
use testudo_protocol::jose::KeySet;
use tokio::time::Instant;

/// A younger set is used without a fetch.
const FRESH_FOR: Duration = Duration::from_secs(300);
/// An older set is not used, however long the issuer is away.
const USABLE_FOR: Duration = Duration::from_secs(3600);
/// Pause between fetches for an unknown `kid`, which a stranger can invent.
const UNKNOWN_KID_PAUSE: Duration = Duration::from_secs(10);
/// How long a token with an unknown `kid` waits for a new set; then the set that is held decides.
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
    /// The keys that judge a token with this `kid`. `fetch` is called where a new set is worth having.
    /// The error says why there is no usable set.
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
                // The fetch runs on its own; this request goes on with the set that is held.
                let _ = self.0.fetch(Instant::now(), fetch);
            }
            return Ok(held.value.clone());
        }
        if age >= UNKNOWN_KID_PAUSE {
            // Without an answer in time the set that is held refuses the token.
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

    /// An issuer that counts fetches and answers as told.
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
    async fn requests_with_a_held_key_do_not_wait_for_a_hanging_issuer() {
        let kept = kept_for(FRESH_FOR + Duration::from_secs(1)).await;
        let (issuer, started) = (Issuer::default(), Instant::now());
        for _ in 0..6 {
            let held = kept.get(Some("k"), issuer.hangs()).await;
            assert!(held.is_ok_and(|held| held.has_kid("k")));
        }
        assert_eq!(started.elapsed(), Duration::ZERO, "no request waited");
        assert_eq!(issuer.count(), 1, "one fetch runs in the background");
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_that_is_due_is_refreshed_in_the_background() {
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
            "all wait for one fetch, and not to its end"
        );
        assert_eq!(issuer.count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_without_any_held_keys_share_one_fetch() {
        let kept = Arc::new(KeptKeys::default());
        let (issuer, started) = (Issuer::default(), Instant::now());
        let waiting = (0..6).map(|_| {
            let (kept, issuer) = (kept.clone(), issuer.clone());
            tokio::spawn(async move { kept.get(Some("k"), issuer.hangs()).await.err() })
        });
        for one in waiting.collect::<Vec<_>>() {
            assert_eq!(one.await.unwrap().unwrap(), "no complete answer within 10 s");
        }
        assert_eq!(started.elapsed(), DEADLINE, "six requests: one deadline, not six");
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
            "and it recovers"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_key_is_found_and_invented_kids_fetch_once_per_pause() {
        let kept = kept_for(UNKNOWN_KID_PAUSE).await;
        let issuer = Issuer::default();
        let held = kept.get(Some("new"), issuer.answers(Ok("new"))).await.unwrap();
        assert!(held.has_kid("new"));
        for number in 0..50 {
            let kid = format!("x{number}");
            assert!(kept.get(Some(&kid), issuer.answers(Ok("new"))).await.is_ok());
        }
        assert_eq!(issuer.count(), 1, "invented kids fetch once per pause");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_older_than_an_hour_are_not_used() {
        let kept = kept_for(USABLE_FOR).await;
        let issuer = Issuer::default();
        let outcome = kept.get(Some("k"), issuer.answers(Err("refused"))).await;
        assert_eq!(outcome.err().as_deref(), Some("refused"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_panics_does_not_block_later_fetches() {
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
