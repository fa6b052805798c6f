//! Reading the configuration again: on the node that is told, and then on all of them.
//!
//! What changes is swapped whole; what is in force stays where the file cannot be used. Every node reads its own
//! file: the order travels through the store, the file does not. A file that changes is read by its own node only:
//! no administrator ordered a reload, so no order goes to the other nodes, and they never reload one another.

use crate::audit::{Note, tell, write_event};
use crate::change::Change;
use crate::config::{self, Configuration, Report};
use crate::reload_changes::changes;
use crate::renewal::tell_renewal;
use crate::state::app::App;
use crate::state::certificates::Renewal;
use crate::state::in_force::{Anchors, InForce, Serving};
use crate::state::refused::{self, RefusedRecord};
use crate::trust::{Anchor, first_bundles, keep_fresh};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use testudo_core::Actor;
use testudo_core::admin::Audited;
use testudo_core::records::{Batch, Event, EventKind, Kind, ReloadOrder};
use testudo_store::{CommitError, typed};

/// Applies the configuration file again, here and on every other node: each reads its own. The events of all nodes name
/// who ordered it, and why.
pub async fn reload(app: &Arc<App>, note: Note<'_>) -> Result<Reloaded, Report> {
    let change = Change::begin(app, note).await;
    let reloaded = apply(app, note).await?;
    let detail = reloaded.detail("");
    // It holds here in any case. Without the store, the other nodes are told by the next reload.
    if let Err(why) = order_reload(app, &change, detail).await {
        tracing::error!(
            why,
            "the other nodes were not told to reload, or the event was not written"
        );
    }
    Ok(reloaded)
}

/// Writes the event, and with it the order to the other nodes where there may be some.
async fn order_reload(app: &App, change: &Change<'_>, detail: String) -> Result<(), String> {
    let order = change.order().map_err(|fault| fault.to_string())?;
    let event = Event {
        detail: Some(detail),
        ..order.event(EventKind::RulesChanged)
    };
    let mut batch = Batch::default();
    if app.store.is_shared() {
        let order = ReloadOrder {
            at: order.now,
            digest: configuration_digest(app),
            by: Some(order.actor.to_string()),
            reason: order.reason.map(str::to_owned),
        };
        // What the last one says is of no interest here: it is replaced.
        let last = app.store.get(Kind::ReloadOrder, ReloadOrder::KEY).await;
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
        app.file.order_followed.store(version, Ordering::SeqCst);
    }
    let outcome = match change.commit(&Audited::new(batch, event.clone())).await {
        // Another node was told at the same moment: all nodes hear that order. The event is still ours.
        Err(CommitError::Conflict(_)) => change.commit(&Audited::new(Batch::default(), event)).await,
        outcome => outcome,
    };
    outcome.map_err(|error| format!("{error:?}"))
}

/// Follows the order of another node, if it is one that was not followed yet.
pub async fn follow(app: &Arc<App>) -> Result<(), String> {
    // The turn first: an order of our own that is being written is ours by the time we read it.
    let turn = app.turns.admin.lock().await;
    let last = app.store.get(Kind::ReloadOrder, ReloadOrder::KEY).await;
    let Some(order) = last.map_err(|fault| fault.to_string())? else {
        return Ok(());
    };
    // Another one, not a later one: a database that was restored counts on from an earlier version.
    if app.file.order_followed.swap(order.version, Ordering::SeqCst) == order.version {
        return Ok(());
    }
    let (mut by, mut reason) = (None, None);
    match typed::<ReloadOrder>(order) {
        Ok(order) => {
            if configuration_digest(app) != order.record.digest {
                tracing::warn!(
                    "another node reloaded a configuration file that is not the same as this node's"
                );
            }
            (by, reason) = (order.record.by, order.record.reason);
        }
        // An order is an order: reading our own file again does no harm.
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
            let detail = reloaded.detail(", as ordered on another node");
            tell_reload(app, note, detail).await;
        }
        // What is in force stays; a broken file is no reason to forget clients.
        Err(report) => tracing::error!(%report, "another node reloaded; this node's file cannot be used"),
    }
    drop(turn);
    Ok(())
}

