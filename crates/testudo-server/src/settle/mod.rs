//! Load, decide, sign, commit: the one place where a protocol request writes.
//!
//! Everything that one request changes is one batch; it is committed after the token is signed and before it is
//! sent. A lost race is loaded and decided again.

pub(crate) mod registration;

use crate::app::App;
use crate::memory::{KnownClient, ReadTicket};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use testudo_core::admission::known::Known;
use testudo_core::admission::placed::Placed;
use testudo_core::occasions::token::admit;
use testudo_core::occasions::token::{Admission, Asking, NewClient};
use testudo_core::policy::Policy;
use testudo_core::records::{Batch, Client, Event, Kind, Removed, Versioned, clients_of_authority};
use testudo_core::rejection::Rejection;
use testudo_core::tokens::access_token::{self, TokenReply};
use testudo_core::velocity::Buckets;
use testudo_core::velocity::{Limit, SHARED_PREFIX, seconds_to_next_minute};
use testudo_core::{Entropy, Trace};
use testudo_protocol::jose::SigningFault;
use testudo_store::{CommitError, Conflict, StoreFault};
use tokio::sync::watch;

/// Times a request is decided again after a lost race.
const ATTEMPTS: usize = 4;
/// How long a first use waits for another one of the same identity.
const TURN_MAX: Duration = Duration::from_secs(5);

/// Our fault: the caller may try again.
#[derive(Debug)]
pub enum Fault {
    /// The store cannot be read or written.
    Store(StoreFault),
    /// What other nodes did has not been heard for longer than `serve_without_store`.
    Unsure,
    /// Too many first uses are waiting.
    Busy,
    /// Requests in flight hold all the memory that they may.
    Full,
    /// Too many chains of client certificates are waiting to be verified.
    ChainsWaiting,
    /// Races were lost too often.
    Contended,
    /// Signing failed.
    Signing(SigningFault),
    /// No randomness.
    NoEntropy,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Store(fault) => write!(f, "the store is unavailable: {fault}"),
            Fault::Unsure => f.write_str(
                "changes by other nodes have not been heard for longer than store.serve_without_store",
            ),
            Fault::Busy => f.write_str("too many first uses are waiting for the store"),
            Fault::Full => f.write_str("too many requests are in flight, or too large ones"),
            Fault::ChainsWaiting => f.write_str("too many client certificates are waiting to be verified"),
            Fault::Contended => f.write_str("the client changed too often meanwhile"),
            Fault::Signing(fault) => write!(f, "{fault}"),
            Fault::NoEntropy => f.write_str("the system has no randomness to give"),
        }
    }
}

/// A store that has not answered a look for this time is away, and not only without writes. Looks come every half
/// second.
const AWAY_AFTER: Duration = Duration::from_secs(2);

/// What the caller gets.
pub enum Settled {
    /// A token, and whether its client is new.
    Token(TokenReply, bool),
    /// A refusal; with it the event of an observed first use.
    Refused(Rejection, Option<Box<Event>>),
}

