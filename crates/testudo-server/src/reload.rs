//! Reading the configuration again: on the node that is told, and then on all of them.
//!
//! What changes is swapped whole; what is in force stays where the file cannot be used. Every node reads its own
//! file: the order travels through the store, the file does not. A file that changes is read by its own node only:
//! no administrator ordered a reload, so no order goes to the other nodes, and they never reload one another.

use crate::audit::{tell, write_event};
use crate::config::{self, Configuration, Report};
use crate::renewal::tell_renewal;
use crate::state::app::App;
use crate::state::certificates::Renewal;
use crate::state::refused::{self, RefusedRecord};
use crate::trust::{Anchor, first_bundles, keep_fresh};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use testudo_core::Authority;
use testudo_core::records::{Batch, EventKind, Kind, ReloadOrder};
use testudo_store::{CommitError, typed};

/// Applies the configuration file again, here and on every other node: each reads its own. An administrator's reason
/// is kept in this node's event.
pub async fn reload(app: &Arc<App>, reason: Option<String>) -> Result<Report, Report> {
    let _turn = app.admin_turn.lock().await;
    let warnings = apply(app, reason).await?;
    // It holds on this node in any case. Where the store is away, the other nodes reload with the next order.
    if let Err(why) = order_reload(app).await {
        tracing::error!(why, "the other nodes were not told to reload");
    }
    Ok(warnings)
}

