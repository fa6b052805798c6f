//! First uses on this node: a lock per client, so that concurrent requests of one new client wait instead of all
//! writing; and how often an unknown client turned out to be new.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long a request waits for the first use of the same client by another request.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);

/// Whether clients that are not in memory have lately turned out to be new. After a restart they are mostly in the
/// store already, and each wrong guess would cost a failed write.
#[derive(Default)]
pub struct NewClientGuess {
    score: AtomicI32,
}

/// The number of right guesses that outweigh a wrong one.
const WRONG_GUESS: i32 = 8;

impl NewClientGuess {
    pub(crate) fn are_worthwhile(&self) -> bool {
        self.score.load(Ordering::Relaxed) >= 0
    }

    /// Notes whether a client that was not in memory was new.
    pub(crate) fn note(&self, was_new: bool) {
        let score = self.score.load(Ordering::Relaxed);
        let next = if was_new {
            (score + 1).min(WRONG_GUESS)
        } else {
            (score - WRONG_GUESS).max(-WRONG_GUESS)
        };
        // A lost update changes the estimate by one, which does no harm.
        self.score.store(next, Ordering::Relaxed);
    }
}

/// One lock per client whose first use is running on this node, by client key.
#[derive(Default)]
pub struct FirstUseLocks {
    under_way: Mutex<HashMap<Vec<u8>, watch::Receiver<()>>>,
}

/// The result of [`FirstUseLocks::join`].
pub(crate) enum Joined<'f> {
    /// No other request holds the lock of this client.
    First(FirstUseLock<'f>),
    /// Another request holds the lock; the watch changes when it is released.
    Waiting(watch::Receiver<()>),
}

/// The lock of a client. Dropping it releases the lock.
pub(crate) struct FirstUseLock<'f> {
    locks: &'f FirstUseLocks,
    key: Vec<u8>,
    /// Dropping the sender wakes the requests that wait.
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
        Joined::First(FirstUseLock {
            locks: self,
            key: key.to_vec(),
            _ended: ended,
        })
    }
}

impl Drop for FirstUseLock<'_> {
    fn drop(&mut self) {
        self.locks
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}
