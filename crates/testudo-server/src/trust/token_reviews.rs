//! Asks the API server of a cluster whether a service account token is valid now. [K8S-REVIEW]
//!
//! It is asked only about tokens whose signature was verified. An answer is used for the configured time; each token has
//! one request at a time, in a task of its own, and each cluster a bounded number of them.

use super::anchor::{NO_PAUSES, locked};
use super::source::{access, bearer_token};
use crate::config::ReviewSource;
use crate::state::clock::Clock;
use crate::state::metrics::FetchLabel;
use crate::state::moment::Moment;
use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testudo_core::Authority;
use testudo_core::doors::{ReviewNeeded, ReviewQuestion, Reviewed};
use testudo_core::rejection::Rejection;
use testudo_fetch::{FetchFault, FetchLimits, Fetcher, Held, Kept, NotFetched, Outgoing};
use testudo_protocol::Seconds;
use testudo_protocol::kubernetes::{ReviewError, TokenReview, review_request};
use tokio::sync::Semaphore;

/// Most answers in memory; the least used one is dropped first.
const ANSWERS_MAX: usize = 16_384;
/// Most requests to one API server at the same time: a burst of new pods must not occupy it.
const REQUESTS_PER_CLUSTER_MAX: usize = 32;
/// Most bytes of an answer. It repeats the token, of at most 16 KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// For how long a token is not asked about again after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the line of a cluster that cannot be asked is written to the log.
const LINE_EVERY: Seconds = Seconds(60);

/// An answer with the moment of its request. A failure is kept as well, for a shorter time.
type Entry = Kept<Answer, Moment>;

/// What is kept of a token.
struct Answer {
    reviewed: Reviewed,
    /// The last refusal by the API server, if it did not accept the token since: a token that was refused must not be
    /// accepted because the next review gets no answer.
    refused: Option<ReviewError>,
}

impl Answer {
    fn after(earlier: Option<&Answer>, reviewed: Reviewed) -> Answer {
        let refused = match &reviewed {
            Reviewed::Answered(answer) => answer.clone().err(),
            Reviewed::Outage { .. } | Reviewed::Failed { .. } => {
                earlier.and_then(|earlier| earlier.refused.clone())
            }
        };
        Answer { reviewed, refused }
    }

    /// What the decision is made with.
    fn effective(&self) -> Reviewed {
        match &self.refused {
            Some(refused) => Reviewed::Answered(Err(refused.clone())),
            None => self.reviewed.clone(),
        }
    }
}

/// The state of one API server.
struct Cluster {
    requests: Semaphore,
    condition: Mutex<Condition>,
}

#[derive(Default)]
struct Condition {
    /// When the API server did not answer for the first time since it last answered.
    outage: Option<Moment>,
    line: Option<Moment>,
}

/// The answers of all API servers.
pub struct TokenReviews {
    entries: Cache<[u8; 32], Arc<Entry>>,
    clusters: Mutex<HashMap<Authority, Arc<Cluster>>>,
    fetcher: Arc<ArcSwap<Fetcher>>,
    /// Reviews by outcome.
    reviews: Family<FetchLabel, Counter>,
}

/// Outcomes of reviews, as the metric names them.
const OUTCOMES: [&str; 4] = ["valid", "refused", "outage", "failed"];

impl TokenReviews {
    /// No answers yet.
    pub fn new(fetcher: Arc<ArcSwap<Fetcher>>, reviews: Family<FetchLabel, Counter>) -> TokenReviews {
        for outcome in OUTCOMES {
            drop(reviews.get_or_create(&FetchLabel { outcome }));
        }
        TokenReviews {
            entries: Cache::new(ANSWERS_MAX),
            clusters: Mutex::default(),
            fetcher,
            reviews,
        }
    }

    /// What the API server states about the token, and how long it has not answered.
    pub(crate) async fn get(
        &self,
        clock: &Clock,
        needed: &ReviewNeeded<'_>,
        source: &Arc<ReviewSource>,
    ) -> Result<(Reviewed, Seconds), Rejection> {
        let cluster = self.cluster(needed.cluster);
        let entry = self.entry(needed.digest);
        let asked = Moment::now(clock);
        if let Some(known) = usable(&entry, source, asked) {
            return Ok((known, cluster.outage(asked)));
        }
        let question = needed.question()?;
        let before = entry.held();
        let ask = || self.ask(cluster.clone(), source.clone(), question, before.clone());
        if let Some(running) = entry.fetch(asked, ask) {
            running.ended().await;
        }
        // A request that ended by a panic leaves the entry as it was.
        let is_new = |held: &Arc<Held<Answer, Moment>>| {
            !before.as_ref().is_some_and(|before| Arc::ptr_eq(before, held))
        };
        let answer = entry.held().filter(is_new).map(|held| held.value.clone());
        let answer = answer.unwrap_or_else(|| {
            let why = "the request ended without an answer".to_owned();
            Arc::new(Answer::after(None, Reviewed::Failed { why }))
        });
        cluster.note(&answer.reviewed, asked);
        cluster.write_line(needed.cluster, &answer.reviewed, asked);
        Ok((answer.effective(), cluster.outage(Moment::now(clock))))
    }

