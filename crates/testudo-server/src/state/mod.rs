//! What all requests share: the running server's state, and no decision.

pub(crate) mod absent_clients;
pub mod app;
pub mod applied_changes;
pub mod certificates;
pub mod chain_work;
mod client_changes;
pub(crate) mod client_look_ups;
pub mod clients;
pub mod clock;
pub(crate) mod event_lines;
pub mod first_uses;
pub mod in_force;
pub mod keys;
pub mod look;
pub mod metrics;
pub mod moment;
pub mod observer;
pub mod proof_keys;
pub mod proof_shares;
pub mod provider_key;
pub mod push_shares;
pub mod readiness;
pub mod refusals;
pub mod refused;
pub mod shares;
pub mod switches;
#[cfg(test)]
pub(crate) mod test_app;
pub mod verdicts;
