//! Work that no request waits for: flushing uses, dropping what is over, sweeping idle clients, gauges.

mod changes;
mod last_uses;

pub(crate) use changes::begin;
pub use changes::follow_changes;
pub use last_uses::flush_last_used;

use crate::app::App;
use crate::database_clock::earlier_now;
use crate::listen::{Certificate, Renewal};
use crate::refused::{self, RefusedRecord};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testudo_core::admission::lifecycle::{self, Actor};
use testudo_core::records::{Batch, Client, ClientIdAlias, EventKind, Kind, Removed, Versioned};
use testudo_core::velocity::SHARED_PREFIX;
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::{CommitError, LIST_MAX, StoreFault};
use tokio::sync::watch;

const TICK: Duration = Duration::from_secs(5);
const TICKS_PER_FLUSH: u32 = 12;
const TICKS_PER_SWEEP: u32 = 720;
/// How old a use may be that another node has not written yet: two flushes, one of which may have failed.
const USES_UNKNOWN_MAX: Seconds = Seconds(2 * (TICKS_PER_FLUSH as i64) * (TICK.as_secs() as i64));
/// Documents dropped per tick: expiry never holds the writer for long.
const DROPPED_PER_TICK: usize = 2_000;

/// How often TLS files are looked at.
const CERTIFICATES_TICK: Duration = Duration::from_secs(2);

/// Reads TLS files again when they change. Has no end of its own.
pub async fn watch_certificates(app: Arc<App>) {
    // A pair that is being replaced does not fit for a moment: it is told when the next look finds it the same.
    let mut doubted: Vec<&'static str> = Vec::new();
    loop {
        tokio::time::sleep(CERTIFICATES_TICK).await;
        for certificate in app.certificates.all() {
            let is_doubted = doubted.contains(&certificate.section);
            doubted.retain(|section| *section != certificate.section);
            match certificate.renew_if_settled(is_doubted) {
                Some(renewal) => tell_renewal(&app, certificate, renewal).await,
                None => doubted.push(certificate.section),
            }
        }
    }
}

/// Says what came of reading a certificate again: log, event, metric.
pub(crate) async fn tell_renewal(app: &App, certificate: &Certificate, renewal: Renewal) {
    let section = certificate.section;
    let (kind, detail) = match renewal {
        Renewal::Unchanged | Renewal::StillKept => return,
        Renewal::Renewed(ends) => {
            tracing::info!(section, ends = %ends, "tls.certificate_renewed");
            (EventKind::CertificateRenewed, format!("{section} ends at {ends}"))
        }
        Renewal::Kept(why) => {
            tracing::error!(section, why, "tls.certificate_refused");
            let detail = format!("{section}: {why}; the certificate in force goes on");
            (EventKind::CertificateRefused, detail)
        }
    };
    certificate_gauges(app);
    crate::admin::write_event(app, kind, |event| event.detail = Some(detail)).await;
}

/// When our certificates end.
pub(crate) fn certificate_gauges(app: &App) {
    for certificate in app.certificates.all() {
        let label = crate::metrics::CertificateLabel {
            section: certificate.section,
        };
        let ends = certificate.validity().not_after;
        app.metrics.certificate_expires.get_or_create(&label).set(ends.0);
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
        gauges(&app);
        // Where nodes share the store, whoever follows changes looks again.
        if !app.store.is_shared()
            && app.must_look_again.swap(false, Ordering::AcqRel)
            && changes::take_over_everything(&app).await.is_err()
        {
            app.must_look_again.store(true, Ordering::Release);
        }
        if app.keys.load().has_key_due(app.now())
            && let Err(why) = crate::keys::retire(&app).await
        {
            tracing::error!(
                why,
                "a signing key that is due could not be taken into use, or out of use"
            );
        }
        let trusted_now = drop_what_is_over(&app).await;
        if tick.is_multiple_of(TICKS_PER_FLUSH) {
            flush_last_used(&app).await;
            flush_refusals(&app).await;
            if let Some(now) = trusted_now.filter(|_| app.store.is_shared()) {
                // Minutes that are over for every node, however its clock stands.
                let minute = u64::try_from(now.0 / 60).unwrap_or(0);
                let over = format!("{SHARED_PREFIX}{:012}", minute.saturating_sub(5));
                if let Err(fault) = app.store.forget_counters(SHARED_PREFIX, &over).await {
                    tracing::warn!(%fault, "counters of earlier minutes could not be forgotten");
                }
            }
        }
        if tick.is_multiple_of(TICKS_PER_SWEEP) && trusted_now.is_some() {
            match sweep(&app, false).await {
                Ok(swept) if swept.removed > 0 => {
                    tracing::info!(removed = swept.removed, "idle clients were removed")
                }
                Ok(_) => {}
                Err(fault) => tracing::warn!(%fault, "the sweep failed"),
            }
        }
    }
}

