//! A registration whose place is known: load, decide, commit, and the hot path told.

use super::commit::{ATTEMPTS, Committed, commit_new, load, lock};
use crate::fault::{Fault, Stop};
use crate::state::app::App;
use crate::state::first_uses::{Joined, TURN_MAX};
use testudo_core::Entropy;
use testudo_core::admission::known::Known;
use testudo_core::admission::placed::Placed;
use testudo_core::occasions::registered::Registered;
use testudo_core::rejection::Rejection;
use testudo_core::velocity::Limit;
use testudo_protocol::Timestamp;
use tokio::time::Instant;

/// Takes one registration from every limit, or refuses.
pub(crate) type Room<'a> = dyn Fn(&[Limit]) -> Result<(), Rejection> + 'a;

/// Settles what `decide` makes of the record. It is read first, for what stands decides what may change; a race
/// that is lost is decided again.
pub(crate) async fn settle<D>(app: &App, placed: &Placed<'_>, decide: D) -> Result<Registered, Stop>
where
    D: Fn(Known<'_>, &Room<'_>, (&Entropy, Timestamp)) -> Result<Registered, Rejection> + Send + Sync,
{
    // A block on another node may have gone unheard.
    app.accord.judge()?;
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
                    return Err(Fault::Busy.into());
                }
                continue;
            }
        };
        attempts += 1;
        let settled = attempt(app, &key, placed, &decide).await;
        drop(flight);
        if let Some(registered) = settled? {
            return Ok(registered);
        }
    }
    Err(Fault::Contended.into())
}

/// One try. `None`: decide again.
async fn attempt<D>(
    app: &App,
    key: &[u8],
    placed: &Placed<'_>,
    decide: &D,
) -> Result<Option<Registered>, Stop>
where
    D: Fn(Known<'_>, &Room<'_>, (&Entropy, Timestamp)) -> Result<Registered, Rejection> + Send + Sync,
{
    let (client, removed) = load(app, key).await?;
    let (entropy, now) = (app.clock.entropy().ok_or(Fault::NoEntropy)?, app.now());
    let known = Known {
        client: client.as_ref(),
        removed: removed.as_ref(),
    };
    let steady = app.clock.steady_millis();
    let room = |limits: &[Limit]| lock(&app.buckets).take(limits, steady);
    let mut registered = decide(known, &room, (&entropy, now))?;
    let batch = std::mem::take(&mut registered.batch);
    match commit_new(app, placed, batch, &registered.limits, &entropy).await? {
        Committed::Done => {
            // What memory holds is older than what was just registered.
            app.clients.forget(key);
            if registered.is_new {
                app.metrics.clients_registered.inc();
            }
            Ok(Some(registered))
        }
        Committed::Again => Ok(None),
        Committed::Refused(rejection) => Err(rejection.into()),
    }
}
