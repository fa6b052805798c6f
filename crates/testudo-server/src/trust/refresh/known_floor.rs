//! What the store and this node know of the bundles of an authority before a refresh.

use super::super::accepted_keys::AcceptedKeys;
use super::super::anchor::{Anchor, locked};
use super::super::first_seen::FirstSeen;
use super::super::floor::{self, FloorFault, Remembered};
use crate::audit::tell;
use crate::state::app::App;
use crate::state::refused::RefusedRecord;
use std::sync::atomic::Ordering;
use testudo_core::admin::bundle::Floor;
use testudo_core::doors::AuthorityKeys;
use testudo_core::records::EventKind;
use testudo_protocol::Timestamp;

/// What is known of the bundles that were in force before.
pub(super) struct KnownFloor {
    pub(super) floor: Floor,
    first_seen: FirstSeen,
    accepted_keys: Option<AcceptedKeys>,
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
            accepted_keys: self.accepted_keys.clone(),
            bootstrap: self.bootstrap.clone(),
        }
    }

    /// The JWK thumbprint of a key that only an administrator may accept, if the document has one.
    pub(super) fn news(&self, anchor: &Anchor, keys: &AuthorityKeys) -> Option<[u8; 32]> {
        if !anchor.source().key_changes.are_held {
            return None;
        }
        // Where nothing is remembered, the entry has had `key_change = "hold"` only since the last reload or start.
        let in_force = || anchor.of_any_age().as_ref().map(AcceptedKeys::of);
        let accepted = self.accepted_keys.clone().or_else(in_force);
        self.first_seen.news(keys, accepted.as_ref())
    }

    /// What is remembered after these keys of the source are put in force.
    pub(super) fn after(
        &self,
        anchor: &Anchor,
        keys: &AuthorityKeys,
        floor: Floor,
        now: Timestamp,
    ) -> Remembered {
        let source = anchor.source();
        let accepted_keys = source.key_changes.are_held.then(|| AcceptedKeys::of(keys));
        Remembered {
            floor,
            first_seen: self.first_seen.clone().after(keys, now),
            accepted_keys,
            bootstrap: source
                .origin
                .bootstrap_digest()
                .or_else(|| self.bootstrap.clone()),
        }
    }
}

/// The higher of the sequence in the store and the one that this node has seen. `accepts`: an administrator accepts the
/// bundle, also where the record cannot be read.
pub(super) async fn known(app: &App, anchor: &Anchor, accepts: bool) -> Result<KnownFloor, String> {
    let authority = anchor.source().authority.key();
    let remembered = *locked(&anchor.floor);
    let first_seen = locked(&anchor.first_seen).clone();
    let accepted_keys = locked(&anchor.accepted_keys).clone();
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
                accepted_keys: AcceptedKeys::latest(
                    accepted_keys.zip(remembered),
                    stored.accepted_keys.clone(),
                    stored.floor,
                ),
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
                accepted_keys,
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
                    accepted_keys: accepted_keys.clone(),
                    bootstrap: anchor.source().origin.bootstrap_digest(),
                }),
                first_seen,
                accepted_keys,
                bootstrap: None,
                is_unreadable: false,
            },
            (None, false) | (_, true) => {
                return Err(FloorFault::Store(fault).explain(&anchor.source().authority));
            }
        },
    };
    *locked(&anchor.floor) = Some(known.floor);
    (*locked(&anchor.accepted_keys)).clone_from(&known.accepted_keys);
    Ok(known)
}

/// Notes that the stored record is not used, and writes an event the first time.
async fn refuse_record(app: &App, anchor: &Anchor, why: &str) {
    let before = locked(&anchor.refused_floor).replace(why.to_owned());
    if let (None, Some(record)) = (before, RefusedRecord::of_bundle(anchor)) {
        tell(app, vec![(EventKind::RecordRefused, record.to_string())]).await;
    }
}
