//! The server: HTTP, TLS, fetching, the admin API, background work.
//!
//! The decisions are in `testudo-core`; this crate parses, gathers, loads, commits and renders around them.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod admin;
mod audit;
mod chain_memory;
mod chains;
mod change;
mod client_certificates;
pub mod client_records;
pub mod config;
pub mod credential_status;
mod database_clock;
pub mod doctor;
pub mod fault;
mod gather;
pub mod http;
mod key_changes;
pub mod key_encryption;
pub mod listen;
pub mod local_process;
pub mod log_lines;
mod open_store;
mod own_tokens;
pub mod pages;
pub mod peer;
mod person_records;
mod private_files;
pub mod read_again;
pub mod reload;
mod reload_changes;
mod renewal;
pub mod scrape;
pub mod serve;
pub mod settle;
pub mod socket_path;
pub mod state;
pub mod trust;
pub mod upkeep;
mod verify;

pub use audit::Note;
pub use serve::{Running, start_server};
pub use state::app::App;
pub use testudo_fetch::{NameLookup, Network};
