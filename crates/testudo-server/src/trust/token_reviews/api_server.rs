//! The API server of one cluster: how many reviews it gets at the same time, and since when it does not answer.

use crate::config::ReviewSource;
use crate::state::moment::Moment;
use crate::trust::anchor::locked;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testudo_core::Authority;
use testudo_core::doors::Reviewed;
use testudo_protocol::Seconds;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Most requests to one API server at the same time: a burst of new pods must not occupy it.
const REQUESTS_MAX: usize = 32;
/// An outage has ended when the API server answered for this time without a failure. If one answer ended it, a server
/// that answers now and then would never be in an outage for longer than `accept_for`, and the token of a deleted pod
/// would be accepted each time it does not answer.
const RECOVERY: Seconds = Seconds(300);
/// How often the line of a cluster that cannot be asked is written to the log.
const LINE_EVERY: Seconds = Seconds(60);

/// The state of one API server.
pub(super) struct ApiServer {
    /// The settings with which it was asked first.
    pub(super) source: Arc<ReviewSource>,
    requests: Semaphore,
    condition: Mutex<Condition>,
}

#[derive(Default)]
struct Condition {
    outage: Option<Outage>,
    line: Option<Moment>,
}

struct Outage {
    began: Moment,
    /// The first answer after the last failure.
    answers_since: Option<Moment>,
}

impl Outage {
    fn has_ended(&self, now: Moment) -> bool {
        self.answers_since.is_some_and(|since| since.age(now) >= RECOVERY)
    }
}

impl ApiServer {
    /// One that was not asked yet.
    pub(super) fn new(source: Arc<ReviewSource>) -> ApiServer {
        ApiServer {
            source,
            requests: Semaphore::new(REQUESTS_MAX),
            condition: Mutex::default(),
        }
    }

    /// Waits until a request may be sent. A wait that is too long is no outage of the API server: a client that sends many
    /// tokens must not have them accepted.
    pub(super) async fn turn(&self, at_most: Duration) -> Result<SemaphorePermit<'_>, Reviewed> {
        let turn = tokio::time::timeout(at_most, self.requests.acquire()).await;
        // The semaphore is never closed.
        turn.ok().and_then(Result::ok).ok_or_else(|| Reviewed::Failed {
            why: format!("{REQUESTS_MAX} reviews are waiting for an answer"),
        })
    }

    /// How long ago the outage began; zero if there is none.
    pub(super) fn outage(&self, now: Moment) -> Seconds {
        let condition = locked(&self.condition);
        let began = condition.outage.as_ref().map(|outage| outage.began);
        began.map_or(Seconds(0), |began| began.age(now))
    }

    /// Notes what came of a request that was sent at `asked`.
    pub(super) fn note(&self, reviewed: &Reviewed, asked: Moment) {
        let mut condition = locked(&self.condition);
        if condition
            .outage
            .as_ref()
            .is_some_and(|outage| outage.has_ended(asked))
        {
            *condition = Condition::default();
        }
        match reviewed {
            Reviewed::Answered(_) => {
                if let Some(outage) = &mut condition.outage {
                    outage.answers_since.get_or_insert(asked);
                }
            }
            Reviewed::Outage { .. } => {
                let new = || Outage {
                    began: asked,
                    answers_since: None,
                };
                condition.outage.get_or_insert_with(new).answers_since = None;
            }
            Reviewed::Failed { .. } => {}
        }
    }

    /// Writes a line to the log if there was no answer, at most once per minute.
    pub(super) fn write_line(&self, cluster: &Authority, reviewed: &Reviewed, now: Moment) {
        let (Reviewed::Outage { why } | Reviewed::Failed { why }) = reviewed else {
            return;
        };
        let mut condition = locked(&self.condition);
        if condition.line.is_none_or(|line| line.age(now) >= LINE_EVERY) {
            condition.line = Some(now);
            let authority = cluster.key();
            tracing::warn!(
                event = "token_review.failed",
                authority,
                fault = why,
                "the API server of a cluster could not review a service account token"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPT_FOR: Seconds = Seconds(60);

    fn outage() -> Reviewed {
        Reviewed::Outage { why: "503".into() }
    }

    fn server() -> ApiServer {
        ApiServer::new(Arc::new(ReviewSource {
            url: "https://k.example/".parse().unwrap(),
            roots: None,
            token: None,
            timeout: Duration::from_secs(1),
            cache: Duration::from_secs(1),
        }))
    }

    #[test]
    fn answer_now_and_then_does_not_begin_the_time_of_an_outage_anew() {
        let server = server();
        let mut accepted = 0;
        for second in 0..1000 {
            // One answer in ten seconds, which is none about the token of a deleted pod.
            let reviewed = match second % 10 {
                9 => Reviewed::Answered(Ok(())),
                _ => outage(),
            };
            server.note(&reviewed, Moment::of(second));
            let is_accepted = server.outage(Moment::of(second)) <= ACCEPT_FOR;
            accepted += i64::from(is_accepted && reviewed == outage());
        }
        assert!((50..=61).contains(&accepted), "{accepted} seconds");
    }

    #[test]
    fn outage_ends_when_the_server_answered_for_five_minutes_without_a_failure() {
        let server = server();
        let (answer, at) = (Reviewed::Answered(Ok(())), Moment::of);
        server.note(&outage(), at(0));
        assert_eq!(server.outage(at(7)), Seconds(7));
        for second in [10, 200, 309] {
            server.note(&answer, at(second));
            assert_eq!(
                server.outage(at(second)),
                Seconds(second),
                "answers for less than 5 minutes"
            );
        }
        server.note(&answer, at(310));
        assert_eq!(server.outage(at(310)), Seconds(0));
        server.note(&outage(), at(400));
        assert_eq!(server.outage(at(401)), Seconds(1), "another outage");
        // A failure in between, or one that is no outage, which is neither an answer nor its end.
        server.note(&answer, at(410));
        server.note(&Reviewed::Failed { why: "403".into() }, at(500));
        server.note(&outage(), at(709));
        server.note(&answer, at(720));
        server.note(&outage(), at(1019));
        assert_eq!(server.outage(at(1020)), Seconds(620));
        // Without a request meanwhile, the first answer counts.
        server.note(&answer, at(1030));
        server.note(&outage(), at(1330));
        assert_eq!(server.outage(at(1330)), Seconds(0));
    }
}
