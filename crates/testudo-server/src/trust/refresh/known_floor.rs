//! What the store and this node know of the bundles of an authority before a refresh.

use super::super::anchor::{Anchor, locked};
use super::super::first_seen::FirstSeen;
use super::super::floor::{self, FloorFault, Remembered};
use crate::audit::tell;
use crate::state::app::App;
use crate::state::refused::RefusedRecord;
use std::sync::atomic::Ordering;
use testudo_core::admin::bundle::Floor;
use testudo_core::records::EventKind;

/// What is known of the bundles that were in force before.
pub(super) struct KnownFloor {
    pub(super) floor: Floor,
    pub(super) first_seen: FirstSeen,
    /// SHA-256 of the first bundle that was used, in hexadecimal.
    bootstrap: Option<String>,
    pub(super) version: u64,
    /// What the store has; `None` where its record cannot be read.
    pub(super) stored: Option<Remembered>,
    pub(super) is_unreadable: bool,
}

impl KnownFloor {
    pub(super) fn remembered(&self, floor: Floor) -> Remembered {
        Remembered {
            floor,
            first_seen: self.first_seen.clone(),
            bootstrap: self.bootstrap.clone(),
        }
    }

    /// The first bundle that was used, after a bundle of this source was fetched.
    pub(super) fn bootstrap_after(&self, anchor: &Anchor) -> Option<String> {
        let of_source = anchor.source().origin.bootstrap_digest();
        of_source.or_else(|| self.bootstrap.clone())
    }
}

/// The higher of the sequence in the store and the one that this node has seen. `accepts`: an administrator accepts the
/// bundle, also where the record cannot be read.
pub(super) async fn known(app: &App, anchor: &Anchor, accepts: bool) -> Result<KnownFloor, String> {
    let authority = anchor.source().authority.key();
    let remembered = *locked(&anchor.floor);
    let first_seen = locked(&anchor.first_seen).clone();
    let known = match floor::read(&app.store, &app.encryption, authority).await {
        Ok((stored, version)) => {
            *locked(&anchor.refused_floor) = None;
            let floor = remembered.map_or(stored.floor, |remembered| remembered.max(stored.floor));
            if remembered.is_some_and(|remembered| remembered.accepted < stored.floor.accepted) {
                anchor.is_accepted_elsewhere.store(true, Ordering::Relaxed);
            }
            KnownFloor {
                floor,
                first_seen: first_seen.and(&stored.first_seen),
                bootstrap: stored.bootstrap.clone(),
                version,
                stored: Some(stored),
                is_unreadable: false,
            }
        }
        Err(FloorFault::Unreadable { version }) => match accepts {
            true => KnownFloor {
                floor: remembered.unwrap_or_default(),
                first_seen,
                bootstrap: None,
                version,
                stored: None,
                is_unreadable: true,
            },
            false => {
                let unreadable = FloorFault::Unreadable { version };
                let why = unreadable.explain(&anchor.source().authority);
                refuse_record(app, anchor, &why).await;
                return Err(why);
            }
        },
        // While the store cannot be read, this node compares with what it has seen. If it has seen nothing, it could
        // not tell an old bundle from the latest one, so the refresh fails.
        Err(FloorFault::Store(fault)) => match (remembered, accepts) {
            (Some(floor), false) => KnownFloor {
                floor,
                version: 0,
                stored: Some(Remembered {
                    floor,
                    first_seen: first_seen.clone(),
                    bootstrap: anchor.source().origin.bootstrap_digest(),
                }),
                first_seen,
                bootstrap: None,
                is_unreadable: false,
            },
            (None, false) | (_, true) => {
                return Err(FloorFault::Store(fault).explain(&anchor.source().authority));
            }
        },
    };
    *locked(&anchor.floor) = Some(known.floor);
    Ok(known)
}

/// Notes that the stored record is not used, and writes an event the first time.
async fn refuse_record(app: &App, anchor: &Anchor, why: &str) {
    let before = locked(&anchor.refused_floor).replace(why.to_owned());
    if let (None, Some(record)) = (before, RefusedRecord::of_bundle(anchor)) {
        tell(app, vec![(EventKind::RecordRefused, record.to_string())]).await;
    }
}
