//! A cache for one fetched value: its age, when to fetch it again, and why the last fetch failed.
//!
//! Key sets of issuers, of clients and of trust domains are used long after they were fetched. The calling code decides
//! which age is fresh and which is too old. This module ensures for all of them:
//!
//! - one fetch at a time, in a task of its own: it continues if a caller stops waiting, and a source that hangs
//!   costs all callers together one deadline;
//! - pauses between fetches, longer after failures, so that tokens with invented key ids do not cause a fetch each;
//! - a failed fetch keeps the cached value, and its error can be read.

use arc_swap::ArcSwapOption;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A point in time from which ages are computed.
pub trait Moment: Copy + Send + Sync + 'static {
    /// The time from this moment to `now`.
    fn age(&self, now: Self) -> Duration;

    /// The moment that is `by` later.
    fn later(&self, by: Duration) -> Self;
}

impl Moment for Instant {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(*self)
    }

    fn later(&self, by: Duration) -> Instant {
        *self + by
    }
}

/// Pauses between the starts of fetches of one source.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// After every fetch, successful or not.
    pub between: Duration,
    /// After a failure. It doubles with each further failure in a row.
    pub after_failure: Duration,
    /// The longest pause after failures.
    pub after_failure_max: Duration,
}

/// Why a fetch gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFetched {
    /// The reason, for the log and for status output.
    pub why: String,
    /// True if the source received a request, so that a pause follows. False if a limit of this server ended the fetch
    /// earlier.
    pub was_asked: bool,
}

impl NotFetched {
    /// The error of a fetch whose request reached the source.
    pub fn after_asking(why: impl Into<String>) -> NotFetched {
        NotFetched {
            why: why.into(),
            was_asked: true,
        }
    }
}

/// A value with the moment at which a fetch last confirmed it.
#[derive(Debug)]
pub struct Held<T, M> {
    /// What was fetched.
    pub value: Arc<T>,
    /// The start of the last fetch that confirmed the value.
    pub confirmed: M,
}

/// One source, and its cached value.
pub struct Kept<T, M> {
    pauses: Pauses,
    held: ArcSwapOption<Held<T, M>>,
    fetching: Mutex<Fetching<M>>,
}

struct Fetching<M> {
    /// No value is sent: the sender is dropped when the running fetch ends, also if it ends by a panic.
    running: Option<Running>,
    failures: u32,
    /// Start of the last fetch that counts for the pauses.
    last: Option<M>,
    last_error: Option<String>,
}

/// A fetch that is running.
#[derive(Clone)]
pub struct Running(watch::Receiver<()>);

impl Running {
    /// Waits until the fetch has ended.
    pub async fn ended(mut self) {
        // The error means that the sender was dropped, so the fetch has ended.
        let _ = self.0.changed().await;
    }

    fn is_under_way(&self) -> bool {
        self.0.has_changed().is_ok()
    }
}

impl<T: Send + Sync + 'static, M: Moment> Kept<T, M> {
    /// A cache without a value.
    pub fn new(pauses: Pauses) -> Kept<T, M> {
        Kept {
            pauses,
            held: ArcSwapOption::empty(),
            fetching: Mutex::new(Fetching {
                running: None,
                failures: 0,
                last: None,
                last_error: None,
            }),
        }
    }

    /// The cached value, of any age.
    pub fn held(&self) -> Option<Arc<Held<T, M>>> {
        self.held.load_full()
    }

    /// A part of the cached value, if a fetch confirmed it within `age_max`.
    pub fn map_younger_than<R>(
        &self,
        age_max: Duration,
        now: M,
        part: impl FnOnce(&Held<T, M>) -> R,
    ) -> Option<R> {
        let held = self.held.load();
        let held = held.as_deref()?;
        (held.confirmed.age(now) <= age_max).then(|| part(held))
    }

    /// The value, if a fetch confirmed it within `age_max`.
    pub fn younger_than(&self, age_max: Duration, now: M) -> Option<Arc<T>> {
        self.map_younger_than(age_max, now, |held| held.value.clone())
    }

    /// Stores a value, or confirms the stored one.
    pub fn keep(&self, value: Arc<T>, now: M) {
        self.held.store(Some(Arc::new(Held {
            value,
            confirmed: now,
        })));
        let mut fetching = self.fetching();
        fetching.failures = 0;
        fetching.last_error = None;
    }

    /// Why the last fetch failed; `None` if it succeeded.
    pub fn last_error(&self) -> Option<String> {
        self.fetching().last_error.clone()
    }

    /// Starts a fetch, or returns the one that is running. `None` means that the pause after the last one has not
    /// ended.
    pub fn fetch<F>(self: &Arc<Kept<T, M>>, now: M, fetch: impl FnOnce() -> F) -> Option<Running>
    where
        F: Future<Output = Result<T, NotFetched>> + Send + 'static,
    {
        let mut fetching = self.fetching();
        if let Some(running) = fetching.running.take().filter(Running::is_under_way) {
            fetching.running = Some(running.clone());
            return Some(running);
        }
        if fetching.is_paused(self.pauses, now) {
            return None;
        }
        let earlier = fetching.last.replace(now);
        let (ended, running) = watch::channel(());
        let running = Running(running);
        fetching.running = Some(running.clone());
        let (kept, fetch) = (self.clone(), fetch());
        tokio::spawn(async move {
            let started = Instant::now();
            match fetch.await {
                // The value counts as confirmed at the start of the fetch, because it may lack changes that the source
                // made meanwhile.
                Ok(value) => kept.keep(Arc::new(value), now),
                Err(not_fetched) if not_fetched.was_asked => {
                    kept.note_failure(not_fetched.why, now.later(started.elapsed()));
                }
                Err(not_fetched) => kept.fetching().forget_attempt(not_fetched.why, earlier),
            }
            drop(ended);
        });
        Some(running)
    }

    /// The pause begins at the end of the failed fetch, so that a source that took long to fail is not fetched again at
    /// once.
    fn note_failure(&self, why: String, ended: M) {
        let mut fetching = self.fetching();
        fetching.failures = fetching.failures.saturating_add(1);
        fetching.last = Some(ended);
        fetching.last_error = Some(why);
    }

    /// Takes over the value and the state of an earlier cache of the same source.
    pub fn inherit(&self, earlier: &Kept<T, M>) {
        self.held.store(earlier.held.load_full());
        let (failures, last, last_error) = {
            let earlier = earlier.fetching();
            (earlier.failures, earlier.last, earlier.last_error.clone())
        };
        let mut fetching = self.fetching();
        fetching.failures = failures;
        fetching.last = last;
        fetching.last_error = last_error;
    }

    fn fetching(&self) -> MutexGuard<'_, Fetching<M>> {
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Moment> Fetching<M> {
    /// The source received no request, so no pause is needed.
    fn forget_attempt(&mut self, why: String, earlier: Option<M>) {
        self.last = earlier;
        self.last_error = Some(why);
    }

    fn is_paused(&self, pauses: Pauses, now: M) -> bool {
        let after_failures = match self.failures.checked_sub(1) {
            Some(more) => {
                let doubled = pauses.after_failure.saturating_mul(2u32.saturating_pow(more));
                doubled.min(pauses.after_failure_max)
            }
            None => Duration::ZERO,
        };
        let pause = pauses.between.max(after_failures);
        self.last.is_some_and(|last| last.age(now) < pause)
    }
}

#[cfg(test)]
mod tests;
