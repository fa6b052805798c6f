//! What was fetched and is kept: how old it is, when to fetch again, why the last fetch failed.
//!
//! Key sets of issuers, of clients and of trust domains are used long after they arrived. Every user decides what is
//! fresh and what is too old; here is what must be right for all of them:
//!
//! - one fetch at a time, which belongs to no caller: a caller that hangs up ends nothing, and a source that hangs
//!   costs all callers together one deadline;
//! - pauses between fetches, longer after failures, so that a stranger who invents key ids does not make this server fetch;
//! - a failed fetch keeps what is held, and says why it failed.

use arc_swap::ArcSwapOption;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A moment by which ages are told.
pub trait Moment: Copy + Send + Sync + 'static {
    /// How long ago it was.
    fn age(&self, now: Self) -> Duration;

    /// The moment so much later.
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
    /// After every fetch, whatever came of it.
    pub between: Duration,
    /// After a failure. It doubles with each further failure in a row.
    pub after_failure: Duration,
    /// The longest pause after failures.
    pub after_failure_max: Duration,
}

/// Why nothing was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFetched {
    /// For the log and for those who ask.
    pub why: String,
    /// The source was asked, so it is left alone for a while. False where a limit of ours ended the fetch before.
    pub was_asked: bool,
}

impl NotFetched {
    /// The source was asked, and this came of it.
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
    /// Since when it is known to be so.
    pub confirmed: M,
}

/// One source, and what is kept of it.
pub struct Kept<T, M> {
    pauses: Pauses,
    held: ArcSwapOption<Held<T, M>>,
    fetching: Mutex<Fetching<M>>,
}

struct Fetching<M> {
    /// Carries no value: the sender is dropped when the running fetch ends, also when it ends by a panic.
    running: Option<Running>,
    failures: u32,
    /// Start of the last fetch that counts for the pauses.
    last: Option<M>,
    last_error: Option<String>,
}

/// A fetch that is under way.
#[derive(Clone)]
pub struct Running(watch::Receiver<()>);

impl Running {
    /// Waits for its end.
    pub async fn ended(mut self) {
        // An error is the dropped sender: the fetch is over.
        let _ = self.0.changed().await;
    }

    fn is_under_way(&self) -> bool {
        self.0.has_changed().is_ok()
    }
}

impl<T: Send + Sync + 'static, M: Moment> Kept<T, M> {
    /// Nothing is held yet.
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

    /// What is held, however old it is.
    pub fn held(&self) -> Option<Arc<Held<T, M>>> {
        self.held.load_full()
    }

    /// The part of it that is asked for, if a fetch confirmed it within `age_max`.
    pub fn look<R>(&self, age_max: Duration, now: M, part: impl FnOnce(&Held<T, M>) -> R) -> Option<R> {
        let held = self.held.load();
        let held = held.as_deref()?;
        (held.confirmed.age(now) <= age_max).then(|| part(held))
    }

    /// The value, if a fetch confirmed it within `age_max`.
    pub fn younger_than(&self, age_max: Duration, now: M) -> Option<Arc<T>> {
        self.look(age_max, now, |held| held.value.clone())
    }

    /// Takes a value, or confirms it once more.
    pub fn keep(&self, value: Arc<T>, now: M) {
        self.held.store(Some(Arc::new(Held {
            value,
            confirmed: now,
        })));
        let mut fetching = self.fetching();
        fetching.failures = 0;
        fetching.last_error = None;
    }

    /// Why the last fetch failed; nothing where it did not.
    pub fn last_error(&self) -> Option<String> {
        self.fetching().last_error.clone()
    }

    /// Starts a fetch, or joins the one that is under way. `None`: the pause after the last one is not over.
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
                // Confirmed as of the start: what the source changed meanwhile may not be in it.
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

    /// The pause begins when a failure is known: a source that took long to fail is not asked again at once.
    fn note_failure(&self, why: String, ended: M) {
        let mut fetching = self.fetching();
        fetching.failures = fetching.failures.saturating_add(1);
        fetching.last = Some(ended);
        fetching.last_error = Some(why);
    }

    /// Takes over what another one of the same source held.
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
    /// The source was not asked, so it needs no pause.
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
