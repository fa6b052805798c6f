//! Limits the work of verifying certificate chains of clients: a few are verified at the same time, on blocking
//! threads, and a request is refused where too many wait.

use std::num::NonZero;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Most chains that wait. If each has four signatures by RSA-4096, the last one waits for about 0.1 s.
const WAITING_MAX: usize = 256;

/// Limits how many certificate chains are verified and wait at the same time.
pub struct ChainWork {
    running: Arc<Semaphore>,
    places: Semaphore,
}

impl Default for ChainWork {
    /// Uses half of the processors, so that the other half serves requests without certificates.
    fn default() -> ChainWork {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        ChainWork::new(processors.div_ceil(2), WAITING_MAX)
    }
}

impl ChainWork {
    fn new(running_max: usize, waiting_max: usize) -> ChainWork {
        ChainWork {
            running: Arc::new(Semaphore::new(running_max)),
            places: Semaphore::new(running_max + waiting_max),
        }
    }

    /// Does the work, after waiting for a free thread. `None` where too many already wait.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        is_short: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _place = self.places.try_acquire().ok()?;
        if is_short && let Ok(_turn) = self.running.try_acquire() {
            return Some(work());
        }
        // The semaphore is never closed.
        let turn = self.running.clone().acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            // The permit is moved into the work: when the caller closes its connection, the permit must be held until
            // the work ends.
            let _turn = turn;
            work()
        });
        done.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[tokio::test(flavor = "multi_thread")]
    async fn chains_beyond_the_capacity_are_refused_until_one_is_done() {
        let work = Arc::new(ChainWork::new(1, 1));
        let (begun, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let running = tokio::spawn({
            let work = work.clone();
            async move {
                let busy = move || {
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                };
                work.run(false, busy).await
            }
        });
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
            .await
            .unwrap();
        let mut waiting = tokio::spawn({
            let work = work.clone();
            async move { work.run(true, || 7).await }
        });
        while work.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            work.run(true, || 8).await,
            None,
            "one runs, one waits, the third is refused"
        );
        assert!(
            tokio::time::timeout(Duration::from_millis(1), &mut waiting)
                .await
                .is_err(),
            "the first one still runs"
        );
        end.send(()).unwrap();
        assert_eq!(running.await.unwrap(), Some(()));
        assert_eq!(waiting.await.unwrap(), Some(7));
        assert_eq!(work.run(false, || 9).await, Some(9));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn chain_that_waits_is_not_verified_after_its_caller_disconnected() {
        let work = Arc::new(ChainWork::new(1, 1));
        let turn = work.running.clone().acquire_owned().await.unwrap();
        let (begun, has_begun) = mpsc::channel::<()>();
        let gone = tokio::time::timeout(
            Duration::from_millis(1),
            work.run(false, move || begun.send(()).unwrap()),
        );
        assert!(gone.await.is_err());
        drop(turn);
        assert_eq!(work.run(true, || 1).await, Some(1), "both permits are free again");
        assert!(has_begun.recv().is_err(), "the work was dropped and not done");
    }
}
