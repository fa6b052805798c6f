//! First uses on this node: those under way, so that racers wait instead of writing, and how often an unknown
//! client turned out to be new.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long a first use waits for another one of the same identity.
pub(crate) const TURN_MAX: Duration = Duration::from_secs(5);

/// Whether unknown clients have lately turned out to be new. After a restart they are mostly known, and guessing
/// would cost a failed write each.
#[derive(Default)]
pub struct NewClientGuess {
    score: AtomicI32,
}

/// Right guesses in a row that outweigh a wrong one.
const WRONG_GUESS: i32 = 8;

impl NewClientGuess {
    pub(crate) fn are_worthwhile(&self) -> bool {
        self.score.load(Ordering::Relaxed) >= 0
    }

    /// Notes that an unknown client was new, or that it was not.
    pub(crate) fn note(&self, was_new: bool) {
        let score = self.score.load(Ordering::Relaxed);
        let next = if was_new {
            (score + 1).min(WRONG_GUESS)
        } else {
            (score - WRONG_GUESS).max(-WRONG_GUESS)
        };
        // A lost update shifts the estimate by one; it is an estimate.
        self.score.store(next, Ordering::Relaxed);
    }
}

/// First uses under way on this node, by client key.
#[derive(Default)]
pub struct FirstUseLocks {
    under_way: Mutex<HashMap<Vec<u8>, watch::Receiver<()>>>,
}

/// What a first use finds.
pub(crate) enum Joined<'f> {
    /// No other is under way: this one goes first.
    First(FirstUseTurn<'f>),
    /// Another one is under way. It is over when the watch changes.
    Waiting(watch::Receiver<()>),
}

/// The turn of the first use that came first. Dropping it lets the next one go.
pub(crate) struct FirstUseTurn<'f> {
    locks: &'f FirstUseLocks,
    key: Vec<u8>,
    /// Dropping it wakes the requests that wait.
    _ended: watch::Sender<()>,
}

impl FirstUseLocks {
    pub(crate) fn join(&self, key: &[u8]) -> Joined<'_> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = under_way.get(key) {
            return Joined::Waiting(other.clone());
        }
        let (ended, waiting) = watch::channel(());
        under_way.insert(key.to_vec(), waiting);
        Joined::First(FirstUseTurn {
            locks: self,
            key: key.to_vec(),
            _ended: ended,
        })
    }
}

impl Drop for FirstUseTurn<'_> {
    fn drop(&mut self) {
        self.locks
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}
