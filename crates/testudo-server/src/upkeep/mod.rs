//! Background work: writing last uses, deleting expired records, removing idle clients.

mod changes;

pub(crate) use changes::begin;
pub use changes::follow_changes;

use crate::audit::{Note, tell_left_out};
use crate::client_records::{FLUSH_PAUSE, flush_last_used, sweep};
use crate::database_clock::earlier_now;
use crate::key_changes;
use crate::renewal::tell_renewal;
use crate::state::app::App;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testudo_core::Actor;
use testudo_core::velocity::SHARED_PREFIX;
use testudo_protocol::Timestamp;
use tokio::sync::watch;

const TICK: Duration = Duration::from_secs(5);
const TICKS_PER_FLUSH: u32 = (FLUSH_PAUSE.0.unsigned_abs() / TICK.as_secs()) as u32;
const TICKS_PER_SWEEP: u32 = 720;
/// Most documents that are deleted in one transaction, so that deletion does not delay other writes.
const DROPPED_AT_ONCE: usize = 2_000;
/// Most such transactions per tick: 20,000 documents a second, more than a server can write. Each client may write 500
/// marks of used proofs a second; if fewer were deleted, a few clients would fill the store.
const DROPS_PER_TICK: usize = 50;

/// How often the TLS files are checked for changes.
const CERTIFICATES_TICK: Duration = Duration::from_secs(2);

/// Reads TLS files again when they change. Runs until the task is dropped.
pub async fn watch_certificates(app: Arc<App>) {
    // The sections whose certificate and key did not match at the last check: they may be in the middle of a
    // replacement. They are reported if they still do not match at the next check.
    let mut doubted: Vec<&'static str> = Vec::new();
    loop {
        tokio::time::sleep(CERTIFICATES_TICK).await;
        if !app.in_force.load().serving.watch {
            continue;
        }
        for certificate in app.certificates.all() {
            let is_doubted = doubted.contains(&certificate.section);
            doubted.retain(|section| *section != certificate.section);
            match certificate.renew_if_settled(is_doubted) {
                Some(renewal) => {
                    let note = Note::by(&Actor::FileWatch);
                    tell_renewal(&app, certificate, renewal, note).await;
                }
                None => doubted.push(certificate.section),
            }
        }
    }
}

/// Runs until the server stops.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut tick: u32 = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            _ = stop.changed() => return,
        }
        tick = tick.wrapping_add(1);
        // Where nodes share the store, the task that follows changes does this.
        if !app.store.is_shared()
            && app.condition.must_look_again.swap(false, Ordering::AcqRel)
            && changes::take_over_everything(&app).await.is_err()
        {
            app.condition.must_look_again.store(true, Ordering::Release);
        }
        if app.keys.load().has_key_due(app.now())
            && let Err(why) = key_changes::retire(&app).await
        {
            tracing::error!(
                event = "key.change_failed",
                fault = why,
                "a signing key whose time has come could not be activated or retired"
            );
        }
        let trusted_now = drop_what_is_over(&app).await;
        tell_left_out(&app, false).await;
        if tick.is_multiple_of(TICKS_PER_FLUSH) {
            flush_last_used(&app).await;
            if let Some(now) = trusted_now.filter(|_| app.store.is_shared()) {
                // Counters of the last five minutes are kept, since the clocks of nodes differ.
                let minute = u64::try_from(now.0 / 60).unwrap_or(0);
                let over = format!("{SHARED_PREFIX}{:012}", minute.saturating_sub(5));
                if let Err(fault) = app.store.forget_counters(SHARED_PREFIX, &over).await {
                    tracing::warn!(event = "upkeep.failed", work = "counters", %fault, "counters of earlier minutes could not be deleted");
                }
            }
        }
        if tick.is_multiple_of(TICKS_PER_SWEEP) && trusted_now.is_some() {
            let note = Note::by(&Actor::Sweep);
            match sweep(&app, false, note).await {
                Ok(swept) if swept.removed > 0 => {
                    tracing::info!(
                        event = "client.swept",
                        count = swept.removed,
                        "idle clients were removed"
                    )
                }
                Ok(_) => {}
                Err(fault) => {
                    tracing::warn!(event = "upkeep.failed", work = "sweep", %fault, "idle clients could not be removed")
                }
            }
        }
    }
}

/// Deletes expired records, and returns the time at which they count as expired. Deletes nothing shortly after the wall
/// clock jumped: the clock may be wrong, and deleted records do not come back. Where nodes share a database, records
/// must be expired by the clock of the database as well.
pub async fn drop_what_is_over(app: &App) -> Option<Timestamp> {
    let calm = app.clock.time_to_drop();
    let now = match earlier_now(app, app.now()).await {
        Ok(now) => now,
        Err(fault) => {
            tracing::warn!(event = "upkeep.failed", work = "expiry", %fault, "the time of the database could not be read; no expired records are deleted");
            return None;
        }
    };
    let now = now.min(calm?);
    app.clock.note_dropped(now);
    for _ in 0..DROPS_PER_TICK {
        match app.store.drop_expired(now, DROPPED_AT_ONCE).await {
            Ok(dropped) if dropped >= DROPPED_AT_ONCE => {}
            Ok(_) => break,
            Err(fault) => {
                tracing::warn!(event = "upkeep.failed", work = "expiry", %fault, "expired records could not be deleted");
                break;
            }
        }
    }
    Some(now)
}
