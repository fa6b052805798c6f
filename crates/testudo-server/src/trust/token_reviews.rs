//! Asks the API server of a cluster whether a service account token is valid now. [K8S-REVIEW]
//!
//! It is asked only about tokens whose signature was verified. An answer is used for the configured time; each token has
//! one request at a time, in a task of its own, and each cluster a bounded number of them.

mod api_server;

use self::api_server::ApiServer;
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

/// Most answers in memory; the least used one is dropped first.
const ANSWERS_MAX: usize = 16_384;
/// Most bytes of an answer. It repeats the token, of at most 16 KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// For how long a token is not asked about again after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// An answer with the moment of its request. A failure is kept as well, for a shorter time.
type Entry = Kept<Answer, Moment>;

/// What is kept of a token.
struct Answer {
    reviewed: Reviewed,
    /// The server that was asked.
    source: Arc<ReviewSource>,
    /// The last refusal by the API server, if it did not accept the token since: a token that was refused must not be
    /// accepted because the next review gets no answer.
    refused: Option<ReviewError>,
}

impl Answer {
    fn after(earlier: Option<&Answer>, reviewed: Reviewed, source: Arc<ReviewSource>) -> Answer {
        let refused = match &reviewed {
            Reviewed::Answered(answer) => answer.clone().err(),
            Reviewed::Outage { .. } | Reviewed::Failed { .. } => {
                let earlier = earlier.filter(|earlier| earlier.source.is_same_server(&source));
                earlier.and_then(|earlier| earlier.refused.clone())
            }
        };
        Answer {
            reviewed,
            source,
            refused,
        }
    }

    /// What the decision is made with.
    fn effective(&self) -> Reviewed {
        match &self.refused {
            Some(refused) => Reviewed::Answered(Err(refused.clone())),
            None => self.reviewed.clone(),
        }
    }
}

/// The answers of all API servers.
pub struct TokenReviews {
    entries: Cache<[u8; 32], Arc<Entry>>,
    api_servers: Mutex<HashMap<Authority, Arc<ApiServer>>>,
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
            api_servers: Mutex::default(),
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
        let server = self.api_server(needed.cluster, source);
        let entry = self.entry(needed.digest);
        let asked = Moment::now(clock);
        if let Some(known) = usable(&entry, source, asked) {
            return Ok((known, server.outage(asked)));
        }
        let question = needed.question()?;
        let before = entry.held();
        let ask = || self.ask(server.clone(), source.clone(), question, before.clone());
        if let Some(running) = entry.fetch(asked, ask) {
            running.ended().await;
        }
        // A request that ended by a panic leaves the entry as it was. One from before a reload may have asked another server.
        let is_new = |held: &Arc<Held<Answer, Moment>>| {
            let is_old = before.as_ref().is_some_and(|before| Arc::ptr_eq(before, held));
            !is_old && held.value.source.is_same_server(source)
        };
        let answer = entry.held().filter(is_new).map(|held| held.value.clone());
        let answer = answer.unwrap_or_else(|| {
            let why = "the request ended without an answer".to_owned();
            Arc::new(Answer::after(None, Reviewed::Failed { why }, source.clone()))
        });
        server.note(&answer.reviewed, asked);
        server.write_line(needed.cluster, &answer.reviewed, asked);
        Ok((answer.effective(), server.outage(Moment::now(clock))))
    }

    /// The API server of the cluster. Nothing is known of it after a reload names another one.
    fn api_server(&self, authority: &Authority, source: &Arc<ReviewSource>) -> Arc<ApiServer> {
        let mut servers = locked(&self.api_servers);
        match servers.get(authority) {
            Some(known) if known.source.is_same_server(source) => known.clone(),
            Some(_) | None => {
                let new = Arc::new(ApiServer::new(source.clone()));
                servers.insert(authority.clone(), new.clone());
                new
            }
        }
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
        server: Arc<ApiServer>,
        source: Arc<ReviewSource>,
        question: ReviewQuestion,
        before: Option<Arc<Held<Answer, Moment>>>,
    ) -> impl Future<Output = Result<Answer, NotFetched>> + Send + use<> {
        let (fetcher, reviews) = (self.fetcher.load_full(), self.reviews.clone());
        async move {
            let reviewed = match server.turn(source.timeout).await {
                Ok(_turn) => send(&fetcher, &source, &question).await,
                Err(failed) => failed,
            };
            let outcome = match &reviewed {
                Reviewed::Answered(Ok(())) => "valid",
                Reviewed::Answered(Err(_)) => "refused",
                Reviewed::Outage { .. } => "outage",
                Reviewed::Failed { .. } => "failed",
            };
            reviews.get_or_create(&FetchLabel { outcome }).inc();
            let earlier = before.as_ref().map(|held| &*held.value);
            Ok(Answer::after(earlier, reviewed, source))
        }
    }
}

/// What is kept of the token, if it is of this server and not too old: an answer for the configured time, a failure for
/// [`PAUSE`].
fn usable(entry: &Entry, source: &Arc<ReviewSource>, now: Moment) -> Option<Reviewed> {
    let held = entry
        .held()
        .filter(|held| held.value.source.is_same_server(source))?;
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
