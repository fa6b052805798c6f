//! Admission: what an identity must pass to be a client, or to become one, whatever the request is.
//!
//! The occasions (`occasions/`) call these steps in their order; a client is created here and nowhere else.

pub mod client_name;
pub(crate) mod conflicts;
pub mod create;
pub mod governed;
pub mod governing;
pub mod known;
pub mod lifecycle;
pub mod limits;
