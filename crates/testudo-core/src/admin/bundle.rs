//! Decides whether a fetched bundle is used, held back because its sequence is lower or it has a new key, or used because
//! an administrator accepts it.
//!
//! The server stores the highest sequence so far encrypted (`trust/floor.rs`), so that no other node, and no node after
//! a restart, uses an earlier bundle. [SPIFFE-BUNDLE §4.1.1]

use super::order::Order;
use crate::identity::Authority;
use crate::records::{Event, EventKind};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The lowest sequence that may be used for an authority. Floors are ordered: one that an administrator accepted later
/// is higher than every earlier floor, whatever its sequence is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Floor {
    /// When an administrator last accepted a lower sequence, in seconds since the epoch; zero if none did.
    pub accepted: i64,
    /// The highest sequence used since then.
    pub sequence: Option<u64>,
}

/// The properties of a fetched bundle that the decision needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offered {
    /// Its sequence, if the document has one.
    pub sequence: Option<u64>,
    /// True if the bundle has no key.
    pub is_empty: bool,
    /// What the source no longer offers, if only an administrator may accept that.
    pub lost: Option<&'static str>,
    /// The JWK thumbprint of a key that the bundle before did not have, if only an administrator may accept that.
    pub new_key: Option<[u8; 32]>,
}

/// Why a bundle is not used until an administrator accepts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// Its sequence is too low.
    LowerSequence {
        /// The highest sequence used so far.
        held: u64,
        /// The sequence of the fetched document, if it has one.
        offered: Option<u64>,
    },
    /// It has a key that the bundle before did not have: a new one, or one that was withdrawn.
    NewKey {
        /// The JWK thumbprint of the key.
        thumbprint: [u8; 32],
    },
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeldBack::LowerSequence {
                held,
                offered: Some(offered),
            } => write!(
                f,
                "the source offers sequence {offered}, but sequence {held} was used before"
            ),
            HeldBack::LowerSequence { held, offered: None } => write!(
                f,
                "the source offers a bundle without spiffe_sequence, but sequence {held} was used before"
            ),
            HeldBack::NewKey { thumbprint } => write!(
                f,
                "the source offers the key {}, which is not among the keys that were accepted last",
                URL_SAFE_NO_PAD.encode(thumbprint)
            ),
        }
    }
}

impl Floor {
    /// Checks that a bundle may be used. A bundle without keys may always be used: it cannot bring back a withdrawn
    /// key, and publishers use it in an emergency.
    pub fn check(&self, offered: &Offered) -> Result<(), HeldBack> {
        if let Some(thumbprint) = offered.new_key {
            return Err(HeldBack::NewKey { thumbprint });
        }
        let Some(held) = self.sequence else { return Ok(()) };
        match offered.sequence {
            Some(sequence) if sequence >= held => Ok(()),
            None if offered.is_empty => Ok(()),
            offered => Err(HeldBack::LowerSequence { held, offered }),
        }
    }

    /// The floor after this bundle is used.
    pub fn after(self, offered: &Offered) -> Floor {
        Floor {
            sequence: self.sequence.max(offered.sequence),
            ..self
        }
    }
}

/// The result of an administrator's order to accept a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The floor to store.
    pub floor: Floor,
    /// What was accepted; `None` if the bundle would have been used without the order.
    pub what: Option<String>,
}

/// Accepts a bundle with any sequence. `is_readable` is false if the stored floor cannot be decrypted: it is replaced.
pub fn accept(order: &Order<'_>, floor: Floor, is_readable: bool, offered: &Offered) -> Accepted {
    // Later than every earlier acceptance, even if the clock was set back since.
    let lowered = Floor {
        accepted: order.now.0.max(floor.accepted.saturating_add(1)),
        sequence: offered.sequence,
    };
    match floor.check(offered) {
        Err(held_back) => Accepted {
            floor: lowered,
            what: Some(held_back.to_string()),
        },
        Ok(()) if !is_readable => Accepted {
            floor: lowered,
            what: Some("the stored sequence could not be read and was replaced".to_owned()),
        },
        Ok(()) => Accepted {
            floor: floor.after(offered),
            what: offered.lost.map(|lost| format!("the Workload API offers {lost}")),
        },
    }
}

/// The event of an acceptance, written in the same batch as the floor.
pub fn accepted_event(order: &Order<'_>, authority: &Authority, what: &str) -> Event {
    let mut event = order.event(EventKind::BundleAccepted);
    event.authority = Some(authority.key().to_owned());
    event.detail = Some(what.to_owned());
    event
}
