//! What touches the world: HTTP, TLS, fetching, the admin API, upkeep.
//!
//! The decisions are in `testudo-core`; this crate parses, gathers, loads, commits and renders around them.

pub mod accord;
pub mod admin;
pub mod app;
pub mod bundles;
pub mod chains;
pub mod client_certificates;
pub mod clock;
pub mod config;
mod database_clock;
pub mod doctor;
pub mod events;
mod gather;
pub mod http;
pub mod keys;
pub mod listen;
pub mod memory;
pub mod metrics;
mod open_store;
mod own_tokens;
mod private_files;
pub mod refused;
pub mod reload;
mod remote_keys;
pub mod serve;
pub mod settle;
mod standing;
pub mod upkeep;

pub use app::App;
pub use serve::{Running, serve};
pub use testudo_fetch::{NameLookup, Network};
