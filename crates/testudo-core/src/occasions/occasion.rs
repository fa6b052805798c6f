//! One shape for every kind of request: what it needs, what is decided, and what a conflict means.

use crate::decision::{Decision, Moment, Resolution};
use crate::records::{Conflict, Loaded, Needs};
use crate::rejection::Rejection;
use crate::trace::Trace;

/// A request that is proven and governed, and now to be decided. The server loads what it needs, lets it decide,
/// and writes what was decided (`server/settle`); a new kind of request or record changes nothing there.
///
/// A trait, where the house prefers an enum: each kind of request has an outcome of its own type.
pub trait Occasion: Sync {
    /// What the answer is made of.
    type Outcome;

    /// The records that are needed.
    fn needs(&self) -> Needs<'_>;

    /// Decides, on what was found of those records. Asked again, with what is found then, after a lost race.
    fn decide(
        &self,
        loaded: &Loaded<'_>,
        at: &Moment<'_>,
        trace: &mut Trace,
    ) -> Result<Decision<Self::Outcome>, Rejection>;

    /// What it means that the batch of a decision was not written.
    fn conflict(&self, on: &Conflict) -> Resolution;

    /// True where the server may decide before it reads, as if no record that is needed existed. The decision stands
    /// only where its batch demands the absence of them all.
    fn may_guess(&self) -> bool {
        false
    }
}