    fn cluster(&self, authority: &Authority) -> Arc<Cluster> {
        let new = || Cluster {
            requests: Semaphore::new(REQUESTS_PER_CLUSTER_MAX),
            condition: Mutex::default(),
        };
        let mut clusters = locked(&self.clusters);
        let known = clusters.entry(authority.clone());
        known.or_insert_with(|| Arc::new(new())).clone()
    }

    fn entry(&self, digest: [u8; 32]) -> Arc<Entry> {
        // The pauses follow from the age of what the entry has.
        let new = || Ok::<_, std::convert::Infallible>(Arc::new(Entry::new(NO_PAUSES)));
        match self.entries.get_or_insert_with(&digest, new) {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }

    /// One request, counted by its outcome. Its failure is a value, which is kept for [`PAUSE`].
    fn ask(
        &self,
        cluster: Arc<Cluster>,
        source: Arc<ReviewSource>,
        question: ReviewQuestion,
        before: Option<Arc<Held<Answer, Moment>>>,
    ) -> impl Future<Output = Result<Answer, NotFetched>> + Send + use<> {
        let (fetcher, reviews) = (self.fetcher.load_full(), self.reviews.clone());
        async move {
            let reviewed = match tokio::time::timeout(source.timeout, cluster.requests.acquire()).await {
                Ok(_turn) => send(&fetcher, &source, &question).await,
                // A wait here is no outage of the API server: a client that sends many tokens must not have them accepted.
                Err(_) => Reviewed::Failed {
                    why: format!("{REQUESTS_PER_CLUSTER_MAX} reviews are waiting for an answer"),
                },
            };
            let outcome = match &reviewed {
                Reviewed::Answered(Ok(())) => "valid",
                Reviewed::Answered(Err(_)) => "refused",
                Reviewed::Outage { .. } => "outage",
                Reviewed::Failed { .. } => "failed",
            };
            reviews.get_or_create(&FetchLabel { outcome }).inc();
            Ok(Answer::after(before.as_ref().map(|held| &*held.value), reviewed))
        }
    }
}

impl Cluster {
    /// How long the API server has not answered.
    fn outage(&self, now: Moment) -> Seconds {
        let began = locked(&self.condition).outage;
        began.map_or(Seconds(0), |began| began.age(now))
    }

    fn note(&self, reviewed: &Reviewed, asked: Moment) {
        let mut condition = locked(&self.condition);
        match reviewed {
            Reviewed::Answered(_) => *condition = Condition::default(),
            Reviewed::Outage { .. } => {
                condition.outage.get_or_insert(asked);
            }
            Reviewed::Failed { .. } => {}
        }
    }

    fn write_line(&self, cluster: &Authority, reviewed: &Reviewed, now: Moment) {
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

/// What is kept of the token, if it is not too old: an answer for the configured time, a failure for [`PAUSE`].
fn usable(entry: &Entry, source: &ReviewSource, now: Moment) -> Option<Reviewed> {
    let held = entry.held()?;
    let age_max = match &held.value.reviewed {
        Reviewed::Answered(_) => source.cache,
        Reviewed::Outage { .. } | Reviewed::Failed { .. } => PAUSE,
    };
    let is_usable = testudo_fetch::Moment::age(&held.confirmed, now) < age_max;
    is_usable.then(|| held.value.effective())
}

/// Asks about a token that no cluster issued, for `doctor`: the API server must answer that it is not valid.
pub(crate) async fn probe(fetcher: &Fetcher, source: &ReviewSource) -> Result<(), String> {
    match post(
        fetcher,
        source,
        review_request("testudo.doctor", &["testudo doctor"]),
    )
    .await
    {
        Posted::Answered(body) => match TokenReview::parse(&body) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
        Posted::Outage(why) | Posted::Failed(why) => Err(why),
    }
}

/// What came of a request.
enum Posted {
    Answered(Vec<u8>),
    Outage(String),
    Failed(String),
}

async fn send(fetcher: &Fetcher, source: &ReviewSource, question: &ReviewQuestion) -> Reviewed {
    match post(fetcher, source, question.document.clone()).await {
        Posted::Answered(body) => Reviewed::Answered(question.read(&body)),
        Posted::Outage(why) => Reviewed::Outage { why },
        Posted::Failed(why) => Reviewed::Failed { why },
    }
}

async fn post(fetcher: &Fetcher, source: &ReviewSource, document: Vec<u8>) -> Posted {
    let token = match bearer_token(source.token.as_ref()).await {
        Ok(token) => token,
        Err(why) => return Posted::Failed(why),
    };
    let request = Outgoing {
        method: "POST",
        url: &source.url,
        headers: vec![("content-type", "application/json")],
        body: document,
    };
    let access = access(source.roots.as_ref(), token.as_ref());
    let limits = FetchLimits {
        body_bytes_max: ANSWER_BYTES_MAX,
        deadline: source.timeout,
    };
    match fetcher.send_with(request, access, limits).await {
        // [K8S-REVIEW] A review is created, so the status is usually 201.
        Ok(fetched) if matches!(fetched.status, 200 | 201) => Posted::Answered(fetched.body),
        Ok(fetched) if fetched.status >= 500 => {
            Posted::Outage(format!("the API server answers {}", fetched.status))
        }
        Ok(fetched) => Posted::Failed(format!("the API server answers {}", fetched.status)),
        Err(fault @ FetchFault::Deadline { .. }) => Posted::Outage(fault.to_string()),
        Err(fault) => Posted::Failed(fault.to_string()),
    }
}