/// The event of a reload that this node did by itself.
async fn tell_reload(app: &App, note: Note<'_>, detail: String) {
    write_event(app, EventKind::RulesChanged, |event| {
        event.detail = Some(detail);
        note.sign(event);
    })
    .await;
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
        if !app.in_force.load().serving.watch {
            last = None;
            continue;
        }
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
    let _turn = app.turns.admin.lock().await;
    // An administrator may have been faster.
    if digest == last_read(app) {
        return;
    }
    let note = Note {
        actor: &Actor::FileWatch,
        reason: Some("the file changed"),
    };
    match apply(app, note).await {
        Ok(reloaded) => {
            tell_reload(app, note, reloaded.detail("")).await;
            if !reloaded.warnings.problems.is_empty() {
                tracing::warn!(warnings = %reloaded.warnings, "the configuration file changed and was applied");
            }
        }
        Err(report) => {
            tracing::error!(%report, "configuration.refused: the file changed and cannot be used");
            let detail = format!(
                "{}; the configuration in force goes on",
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

/// SHA-256 of the configuration file as it is now; that of nothing where it cannot be read.
fn configuration_digest(app: &App) -> [u8; 32] {
    let path = app.file.path.as_ref();
    let bytes = path.and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    testudo_protocol::jose::sha256(&bytes)
}

/// Reads the TLS files again. What cannot be used is a warning: the certificate in force goes on.
async fn renew_certificates(app: &App, configuration: &Configuration, note: Note<'_>, warnings: &mut Report) {
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
                tell_renewal(app, certificate, renewal, note).await;
            }
            (Some(_), None) => warnings.warn(section, format!("is gone: {AT_NEXT_START}"), None),
            (None, Some(_)) => warnings.warn(section, format!("is new: {AT_NEXT_START}"), None),
        }
    }
}

/// What a reload did.
#[derive(Debug)]
pub struct Reloaded {
    /// Counts the configurations that were in force.
    pub generation: u64,
    /// What is different now: `+2 rules`.
    pub changes: Vec<String>,
    /// Warnings about the file, settings that take effect at the next start, and trust domains without a bundle.
    pub warnings: Report,
}

impl Reloaded {
    /// What changed, in one line.
    pub fn summary(&self) -> String {
        match self.changes.is_empty() {
            true => "no rule, trust domain or configured client changed".to_owned(),
            false => self.changes.join(", "),
        }
    }

    /// For the event.
    fn detail(&self, order: &str) -> String {
        let (generation, summary) = (self.generation, self.summary());
        let mut detail = format!("configuration reloaded, generation {generation}{order}: {summary}");
        for problem in &self.warnings.problems {
            if problem.problem.ends_with(AT_NEXT_START) || problem.key == BUNDLE {
                detail.push_str(&format!("; {} {}", problem.key, problem.problem));
            }
        }
        detail
    }
}

/// How a warning ends about a setting that a reload does not take.
const AT_NEXT_START: &str = "takes effect at the next start";
/// The key of a warning about a trust domain without a bundle.
const BUNDLE: &str = "trust_domains.bundle";

/// Everything of the file that a reload takes. The rest is named in the warnings; the event is the caller's.
async fn apply(app: &Arc<App>, note: Note<'_>) -> Result<Reloaded, Report> {
    let path = app.file.path.clone().ok_or_else(|| {
        Report::of(config::Problem::error(
            "reload",
            "this server was started without a file",
            None,
        ))
    })?;
    // Before it is read: a change in between is another one, which the next look finds.
    *app.file.read.lock().unwrap_or_else(PoisonError::into_inner) = configuration_digest(app);
    let generation = app.in_force.load().policy.generation + 1;
    let (configuration, mut warnings) = config::load(&path, generation)?;
    take_settings(app, &configuration)?;
    renew_certificates(app, &configuration, note, &mut warnings).await;
    for key in app.started_with.differ_from(&configuration) {
        warnings.warn(key, format!("changed: {AT_NEXT_START}"), None);
    }
    let before = app.in_force.load_full();
    put_in_force(app, configuration).await;
    let after = app.in_force.load_full();
    warnings.problems.extend(without_bundle(app, &after));
    let changes = changes(app, &before, &after).await;
    let reloaded = Reloaded {
        generation,
        changes,
        warnings,
    };
    let (actor, reason, summary) = (note.actor, note.reason, reloaded.summary());
    tracing::info!(generation, %actor, reason, changes = summary, "configuration reloaded");
    for problem in &reloaded.warnings.problems {
        tracing::warn!(
            key = problem.key,
            problem = problem.problem,
            "configuration reloaded"
        );
    }
    Ok(reloaded)
}

/// Takes what does not stand in the policy: outgoing requests, limits of connections, memory and outages.
fn take_settings(app: &App, configuration: &Configuration) -> Result<(), Report> {
    let (outbound, server) = (&configuration.outbound, &configuration.server);
    {
        let mut current = app.outbound.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != *outbound {
            let fetcher = outbound.fetcher(app.network.clone());
            let fetcher = fetcher.map_err(|why| Report::of(config::Problem::error("outbound", why, None)))?;
            app.fetcher.store(Arc::new(fetcher));
            *current = outbound.clone();
        }
    }
    app.connection_rules.store(Arc::new(server.connection_rules()));
    app.memory.clients.resize(server.clients_in_memory);
    app.accord.set_limit(configuration.store.serve_without_store);
    // As at the start: a reload opens no listener.
    let has_other_listener = app.in_force.load().arrival.mtls_url.is_some();
    app.certificates
        .ask(server.asks_for_certificates, has_other_listener);
    Ok(())
}

/// Trust domains of which no client can get a token now.
fn without_bundle(app: &App, in_force: &InForce) -> Vec<config::Problem> {
    let moment = app.moment();
    let empty = in_force
        .anchors
        .values()
        .filter(|anchor| anchor.current(moment).is_none());
    let mut problems: Vec<_> = empty
        .map(|anchor| {
            let status = anchor.status(moment);
            let why = status.last_error.unwrap_or_else(|| "none came yet".to_owned());
            let problem = format!("of {} is missing: {why}", status.trust_domain);
            let hint = "its clients are refused until a bundle comes; `testudo trust show` tells the state";
            config::Problem::warning(BUNDLE, problem, Some(hint.to_owned()))
        })
        .collect();
    problems.sort_by(|one, other| one.problem.cmp(&other.problem));
    problems
}

/// Puts authorities, rules and clients in force. An authority whose source is the same keeps the keys that it has;
/// for the others this waits a short while.
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
    app.in_force.store(Arc::new(InForce {
        policy: configuration.policy,
        anchors,
        arrival,
        serving,
    }));
    for anchor in fresh {
        keep_fresh(app, anchor);
    }
}