/// Drops records that are over, and says by which time. None by a clock that was set a moment ago: it may be set
/// right again, and what was dropped stays away. Where nodes share a database, its time must say so too.
pub async fn drop_what_is_over(app: &App) -> Option<Timestamp> {
    let calm = app.clock.time_to_drop();
    let now = match earlier_now(app, app.now()).await {
        Ok(now) => now,
        Err(fault) => {
            tracing::warn!(%fault, "the database's time could not be read, nothing is dropped");
            return None;
        }
    };
    let now = now.min(calm?);
    app.clock.note_dropped(now);
    if let Err(fault) = app.store.drop_expired(now, DROPPED_PER_TICK).await {
        tracing::warn!(%fault, "expired records could not be dropped");
    }
    Some(now)
}

fn gauges(app: &App) {
    let metrics = &app.metrics;
    metrics.clients_in_memory.set(app.clients.len() as i64);
    metrics.store_batches.set(app.store.batches_written() as i64);
    metrics.store_reads.set(app.store.reads() as i64);
    for anchor in app.anchors.load().values() {
        let status = anchor.status(app.moment());
        let label = crate::metrics::TrustDomainLabel {
            trust_domain: status.trust_domain,
        };
        metrics
            .bundle_age_seconds
            .get_or_create(&label)
            .set(status.age_seconds.unwrap_or(-1));
    }
}

fn known_key(client: &Client) -> Vec<u8> {
    testudo_core::records::client_key(&client.authority, &client.subject)
}

async fn flush_refusals(app: &App) {
    let events = app.refusals.take_counts(|| app.clock.entropy(), app.now());
    let mut batch = Batch::default();
    events.iter().for_each(|event| batch.insert(event));
    if let Err(error) = app.store.commit(batch).await {
        tracing::warn!(?error, "counts of refusals could not be written");
    }
}

/// What a sweep did, or would do.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Swept {
    /// Clients looked at.
    pub visited: usize,
    /// Clients removed, or that would be.
    pub removed: usize,
    /// Their ids, the first 100.
    pub client_ids: Vec<String>,
}

/// Removes clients that are idle or past their lifetime, page by page. Each is deleted at the version that was
/// looked at: one that woke up meanwhile stays.
pub async fn sweep(app: &App, is_dry_run: bool) -> Result<Swept, StoreFault> {
    flush_last_used(app).await;
    let now = earlier_now(app, app.now()).await?;
    // What another node knows of uses, the database learns at that node's next flush.
    let margin = if app.store.is_shared() {
        USES_UNKNOWN_MAX
    } else {
        Seconds(0)
    };
    let idle_at = Timestamp(now.0 - margin.0);
    let mut swept = Swept::default();
    let mut after = Vec::new();
    let mut unreadable = Vec::new();
    loop {
        let page = app.store.list(Kind::Client, &after, LIST_MAX).await?;
        let Some(last) = page.last() else {
            refused::tell(app, refused::news(&[], &unreadable)).await;
            return Ok(swept);
        };
        after = last.key.clone();
        for stored in page {
            swept.visited += 1;
            let key = stored.key.clone();
            let client: Versioned<Client> = match testudo_store::typed(stored) {
                Ok(client) => client,
                Err(fault) => {
                    let why = format!("{fault}: its identity gets no token");
                    if unreadable.len() < refused::EVENTS_MAX {
                        unreadable.push(RefusedRecord::new("client", &key, why));
                    }
                    continue;
                }
            };
            let reason = match (client.record.is_expired(now), client.record.is_idle(idle_at)) {
                (true, _) => "expired",
                (false, true) => "idle",
                (false, false) => continue,
            };
            let is_removed = is_dry_run
                || remove(
                    app,
                    &client,
                    &Actor {
                        name: "sweep",
                        reason,
                        note: None,
                    },
                )
                .await
                .unwrap_or(false);
            if is_removed {
                swept.removed += 1;
                if swept.client_ids.len() < 100 {
                    swept.client_ids.push(client.record.client_id);
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Removes one client at its version. False where it changed meanwhile.
pub async fn remove(app: &App, client: &Versioned<Client>, actor: &Actor<'_>) -> Result<bool, StoreFault> {
    let key = known_key(&client.record);
    let history = app.store.read::<Removed>(&key).await?;
    let alias = match client.record.has_alias() {
        false => None,
        true => {
            let alias = app
                .store
                .read::<ClientIdAlias>(client.record.client_id.as_bytes())
                .await?;
            // Clients that the configuration names had none in earlier versions: it may be another client's.
            alias.filter(|alias| {
                alias.record.authority == client.record.authority
                    && alias.record.subject == client.record.subject
            })
        }
    };
    let Some(entropy) = app.clock.entropy() else {
        return Err(StoreFault("the system has no randomness to give".into()));
    };
    let batch = lifecycle::remove(
        client,
        history.as_ref(),
        alias.as_ref(),
        actor,
        &entropy,
        app.now(),
    );
    let outcome = app.store.commit(batch).await;
    app.clients.forget(&key);
    match outcome {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict(_)) => Ok(false),
        Err(CommitError::Unavailable(fault)) => Err(fault),
        Err(CommitError::Busy) => Err(StoreFault("the writer is busy".into())),
    }
}
