//! Occasions: the requests at which an identity becomes a client, or a client changes.
//!
//! Each file decides one kind of request over the steps of `admission/`: nothing in it waits, and what it wants
//! written is in its result.

pub mod manage;
mod observed;
pub mod register;
pub mod registered;
pub mod showing;
pub mod token;
pub mod unattested;
