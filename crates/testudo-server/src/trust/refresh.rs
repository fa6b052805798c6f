//! One refresh of a bundle, scheduled, early or ordered by an administrator: fetch it, check it, store its sequence,
//! put it in force, and report what changed.
//!
//! The event, the log line and the metric are written here, so that every kind of refresh has them.

mod endpoint;
mod known_floor;
mod share;

use super::anchor::{Anchor, FetchedBundle, LastFailure, Refreshed, locked};
use super::floor::{self, FloorFault, Remembered};
use super::source;
use super::workload_api::Expected;
use crate::audit::{Note, new_event, write_event};
use crate::config::BundleOrigin;
use crate::fault::Fault;
use crate::state::app::App;
use crate::state::event_lines::log_event;
use crate::state::moment::Moment;
use known_floor::{KnownFloor, known};
pub(crate) use share::forget;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testudo_core::Authority;
use testudo_core::admin::Order;
use testudo_core::admin::bundle::{self, Accepted, Floor, HeldBack, Offered};
use testudo_core::doors::AuthorityKeys;
use testudo_core::records::{Batch, Event, EventKind, counted};
use testudo_protocol::Seconds;
use testudo_store::{CommitError, StoreFault};

/// How long the start of the server waits for the sources of bundles. A source that does not answer must not delay the
/// identities of other authorities.
const FIRST_BUNDLES_WAIT: Duration = Duration::from_secs(2);
/// Most time for one fetch, from the first byte that is sent to the last byte that is read.
const REFRESH_DEADLINE: Duration = Duration::from_secs(10);
/// By how much the first pause of a source may be shortened, in thousandths: all sources are fetched together at the start,
/// and must not be fetched together again.
const FIRST_PAUSE_SHORTENED_BY: u32 = 500;
/// By how much every later pause may be shortened.
const PAUSE_SHORTENED_BY: u32 = 100;
/// How often the line of a refresh that keeps failing is written to the log.
const LINE_EVERY: Seconds = Seconds(3600);
/// Most attempts to store a sequence. Another node may store one at the same moment; then the bundle is checked again.
const ATTEMPTS: usize = 4;

/// Why a bundle is fetched.
#[derive(Clone, Copy)]
enum Cause<'a> {
    /// The pause is over, a credential has an unknown `kid`, or an administrator accepted a bundle on another node.
    Schedule,
    /// An administrator ordered a refresh.
    Refresh(Note<'a>),
    /// An administrator accepts the bundle that is held back.
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

/// Fetches all bundles at the same time. After [`FIRST_BUNDLES_WAIT`] the start continues, and the fetches continue in the background.
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
            // The runtime logs a panic of the task; the authority has no bundle then.
            let _ = fetch.await;
        }
    };
    if tokio::time::timeout(FIRST_BUNDLES_WAIT, all).await.is_err() {
        tracing::warn!(
            event = "bundles.missing",
            "not all bundles could be fetched yet; identities of their authorities are refused until they are"
        );
    }
}

