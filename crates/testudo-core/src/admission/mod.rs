//! Admission: the checks that an identity must pass to be served as a client or to become one, for every kind of
//! request.
//!
//! The kinds of request (`occasions/`) call these steps in order; every client is created here.

pub mod attested_by;
pub mod client_name;
pub(crate) mod conflicts;
pub mod create;
pub mod governed;
pub mod governing;
pub mod known;
pub mod lifecycle;
pub mod limits;
pub mod sweep;
