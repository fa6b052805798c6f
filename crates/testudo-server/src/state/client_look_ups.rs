//! Limits the reads of the store that requests cause before they are verified: an attacker can name any number of
//! clients, and must not occupy the connections of the store that verified requests need.

use std::sync::{Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Most reads at the same time: fewer than the store has connections.
const RUNNING_MAX: usize = 4;

/// Most requests that wait for their read. A read takes about a millisecond, so the last one waits for a tenth of a second.
const WAITING_MAX: usize = 512;

/// The reads that run, and the requests that wait for one.
pub(crate) struct ClientLookUps {
    running: Semaphore,
    places: Semaphore,
}

/// The right to read records. Ending or dropping it gives the next request its turn.
pub(crate) struct Turn<'l> {
    permits: Mutex<Option<[SemaphorePermit<'l>; 2]>>,
}

impl Turn<'_> {
    /// Ends the turn before the commit. Where another request changed the records at the same moment, they are read again
    /// without a turn; only a request with a session or a code that exists comes that far.
    pub(crate) fn end(&self) {
        drop(self.permits.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Default for ClientLookUps {
    fn default() -> ClientLookUps {
        ClientLookUps::new(RUNNING_MAX, WAITING_MAX)
    }
}

impl ClientLookUps {
    fn new(running_max: usize, waiting_max: usize) -> ClientLookUps {
        ClientLookUps {
            running: Semaphore::new(running_max),
            places: Semaphore::new(running_max + waiting_max),
        }
    }

    /// Waits for the right to read. `None` where too many requests wait already.
    pub(crate) async fn turn(&self) -> Option<Turn<'_>> {
        let place = self.places.try_acquire().ok()?;
        // The semaphore is never closed.
        let running = self.running.acquire().await.ok()?;
        Some(Turn {
            permits: Mutex::new(Some([running, place])),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    #[tokio::test]
    async fn reads_beyond_the_limit_wait_and_requests_beyond_the_queue_get_no_turn() {
        let look_ups = ClientLookUps::new(1, 1);
        let first = look_ups.turn().await.unwrap();
        let mut second = pin!(look_ups.turn());
        let is_waiting = poll_fn(|context| Poll::Ready(second.as_mut().poll(context).is_pending())).await;
        assert!(is_waiting);
        assert!(look_ups.turn().await.is_none(), "the queue has one place");
        drop(first);
        let second = second.await.unwrap();
        second.end();
        assert!(
            look_ups.turn().await.is_some(),
            "an ended turn is free although it is not dropped"
        );
    }
}