/// Settles a token request of an identity whose place is known.
pub async fn settle(
    app: &App,
    placed: &Placed<'_>,
    asking: Asking<'_>,
    policy: &Policy,
) -> Result<Settled, Fault> {
    // [decision 0011] From memory, for a while: beyond it, a freeze or a block on another node could go unheard for
    // ever, by known clients and by those that come for the first time.
    app.accord.judge()?;
    let key = placed.client_key();
    let mut attempts = 0;
    while attempts < ATTEMPTS {
        match app.clients.get(&key) {
            // Its absolute lifetime is over: what is in memory no longer is a client.
            Some(known) if known.stored.record.is_expired(app.now()) => app.clients.forget(&key),
            Some(known) => return settle_known(app, &known, placed, asking, policy).await,
            None => {}
        }
        // One first use per identity at a time: racers wait here, and then find the client.
        let flight = match app.flights.join(&key) {
            Joined::First(flight) => flight,
            Joined::Waiting(mut other) => {
                // An error means that the other one is done, which is all that is waited for.
                if tokio::time::timeout(TURN_MAX, other.changed()).await.is_err() {
                    return Err(Fault::Busy);
                }
                continue;
            }
        };
        attempts += 1;
        let settled = settle_unknown(app, &key, placed, asking, policy).await;
        drop(flight);
        match settled {
            Ok(Some(settled)) => return Ok(settled),
            Ok(None) => {}
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::Contended)
}

/// The hot path: no store read, and no write unless the credential is single-use.
async fn settle_known(
    app: &App,
    known: &Arc<KnownClient>,
    placed: &Placed<'_>,
    asking: Asking<'_>,
    policy: &Policy,
) -> Result<Settled, Fault> {
    let (entropy, now) = (app.clock.entropy().ok_or(Fault::NoEntropy)?, app.now());
    let loaded = Known {
        client: Some(&known.stored),
        removed: None,
    };
    let admission = admit(
        placed,
        loaded,
        asking,
        policy,
        |_| Ok(()),
        (&entropy, now),
        &mut Trace::off(),
    );
    let (granted, batch) = match admission {
        Ok(Admission::Known(granted, batch)) => (granted, batch),
        Ok(Admission::Observed(event, rejection)) => return Ok(Settled::Refused(rejection, Some(event))),
        Ok(Admission::New(_)) => return Err(Fault::Contended),
        Err(rejection) => return Ok(Settled::Refused(rejection, None)),
    };
    let client_id = &known.stored.record.client_id;
    let reply = sign(app, placed, client_id, &granted, policy, &entropy)?;
    if let Err(conflict) = commit(app, batch).await? {
        return Ok(Settled::Refused(refusal_of(conflict, placed), None));
    }
    app.clients.note_use(known, placed.identity.kind, now);
    Ok(Settled::Token(reply, false))
}

/// First use, or first use since the client left memory. `None`: decide again.
///
/// A read costs more than the write that would find out anyway, so where first uses are what comes, the client is
/// taken to be new: the batch demands that neither it nor an earlier life exists. Whatever else the guess would
/// lead to (a refusal, an observation) is decided only with the record at hand.
async fn settle_unknown(
    app: &App,
    key: &[u8],
    placed: &Placed<'_>,
    asking: Asking<'_>,
    policy: &Policy,
) -> Result<Option<Settled>, Fault> {
    let ticket = app.clients.ticket();
    let mut not_written = None;
    if app.guesses.are_worthwhile() {
        let entropy = app.clock.entropy().ok_or(Fault::NoEntropy)?;
        let steady = app.clock.steady_millis();
        let room = |limits: &[_]| lock(&app.buckets).take(limits, steady);
        let time = (&entropy, app.now());
        if let Ok(Admission::New(new)) = admit(
            placed,
            Known::default(),
            asking,
            policy,
            room,
            time,
            &mut Trace::off(),
        ) {
            match register(app, key, placed, policy, *new, &entropy, ticket).await {
                Ok(Some(settled)) => {
                    app.guesses.note(true);
                    return Ok(Some(settled));
                }
                Ok(None) => app.guesses.note(false),
                // A known client must not be refused because first uses queue up: look first.
                Err(Fault::Busy) => {}
                // Nor because the store takes no writes while it can be read. Until it does, look first.
                Err(Fault::Store(fault)) if app.store.silent_for() < AWAY_AFTER => {
                    app.guesses.note(false);
                    not_written = Some(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
    }
    let (client, removed) = load(app, key).await?;
    let (entropy, now) = (app.clock.entropy().ok_or(Fault::NoEntropy)?, app.now());
    let client = match client {
        Some(client) if !client.record.is_expired(now) => {
            // Filed, and decided on the known path. If an administrator changed it meanwhile, it is read again.
            app.clients.file(key.to_vec(), client, ticket);
            return match app.clients.get(key) {
                Some(known) => settle_known(app, &known, placed, asking, policy).await.map(Some),
                None => Ok(None),
            };
        }
        other => other,
    };
    if let Some(fault) = not_written {
        return Err(Fault::Store(fault));
    }
    let known = Known {
        client: client.as_ref(),
        removed: removed.as_ref(),
    };
    let steady = app.clock.steady_millis();
    let room = |limits: &[_]| lock(&app.buckets).take(limits, steady);
    let new = match admit(
        placed,
        known,
        asking,
        policy,
        room,
        (&entropy, now),
        &mut Trace::off(),
    ) {
        Ok(Admission::New(new)) => new,
        Ok(Admission::Observed(event, rejection)) => {
            return Ok(Some(Settled::Refused(rejection, Some(event))));
        }
        // Nothing that is alive was loaded, so nothing known can come out.
        Ok(Admission::Known(..)) => return Ok(None),
        Err(rejection) => return Ok(Some(Settled::Refused(rejection, None))),
    };
    app.guesses.note(true);
    register(app, key, placed, policy, *new, &entropy, ticket).await
}

/// Signs, commits, and files a new client. `None`: somebody else was first, or the guess was wrong.
async fn register(
    app: &App,
    key: &[u8],
    placed: &Placed<'_>,
    policy: &Policy,
    new: NewClient,
    entropy: &Entropy,
    ticket: ReadTicket,
) -> Result<Option<Settled>, Fault> {
    let reply = sign(app, placed, &new.client.client_id, &new.granted, policy, entropy)?;
    Ok(
        match commit_new(app, placed, new.batch, &new.limits, entropy).await? {
            Committed::Done => {
                let stored = Versioned {
                    record: new.client,
                    version: 1,
                };
                app.clients.file(key.to_vec(), stored, ticket);
                app.metrics.clients_registered.inc();
                Some(Settled::Token(reply, true))
            }
            Committed::Again => None,
            Committed::Refused(rejection) => Some(Settled::Refused(rejection, None)),
        },
    )
}

/// What became of a batch that registers.
enum Committed {
    Done,
    /// Another node was first, or the record changed: look again.
    Again,
    Refused(Rejection),
}

/// Commits what registers a client. What it took from the buckets goes back where nothing was written.
async fn commit_new(
    app: &App,
    placed: &Placed<'_>,
    mut batch: Batch,
    limits: &[Limit],
    entropy: &Entropy,
) -> Result<Committed, Fault> {
    if app.store.is_shared() {
        // Buckets are per node; what all nodes may register in a minute is counted where they meet.
        for limit in limits {
            let (counter, max) = limit.shared_counter(entropy.millis);
            batch.add(counter, 1, Some(max));
        }
    }
    let outcome = commit(app, batch).await;
    if !matches!(outcome, Ok(Ok(()))) {
        lock(&app.buckets).refund(limits);
    }
    Ok(match outcome? {
        Ok(()) => Committed::Done,
        Err(Conflict::Exists(Kind::Client | Kind::Removed | Kind::Event, _) | Conflict::Changed(..)) => {
            Committed::Again
        }
        Err(Conflict::OverLimit(counter)) if counter.starts_with(SHARED_PREFIX) => {
            Committed::Refused(too_fast(limits, &counter, entropy.millis))
        }
        Err(conflict) => Committed::Refused(refusal_of(conflict, placed)),
    })
}

/// A client and its earlier life.
type Loaded = (Option<Versioned<Client>>, Option<Versioned<Removed>>);

async fn load(app: &App, key: &[u8]) -> Result<Loaded, Fault> {
    let keys = vec![(Kind::Client, key.to_vec()), (Kind::Removed, key.to_vec())];
    let mut found = app.store.get_many(keys).await.map_err(Fault::Store)?.into_iter();
    let client = found
        .next()
        .flatten()
        .map(testudo_store::typed::<Client>)
        .transpose()
        .map_err(Fault::Store)?;
    let removed = found
        .next()
        .flatten()
        .map(testudo_store::typed::<Removed>)
        .transpose()
        .map_err(Fault::Store)?;
    Ok((client, removed))
}

fn sign(
    app: &App,
    placed: &Placed<'_>,
    client_id: &str,
    granted: &testudo_core::grants::Granted,
    policy: &Policy,
    entropy: &Entropy,
) -> Result<TokenReply, Fault> {
    let keys = app.keys.load();
    access_token::issue(
        placed,
        client_id,
        granted,
        policy,
        &keys.active,
        (entropy, app.now()),
    )
    .map_err(Fault::Signing)
}

async fn commit(app: &App, batch: Batch) -> Result<Result<(), Conflict>, Fault> {
    match app.store.commit(batch).await {
        Ok(()) => Ok(Ok(())),
        Err(CommitError::Conflict(conflict)) => Ok(Err(conflict)),
        Err(CommitError::Unavailable(fault)) => Err(Fault::Store(fault)),
        Err(CommitError::Busy) => Err(Fault::Busy),
    }
}

/// What a conflict that deciding again cannot cure means.
fn refusal_of(conflict: Conflict, placed: &Placed<'_>) -> Rejection {
    match conflict {
        Conflict::Exists(Kind::Replay, _) => Rejection::AssertionReplayed,
        Conflict::Exists(..) | Conflict::Changed(..) => Rejection::ClientIdClash {
            client_id: placed.name.client_id.to_string(),
        },
        Conflict::OverLimit(counter) => {
            let (authority, ..) = placed.identity.governed_as();
            let limit = if counter == clients_of_authority(&authority.key()) {
                format!("trust domain `{authority}`")
            } else {
                format!("rule `{}`", placed.found.rule.name)
            };
            Rejection::TooManyClients { limit }
        }
    }
}

/// The refusal of a limit that all nodes share.
fn too_fast(limits: &[Limit], counter: &str, millis: u64) -> Rejection {
    let is_it = |limit: &&Limit| limit.shared_counter(millis).0 == counter;
    Rejection::TooFast {
        limit: limits
            .iter()
            .find(is_it)
            .map(|limit| limit.shown_as.clone())
            .unwrap_or_default(),
        retry_after_seconds: seconds_to_next_minute(millis),
    }
}

fn lock(buckets: &Mutex<Buckets>) -> std::sync::MutexGuard<'_, Buckets> {
    buckets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether unknown clients have lately turned out to be new. After a restart they are mostly known, and guessing
/// would cost a failed write each.
#[derive(Default)]
pub struct Guesses {
    score: AtomicI32,
}

/// Right guesses in a row that outweigh a wrong one.
const WRONG_GUESS: i32 = 8;

impl Guesses {
    fn are_worthwhile(&self) -> bool {
        self.score.load(Ordering::Relaxed) >= 0
    }

    /// Notes that an unknown client was new, or that it was not.
    fn note(&self, was_new: bool) {
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
pub struct Flights {
    under_way: Mutex<HashMap<Vec<u8>, watch::Receiver<()>>>,
}

enum Joined<'f> {
    First(FirstUseFlight<'f>),
    Waiting(watch::Receiver<()>),
}

struct FirstUseFlight<'f> {
    flights: &'f Flights,
    key: Vec<u8>,
    /// Dropping it wakes whoever waits.
    _landed: watch::Sender<()>,
}

impl Flights {
    fn join(&self, key: &[u8]) -> Joined<'_> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = under_way.get(key) {
            return Joined::Waiting(other.clone());
        }
        let (landed, waiting) = watch::channel(());
        under_way.insert(key.to_vec(), waiting);
        Joined::First(FirstUseFlight {
            flights: self,
            key: key.to_vec(),
            _landed: landed,
        })
    }
}

impl Drop for FirstUseFlight<'_> {
    fn drop(&mut self) {
        self.flights
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}
