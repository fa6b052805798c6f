//! The outcome that a request would have, for `explain`. Nothing is taken from limits, written or sent.

use super::commit::too_fast;
use super::load::load;
use crate::state::app::App;
use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use testudo_core::decision::{Decision, Moment, Resolution};
use testudo_core::occasions::Occasion;
use testudo_core::records::{Batch, Conflict, Kind, Loaded, Write};
use testudo_core::{Rejection, Trace};
use testudo_store::StoreFault;

/// Decides as `settle` does, and checks whether the limits would allow it and whether the store would accept the batch.
pub(crate) async fn rehearse<O: Occasion>(
    app: &App,
    occasion: &O,
    at: &Moment<'_>,
    trace: &mut Trace,
) -> Result<Result<O::Outcome, Rejection>, StoreFault> {
    let needs = occasion.needs();
    let loaded = load(app, &needs, None).await?;
    rehearse_on(app, occasion, &loaded, at, trace).await
}

/// As [`rehearse`], with these records.
pub(crate) async fn rehearse_on<O: Occasion>(
    app: &App,
    occasion: &O,
    loaded: &Loaded<'_>,
    at: &Moment<'_>,
    trace: &mut Trace,
) -> Result<Result<O::Outcome, Rejection>, StoreFault> {
    let decision = match occasion.decide(loaded, at, trace) {
        Ok(decision) => decision,
        Err(rejection) => return Ok(Err(rejection)),
    };
    if let Err(rejection) = limits_have_room(app, &decision, at).await? {
        return Ok(Err(rejection));
    }
    if !decision.limits.is_empty() {
        trace.passed("velocity has room", || {
            format!("{} limits", decision.limits.len())
        });
    }
    for conflict in conflicts(app, &decision.batch).await? {
        match occasion.conflict(&conflict) {
            Resolution::Refuse(rejection) => return Ok(Err(rejection)),
            // The record was written after the request. Other conflicts are looked for all the same.
            Resolution::Again => {}
        }
    }
    Ok(Ok(decision.outcome))
}

/// Checks the buckets of this node and the limits of all nodes together in this minute.
async fn limits_have_room<T>(
    app: &App,
    decision: &Decision<T>,
    at: &Moment<'_>,
) -> Result<Result<(), Rejection>, StoreFault> {
    let limits = &decision.limits;
    let checked = {
        let buckets = app
            .first_uses
            .buckets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        buckets.check(limits, app.clock.steady_millis())
    };
    if checked.is_err() || !app.store.is_shared() {
        return Ok(checked.map_err(Rejection::from));
    }
    for limit in limits {
        let (counter, max) = limit.shared_counter(at.entropy.millis);
        if is_over(app.store.counter(&counter).await?, 1, Some(max)) {
            return Ok(Err(too_fast(limits, &counter, at.entropy.millis)));
        }
    }
    Ok(Ok(()))
}

/// The writes that the store would refuse, in their order.
async fn conflicts(app: &App, batch: &Batch) -> Result<Vec<Conflict>, StoreFault> {
    let mut conflicts = Vec::new();
    let mut deleted: HashSet<(Kind, &[u8])> = HashSet::new();
    let mut moved: HashMap<&str, i64> = HashMap::new();
    for write in &batch.writes {
        let (kind, key) = match write {
            Write::Insert(document) => (document.kind, document.key.as_slice()),
            Write::Absent(kind, key) => (*kind, key.as_slice()),
            Write::Add { counter, delta, max } => {
                let by = moved.entry(counter).or_default();
                *by = by.saturating_add(*delta);
                if is_over(app.store.counter(counter).await?, *by, *max) {
                    conflicts.push(Conflict::OverLimit(counter.clone()));
                }
                continue;
            }
            Write::Mark(mark) => {
                if app.store.is_used(&mark.key).await? {
                    conflicts.push(Conflict::Used(mark.key));
                }
                continue;
            }
            // Not checked: the version was read a moment ago.
            Write::Delete(kind, key, _) => {
                deleted.insert((*kind, key));
                continue;
            }
            Write::Replace(..) => continue,
        };
        if !deleted.contains(&(kind, key)) && app.store.get(kind, key).await?.is_some() {
            conflicts.push(Conflict::Exists(kind, key.to_vec()));
        }
    }
    Ok(conflicts)
}

fn is_over(counter: i64, delta: i64, max: Option<u64>) -> bool {
    let after = u64::try_from(counter.saturating_add(delta)).unwrap_or(0);
    max.is_some_and(|max| after > max)
}
