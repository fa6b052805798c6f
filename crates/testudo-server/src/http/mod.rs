//! The public endpoints.

mod bearer;
mod body;
mod challenge;
mod client;
mod cors;
mod framing;
mod fresh;
mod incoming;
mod introspect;
mod par;
mod proofs;
mod proxy;
mod ready;
mod register;
mod respond;
mod revoke;
mod routes;
mod token;
mod visit;
mod well_known;

pub(crate) use bearer::bearer;
pub use body::BodyError;
pub(crate) use body::content_type;
pub(crate) use framing::judge as judge_framing;
pub use ready::readyz;
pub(crate) use register::within_sponsor;
pub use respond::{json, plain};
pub use routes::dispatch;
pub(crate) use routes::turn_away;
