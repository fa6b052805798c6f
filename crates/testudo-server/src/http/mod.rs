//! The public endpoints.

mod bearer;
mod body;
mod cors;
mod framing;
mod incoming;
mod proxy;
mod register;
mod respond;
mod routes;
mod token;
mod well_known;

pub use body::BodyError;
pub(crate) use framing::judge as judge_framing;
pub use respond::{json, plain};
pub(crate) use routes::turn_away;
pub use routes::{dispatch, readyz};
