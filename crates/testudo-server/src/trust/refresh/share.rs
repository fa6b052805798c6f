//! Stores the last good bundle for other nodes and for the next start, and uses what they stored while this node has no
//! usable bundle of its own.

use super::super::anchor::{Anchor, HeldBundle, SharedAt, locked};
use super::super::floor::{self, FloorFault, Remembered};
use super::super::shared::{self, Stored};
use crate::audit::{tell, write_event};
use crate::state::app::App;
use crate::state::refused::RefusedRecord;
use std::sync::atomic::Ordering;
use testudo_core::admin::bundle::Floor;
use testudo_core::records::{Batch, EventKind, Kind};
use testudo_protocol::jose::sha256;
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::{CommitError, StoreFault};

/// The stored time of the last fetch is renewed after this part of the maximum age. A node that starts then has at least
/// the rest, and the store receives few writes.
const RENEWED_AFTER: i64 = 4;

/// How far the clock of the node that stored a bundle may be ahead: a bundle may be used longer by so much.
const AHEAD_MAX: Seconds = Seconds(60);

impl Anchor {
    /// True after a reload removed the authority.
    pub(super) fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::SeqCst)
    }

    /// True if the bundle is shared through the store. A source on this machine is read again within seconds instead.
    fn is_shared(&self) -> bool {
        !self.source.origin.is_on_this_machine()
    }

    /// True if this node has no bundle, or one that no fetch confirmed for some time.
    pub(super) fn may_need_another(&self, app: &App) -> bool {
        let age = self.kept.held().map(|held| held.confirmed.age(app.moment()));
        self.is_shared() && age.is_none_or(|age| age >= self.renewed_after())
    }

    fn renewed_after(&self) -> Seconds {
        Seconds(self.source.max_staleness.0 / RENEWED_AFTER)
    }

    fn is_due(&self, digest: [u8; 32], now: Timestamp) -> bool {
        let renewed = self.renewed_after();
        locked(&self.shared).is_none_or(|at| at.digest != digest || at.seen + renewed <= now)
    }
}

/// Stores the document that was put in force, if the stored one differs or its time is to be renewed. A failure is logged,
/// and the next refresh tries again.
pub(super) async fn store(app: &App, anchor: &Anchor, document: &[u8], floor: Floor) {
    let (digest, now) = (sha256(document), app.now());
    if !anchor.is_shared() || !anchor.is_due(digest, now) {
        return;
    }
    let note = |confirmed| {
        let seen = now;
        *locked(&anchor.shared) = Some(SharedAt {
            digest,
            confirmed,
            seen,
        });
    };
    let source = &anchor.source;
    let stored = match shared::read(&app.store, &app.encryption, source).await {
        Ok(stored) => stored,
        Err(fault) => return warn_unstored(&CommitError::Unavailable(fault)),
    };
    // Another node stored the same document, or one with a higher sequence, which this node will fetch too.
    if let Stored::Bundle { shared, .. } = &stored {
        let is_renewed = shared.confirmed + anchor.renewed_after() > now;
        let is_same = shared.document.as_bytes() == document;
        if shared.floor > floor || (is_same && is_renewed) {
            return note(shared.confirmed);
        }
    }
    let next = shared::Shared {
        authority: source.authority.key().to_owned(),
        source: source.origin.to_string(),
        // A document that was parsed is JSON, and JSON is UTF-8.
        document: String::from_utf8_lossy(document).into_owned(),
        confirmed: now,
        floor,
        bootstrap: source.origin.bootstrap_digest(),
        roots: source.origin.roots_digest(),
    };
    let mut batch = Batch::default();
    let committed = match shared::put(&mut batch, &app.encryption, &next, stored.version()) {
        Ok(()) => app.store.commit(batch).await,
        Err(fault) => Err(CommitError::Unavailable(fault)),
    };
    match committed {
        // A conflict means that another node stored the bundle at the same moment.
        Ok(()) | Err(CommitError::Conflict(_)) => {
            note(now);
            anchor.is_shared_refused.store(false, Ordering::Relaxed);
        }
        Err(error) => warn_unstored(&error),
    }
}

