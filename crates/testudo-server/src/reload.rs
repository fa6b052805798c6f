//! Reads the configuration again: on the node that gets the order, and then on the other nodes.
//!
//! The configuration in force is replaced as a whole; if the new file cannot be used, the configuration in force stays.
//! Each node reads its own file: the order to reload is sent through the store, the file is not. When the file of a
//! node changes without an order, only that node reads it, so that nodes do not cause reloads of each other without
//! end.

use crate::audit::{Note, tell, write_event};
use crate::change::Change;
use crate::config::{self, Configuration, Report};
use crate::reload_changes::{AtNextStart, Reloaded, WithoutBundle, no_longer_governed};
use crate::renewal::tell_renewal;
use crate::state::app::App;
use crate::state::certificates::Renewal;
use crate::state::in_force::{Anchors, InForce, Serving, cluster_groups};
use crate::state::look::Look;
use crate::state::refused::{self, RefusedRecord};
use crate::trust::{Anchor, CertificateIssuers, first_bundles, forget, join_verifiers, keep_fresh};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use testudo_core::Actor;
use testudo_core::admin::ReloadWrites;
use testudo_core::records::{EventKind, Kind, ReloadOrder};
use testudo_store::{CommitError, typed};

/// Applies the configuration file on this node and orders all other nodes to apply theirs. The events of all nodes name
/// the administrator and the reason.
pub async fn reload(app: &Arc<App>, note: Note<'_>) -> Result<Reloaded, Report> {
    let change = Change::begin(app, note).await;
    let reloaded = apply(app, note).await?;
    // The new configuration is in force on this node in any case.
    if let Err(why) = write_reload(app, &change, &reloaded).await {
        tracing::error!(
            event = "configuration.order_unwritten",
            fault = why,
            "the order to reload could not be sent to the other nodes, or the event could not be written; run `testudo reload` again"
        );
    }
    Ok(reloaded)
}

/// Writes the event, if anything changed on this node, and in the same batch the order to the other nodes where the
/// store is shared: their files may have changed although the file of this node has not.
async fn write_reload(app: &App, change: &Change<'_>, reloaded: &Reloaded) -> Result<(), String> {
    let order = change.order().map_err(|fault| fault.to_string())?;
    let event = (!reloaded.change.is_nothing()).then(|| {
        let mut event = order.event(EventKind::RulesChanged);
        reloaded.describe_in(&mut event, "");
        event
    });
    let mut writes = ReloadWrites { order: None, event };
    if app.store.is_shared() {
        let to_others = ReloadOrder {
            at: order.now,
            digest: configuration_digest(app),
            by: Some(order.actor.to_string()),
            reason: order.reason.map(str::to_owned),
        };
        // The new order replaces the last one.
        let last = app.store.get(Kind::ReloadOrder, ReloadOrder::KEY).await;
        let last = last.map_err(|fault| fault.to_string())?;
        let last = last.map(|last| last.version);
        // Noted before the store can announce the order to this node, which has read its file already.
        let version = last.map_or(1, |last| last + 1);
        app.file.order_followed.store(version, Ordering::SeqCst);
        writes.order = Some((to_others, last));
    }
    let outcome = match change.commit_reload(&writes).await {
        // Another node wrote an order at the same moment, which all nodes follow. Only the event of this node is still
        // missing.
        Err(CommitError::Conflict(_)) => {
            writes.order = None;
            change.commit_reload(&writes).await
        }
        outcome => outcome,
    };
    outcome.map_err(|error| error.to_string())
}

