//! One refresh of a bundle, scheduled, early or ordered by an administrator: fetch, judge, store, put in force,
//! and say what changed.
//!
//! The event, the log line and the metric belong to the change of the bundle, so they are written here, for the
//! scheduled fetch, the early one, and an administrator's.

use super::anchor::{Anchor, Read, Refreshed, Trouble, locked};
use super::floor::{self, FloorFault};
use super::source;
use super::workload_api::Expected;
use crate::audit::{Note, tell, write_event};
use crate::config::BundleOrigin;
use crate::state::app::App;
use crate::state::refused::RefusedRecord;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testudo_core::Authority;
use testudo_core::admin::Order;
use testudo_core::admin::bundle::{self, Accepted, Floor, HeldBack, Offered};
use testudo_core::records::{Batch, EventKind};
use testudo_store::{CommitError, StoreFault};

/// How long the start waits for bundle sources. One that hangs must not keep the others from being served.
const FIRST_BUNDLES_WAIT: Duration = Duration::from_secs(2);
/// From the first byte sent to a source to the last one read.
const REFRESH_DEADLINE: Duration = Duration::from_secs(10);
/// Other nodes may raise the stored sequence at the same moment; each time it is judged again.
const ATTEMPTS: usize = 4;

/// Why a bundle is fetched.
#[derive(Clone, Copy)]
enum Cause<'a> {
    /// Its time has come, or earlier: a caller shows an unknown `kid`, or another node took a bundle.
    Schedule,
    /// An administrator ordered a refresh.
    Refresh(Note<'a>),
    /// An administrator accepts what is held back.
    Accept(Note<'a>),
}

impl<'a> Cause<'a> {
    fn note(self) -> Option<Note<'a>> {
        match self {
            Cause::Schedule => None,
            Cause::Refresh(note) | Cause::Accept(note) => Some(note),
        }
    }

    fn accepts(self) -> bool {
        matches!(self, Cause::Accept(_))
    }
}

/// Fetches all bundles at once; gives up waiting, not fetching, after a short while.
pub(crate) async fn first_bundles(app: &Arc<App>, anchors: &[Arc<Anchor>]) {
    let fetches: Vec<_> = anchors
        .iter()
        .map(|anchor| {
            let (app, anchor) = (app.clone(), anchor.clone());
            tokio::spawn(async move { refresh(&app, &anchor).await })
        })
        .collect();
    let all = async {
        for fetch in fetches {
            // A panic in there is logged by the runtime; the domain stays without a bundle.
            let _ = fetch.await;
        }
    };
    if tokio::time::timeout(FIRST_BUNDLES_WAIT, all).await.is_err() {
        tracing::warn!("not all bundles have arrived; their trust domains are refused until they do");
    }
}

/// Refreshes a bundle as long as its anchor is in use: at its interval, and earlier where that is asked for. Between
/// two refreshes it keeps nothing of the server alive, and ends with it.
pub(crate) fn keep_fresh(app: &Arc<App>, anchor: Arc<Anchor>) {
    let app = Arc::downgrade(app);
    tokio::spawn(async move {
        while let Some(pause) = app.upgrade().map(|app| pause(&app, &anchor)) {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = anchor.wanted.notified() => {}
            }
            let Some(app) = app.upgrade() else { return };
            let is_in_use = app
                .in_force
                .load()
                .anchor(&anchor.source().authority)
                .is_some_and(|current| Arc::ptr_eq(current, &anchor));
            if !is_in_use {
                return;
            }
            refresh(&app, &anchor).await;
        }
    });
}

/// The interval with some jitter, so that many servers do not ask at the same moment.
fn pause(app: &App, anchor: &Anchor) -> Duration {
    let entropy = app.clock.entropy();
    let jitter = entropy.map_or(0, |entropy| u32::from(entropy.random[0]));
    let interval = anchor.interval(app.moment());
    interval - interval * jitter / 2560
}

/// Another node stored a sequence of this authority: a node whose bundle is behind looks at its own source at once, not
/// at its next turn, which may be minutes away. Where it was this node itself, there is nothing to do.
pub(crate) async fn follow(app: &App, authority: &[u8]) -> Result<(), StoreFault> {
    for anchor in anchors(app) {
        if anchor.source().authority.key().as_bytes() == authority {
            anchor.follow(app).await?;
        }
    }
    Ok(())
}

