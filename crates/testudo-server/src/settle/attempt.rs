//! One attempt at a request: the records that it needs are taken from memory, assumed to be absent, or read; then the
//! request is decided and the decision is written.

use super::commit::{Unwritten, commit_decided, refund, take};
use super::load::load;
use crate::fault::{Fault, Stop};
use crate::state::app::App;
use crate::state::clients::{CachedClient, ReadTicket};
use std::sync::Arc;
use std::time::Duration;
use testudo_core::decision::{ClientMemory, Decision, Moment, Resolution};
use testudo_core::occasions::Occasion;
use testudo_core::policy::Policy;
use testudo_core::records::{Client, Kind, Loaded, Needs, Versioned};
use testudo_core::{Rejection, Trace};
use testudo_protocol::Timestamp;
use testudo_store::StoreFault;

/// A store that has answered no health check for this time cannot be read either. There is a health check every half
/// second.
const AWAY_AFTER: Duration = Duration::from_secs(2);

/// What all attempts at one request have in common.
pub(super) struct Attempt<'a, O, F> {
    pub(super) app: &'a App,
    pub(super) policy: &'a Policy,
    pub(super) occasion: &'a O,
    pub(super) needs: &'a Needs<'a>,
    pub(super) finish: &'a F,
}

/// The outcome of deciding without reading.
enum Guessed<R> {
    Right(R),
    /// The records have to be read first. With a fault where the store accepted no write but may still be readable.
    LookFirst(Option<StoreFault>),
}

/// The outcome of carrying out a decision.
enum Carried<R> {
    Done(R),
    /// Another request or node changed a record meanwhile: decide again.
    Again,
    Refused(Rejection),
}