/// Carries out the order of another node, unless it was carried out already.
pub async fn follow(app: &Arc<App>) -> Result<(), String> {
    // The lock is taken first, so that an order that this node is writing is noted as its own before the order is read
    // here.
    let turn = app.turns.admin.lock().await;
    let last = app.store.get(Kind::ReloadOrder, ReloadOrder::KEY).await;
    let Some(order) = last.map_err(|fault| fault.to_string())? else {
        return Ok(());
    };
    // Any other version counts, not only a later one: after a restore, the database continues from an earlier version.
    if app.file.order_followed.swap(order.version, Ordering::SeqCst) == order.version {
        return Ok(());
    }
    let (mut by, mut reason) = (None, None);
    match typed::<ReloadOrder>(order) {
        Ok(order) => {
            if configuration_digest(app) != order.record.digest {
                tracing::warn!(
                    event = "configuration.differs",
                    "another node reloaded a configuration file that differs from the file of this node"
                );
            }
            (by, reason) = (order.record.by, order.record.reason);
        }
        // The order is carried out although its record cannot be read: to read the file once more does no harm.
        Err(fault) => {
            let record = RefusedRecord::new("reload_order", ReloadOrder::KEY, fault.to_string());
            tell(app, refused::news(&[], &[record])).await;
        }
    }
    let by = by.unwrap_or_else(|| "another node".to_owned());
    let note = Note {
        actor: &Actor::AsWritten(by.into()),
        reason: reason.as_deref(),
    };
    match apply(app, note).await {
        Ok(reloaded) => {
            tell_reload(app, note, &reloaded, ", as ordered on another node").await;
        }
        // The configuration in force stays.
        Err(report) => tracing::error!(
            event = "configuration.not_reloaded",
            %report,
            "another node ordered a reload, but the configuration file of this node cannot be used"
        ),
    }
    drop(turn);
    Ok(())
}

/// Writes the event of a reload for which this node writes no order, if anything changed.
async fn tell_reload(app: &App, note: Note<'_>, reloaded: &Reloaded, order: &str) {
    if reloaded.change.is_nothing() {
        return;
    }
    write_event(app, EventKind::RulesChanged, |event| {
        reloaded.describe_in(event, order);
        note.sign(event);
    })
    .await;
}

/// How often the configuration file is checked for changes.
const LOOK: Duration = Duration::from_secs(2);
/// How long a changed file must stay unchanged before it is read: an editor may be in the middle of writing it, and a
/// part of a configuration file may be valid.
const SETTLED: Duration = Duration::from_millis(500);

