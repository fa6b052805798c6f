//! What is remembered, and the seven verbs of remembering.
//!
//! One struct is the schema of one kind of record. A record is stored as a document with key, version and
//! expiry; the engines in `testudo-store` know nothing of its fields.

mod alias;
mod announced;
mod batch;
mod block;
mod bundle_sequence;
mod client;
mod conflict;
mod counters;
mod event;
mod loaded;
mod needs;
mod record;
mod reload;
mod replay;
mod secret;
mod switch;

pub use alias::ClientIdAlias;
pub use batch::{Batch, Document, Write};
pub use block::Block;
pub use bundle_sequence::BundleSequence;
pub use client::{
    ApplicationType, Client, ClientMetadata, ClientState, ManagementToken, Predecessor, Registration,
    Removed, client_key,
};
pub use conflict::Conflict;
pub use counters::{clients_of_authority, clients_of_rule};
pub use event::{Event, EventKind};
pub use loaded::Loaded;
pub use needs::{Needs, WantedRecord};
pub use record::{Announced, Kind, Record, Versioned};
pub use reload::ReloadOrder;
pub use replay::Replay;
pub use secret::{ServerSecret, StoredSigningKey, WithdrawnKey};
pub use switch::Switch;

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod tests;
