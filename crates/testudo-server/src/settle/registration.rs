//! A registration whose place is known: load, decide, commit, and the hot path told.

use super::{ATTEMPTS, Committed, Fault, Joined, TURN_MAX, commit_new, load, lock};
use crate::app::App;
use testudo_core::policy::Policy;
use testudo_core::registration::admit::{Known, Placed};
use testudo_core::registration::register::{self, Registered};
use testudo_core::registration::requested::Requested;
use testudo_core::rejection::Rejection;
use tokio::time::Instant;

/// What is asked, and by which request.
#[derive(Clone, Copy)]
pub(crate) struct Registering<'a> {
    pub(crate) requested: &'a Requested,
    pub(crate) request_id: &'a str,
}

/// Settles a registration. It reads the record first, for what stands decides what may change; a race that is
/// lost is decided again.
pub(crate) async fn settle(
    app: &App,
    placed: &Placed<'_>,
    registering: Registering<'_>,
    policy: &Policy,
) -> Result<Result<Registered, Rejection>, Fault> {
    let key = placed.client_key();
    // However many wait for one another, none waits longer than this in all.
    let deadline = Instant::now() + TURN_MAX;
    let mut attempts = 0;
    while attempts < ATTEMPTS {
        let flight = match app.flights.join(&key) {
            Joined::First(flight) => flight,
            Joined::Waiting(mut other) => {
                // An error means that the other one is done, which is all that is waited for.
                if tokio::time::timeout_at(deadline, other.changed()).await.is_err() {
                    return Err(Fault::Busy);
                }
                continue;
            }
        };
        attempts += 1;
        let settled = attempt(app, &key, placed, registering, policy).await;
        drop(flight);
        match settled {
            Ok(None) => {}
            Ok(Some(settled)) => return Ok(settled),
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::Contended)
}

/// One try. `None`: decide again.
async fn attempt(
    app: &App,
    key: &[u8],
    placed: &Placed<'_>,
    Registering {
        requested,
        request_id,
    }: Registering<'_>,
    policy: &Policy,
) -> Result<Option<Result<Registered, Rejection>>, Fault> {
    let (client, removed) = load(app, key).await?;
    let (entropy, now) = (app.clock.entropy().ok_or(Fault::NoEntropy)?, app.now());
    let known = Known {
        client: client.as_ref(),
        removed: removed.as_ref(),
    };
    let room = |limits: &[_]| lock(&app.buckets).take(limits, entropy.millis);
    let asked = (requested, request_id);
    let mut registered = match register::register(placed, known, asked, policy, room, (&entropy, now)) {
        Ok(registered) => registered,
        Err(rejection) => return Ok(Some(Err(rejection))),
    };
    let batch = std::mem::take(&mut registered.batch);
    Ok(
        match commit_new(app, placed, batch, &registered.limits, &entropy).await? {
            Committed::Done => {
                // What memory holds is older than what was just registered.
                app.clients.forget(key);
                if registered.is_new {
                    app.metrics.clients_registered.inc();
                }
                Some(Ok(registered))
            }
            Committed::Again => None,
            Committed::Refused(rejection) => Some(Err(rejection)),
        },
    )
}
