//! Decides whether a fetched bundle is used, held back because its sequence is lower, or used because an administrator
//! accepts it.
//!
//! The server stores the highest sequence so far encrypted (`trust/floor.rs`), so that no other node, and no node after
//! a restart, uses an earlier bundle. [SPIFFE-BUNDLE §4.1.1]

use super::order::Order;
use crate::identity::Authority;
use crate::records::{Event, EventKind};
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
}

/// A bundle that is not used because its sequence is too low.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBack {
    /// The highest sequence used so far.
    pub held: u64,
    /// The sequence of the fetched document, if it has one.
    pub offered: Option<u64>,
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offered {
            Some(offered) => write!(
                f,
                "the source offers sequence {offered}, but sequence {} was used before",
                self.held
            ),
            None => write!(
                f,
                "the source offers a bundle without spiffe_sequence, but sequence {} was used before",
                self.held
            ),
        }
    }
}

impl Floor {
    /// Checks that a bundle may be used. A bundle without keys may always be used: it cannot bring back a withdrawn
    /// key, and publishers use it in an emergency.
    pub fn check(&self, offered: &Offered) -> Result<(), HeldBack> {
        let Some(held) = self.sequence else { return Ok(()) };
        match offered.sequence {
            Some(sequence) if sequence >= held => Ok(()),
            None if offered.is_empty => Ok(()),
            offered => Err(HeldBack { held, offered }),
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
