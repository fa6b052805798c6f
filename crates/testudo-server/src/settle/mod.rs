//! Load, decide, sign, commit: every request of a client that writes goes through this module.
//!
//! Everything that one request changes is one batch. It is committed after the answer is made (and its token signed)
//! and before the answer is sent. If another request changed a record meanwhile, the records are loaded and the request
//! is decided again.

mod attempt;
pub(crate) mod commit;
mod load;
mod rehearse;

pub(crate) use load::load;
pub(crate) use rehearse::{rehearse, rehearse_on};

use crate::fault::{Fault, Stop};
use crate::state::app::App;
use crate::state::clients::CachedClient;
use crate::state::first_uses::{FirstUseLock, Joined, WAIT_MAX};
use attempt::Attempt;
use std::sync::Arc;
use testudo_core::decision::Moment;
use testudo_core::occasions::Occasion;
use testudo_core::policy::Policy;
use testudo_core::records::{Loaded, Needs};
use testudo_protocol::Timestamp;
use tokio::time::Instant;

/// Most attempts to decide a request. An attempt fails where another request changes a record meanwhile.
const ATTEMPTS: usize = 4;

/// Decides and writes a request of a verified identity with a rule. `finish` makes the answer before anything is
/// written, so that no client is registered whose token cannot be signed.
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

/// As [`settle`], for a request whose records were already read, to verify the caller. The first attempt uses those
/// records. If one of them was changed since, the batch fails and all records are read again.
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
    // [decision 0011] After `serve_without_store` without the store, requests of known and new clients are refused:
    // this node may not know of a freeze or block that was made on another node.
    app.applied_changes.judge()?;
    let needs = occasion.needs();
    let attempt = Attempt {
        app,
        policy,
        occasion,
        needs: &needs,
        finish: &finish,
    };
    let mut queue = FirstUseQueue {
        app,
        needs: &needs,
        deadline: None,
    };
    let mut attempts = 0;
    while attempts < ATTEMPTS {
        let now = app.now();
        let known = remembered(app, &needs, now);
        let lock = match &known {
            Some(_) => None,
            None if !occasion.waits_for_others() => None,
            None => match queue.next().await? {
                Next::Proceed(lock) => lock,
                Next::LookAgain => {
                    at_hand = None;
                    continue;
                }
            },
        };
        attempts += 1;
        let settled = attempt.run(known, at_hand.take()).await;
        drop(lock);
        if let Some(reply) = settled? {
            return Ok(reply);
        }
    }
    Err(Fault::Contended.into())
}

/// The client in memory, where the request may be decided with it.
fn remembered(app: &App, needs: &Needs<'_>, now: Timestamp) -> Option<Arc<CachedClient>> {
    let key = needs.client_from_memory()?;
    let known = app.memory.clients.get(key)?;
    // The lifetime of the client is over.
    if known.stored.record.is_expired(now) {
        app.memory.clients.forget(key);
        return None;
    }
    Some(known)
}

/// Makes one request wait for others of the same client while the client is not in memory.
struct FirstUseQueue<'t> {
    app: &'t App,
    needs: &'t Needs<'t>,
    /// Until when the request waits in all, however many others come before it.
    deadline: Option<Instant>,
}

enum Next<'t> {
    /// This request may go on. Others of the same client wait while it holds the lock.
    Proceed(Option<FirstUseLock<'t>>),
    /// Another request of the same client was handled meanwhile: look into memory again.
    LookAgain,
}

impl<'t> FirstUseQueue<'t> {
    /// Lets one request of each client through at a time. The others wait here and then find the client in memory.
    async fn next(&mut self) -> Result<Next<'t>, Fault> {
        let Some(key) = self.needs.client() else {
            return Ok(Next::Proceed(None));
        };
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + WAIT_MAX);
        match self.app.first_uses.locks.join(key) {
            Joined::First(lock) => Ok(Next::Proceed(Some(lock))),
            Joined::Waiting(mut other) => {
                // The watch ends with an error when the other request is done.
                match tokio::time::timeout_at(deadline, other.changed()).await {
                    Ok(_) => Ok(Next::LookAgain),
                    Err(_) => Err(Fault::Busy),
                }
            }
        }
    }
}
