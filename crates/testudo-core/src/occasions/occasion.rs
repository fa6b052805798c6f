//! The interface of every kind of request: the records that it needs, its decision, and the resolution of conflicts.

use crate::decision::{Decision, Moment, Resolution};
use crate::records::{Conflict, Loaded, Needs};
use crate::rejection::Rejection;
use crate::trace::Trace;

/// A request whose identity is proven and whose rule is known. The server loads the records that it needs, calls
/// `decide`, and writes the result (`server/settle`); a new kind of request or record needs no change there.
///
/// This is a trait and not an enum, because each kind of request has an outcome of another type.
pub trait Occasion: Sync {
    /// The content of the answer.
    type Outcome;

    /// The records to load.
    fn needs(&self) -> Needs<'_>;

    /// Decides with the records that were found. After a lost race it is called again with the current records.
    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<Self::Outcome>, Rejection>;

    /// How to continue when the batch of a decision was not written because of this conflict.
    fn conflict(&self, on: &Conflict) -> Resolution;

    /// True if the server may decide before it reads, as if none of the needed records existed. The decision is used
    /// only if its batch requires the absence of all of them.
    fn may_guess(&self) -> bool {
        false
    }

    /// True if requests that need the same client wait for each other while it is not in memory: of many first uses at
    /// once, one registers the client, and the others find it. A request that never registers a client must not wait.
    fn waits_for_others(&self) -> bool {
        true
    }
}
