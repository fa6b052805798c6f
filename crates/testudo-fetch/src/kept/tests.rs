//! These tests use a paused clock, so ages and pauses are exact.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

const MINUTE: Duration = Duration::from_secs(60);

fn kept(between: Duration) -> Arc<Kept<u32, Instant>> {
    Arc::new(Kept::new(Pauses {
        between,
        after_failure: Duration::from_secs(1),
        after_failure_max: MINUTE,
    }))
}

/// A source that answers after a second and counts its fetches.
#[derive(Clone, Default)]
struct Source(Arc<AtomicUsize>);

impl Source {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    async fn answer(self, answer: Result<u32, NotFetched>) -> Result<u32, NotFetched> {
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        answer
    }
}

fn refused() -> NotFetched {
    NotFetched::after_asking("refused")
}

fn not_asked() -> NotFetched {
    NotFetched {
        why: "too many fetches".to_owned(),
        was_asked: false,
    }
}

async fn fetch(
    kept: &Arc<Kept<u32, Instant>>,
    source: &Source,
    answer: Result<u32, NotFetched>,
) -> Option<()> {
    let running = kept.fetch(Instant::now(), || source.clone().answer(answer))?;
    running.ended().await;
    Some(())
}

#[tokio::test(start_paused = true)]
async fn age_of_a_value_is_counted_from_the_start_of_its_fetch() {
    let (kept, source) = (kept(Duration::ZERO), Source::default());
    assert!(kept.younger_than(MINUTE, Instant::now()).is_none());
    fetch(&kept, &source, Ok(1)).await.unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(kept.younger_than(second, Instant::now()).as_deref(), Some(&1));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(kept.younger_than(second, Instant::now()).is_none());
    assert_eq!(*kept.held().unwrap().value, 1, "an old value is still held");
}

#[tokio::test(start_paused = true)]
async fn callers_share_one_fetch_which_continues_when_a_caller_stops_waiting() {
    let (kept, source) = (kept(Duration::ZERO), Source::default());
    let first = kept
        .fetch(Instant::now(), || source.clone().answer(Ok(1)))
        .unwrap();
    let second = kept
        .fetch(Instant::now(), || source.clone().answer(Ok(2)))
        .unwrap();
    drop(first);
    second.ended().await;
    assert_eq!(source.count(), 1);
    assert_eq!(*kept.held().unwrap().value, 1);
}

#[tokio::test(start_paused = true)]
async fn pause_between_fetches_also_applies_after_a_success() {
    let (kept, source) = (kept(MINUTE), Source::default());
    fetch(&kept, &source, Ok(1)).await.unwrap();
    tokio::time::advance(Duration::from_secs(58)).await;
    assert!(fetch(&kept, &source, Ok(2)).await.is_none());
    tokio::time::advance(Duration::from_secs(1)).await;
    fetch(&kept, &source, Ok(2)).await.unwrap();
    assert_eq!((source.count(), *kept.held().unwrap().value), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn failed_fetch_keeps_the_value_and_pauses_double_from_the_end_of_each_failure() {
    let (kept, source) = (kept(Duration::ZERO), Source::default());
    fetch(&kept, &source, Ok(1)).await.unwrap();
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        fetch(&kept, &source, Err(refused())).await.unwrap();
        assert_eq!(kept.last_error().as_deref(), Some("refused"));
        tokio::time::advance(Duration::from_millis(pause * 1000 - 1)).await;
        assert!(
            fetch(&kept, &source, Ok(2)).await.is_none(),
            "the pause of {pause} s has not ended"
        );
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(*kept.held().unwrap().value, 1);
    fetch(&kept, &source, Ok(2)).await.unwrap();
    assert_eq!((kept.last_error(), *kept.held().unwrap().value), (None, 2));
    fetch(&kept, &source, Err(refused())).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    fetch(&kept, &source, Ok(3)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn fetch_that_sent_no_request_causes_no_pause() {
    let (kept, source) = (kept(MINUTE), Source::default());
    for _ in 0..3 {
        fetch(&kept, &source, Err(not_asked())).await.unwrap();
        assert_eq!(kept.last_error().as_deref(), Some("too many fetches"));
    }
    fetch(&kept, &source, Ok(1)).await.unwrap();
    assert!(fetch(&kept, &source, Ok(1)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn fetch_that_panics_does_not_block_later_ones() {
    let kept = kept(Duration::ZERO);
    let panics = kept.fetch(Instant::now(), || async { panic!("on purpose") });
    panics.unwrap().ended().await;
    fetch(&kept, &Source::default(), Ok(1)).await.unwrap();
    assert_eq!(*kept.held().unwrap().value, 1);
}
