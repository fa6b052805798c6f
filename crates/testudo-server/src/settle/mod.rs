//! Load, decide, sign, commit: the one place where a protocol request writes.
//!
//! Everything that one request changes is one batch; it is committed after the token is signed and before it is
//! sent. A lost race is loaded and decided again.

pub(crate) mod commit;
pub(crate) mod registration;

use crate::fault::Fault;
use crate::state::app::App;
use crate::state::clients::{KnownClient, ReadTicket};
use crate::state::first_uses::{Joined, TURN_MAX};
use commit::{ATTEMPTS, Committed, commit, commit_new, load, lock, refusal_of};
use std::sync::Arc;
use std::time::Duration;
use testudo_core::admission::known::Known;
use testudo_core::admission::placed::Placed;
use testudo_core::occasions::token::admit;
use testudo_core::occasions::token::{Admission, Asking, NewClient};
use testudo_core::policy::Policy;
use testudo_core::records::{Event, Versioned};
use testudo_core::rejection::Rejection;
use testudo_core::tokens::access_token::{self, TokenReply};
use testudo_core::{Entropy, Trace};

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

/// Signs, commits, and files a new client. `None`: another request registered it first, or the guess was wrong.
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