/// Reads the configuration again when its file or an included file changes, comes or goes. Files are read by their names,
/// so that the replacement of a symbolic link (as Kubernetes does it) is seen as a change. Runs until the task is dropped.
pub async fn watch(app: Arc<App>) {
    let mut last = None;
    loop {
        tokio::time::sleep(if last.is_none() { LOOK } else { SETTLED }).await;
        if !app.in_force.load().serving.watch {
            last = None;
            continue;
        }
        // A configuration may have a thousand files, on a slow disk.
        let read = app.clone();
        let Ok(digest) = tokio::task::spawn_blocking(move || configuration_digest(&read)).await else {
            continue;
        };
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

/// Applies a changed file on this node. If it cannot be used, that is reported once, and the configuration in force
/// stays.
async fn apply_changed(app: &Arc<App>, digest: [u8; 32]) {
    let _turn = app.turns.admin.lock().await;
    // An administrator may have ordered a reload meanwhile.
    if digest == last_read(app) {
        return;
    }
    let note = Note {
        actor: &Actor::FileWatch,
        reason: Some("the file changed"),
    };
    match apply(app, note).await {
        Ok(reloaded) => {
            tell_reload(app, note, &reloaded, "").await;
        }
        Err(report) => {
            let detail = format!(
                "{}; the configuration in force stays",
                report.to_string().trim_end()
            );
            write_event(app, EventKind::ConfigurationRefused, |event| {
                event.detail = Some(detail);
                event.actor = Some(note.actor.to_string());
            })
            .await;
        }
    }
}

fn last_read(app: &App) -> [u8; 32] {
    *app.file.read.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SHA-256 of the current configuration file and the files that it includes.
fn configuration_digest(app: &App) -> [u8; 32] {
    let path = app.file.path.as_deref();
    path.map_or([0; 32], config::digest)
}

/// Reads the TLS files again. Files that cannot be used are a warning, and the certificate in force stays. Returns the
/// sections that were added or removed.
async fn renew_certificates(
    app: &App,
    configuration: &Configuration,
    note: Note<'_>,
    warnings: &mut Report,
) -> Vec<AtNextStart> {
    let named = [
        ("server.tls", &app.certificates.server, &configuration.server.tls),
        ("admin.tls", &app.certificates.admin, &configuration.admin.tls),
    ];
    let mut at_next_start = Vec::new();
    for (key, certificate, files) in named {
        match (certificate, files) {
            (None, None) => {}
            (Some(certificate), Some(files)) => {
                certificate.name_files(files);
                let renewal = certificate.renew();
                let problem = match &renewal {
                    Renewal::Kept(why) => Some(format!("cannot be used: {why}")),
                    Renewal::StillKept => Some(
                        "still cannot be used: the last event tls.certificate_refused states why".to_owned(),
                    ),
                    Renewal::Unchanged | Renewal::Renewed(_) => None,
                };
                if let Some(problem) = problem {
                    warnings.warn(key, problem, Some("the certificate in force stays in use"));
                }
                tell_renewal(app, certificate, renewal, note).await;
            }
            (Some(_), None) => at_next_start.push(AtNextStart {
                key,
                what: "was removed",
            }),
            (None, Some(_)) => at_next_start.push(AtNextStart {
                key,
                what: "was added",
            }),
        }
    }
    at_next_start
}

/// Applies all settings of the file that a reload can change. The warnings name the others. The caller writes the
/// event.
async fn apply(app: &Arc<App>, note: Note<'_>) -> Result<Reloaded, Report> {
    let outcome = read_and_apply(app, note).await;
    app.metrics.last_reload_successful.set(i64::from(outcome.is_ok()));
    outcome
}

async fn read_and_apply(app: &Arc<App>, note: Note<'_>) -> Result<Reloaded, Report> {
    let path = app.file.path.clone().ok_or_else(|| {
        Report::of(config::Problem::error(
            "reload",
            "this server was started without a configuration file",
            None,
        ))
    })?;
    // Noted before the file is read, so that a change in between is found by the next check.
    *app.file.read.lock().unwrap_or_else(PoisonError::into_inner) = configuration_digest(app);
    let generation = app.in_force.load().policy.generation + 1;
    let (configuration, mut warnings) = config::load(&path, generation)?;
    if app.in_force.load().arrival.exposes_development(&configuration) {
        return Err(Report::of(config::Problem::error(
            "login.development",
            "signs any visitor in without proof, and this server has listeners beyond loopback until it is started again",
            Some("start the server again with listeners on loopback alone".to_owned()),
        )));
    }
    take_settings(app, &configuration)?;
    let mut at_next_start = renew_certificates(app, &configuration, note, &mut warnings).await;
    let differ = app.started_with.differ_from(&configuration).into_iter();
    at_next_start.extend(differ.map(|key| AtNextStart { key, what: "changed" }));
    let before = app.in_force.load_full();
    put_in_force(app, configuration).await;
    let after = app.in_force.load_full();
    let mut change = before.written.changes_to(&after.written);
    change.at_next_start = at_next_start
        .iter()
        .map(|setting| setting.key.to_owned())
        .collect();
    let may_orphan = change.are_rules_reordered
        || [&change.rules, &change.trust_domains, &change.issuers]
            .iter()
            .any(|names| !names.is_empty());
    let ungoverned = match may_orphan {
        true => no_longer_governed(app, &before.policy, &after.policy).await,
        false => None,
    };
    let reloaded = Reloaded {
        generation,
        change,
        ungoverned,
        at_next_start,
        without_bundle: without_bundle(app, &after),
        warnings,
    };
    let (actor, reason, summary) = (note.actor, note.reason, reloaded.summary());
    tracing::info!(
        event = "configuration.reloaded",
        generation,
        %actor,
        reason,
        changes = summary,
        "configuration reloaded"
    );
    reloaded.all_warnings().log();
    Ok(reloaded)
}

/// Applies settings that are not part of the policy: outbound requests, limits of connections and memory,
/// `serve_without_store`.
fn take_settings(app: &App, configuration: &Configuration) -> Result<(), Report> {
    let (outbound, server) = (&configuration.outbound, &configuration.server);
    {
        let mut current = app
            .outbound
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *current != *outbound {
            let fetcher = outbound.fetcher(app.outbound.network.clone());
            let fetcher = fetcher.map_err(|why| Report::of(config::Problem::error("outbound", why, None)))?;
            app.outbound.fetcher.store(Arc::new(fetcher));
            *current = outbound.clone();
        }
    }
    app.connection_rules.store(Arc::new(server.connection_rules()));
    app.memory.clients.resize(server.clients_in_memory);
    app.applied_changes
        .set_limit(configuration.store.serve_without_store);
    // A reload opens no listener, so the listeners are those of the start.
    let has_other_listener = app.in_force.load().arrival.mtls_url.is_some();
    app.certificates
        .ask(server.asks_for_certificates, has_other_listener);
    Ok(())
}

/// Authorities without usable keys.
fn without_bundle(app: &App, in_force: &InForce) -> Vec<WithoutBundle> {
    let moment = app.moment();
    let empty = in_force
        .anchors
        .values()
        .filter(|anchor| anchor.current(moment).is_none());
    let mut without: Vec<_> = empty
        .map(|anchor| WithoutBundle {
            authority: anchor.source().authority.clone(),
            why: anchor
                .status(moment)
                .last_error
                .unwrap_or_else(|| "it was not fetched yet".to_owned()),
        })
        .collect();
    without.sort_by_key(|one| one.authority.to_string());
    without
}

/// Puts authorities, rules and clients in force. An authority whose source is unchanged keeps its keys; for the others,
/// also where only the roots or the first bundle that verify the server of the source changed, this waits up to 2 s for
/// the keys.
pub async fn put_in_force(app: &Arc<App>, configuration: Configuration) {
    let serving = Serving::of(&configuration);
    let current = app.in_force.load_full();
    let arrival = current.arrival.reloaded(&configuration);
    let mut anchors = Anchors::new();
    let mut fresh = Vec::new();
    for source in configuration.bundles {
        let authority = source.authority.clone();
        let anchor = match current.anchor(&authority) {
            Some(anchor) if *anchor.source() == source => anchor.clone(),
            earlier => {
                let anchor = Arc::new(Anchor::new(source, app.memory.bundle_changes.clone()));
                if let Some(earlier) =
                    earlier.filter(|earlier| anchor.source().gives_the_same(earlier.source()))
                {
                    anchor.inherit(earlier);
                }
                fresh.push(anchor.clone());
                anchor
            }
        };
        anchors.insert(authority, anchor);
    }
    join_verifiers(&anchors);
    first_bundles(app, &fresh).await;
    app.in_force.store(Arc::new(InForce {
        clusters: cluster_groups(&configuration.policy, &anchors, &app.memory.bundle_changes),
        certificate_issuers: CertificateIssuers::of(&anchors),
        look: Look::of(&configuration.pages, &configuration.policy.issuer),
        policy: configuration.policy,
        anchors,
        reviews: configuration.reviews,
        login: configuration.login,
        arrival,
        serving,
        written: configuration.written,
    }));
    for anchor in fresh {
        keep_fresh(app, anchor);
    }
    for (authority, anchor) in &current.anchors {
        if app.in_force.load().anchor(authority).is_none() {
            forget(app, anchor).await;
        }
    }
}