impl<O, R, F> Attempt<'_, O, F>
where
    O: Occasion,
    F: Fn(O::Outcome, &Moment<'_>) -> Result<R, Fault> + Sync,
    O::Outcome: Send,
    R: Send,
{
    /// One attempt, with the client that is in memory, or with records that were read before. `None` where the request
    /// has to be decided again.
    ///
    /// If the client is in memory and nothing else is needed, the store is not read, and is written only where the
    /// credential is single-use.
    pub(super) async fn run(
        &self,
        mut known: Option<Arc<CachedClient>>,
        at_hand: Option<Loaded<'_>>,
    ) -> Result<Option<R>, Stop> {
        let (app, needs) = (self.app, self.needs);
        let ticket = app.memory.clients.ticket();
        let mut not_written = None;
        if known.is_none() && self.occasion.may_guess() && app.first_uses.guess.are_worthwhile() {
            match self.guess(ticket).await? {
                Guessed::Right(reply) => return Ok(Some(reply)),
                Guessed::LookFirst(fault) => not_written = fault,
            }
        }
        let remembered = known.as_ref().and(needs.client());
        let mut loaded = match at_hand {
            Some(loaded) => loaded,
            None => load(app, needs, remembered).await.map_err(Fault::Store)?,
        };
        let (entropy, now) = (app.clock.entropy().ok_or(Fault::NoEntropy)?, app.now());
        if known.is_none()
            && let Some((key, client)) = take_alive(needs, &mut loaded, now)
        {
            // The client is put into memory, and the request is decided as that of a known client. If an administrator
            // changed the client meanwhile, it is read again.
            app.memory.clients.file(key.to_vec(), client, ticket);
            known = app.memory.clients.get(key);
            if known.is_none() {
                return Ok(None);
            }
        }
        match (&known, needs.client(), not_written) {
            (Some(known), Some(key), _) => loaded.remember(key, &known.stored),
            (None, _, Some(fault)) => return Err(Fault::Store(fault).into()),
            (Some(_) | None, _, _) => {}
        }
        let at = Moment {
            policy: self.policy,
            entropy: &entropy,
            now,
        };
        let decision = self.occasion.decide(&loaded, &at, &mut Trace::off())?;
        take(app, &decision.limits)?;
        if known.is_none() && self.occasion.may_guess() && decision.batch.inserts(Kind::Client) {
            app.first_uses.guess.note(true);
        }
        match self.carry_out(decision, &at, known.as_ref(), ticket).await? {
            Carried::Done(reply) => Ok(Some(reply)),
            Carried::Again => Ok(None),
            Carried::Refused(rejection) => Err(rejection.into()),
        }
    }

    /// Decides without reading, as if the client did not exist. While most unknown clients are new, this saves a read,
    /// since the batch fails anyway where a record exists. Only a registration is decided in this way; a refusal or an
    /// observed first use is decided after the records were read.
    async fn guess(&self, ticket: ReadTicket) -> Result<Guessed<R>, Stop> {
        let app = self.app;
        let entropy = app.clock.entropy().ok_or(Fault::NoEntropy)?;
        let at = Moment {
            policy: self.policy,
            entropy: &entropy,
            now: app.now(),
        };
        let Ok(decision) = self.occasion.decide(&Loaded::nothing(), &at, &mut Trace::off()) else {
            return Ok(Guessed::LookFirst(None));
        };
        if !self.needs.are_absent_where(&decision.batch) || take(app, &decision.limits).is_err() {
            return Ok(Guessed::LookFirst(None));
        }
        match self.carry_out(decision, &at, None, ticket).await {
            Ok(Carried::Done(reply)) => {
                app.first_uses.guess.note(true);
                Ok(Guessed::Right(reply))
            }
            Ok(Carried::Refused(rejection)) => {
                app.first_uses.guess.note(true);
                Err(rejection.into())
            }
            Ok(Carried::Again) => {
                app.first_uses.guess.note(false);
                Ok(Guessed::LookFirst(None))
            }
            // The queue of writes is full. The client may exist and need no write, so read first.
            Err(Fault::Busy) => Ok(Guessed::LookFirst(None)),
            // The store accepts no writes but may be readable, and the client may exist: read first, also for the next
            // requests.
            Err(Fault::Store(fault)) if app.store.unanswered_for() < AWAY_AFTER => {
                app.first_uses.guess.note(false);
                Ok(Guessed::LookFirst(Some(fault)))
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Makes the answer, commits the batch, and updates the clients in memory. The limits are already taken.
    async fn carry_out(
        &self,
        decision: Decision<O::Outcome>,
        at: &Moment<'_>,
        known: Option<&Arc<CachedClient>>,
        ticket: ReadTicket,
    ) -> Result<Carried<R>, Fault> {
        let app = self.app;
        let Decision {
            outcome,
            batch,
            limits,
            memory,
        } = decision;
        let reply = match (self.finish)(outcome, at) {
            Ok(reply) => reply,
            Err(fault) => {
                refund(app, &limits);
                return Err(fault);
            }
        };
        let makes_client = batch.inserts(Kind::Client);
        match commit_decided(app, batch, &limits, at.entropy.millis).await? {
            Ok(()) => {}
            Err(Unwritten::TooFast(rejection)) => return Ok(Carried::Refused(rejection)),
            Err(Unwritten::Conflict(conflict)) => {
                return Ok(match self.occasion.conflict(&conflict) {
                    Resolution::Refuse(rejection) => Carried::Refused(rejection),
                    Resolution::Again => {
                        // The client in memory may be out of date.
                        if let (Some(_), Some(key)) = (known, self.needs.client()) {
                            app.memory.clients.forget(key);
                        }
                        Carried::Again
                    }
                });
            }
        }
        if makes_client {
            app.metrics.clients_registered.inc();
        }
        self.tell_memory(memory, known, ticket, at.now);
        Ok(Carried::Done(reply))
    }

    fn tell_memory(
        &self,
        memory: ClientMemory,
        known: Option<&Arc<CachedClient>>,
        ticket: ReadTicket,
        now: Timestamp,
    ) {
        let clients = &self.app.memory.clients;
        match (memory, known, self.needs.client()) {
            (ClientMemory::Used(kind), Some(known), _) => clients.note_use(known, kind, now),
            (ClientMemory::Made(client), _, Some(key)) => {
                let stored = Versioned {
                    record: *client,
                    version: 1,
                };
                clients.file(key.to_vec(), stored, ticket);
            }
            (ClientMemory::Outdated, _, Some(key)) => clients.forget(key),
            (ClientMemory::Unchanged, _, _)
            | (ClientMemory::Used(_), None, _)
            | (ClientMemory::Made(_) | ClientMemory::Outdated, _, None) => {}
        }
    }
}

/// The client that was read, where it may be put into memory and its lifetime is not over.
fn take_alive<'n>(
    needs: &Needs<'n>,
    loaded: &mut Loaded<'_>,
    now: Timestamp,
) -> Option<(&'n [u8], Versioned<Client>)> {
    let key = needs.client_from_memory()?;
    let is_alive = !loaded.find::<Client>(key)?.record.is_expired(now);
    let client = is_alive.then(|| loaded.take::<Client>(key))??;
    Some((key, client))
}
