//! The clocks of nodes that share a database, compared with the database's.
//!
//! What one node drops is gone for all. So nothing is dropped before both clocks say that it is over; and a node that
//! is behind takes it that the others drop by the database's time.

use crate::state::app::App;
use crate::state::clock::Clock;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testudo_protocol::Timestamp;
use testudo_store::{Store, StoreFault};

/// A difference beyond this is told. Time servers keep machines within far less than a second.
const DIFFERENCE_MAX: Duration = Duration::from_secs(5);

/// A comparison.
struct Compared {
    database_millis: u64,
    /// Ours less the database's.
    ahead_millis: i64,
}

impl Compared {
    fn is_far(&self) -> bool {
        Duration::from_millis(self.ahead_millis.unsigned_abs()) > DIFFERENCE_MAX
    }

    fn text(&self) -> String {
        let seconds = self.ahead_millis.unsigned_abs() / 1000;
        match self.ahead_millis {
            ..0 => format!("this machine's clock is {seconds} s behind the database's"),
            0.. => format!("this machine's clock is {seconds} s ahead of the database's"),
        }
    }
}

/// None where the store has no time of its own.
async fn compare(store: &Store, clock: &Clock) -> Result<Option<Compared>, StoreFault> {
    let (before, began) = (clock.millis(), clock.steady_millis());
    let Some(database_millis) = store.millis().await? else {
        return Ok(None);
    };
    // The answer was made somewhere between question and arrival; the wall clock may have been set meanwhile.
    let passed = clock.steady_millis().saturating_sub(began);
    let (earliest, latest) = (signed(before), signed(before).saturating_add(signed(passed)));
    let database = signed(database_millis);
    Ok(Some(Compared {
        database_millis,
        ahead_millis: database.clamp(earliest, latest) - database,
    }))
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// Now by our clock or by the database's, whichever is earlier: what may be dropped for all nodes, by time.
pub(crate) async fn earlier_now(app: &App, ours: Timestamp) -> Result<Timestamp, StoreFault> {
    let Some(compared) = compare(&app.store, &app.clock).await? else {
        return Ok(ours);
    };
    app.metrics
        .clock_ahead_of_database
        .set(compared.ahead_millis / 1000);
    let is_far = compared.is_far();
    if app.condition.is_clock_far.swap(is_far, Ordering::Relaxed) != is_far {
        match is_far {
            true => tracing::warn!("{}: run a time server on both", compared.text()),
            false => tracing::info!("this machine's clock and the database's agree again"),
        }
    }
    let theirs = Timestamp((compared.database_millis / 1000) as i64);
    // Another node may have dropped by now what was to be kept until now, and this one may be behind.
    app.clock.note_dropped(theirs);
    Ok(Timestamp(ours.0.min(theirs.0)))
}

/// For `doctor`. None where the store has no time of its own.
pub(crate) async fn examine(store: &Store, clock: &Clock) -> Option<Result<String, String>> {
    match compare(store, clock).await {
        Ok(None) => None,
        Ok(Some(compared)) if compared.is_far() => {
            Some(Err(format!("{}: run a time server on both", compared.text())))
        }
        Ok(Some(_)) => Some(Ok("agrees with this machine's".to_owned())),
        Err(fault) => Some(Err(fault.to_string())),
    }
}