/// The same for each authority, where it is not known what other nodes stored.
pub(crate) async fn follow_all(app: &App) -> Result<(), StoreFault> {
    for anchor in anchors(app) {
        anchor.follow(app).await?;
    }
    Ok(())
}

fn anchors(app: &App) -> Vec<Arc<Anchor>> {
    app.in_force.load().anchors.values().cloned().collect()
}

impl Anchor {
    async fn follow(&self, app: &App) -> Result<(), StoreFault> {
        let Some(held) = *locked(&self.floor) else {
            // Its first refresh reads what is stored.
            return Ok(());
        };
        let authority = self.source.authority.key();
        match floor::read(&app.store, &app.encryption, authority).await {
            Ok((stored, _)) => self.look_if_behind(app, held, stored),
            Err(FloorFault::Store(fault)) => return Err(fault),
            // Refused by the next refresh, which says so.
            Err(FloorFault::Unreadable { .. }) => {}
        }
        Ok(())
    }

    /// An administrator's word is followed at once. A sequence is worth an early fetch, as an unknown `kid` is, and no
    /// more often: where a publisher raises it with each answer, nodes would send each other to the source for ever.
    fn look_if_behind(&self, app: &App, held: Floor, stored: Floor) {
        let is_behind = stored > held;
        if stored.accepted > held.accepted || (is_behind && self.take_early_turn(app.moment())) {
            self.wanted.notify_one();
        }
    }
}

/// One refresh.
pub(crate) async fn refresh(app: &App, anchor: &Anchor) -> Refreshed {
    run(app, anchor, Cause::Schedule).await
}

/// One refresh for which an administrator asks.
pub(crate) async fn refresh_for(app: &App, anchor: &Anchor, note: Note<'_>) -> Refreshed {
    run(app, anchor, Cause::Refresh(note)).await
}

/// One refresh by an administrator who takes what is held back: a lower sequence, or none after one, or, from a
/// Workload API, a bundle without a kind of authority that was there.
pub(crate) async fn accept(app: &App, anchor: &Anchor, note: Note<'_>) -> Refreshed {
    run(app, anchor, Cause::Accept(note)).await
}

async fn run(app: &App, anchor: &Anchor, cause: Cause<'_>) -> Refreshed {
    let _turn = anchor.turn.lock().await;
    let outcome = match fetch(app, anchor, cause).await {
        Ok(read) => take(app, anchor, read, cause).await,
        Err(why) => Refreshed::Failed(why),
    };
    announce(app, anchor, &outcome, cause).await;
    anchor.ended.send_modify(|number| *number += 1);
    outcome
}

async fn fetch(app: &App, anchor: &Anchor, cause: Cause<'_>) -> Result<Read, String> {
    // One that is too old to be used is no bundle to compare with: it would shut the trust domain for good.
    let held = anchor.current(app.moment());
    let as_before = Expected::AsMuchAs(held.as_deref());
    let expected = match cause.accepts() {
        false => as_before,
        true => Expected::Anything,
    };
    let fetcher = app.fetcher.load_full();
    let fetching = source::fetch(&anchor.source, &fetcher, expected);
    let document = tokio::time::timeout(REFRESH_DEADLINE, fetching)
        .await
        .unwrap_or_else(|_| {
            let seconds = REFRESH_DEADLINE.as_secs();
            Err(format!("no complete answer within {seconds} s"))
        })?;
    let mut read = anchor.read(&document)?;
    if let (true, BundleOrigin::WorkloadApi(_)) = (cause.accepts(), &anchor.source.origin) {
        let bundle = &read.bundle;
        read.lost = as_before.missing(!bundle.jwt_keys.is_empty(), !bundle.x509_authorities.is_empty());
    }
    Ok(read)
}

