//! The records that the server stores, and changes of them.
//!
//! One struct is the schema of one kind of record. A record is stored as a document with key, version and
//! expiry; the engines in `testudo-store` do not read its fields. The mark of a used credential or proof is no record:
//! it has a key and an expiry only, and is inserted and never changed (`Write::Mark`), so that an engine can keep many
//! of them in little memory and write them at little cost.

#[macro_use]
mod kinds;

mod alias;
mod batch;
mod block;
mod bundle_sequence;
mod client;
mod configuration_change;
mod conflict;
mod counters;
mod event;
mod event_kind;
mod loaded;
mod needs;
mod record;
mod reload;
mod request_details;
mod rfc3339;
mod secret;
mod shared_bundle;
mod switch;

pub use alias::ClientIdAlias;
pub use batch::{Batch, Document, Write};
pub use block::Block;
pub use bundle_sequence::BundleSequence;
pub use client::{
    ApplicationType, Client, ClientCredential, ClientMetadata, ClientState, ManagementToken, Predecessor,
    Registration, Removed, client_key,
};
pub use configuration_change::{ConfigurationChange, Names, counted};
pub use conflict::Conflict;
pub use counters::{clients_of_authority, clients_of_rule};
pub use event::Event;
pub use event_kind::{EventClass, EventKind};
pub use loaded::Loaded;
pub use needs::{Needs, WantedRecord};
pub use record::{Announced, Held, Record, Versioned};
pub use reload::ReloadOrder;
pub use request_details::{RequestDetails, RequestRef};
pub use rfc3339::Rfc3339;
pub use secret::{ServerSecret, StoredSigningKey, WithdrawnKey};
pub use shared_bundle::SharedBundle;
pub use switch::Switch;

kinds! {
    /// A registered client, active or frozen.
    Client = 1 is client::Client;
    /// A removed client, kept for its history.
    Removed = 2 is client::Removed;
    /// An identity, or a pattern of identities, that an administrator blocked.
    Block = 3 is block::Block;
    /// An audit event.
    Event = 4 is event::Event;
    /// An authority that an administrator disabled.
    Switch = 5 is switch::Switch;
    /// A signing key, encrypted.
    SigningKey = 6 is secret::StoredSigningKey;
    // 7 was the kind of the marks of used credentials, and must not be used again: stores that several nodes share keep
    // marks under this number.
    /// A secret of the server that all nodes share, encrypted.
    ServerSecret = 8 is secret::ServerSecret;
    /// Which client has a `client_id` that is not its identity.
    ClientIdAlias = 9 is alias::ClientIdAlias;
    /// The last order to reload the configuration.
    ReloadOrder = 10 is reload::ReloadOrder;
    /// The withdrawal of a signing key by an administrator.
    WithdrawnKey = 11 is secret::WithdrawnKey;
    /// The highest used sequence of a trust domain's bundles, encrypted.
    BundleSequence = 12 is bundle_sequence::BundleSequence;
    /// The last good bundle of an authority, encrypted.
    SharedBundle = 13 is shared_bundle::SharedBundle;
}

#[cfg(test)]
pub(crate) mod client_tests;
#[cfg(test)]
mod tests;
