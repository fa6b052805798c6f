//! The issuer's key set, kept between fetches.
//!
//! A verification never waits for the network while a usable key is held: a set that is due is refreshed in the
//! background, with growing pauses after failures. Only a token whose `kid` is not held, or a set that is missing
//! or too old, is worth waiting for; all requests wait for the same fetch, so an issuer that hangs costs each of
//! them one deadline and not one after the other.

use arc_swap::ArcSwapOption;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use testudo_protocol::jose::KeySet;
use tokio::sync::watch;
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

/// See the module.
#[derive(Default)]
pub(crate) struct KeptKeys {
    held: ArcSwapOption<Held>,
    fetching: Mutex<Fetching>,
}

/// A key set, and when it arrived.
pub(crate) struct Held {
    /// The keys.
    pub(crate) set: KeySet,
    fetched: Instant,
}

#[derive(Default)]
struct Fetching {
    /// Carries no value: the sender is dropped when the running fetch ends, also when it ends by a panic.
    running: Option<watch::Receiver<()>>,
    failures: u32,
    failed_at: Option<Instant>,
    last_error: String,
}

impl KeptKeys {
    /// The keys that judge a token with this `kid`. `fetch` is called where a new set is worth having.
    /// The error says why there is no usable set.
    pub(crate) async fn get<F>(
        self: &Arc<KeptKeys>,
        kid: Option<&str>,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<Held>, String>
    where
        F: Future<Output = Result<KeySet, String>> + Send + 'static,
    {
        let Some(held) = self.usable() else {
            self.wait_for(fetch).await;
            return self.usable().ok_or_else(|| self.fetching().last_error.clone());
        };
        let age = held.fetched.elapsed();
        let has_kid = kid.is_none_or(|kid| held.set.has_kid(kid));
        if has_kid {
            if age >= FRESH_FOR {
                // The fetch runs on its own; this request goes on with the set that is held.
                let _ = self.begin(fetch);
            }
            return Ok(held);
        }
        if age >= UNKNOWN_KID_PAUSE {
            // Without an answer in time the set that is held refuses the token.
            let _ = tokio::time::timeout(UNKNOWN_KID_WAIT, self.wait_for(fetch)).await;
        }
        Ok(self.usable().unwrap_or(held))
    }

    fn usable(&self) -> Option<Arc<Held>> {
        self.held
            .load_full()
            .filter(|held| held.fetched.elapsed() < USABLE_FOR)
    }

    async fn wait_for<F>(self: &Arc<KeptKeys>, fetch: impl FnOnce() -> F)
    where
        F: Future<Output = Result<KeySet, String>> + Send + 'static,
    {
        if let Some(mut running) = self.begin(fetch) {
            // An error is the dropped sender: the fetch is over.
            let _ = running.changed().await;
        }
    }

    /// Starts a fetch, or joins the running one. `None`: the pause after a failure is not over.
    fn begin<F>(self: &Arc<KeptKeys>, fetch: impl FnOnce() -> F) -> Option<watch::Receiver<()>>
    where
        F: Future<Output = Result<KeySet, String>> + Send + 'static,
    {
        let mut fetching = self.fetching();
        let running = fetching.running.take();
        if let Some(running) = running.filter(|running| running.has_changed().is_ok()) {
            fetching.running = Some(running.clone());
            return Some(running);
        }
        let pause = FAILURE_PAUSE_MIN * 2u32.saturating_pow(fetching.failures.saturating_sub(1).min(16));
        let is_paused = fetching
            .failed_at
            .is_some_and(|at| at.elapsed() < pause.min(FAILURE_PAUSE_MAX));
        if is_paused {
            return None;
        }
        let (ended, running) = watch::channel(());
        fetching.running = Some(running.clone());
        let (kept, fetch) = (self.clone(), fetch());
        tokio::spawn(async move {
            kept.take(fetch.await);
            drop(ended);
        });
        Some(running)
    }

    fn take(&self, outcome: Result<KeySet, String>) {
        let mut fetching = self.fetching();
        let now = Instant::now();
        match outcome {
            Ok(set) => {
                self.held.store(Some(Arc::new(Held { set, fetched: now })));
                fetching.failures = 0;
                fetching.failed_at = None;
            }
            Err(why) => {
                fetching.failures = fetching.failures.saturating_add(1);
                fetching.failed_at = Some(now);
                fetching.last_error = why;
            }
        }
    }

    fn fetching(&self) -> std::sync::MutexGuard<'_, Fetching> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
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
            assert!(held.is_ok_and(|held| held.set.has_kid("k")));
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
        assert!(kept.usable().unwrap().set.has_kid("new"));
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
        assert!(held.set.has_kid("new"));
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