/// Judges a bundle by the sequences taken before, here and on other nodes; stores its own, then puts it in force. What
/// an administrator accepts is stored with its event in one batch, or it is not accepted.
async fn take(app: &App, anchor: &Anchor, read: Read, cause: Cause<'_>) -> Refreshed {
    let authority = &anchor.source().authority;
    let offered = Offered {
        lost: read.lost,
        ..floor::offered(&read.bundle)
    };
    for _ in 0..ATTEMPTS {
        let known = match known(app, anchor, cause).await {
            Ok(known) => known,
            Err(why) => return Refreshed::Failed(why),
        };
        let mut batch = Batch::default();
        let (next, accepted) = match (known.floor.judge(&offered), cause) {
            (_, Cause::Accept(note)) => {
                let Some(entropy) = app.clock.entropy() else {
                    return Refreshed::Failed("the system has no randomness to give".into());
                };
                let (actor, reason, now) = (note.actor, note.reason, app.now());
                let order = Order {
                    actor,
                    reason,
                    entropy,
                    now,
                };
                let Accepted { floor, what } =
                    bundle::accept(&order, known.floor, !known.is_unreadable, &offered);
                if let Some(what) = &what {
                    batch.insert(&bundle::accepted_event(&order, authority, what));
                }
                (floor, what)
            }
            (Ok(()), Cause::Schedule | Cause::Refresh(_)) => (known.floor.after(&offered), None),
            // What this node knows better than the store is stored again: another node may start by it.
            (Err(held_back), Cause::Schedule | Cause::Refresh(_)) => {
                if !known.is_stored && put(app, authority, &mut batch, known.floor, known.version).is_ok() {
                    let _ = app.store.commit(batch).await;
                }
                return Refreshed::HeldBack(held_back);
            }
        };
        let is_stored = next == known.floor && known.is_stored;
        let put = match is_stored {
            true => Ok(()),
            false => put(app, authority, &mut batch, next, known.version),
        };
        let committed = match (put, batch.is_empty()) {
            (Ok(()), true) => Ok(()),
            (Ok(()), false) => app.store.commit(batch).await,
            (Err(fault), _) => Err(CommitError::Unavailable(fault)),
        };
        match committed {
            Ok(()) if is_stored => {}
            Ok(()) => *locked(&anchor.refused_floor) = None,
            // Another node was first: judge again by what it stored.
            Err(CommitError::Conflict(_)) => continue,
            Err(error) if accepted.is_some() => {
                return Refreshed::Failed(format!("what was accepted cannot be stored: {error:?}"));
            }
            // Keys that were withdrawn must go now; the next refresh stores it.
            Err(error) => tracing::warn!(?error, "the sequence of a bundle could not be stored"),
        }
        *locked(&anchor.floor) = Some(next);
        let outcome = anchor.put_in_force(read, app.moment());
        return accepted.map_or(outcome, Refreshed::Accepted);
    }
    Refreshed::Failed("other nodes changed the sequence at the same moment, several times".into())
}

fn put(
    app: &App,
    authority: &Authority,
    batch: &mut Batch,
    floor: Floor,
    version: u64,
) -> Result<(), StoreFault> {
    floor::put(batch, &app.encryption, authority.key(), floor, version)
}

/// What is known of the sequences taken before.
struct KnownFloor {
    floor: Floor,
    version: u64,
    /// The store says the same.
    is_stored: bool,
    is_unreadable: bool,
}

/// The higher of what the store says and what this node has seen.
async fn known(app: &App, anchor: &Anchor, cause: Cause<'_>) -> Result<KnownFloor, String> {
    let authority = anchor.source().authority.key();
    let remembered = *locked(&anchor.floor);
    let known = match floor::read(&app.store, &app.encryption, authority).await {
        Ok((stored, version)) => {
            *locked(&anchor.refused_floor) = None;
            let floor = remembered.map_or(stored, |remembered| remembered.max(stored));
            if remembered.is_some_and(|remembered| remembered.accepted < stored.accepted) {
                anchor.is_accepted_elsewhere.store(true, Ordering::Relaxed);
            }
            KnownFloor {
                floor,
                version,
                is_stored: floor == stored,
                is_unreadable: false,
            }
        }
        Err(FloorFault::Unreadable { version }) => match cause {
            Cause::Accept(_) => KnownFloor {
                floor: remembered.unwrap_or_default(),
                version,
                is_stored: false,
                is_unreadable: true,
            },
            Cause::Schedule | Cause::Refresh(_) => {
                let unreadable = FloorFault::Unreadable { version };
                let why = unreadable.explain(&anchor.source().authority);
                refuse_record(app, anchor, &why).await;
                return Err(why);
            }
        },
        // While the store is away this node goes by what it has seen. Where it has seen nothing, an earlier bundle
        // could not be told from the latest.
        Err(FloorFault::Store(fault)) => match (remembered, cause) {
            (Some(floor), Cause::Schedule | Cause::Refresh(_)) => KnownFloor {
                floor,
                version: 0,
                is_stored: true,
                is_unreadable: false,
            },
            (_, Cause::Schedule | Cause::Refresh(_) | Cause::Accept(_)) => {
                return Err(FloorFault::Store(fault).explain(&anchor.source().authority));
            }
        },
    };
    *locked(&anchor.floor) = Some(known.floor);
    Ok(known)
}