/// Puts the stored bundle in force, if it was fetched later than that of this node.
pub(super) async fn take(app: &App, anchor: &Anchor) {
    if !anchor.is_shared() {
        return;
    }
    let authority = &anchor.source.authority;
    let shared = match shared::read(&app.store, &app.encryption, &anchor.source).await {
        Ok(Stored::Bundle { shared, .. }) => shared,
        Ok(Stored::Unreadable { .. }) => return refuse_record(app, anchor).await,
        // The refresh reports that the store cannot be read.
        Ok(Stored::Nothing { .. }) | Err(_) => return,
    };
    // The lowest accepted sequence may be higher by now. If it cannot be read, an old bundle cannot be told from the
    // latest one.
    let Ok((remembered, _)) = floor::read(&app.store, &app.encryption, authority.key()).await else {
        return;
    };
    // This node may have seen a higher sequence than the store has: the record of the store may be an earlier one.
    let of_node = locked(&anchor.floor).unwrap_or_default();
    if !shared.is_last(remembered.floor.max(of_node), app.now()) {
        return;
    }
    let Ok(keys) = anchor.source.read(shared.document.as_bytes()) else {
        return;
    };
    if remembered.news(&anchor.source, &keys).is_some() {
        return;
    }
    let now = app.moment();
    // The bundle of this node is as old as its steady clock counts, also after the wall clock was set back: only what was
    // stored since can be younger.
    let is_known = locked(&anchor.shared).is_some_and(|at| at.confirmed == shared.confirmed);
    // The clock of the other node may be a little ahead. A record from later than that has no known age.
    if is_known || shared.confirmed > now.wall() + AHEAD_MAX {
        return;
    }
    let confirmed = now.earlier(now.wall() - shared.confirmed.min(now.wall()));
    let held = anchor.kept.held();
    if held.is_some_and(|held| held.confirmed.age(now) <= confirmed.age(now)) {
        return;
    }
    let digest = sha256(shared.document.as_bytes());
    let is_new = anchor.keep(
        HeldBundle {
            keys,
            digest,
            is_by_bootstrap: false,
            is_from_store: true,
        },
        confirmed,
    );
    *locked(&anchor.shared) = Some(SharedAt {
        digest,
        confirmed: shared.confirmed,
        seen: now.wall(),
    });
    // A bundle that is too old for credentials is kept: the server of its endpoint is verified with it.
    if is_new && anchor.current(now).is_some() {
        write_event(app, EventKind::BundleUpdated, |event| {
            event.authority = Some(authority.key().to_owned());
            let fetched = shared.confirmed;
            event.detail = Some(format!(
                "from the store, fetched at {fetched} by another node or before the start"
            ));
        })
        .await;
    }
}

/// Called for an authority that a reload removed from the configuration. [SPIFFE-FED §6.3]
pub(crate) async fn forget(app: &App, anchor: &Anchor) {
    anchor.is_removed.store(true, Ordering::SeqCst);
    forget_unless_added_again(app, anchor).await;
}

pub(super) async fn forget_unless_added_again(app: &App, anchor: &Anchor) {
    let authority = &anchor.source().authority;
    if app.in_force.load().anchor(authority).is_none() {
        delete(app, anchor).await;
    }
}

/// Deletes the stored bundle of an authority that was removed from the configuration: where it is added again, it must not
/// begin with the bundle from before, but with `bootstrap`. [SPIFFE-FED §6.3] The lowest accepted sequence is kept.
async fn delete(app: &App, anchor: &Anchor) {
    if !anchor.is_shared() {
        return;
    }
    let mut batch = Batch::default();
    match add_removal(app, anchor, &mut batch).await {
        Ok(()) if batch.is_empty() => {}
        Ok(()) => match app.store.commit(batch).await {
            // A node that still has the authority stored it again.
            Ok(()) | Err(CommitError::Conflict(_)) => {}
            Err(error) => warn_unstored(&error),
        },
        Err(fault) => warn_unstored(&CommitError::Unavailable(fault)),
    }
}

async fn add_removal(app: &App, anchor: &Anchor, batch: &mut Batch) -> Result<(), StoreFault> {
    let key = anchor.source.authority.key();
    let stored = shared::read(&app.store, &app.encryption, &anchor.source).await?;
    if stored.version() > 0 {
        batch.remove(Kind::SharedBundle, key.as_bytes().to_vec(), stored.version());
    }
    match floor::read(&app.store, &app.encryption, key).await {
        Ok((remembered, version)) if remembered.bootstrap.is_some() => {
            let remembered = Remembered {
                bootstrap: None,
                ..remembered
            };
            floor::put(batch, &app.encryption, key, remembered, version)
        }
        // A record that cannot be decrypted stays, so that its error is reported where the authority is added again.
        Ok(_) | Err(FloorFault::Unreadable { .. }) => Ok(()),
        Err(FloorFault::Store(fault)) => Err(fault),
    }
}

/// Notes that the stored bundle is not used, and writes an event the first time.
async fn refuse_record(app: &App, anchor: &Anchor) {
    let was_refused = anchor.is_shared_refused.swap(true, Ordering::Relaxed);
    if let (false, Some(record)) = (was_refused, RefusedRecord::of_shared_bundle(anchor)) {
        tell(app, vec![(EventKind::RecordRefused, record.to_string())]).await;
    }
}

fn warn_unstored(error: &CommitError) {
    tracing::warn!(event = "bundle.unshared", fault = %error, "a bundle could not be stored for other nodes and the next start");
}
