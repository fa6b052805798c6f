//! Load, decide, sign, commit: the one place where a protocol request writes, whatever the request is.
//!
//! Everything that one request changes is one batch; it is committed after the answer is made (and the token in it
//! signed), and before it is sent. A lost race is loaded and decided again.

mod attempt;
pub(crate) mod commit;
mod load;
mod rehearse;

pub(crate) use load::load;
pub(crate) use rehearse::rehearse;

use crate::fault::{Fault, Stop};
use crate::state::app::App;
use crate::state::clients::CachedClient;
use crate::state::first_uses::{FirstUseTurn, Joined, TURN_MAX};
use attempt::Attempt;
use std::sync::Arc;
use testudo_core::decision::Moment;
use testudo_core::occasions::Occasion;
use testudo_core::policy::Policy;
use testudo_core::records::{Loaded, Needs};
use testudo_protocol::Timestamp;
use tokio::time::Instant;

/// Times a request is decided again after a lost race.
const ATTEMPTS: usize = 4;

/// Settles a request that is proven and governed. `finish` makes the answer of what was decided, before anything is
/// written: a token that cannot be signed leaves no client behind.
pub async fn settle<O: Occasion, R>(
    app: &App,
    policy: &Policy,
    occasion: &O,
    finish: impl Fn(O::Outcome, &Moment<'_>) -> Result<R, Fault> + Sync,
) -> Result<R, Stop>
where
    O::Outcome: Send,
    R: Send,
{
    settle_on(app, policy, occasion, None, finish).await
}

/// The same where what is needed was read before, to learn who the caller is. It is decided on that first; what was
/// written since then is a conflict of the batch, and everything is read again.
pub async fn settle_on<O: Occasion, R>(
    app: &App,
    policy: &Policy,
    occasion: &O,
    mut at_hand: Option<Loaded<'_>>,
    finish: impl Fn(O::Outcome, &Moment<'_>) -> Result<R, Fault> + Sync,
) -> Result<R, Stop>
where
    O::Outcome: Send,
    R: Send,
{
    // [decision 0011] Served from memory for `serve_without_store` only: after that, a freeze or a block on another
    // node could stay unknown to this node, for known and for new clients.
    app.accord.judge()?;
    let needs = occasion.needs();
    let attempt = Attempt {
        app,
        policy,
        occasion,
        needs: &needs,
        finish: &finish,
    };
    let mut turns = Turns {
        app,
        needs: &needs,
        deadline: None,
    };
    let mut attempts = 0;
    while attempts < ATTEMPTS {
        let now = app.now();
        let known = remembered(app, &needs, now);
        let turn = match &known {
            Some(_) => None,
            None => match turns.next().await? {
                Turn::Ours(turn) => turn,
                Turn::Waited => {
                    at_hand = None;
                    continue;
                }
            },
        };
        attempts += 1;
        let settled = attempt.run(known, at_hand.take()).await;
        drop(turn);
        if let Some(reply) = settled? {
            return Ok(reply);
        }
    }
    Err(Fault::Contended.into())
}

/// The client in memory, where that is good enough for the occasion.
fn remembered(app: &App, needs: &Needs<'_>, now: Timestamp) -> Option<Arc<CachedClient>> {
    let key = needs.client_from_memory()?;
    let known = app.memory.clients.get(key)?;
    // Its absolute lifetime is over: what is in memory no longer is a client.
    if known.stored.record.is_expired(now) {
        app.memory.clients.forget(key);
        return None;
    }
    Some(known)
}

/// The turns of one request at a client that is not in memory.
struct Turns<'t> {
    app: &'t App,
    needs: &'t Needs<'t>,
    /// However many wait for one another, none waits longer than this in all.
    deadline: Option<Instant>,
}

enum Turn<'t> {
    /// This request goes. Holding the turn makes others for the same client wait.
    Ours(Option<FirstUseTurn<'t>>),
    /// Another one went, and is done.
    Waited,
}

impl<'t> Turns<'t> {
    /// One at a time for each client: racers wait here, and then find the client in memory.
    async fn next(&mut self) -> Result<Turn<'t>, Fault> {
        let Some(key) = self.needs.client() else {
            return Ok(Turn::Ours(None));
        };
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + TURN_MAX);
        match self.app.first_uses.locks.join(key) {
            Joined::First(turn) => Ok(Turn::Ours(Some(turn))),
            Joined::Waiting(mut other) => {
                // An error means that the other one is done, which is all that is waited for.
                match tokio::time::timeout_at(deadline, other.changed()).await {
                    Ok(_) => Ok(Turn::Waited),
                    Err(_) => Err(Fault::Busy),
                }
            }
        }
    }
}
