//! A bundle that was fetched: put in force, held back, or taken because an administrator accepts it.
//!
//! What the highest sequence so far is, is kept sealed by the server (`trust/floor.rs`), so that no restart and no other
//! node takes an earlier bundle. [SPIFFE-BUNDLE §4.1.1]

use super::order::Order;
use crate::identity::Authority;
use crate::records::{Event, EventKind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The lowest sequence that may still be put in force for an authority. Ordered: a floor that an administrator accepted
/// later is higher than every sequence before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Floor {
    /// When an administrator last accepted a lower sequence; seconds since the epoch, zero where none did.
    pub accepted: i64,
    /// The highest sequence taken since.
    pub sequence: Option<u64>,
}

/// What a bundle states of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offered {
    /// Its sequence, where the publisher keeps one.
    pub sequence: Option<u64>,
    /// It lists no key at all.
    pub is_empty: bool,
    /// What the source does not name any more, as only an administrator may accept it.
    pub lost: Option<&'static str>,
}

/// A bundle that is not put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBack {
    /// The highest sequence taken so far.
    pub held: u64,
    /// What is offered, where the document says so.
    pub offered: Option<u64>,
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offered {
            Some(offered) => write!(f, "sequence {offered} is offered, {} was taken before", self.held),
            None => write!(
                f,
                "a bundle without spiffe_sequence is offered, sequence {} was taken before",
                self.held
            ),
        }
    }
}

impl Floor {
    /// Whether a bundle may be put in force. One that lists no key may, whatever it leaves out: it brings back no
    /// key that was withdrawn, and is what an administrator writes in an emergency.
    pub fn judge(&self, offered: &Offered) -> Result<(), HeldBack> {
        let Some(held) = self.sequence else { return Ok(()) };
        match offered.sequence {
            Some(sequence) if sequence >= held => Ok(()),
            None if offered.is_empty => Ok(()),
            offered => Err(HeldBack { held, offered }),
        }
    }

    /// The floor once this bundle is in force.
    pub fn after(self, offered: &Offered) -> Floor {
        Floor {
            sequence: self.sequence.max(offered.sequence),
            ..self
        }
    }
}

/// What an administrator's order to accept a bundle comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The floor that is written.
    pub floor: Floor,
    /// What was accepted; nothing where the bundle would have been taken anyway.
    pub what: Option<String>,
}

/// Takes a bundle, whatever its sequence is. `is_readable` is false where the stored floor does not open: it is
/// replaced.
pub fn accept(order: &Order<'_>, floor: Floor, is_readable: bool, offered: &Offered) -> Accepted {
    // Later than any acceptance before, also where the clock was set back since.
    let lowered = Floor {
        accepted: order.now.0.max(floor.accepted.saturating_add(1)),
        sequence: offered.sequence,
    };
    match floor.judge(offered) {
        Err(held_back) => Accepted {
            floor: lowered,
            what: Some(held_back.to_string()),
        },
        Ok(()) if !is_readable => Accepted {
            floor: lowered,
            what: Some("the stored sequence could not be read, and was replaced".to_owned()),
        },
        Ok(()) => Accepted {
            floor: floor.after(offered),
            what: offered.lost.map(|lost| format!("the Workload API names {lost}")),
        },
    }
}

/// The event of an acceptance: it goes into the batch of the floor.
pub fn accepted_event(order: &Order<'_>, authority: &Authority, what: &str) -> Event {
    let mut event = order.event(EventKind::BundleAccepted);
    event.authority = Some(authority.key().to_owned());
    event.detail = Some(what.to_owned());
    event
}