/// Refreshes a bundle at its interval, and earlier on request, for as long as its anchor is in use. Between two
/// refreshes the task keeps no reference to the server, so it ends when the server ends.
pub(crate) fn keep_fresh(app: &Arc<App>, anchor: Arc<Anchor>) {
    let app = Arc::downgrade(app);
    tokio::spawn(async move {
        let mut parts = FIRST_PAUSE_SHORTENED_BY;
        loop {
            let ended = anchor.ended_refreshes();
            let Some(pause) = app.upgrade().map(|app| pause(&app, &anchor, parts)) else {
                return;
            };
            let is_due = tokio::select! {
                () = tokio::time::sleep(pause) => !anchor.is_refreshed_since(ended),
                () = anchor.wanted.notified() => true,
            };
            // The first fetch of one of many sources, or an order of an administrator: the next pause begins at its end.
            if !is_due {
                continue;
            }
            parts = PAUSE_SHORTENED_BY;
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

/// The interval, shortened by a random part of up to `parts` thousandths, so that many servers, and one server for many
/// authorities, do not fetch at the same moment.
fn pause(app: &App, anchor: &Anchor, parts: u32) -> Duration {
    let entropy = app.clock.entropy();
    let random = entropy.map_or(0, |entropy| u32::from(entropy.random[0]));
    let interval = anchor.interval(app.moment());
    interval - interval * (random * parts) / (256 * 1_000)
}

/// Called when a sequence of this authority was stored. If another node stored a higher one, this node fetches from its
/// own source at once: its next scheduled fetch may be minutes away.
pub(crate) async fn follow(app: &App, authority: &[u8]) -> Result<(), StoreFault> {
    for anchor in anchors(app) {
        if anchor.source().authority.key().as_bytes() == authority {
            anchor.follow(app).await?;
        }
    }
    Ok(())
}

/// As [`follow`] for every authority: it is not known which sequences other nodes stored.
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
    /// The number of refreshes that ended.
    fn ended_refreshes(&self) -> u64 {
        *self.ended.borrow()
    }

    /// True if a refresh ended since this number had, or has begun: a fetch may wait until others have ended.
    fn is_refreshed_since(&self, ended: u64) -> bool {
        self.ended_refreshes() != ended || self.turn.try_lock().is_err()
    }

    async fn follow(&self, app: &App) -> Result<(), StoreFault> {
        let Some(held) = *locked(&self.floor) else {
            // The first refresh reads the stored sequence.
            return Ok(());
        };
        let authority = self.source.authority.key();
        match floor::read(&app.store, &app.encryption, authority).await {
            Ok((stored, _)) => self.look_if_behind(app, held, stored.floor),
            Err(FloorFault::Store(fault)) => return Err(fault),
            // The next refresh refuses the record and reports it.
            Err(FloorFault::Unreadable { .. }) => {}
        }
        Ok(())
    }

    /// Fetches at once what an administrator accepted on another node. For a higher sequence, fetches as often as for
    /// an unknown `kid`: if a publisher raised the sequence with every answer, each fetch of one node would cause
    /// fetches of all others without end.
    fn look_if_behind(&self, app: &App, held: Floor, stored: Floor) {
        let is_behind = stored > held;
        if stored.accepted > held.accepted || (is_behind && self.early.take(app.moment())) {
            self.wanted.notify_one();
        }
    }
}

/// One refresh.
pub(crate) async fn refresh(app: &App, anchor: &Anchor) -> Refreshed {
    run(app, anchor, Cause::Schedule).await
}

/// One refresh that an administrator ordered.
pub(crate) async fn refresh_for(app: &App, anchor: &Anchor, note: Note<'_>) -> Refreshed {
    run(app, anchor, Cause::Refresh(note)).await
}

/// One refresh in which an administrator accepts a bundle that would be held back: a lower sequence, no sequence where
/// an earlier bundle had one, or, from a Workload API, a bundle without a kind of authority that the one in force has.
pub(crate) async fn accept(app: &App, anchor: &Anchor, note: Note<'_>) -> Refreshed {
    run(app, anchor, Cause::Accept(note)).await
}

async fn run(app: &App, anchor: &Anchor, cause: Cause<'_>) -> Refreshed {
    let _turn = anchor.turn.lock().await;
    // First, so that a source that does not answer does not delay what another node fetched.
    let was_without = anchor.current(app.moment()).is_none();
    if was_without {
        share::take(app, anchor).await;
    }
    let outcome = match fetch(app, anchor, cause).await {
        Ok(_) if anchor.is_removed() => Refreshed::NotTaken("the authority was removed".into()),
        Ok(read) => take(app, anchor, read, cause).await,
        Err(why) => Refreshed::Failed(why),
    };
    if anchor.is_removed() {
        // It may have been removed after the check, while this refresh wrote its records.
        share::forget_unless_added_again(app, anchor).await;
    } else {
        let has_failed = matches!(outcome, Refreshed::Failed(_));
        if has_failed && !was_without && anchor.may_need_another(app) {
            share::take(app, anchor).await;
        }
        announce(app, anchor, &outcome, cause).await;
    }
    anchor.ended.send_modify(|number| *number += 1);
    outcome
}

async fn fetch(app: &App, anchor: &Anchor, cause: Cause<'_>) -> Result<FetchedBundle, String> {
    // A new bundle is not compared with one that is too old to be used: otherwise the answer of a Workload API that has fewer
    // kinds of authority would be refused for ever.
    let held = anchor.current(app.moment());
    let as_before = Expected::AsMuchAs(held.as_ref().and_then(AuthorityKeys::bundle).map(Arc::as_ref));
    let expected = match cause.accepts() {
        false => as_before,
        true => Expected::Anything,
    };
    let fetcher = app.outbound.fetcher.load_full();
    // Before the permit: the server may be verified with a bundle that is still being fetched.
    let verified = within_deadline(anchor.server(app, cause.accepts())).await?;
    let is_by_bootstrap = verified.as_ref().is_some_and(|verified| verified.is_by_bootstrap);
    let server = verified.map(|verified| verified.server);
    // An order of an administrator does not wait for the fetches of sources that hang. The semaphore is never closed.
    let is_counted = cause.note().is_none() && !anchor.source.origin.is_on_this_machine();
    let _permit = match is_counted {
        true => app.outbound.bundle_fetches.acquire().await.ok(),
        false => None,
    };
    let fetching = source::fetch(&anchor.source, &fetcher, expected, server);
    let document = within_deadline(fetching).await?;
    let mut read = anchor.read(document.bytes)?;
    read.is_by_bootstrap = is_by_bootstrap;
    if let (true, BundleOrigin::WorkloadApi(_)) = (cause.accepts(), &anchor.source.origin) {
        read.lost = read.keys.bundle().and_then(|bundle| {
            as_before.missing(!bundle.jwt_keys.is_empty(), !bundle.x509_authorities.is_empty())
        });
    }
    Ok(read)
}

async fn within_deadline<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(REFRESH_DEADLINE, work)
        .await
        .unwrap_or_else(|_| {
            let seconds = REFRESH_DEADLINE.as_secs();
            Err(format!("no complete answer within {seconds} s"))
        })
}

/// Compares a bundle with the sequences that this node and other nodes accepted before, stores its sequence, then puts
/// it in force. Where an administrator accepts it, the sequence and the event are one batch; if the batch cannot be
/// written, the bundle is not accepted.
async fn take(app: &App, anchor: &Anchor, mut read: FetchedBundle, cause: Cause<'_>) -> Refreshed {
    let authority = &anchor.source().authority;
    for _ in 0..ATTEMPTS {
        let known = match known(app, anchor, cause.accepts()).await {
            Ok(known) => known,
            Err(why) => return Refreshed::NotTaken(why),
        };
        let offered = Offered {
            lost: read.lost,
            new_key: known.news(anchor, &read.keys),
            ..floor::offered(&read.keys)
        };
        let mut batch = Batch::default();
        let (next, accepted) = match (known.floor.check(&offered), cause) {
            (_, Cause::Accept(note)) => {
                let Some(entropy) = app.clock.entropy() else {
                    return Refreshed::NotTaken(Fault::NoEntropy.to_string());
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
                    batch.insert_event(bundle::accepted_event(&order, authority, what));
                }
                (floor, what)
            }
            (Ok(()), Cause::Schedule | Cause::Refresh(_)) => (known.floor.after(&offered), None),
            // If the store has an older sequence than this node knows, the newer one is stored again: a node that
            // starts reads it there.
            (Err(held_back), Cause::Schedule | Cause::Refresh(_)) => {
                let is_stored = known
                    .stored
                    .as_ref()
                    .is_some_and(|stored| stored.floor == known.floor);
                if !is_stored {
                    store_again(app, authority, &known).await;
                }
                return Refreshed::HeldBack(held_back);
            }
        };
        let next = known.after(anchor, &read.keys, next, app.now());
        let is_stored = known.stored.as_ref() == Some(&next);
        let put = match is_stored {
            true => Ok(()),
            false => put(app, authority, &mut batch, next.clone(), known.version),
        };
        let committed = match (put, batch.is_empty()) {
            (Ok(()), true) => Ok(()),
            (Ok(()), false) => app.commit(batch).await,
            (Err(fault), _) => Err(CommitError::Unavailable(fault)),
        };
        match committed {
            Ok(()) if is_stored => {}
            Ok(()) => *locked(&anchor.refused_floor) = None,
            // Another node stored a sequence meanwhile: check the bundle again, with that sequence.
            Err(CommitError::Conflict(_)) => continue,
            Err(error) if accepted.is_some() => {
                return Refreshed::NotTaken(format!("the accepted sequence cannot be stored: {error}"));
            }
            // The bundle is put in force all the same, since it may lack keys that were withdrawn; the next refresh
            // stores its sequence.
            Err(error) => warn_unstored(&error),
        }
        *locked(&anchor.floor) = Some(next.floor);
        *locked(&anchor.first_seen) = next.first_seen;
        *locked(&anchor.accepted_keys) = next.accepted_keys;
        let document = std::mem::take(&mut read.document);
        let outcome = anchor.put_in_force(read, app.moment());
        share::store(app, anchor, &document, next.floor).await;
        return accepted.map_or(outcome, Refreshed::Accepted);
    }
    Refreshed::NotTaken("other nodes changed the stored sequence at the same time, several times".into())
}

fn put(
    app: &App,
    authority: &Authority,
    batch: &mut Batch,
    remembered: Remembered,
    version: u64,
) -> Result<(), StoreFault> {
    floor::put(batch, &app.encryption, authority.key(), remembered, version)
}

/// Stores the sequence that this node knows. A conflict means that another node stored one.
async fn store_again(app: &App, authority: &Authority, known: &KnownFloor) {
    let mut batch = Batch::default();
    let remembered = known.remembered(known.floor);
    let stored = match put(app, authority, &mut batch, remembered, known.version) {
        Ok(()) => app.store.commit(batch).await,
        Err(fault) => Err(CommitError::Unavailable(fault)),
    };
    match stored {
        Ok(()) | Err(CommitError::Conflict(_)) => {}
        Err(error) => warn_unstored(&error),
    }
}

fn warn_unstored(error: &CommitError) {
    tracing::warn!(event = "bundle.sequence_unstored", fault = %error, "the sequence of a bundle could not be stored");
}

/// Writes the event, the log line and the metric of a refresh. Of several failures in a row, only the first has an event.
///
/// If an administrator accepted a bundle on another node, the event of that node names the administrator. This node
/// then fetches from its own source; its event names no administrator and states the acceptance on another node.
async fn announce(app: &App, anchor: &Anchor, outcome: &Refreshed, cause: Cause<'_>) {
    let mut is_line_due = false;
    let (kind, detail, is_written) = match outcome {
        // What another node accepted may be the bundle that is in force here: a later one does not follow from it.
        Refreshed::Unchanged => {
            *locked(&anchor.last_failure) = None;
            anchor.is_accepted_elsewhere.store(false, Ordering::Relaxed);
            return;
        }
        Refreshed::Updated => {
            *locked(&anchor.last_failure) = None;
            let status = anchor.status(app.moment());
            let has = match status.keys.is_empty() {
                true => "no keys: every credential of the authority is refused".to_owned(),
                false => {
                    let keys = status.jwt_keys.len() + status.wit_keys.len();
                    format!("{} for tokens", counted(keys, "key"))
                }
            };
            let follows = match anchor.is_accepted_elsewhere.swap(false, Ordering::Relaxed) {
                true => ", after an administrator accepted a bundle on another node",
                false => "",
            };
            let verified = anchor.verified_by();
            (
                EventKind::BundleUpdated,
                format!("{has}{verified}{follows}"),
                true,
            )
        }
        // Its event was stored with the sequence.
        Refreshed::Accepted(_) => {
            *locked(&anchor.last_failure) = None;
            anchor.is_accepted_elsewhere.store(false, Ordering::Relaxed);
            return;
        }
        Refreshed::HeldBack(held_back) => {
            anchor.failures.fetch_add(1, Ordering::Relaxed);
            let is_new = is_new_rollback(anchor, *held_back);
            is_line_due = take_line(anchor, app.moment());
            (EventKind::BundleRolledBack, held_back.to_string(), is_new)
        }
        Refreshed::Failed(why) | Refreshed::NotTaken(why) => {
            anchor.failures.fetch_add(1, Ordering::Relaxed);
            let is_new = is_new_failure(anchor, why);
            is_line_due = take_line(anchor, app.moment());
            (EventKind::BundleStale, why.clone(), is_new)
        }
    };
    let authority = &anchor.source().authority;
    let fill = |event: &mut Event| {
        event.authority = Some(authority.key().to_owned());
        event.detail = Some(detail);
        if let Some(note) = cause.note() {
            note.sign(event);
        }
    };
    match is_written {
        true => write_event(app, kind, fill).await,
        false if is_line_due => log_event(&new_event(app, kind, fill)),
        false => {}
    }
}

/// True if the line of a refresh that keeps failing is to be written: the reason is another one, or the last line is an
/// hour old. A file is read every few seconds, and a line each time would fill the log.
fn take_line(anchor: &Anchor, now: Moment) -> bool {
    let mut last_failure = locked(&anchor.last_failure);
    let LastFailure { why, line, .. } = last_failure.get_or_insert_with(LastFailure::default);
    let is_due = line
        .as_ref()
        .is_none_or(|(last, at)| last != why || at.age(now) >= LINE_EVERY);
    if is_due {
        *line = Some((why.clone(), now));
    }
    is_due
}

/// Records a failure of a refresh. Returns true if it is the first failure since the last success.
fn is_new_failure(anchor: &Anchor, why: &str) -> bool {
    let mut last_failure = locked(&anchor.last_failure);
    let last_failure = last_failure.get_or_insert_with(LastFailure::default);
    why.clone_into(&mut last_failure.why);
    last_failure.held_back = None;
    !std::mem::replace(&mut last_failure.is_failure_written, true)
}

/// Records that a bundle is held back. Returns true if the same bundle was not already held back.
fn is_new_rollback(anchor: &Anchor, held_back: HeldBack) -> bool {
    let mut last_failure = locked(&anchor.last_failure);
    let last_failure = last_failure.get_or_insert_with(LastFailure::default);
    last_failure.why = format!("{held_back}: not put in force");
    last_failure.held_back = Some(held_back);
    last_failure.held_back_written.replace(held_back) != Some(held_back)
}

#[cfg(test)]
mod tests;
