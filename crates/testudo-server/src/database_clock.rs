//! Compares the clock of this machine with the clock of the database that several nodes share.
//!
//! A record that one node deletes is deleted for all nodes. So a record is deleted only when it is expired by both
//! clocks, and a node whose clock is behind assumes that other nodes delete records by the time of the database.

use crate::state::app::App;
use crate::state::clock::Clock;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testudo_protocol::Timestamp;
use testudo_store::{Store, StoreFault};

/// A larger difference is reported. With a time server, clocks of machines differ by far less than a second.
const DIFFERENCE_MAX: Duration = Duration::from_secs(5);

/// The result of a comparison.
struct Compared {
    database_millis: u64,
    /// Clock of this machine minus clock of the database, in milliseconds.
    ahead_millis: i64,
}

impl Compared {
    fn is_far(&self) -> bool {
        Duration::from_millis(self.ahead_millis.unsigned_abs()) > DIFFERENCE_MAX
    }

    fn text(&self) -> String {
        let seconds = self.ahead_millis.unsigned_abs() / 1000;
        match self.ahead_millis {
            ..0 => format!("the clock of this machine is {seconds} s behind the clock of the database"),
            0.. => format!("the clock of this machine is {seconds} s ahead of the clock of the database"),
        }
    }
}

/// Compares the clocks. `None` where the store has no clock of its own.
async fn compare(store: &Store, clock: &Clock) -> Result<Option<Compared>, StoreFault> {
    let (before, began) = (clock.millis(), clock.steady_millis());
    let Some(database_millis) = store.millis().await? else {
        return Ok(None);
    };
    // The database read its clock at some time between the request and its answer. The steady clock measures how long
    // that took, since the wall clock may have been set meanwhile.
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

/// The earlier of the times by the clock of this machine and of the database: records that are expired by then may be
/// deleted.
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
            true => tracing::warn!(
                event = "clock.far",
                "{}: synchronize both with a time server",
                compared.text()
            ),
            false => tracing::info!(
                event = "clock.close",
                "the clock of this machine and the clock of the database agree again"
            ),
        }
    }
    let theirs = Timestamp((compared.database_millis / 1000) as i64);
    // Another node may already have deleted marks that had to be kept until `theirs`, and the clock of this node may be
    // behind.
    app.clock.note_dropped(theirs);
    Ok(Timestamp(ours.0.min(theirs.0)))
}

/// The comparison, for `doctor`. `None` where the store has no clock of its own.
pub(crate) async fn examine(store: &Store, clock: &Clock) -> Option<Result<String, String>> {
    match compare(store, clock).await {
        Ok(None) => None,
        Ok(Some(compared)) if compared.is_far() => Some(Err(format!(
            "{}: synchronize both with a time server",
            compared.text()
        ))),
        Ok(Some(_)) => Some(Ok("agrees with the clock of this machine".to_owned())),
        Err(fault) => Some(Err(fault.to_string())),
    }
}