/// Notes that the stored record is not believed; an event when that begins.
async fn refuse_record(app: &App, anchor: &Anchor, why: &str) {
    let before = locked(&anchor.refused_floor).replace(why.to_owned());
    if let (None, Some(record)) = (before, RefusedRecord::of_bundle(anchor)) {
        tell(app, vec![(EventKind::RecordRefused, record.to_string())]).await;
    }
}

/// Event, log line and metric of what a refresh found. A failure is an event when it begins, however it was met.
///
/// Where an administrator accepted a bundle on another node, the event of the acceptance names the administrator. This
/// node then fetches from its own source by itself: its event names none, and states what it follows.
async fn announce(app: &App, anchor: &Anchor, outcome: &Refreshed, cause: Cause<'_>) {
    let name = anchor.source().authority.name();
    let label = crate::state::metrics::AuthorityLabel {
        trust_domain: name.to_owned(),
    };
    let (kind, detail) = match outcome {
        Refreshed::Unchanged => {
            *locked(&anchor.trouble) = None;
            return;
        }
        Refreshed::Updated => {
            *locked(&anchor.trouble) = None;
            let status = anchor.status(app.moment());
            let keys = status.jwt_keys.len();
            tracing::info!(trust_domain = name, jwt_keys = keys, "authority.bundle_updated");
            let follows = match anchor.is_accepted_elsewhere.swap(false, Ordering::Relaxed) {
                true => ", after an administrator accepted a bundle on another node",
                false => "",
            };
            (EventKind::BundleUpdated, format!("{keys} JWT-SVID keys{follows}"))
        }
        Refreshed::Accepted(what) => {
            *locked(&anchor.trouble) = None;
            anchor.is_accepted_elsewhere.store(false, Ordering::Relaxed);
            let (actor, reason) = cause
                .note()
                .map(|note| (note.actor.to_string(), note.reason))
                .unzip();
            tracing::warn!(
                trust_domain = name,
                what,
                actor,
                reason = reason.flatten(),
                "authority.bundle_accepted"
            );
            // Its event was stored with the sequence.
            return;
        }
        Refreshed::HeldBack(held_back) => {
            app.metrics.bundle_failures.get_or_create(&label).inc();
            let HeldBack { held, offered } = *held_back;
            tracing::error!(trust_domain = name, held, offered, "authority.bundle_rolled_back");
            if !is_new_rollback(anchor, *held_back) {
                return;
            }
            (EventKind::BundleRolledBack, held_back.to_string())
        }
        Refreshed::Failed(why) => {
            app.metrics.bundle_failures.get_or_create(&label).inc();
            tracing::warn!(trust_domain = name, why, "authority.bundle_stale");
            if !is_new_failure(anchor, why) {
                return;
            }
            (EventKind::BundleStale, why.clone())
        }
    };
    let authority = &anchor.source().authority;
    write_event(app, kind, |event| {
        event.authority = Some(authority.key().to_owned());
        event.detail = Some(detail);
        if let Some(note) = cause.note() {
            note.sign(event);
        }
    })
    .await;
}

/// Notes a failure; true for the first one since the bundle was last confirmed.
fn is_new_failure(anchor: &Anchor, why: &str) -> bool {
    let mut trouble = locked(&anchor.trouble);
    let trouble = trouble.get_or_insert_with(Trouble::default);
    why.clone_into(&mut trouble.why);
    trouble.held_back = None;
    !std::mem::replace(&mut trouble.is_failure_said, true)
}

/// Notes a bundle that is held back; true where this very one was not held back before.
fn is_new_rollback(anchor: &Anchor, held_back: HeldBack) -> bool {
    let mut trouble = locked(&anchor.trouble);
    let trouble = trouble.get_or_insert_with(Trouble::default);
    trouble.why = format!("{held_back}: not applied");
    trouble.held_back = Some(held_back);
    trouble.held_back_said.replace(held_back) != Some(held_back)
}