/// Tells the other nodes.
async fn order_reload(app: &App) -> Result<(), String> {
    if !app.store.is_shared() {
        return Ok(());
    }
    let order = ReloadOrder {
        at: app.now(),
        digest: configuration_digest(app),
    };
    // What it says is of no interest here: it is replaced.
    let last = app.store.get(Kind::ReloadOrder, ReloadOrder::KEY).await;
    let mut batch = Batch::default();
    let version = match last.map_err(|fault| fault.to_string())? {
        Some(last) => {
            batch.replace(&order, last.version);
            last.version + 1
        }
        None => {
            batch.insert(&order);
            1
        }
    };
    // Before the order can come back to us: what we read ourselves we do not read again.
    app.reload_heard.store(version, Ordering::SeqCst);
    match app.store.commit(batch).await {
        // Another node was told at the same moment: all hear that one.
        Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// Follows the order of another node, if it is one that was not followed yet.
pub async fn follow(app: &Arc<App>) -> Result<(), String> {
    // The turn first: an order of our own that is being written is ours by the time we read it.
    let _turn = app.admin_turn.lock().await;
    let last = app.store.get(Kind::ReloadOrder, ReloadOrder::KEY).await;
    let Some(order) = last.map_err(|fault| fault.to_string())? else {
        return Ok(());
    };
    // Another one, not a later one: a database that was restored counts on from an earlier version.
    if app.reload_heard.swap(order.version, Ordering::SeqCst) == order.version {
        return Ok(());
    }
    match typed::<ReloadOrder>(order) {
        Ok(order) if configuration_digest(app) == order.record.digest => {}
        Ok(_) => {
            tracing::warn!("another node reloaded a configuration file that is not the same as this node's");
        }
        // An order is an order: reading our own file again does no harm.
        Err(fault) => {
            let record = RefusedRecord::new("reload_order", ReloadOrder::KEY, fault.to_string());
            tell(app, refused::news(&[], &[record])).await;
        }
    }
    match apply(app, None).await {
        Ok(_) => {}
        // What is in force stays; a broken file is no reason to forget clients.
        Err(report) => tracing::error!(%report, "another node reloaded; this node's file cannot be used"),
    }
    Ok(())
}

/// How often the configuration file is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// A file that changed must stay as it is for so long: an editor may be in the middle of writing it, and half of a
/// file may be a configuration, too.
const SETTLED: Duration = Duration::from_millis(500);

/// Reads the configuration file again when it changes: by its name, so that a link that points elsewhere now
/// (Kubernetes swaps one) is a change. Has no end of its own.
pub async fn watch(app: Arc<App>) {
    let mut last = None;
    loop {
        tokio::time::sleep(if last.is_none() { LOOK } else { SETTLED }).await;
        let digest = configuration_digest(&app);
        if digest == last_read(&app) {
            last = None;
        } else if last != Some(digest) {
            last = Some(digest);
        } else {
            last = None;
            apply_changed(&app, digest).await;
        }
    }
}

/// Applies a file that changed, here only. What cannot be used is said once; what is in force stays.
async fn apply_changed(app: &Arc<App>, digest: [u8; 32]) {
    let _turn = app.admin_turn.lock().await;
    // An administrator may have been faster.
    if digest == last_read(app) {
        return;
    }
    match apply(app, Some("the file changed".into())).await {
        Ok(warnings) if warnings.problems.is_empty() => {}
        Ok(warnings) => tracing::warn!(%warnings, "the configuration file changed and was applied"),
        Err(report) => {
            tracing::error!(%report, "configuration.refused: the file changed and cannot be used");
            let detail = format!(
                "{}; the configuration in force goes on",
                report.to_string().trim_end()
            );
            write_event(app, EventKind::ConfigurationRefused, |event| {
                event.detail = Some(detail);
            })
            .await;
        }
    }
}

fn last_read(app: &App) -> [u8; 32] {
    *app.configuration_read
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// SHA-256 of the configuration file as it is now; that of nothing where it cannot be read.
fn configuration_digest(app: &App) -> [u8; 32] {
    let path = app.config_path.as_ref();
    let bytes = path.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    testudo_protocol::jose::sha256(&bytes)
}

/// Reads the TLS files again. What cannot be used is a warning: the certificate in force goes on.
async fn renew_certificates(app: &App, configuration: &Configuration, warnings: &mut Report) {
    let named = [
        ("server.tls", &app.certificates.server, &configuration.server.tls),
        ("admin.tls", &app.certificates.admin, &configuration.admin.tls),
    ];
    for (section, certificate, files) in named {
        match (certificate, files) {
            (None, None) => {}
            (Some(certificate), Some(files)) => {
                certificate.name_files(files);
                let renewal = certificate.renew();
                if let Renewal::Kept(why) = &renewal {
                    let hint = Some("the certificate in force goes on being used");
                    warnings.warn(section, format!("cannot be used: {why}"), hint);
                }
                tell_renewal(app, certificate, renewal).await;
            }
            (Some(_), None) => warnings.warn(section, "is gone: takes effect at the next start", None),
            (None, Some(_)) => warnings.warn(section, "is new: takes effect at the next start", None),
        }
    }
}

/// Trust domains, rules and clients of the file. Listeners, store and keys stay.
async fn apply(app: &Arc<App>, reason: Option<String>) -> Result<Report, Report> {
    let path = app.config_path.clone().ok_or_else(|| {
        Report::of(config::Problem::error(
            "reload",
            "this server was started without a file",
            None,
        ))
    })?;
    // Before it is read: a change in between is another one, which the next look finds.
    *app.configuration_read
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = configuration_digest(app);
    let generation = app.generation.load(Ordering::SeqCst) + 1;
    let (configuration, mut warnings) = config::load(&path, generation)?;
    renew_certificates(app, &configuration, &mut warnings).await;
    if configuration.policy.tokens.signing_algorithm != app.policy.load().tokens.signing_algorithm {
        tracing::warn!("tokens.signing_algorithm changed: it takes effect at the next start");
    }
    put_in_force(app, configuration).await;
    write_event(app, EventKind::RulesChanged, |event| {
        event.detail = Some(format!("configuration reloaded, generation {generation}"));
        event.reason = reason;
    })
    .await;
    tracing::info!(generation, "configuration reloaded");
    Ok(warnings)
}

/// Puts authorities, rules and clients in force. An authority whose source is the same keeps the keys that it has;
/// for the others this waits a short while.
pub async fn put_in_force(app: &Arc<App>, configuration: Configuration) {
    let generation = configuration.policy.generation;
    let current = app.anchors.load_full();
    let mut anchors: HashMap<Authority, Arc<Anchor>> = HashMap::new();
    let mut fresh = Vec::new();
    for source in configuration.bundles {
        let authority = source.authority.clone();
        let anchor = match current.get(&authority) {
            Some(anchor) if *anchor.source() == source => anchor.clone(),
            earlier => {
                let anchor = Arc::new(Anchor::new(source));
                if let Some(earlier) =
                    earlier.filter(|earlier| earlier.source().origin == anchor.source().origin)
                {
                    anchor.inherit(earlier);
                }
                fresh.push(anchor.clone());
                anchor
            }
        };
        anchors.insert(authority, anchor);
    }
    first_bundles(app, &fresh).await;
    app.anchors.store(Arc::new(anchors));
    app.policy.store(Arc::new(configuration.policy));
    app.generation.store(generation, Ordering::SeqCst);
    for anchor in fresh {
        keep_fresh(app, anchor);
    }
}
