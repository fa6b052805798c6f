//! The records that the server stores, and changes of them.
//!
//! One struct is the schema of one kind of record. A record is stored as a document with key, version and
//! expiry; the engines in `testudo-store` do not read its fields. The mark of a used credential or proof is no record:
//! it has a key and an expiry only, and is inserted and never changed (`Write::Mark`), so that an engine can keep many
//! of them in little memory and write them at little cost.

#[macro_use]
mod kinds;

mod accepted_credential;
mod alias;
mod authorization_code;
mod authorization_details;
mod batch;
mod block;
mod bundle_sequence;
mod ceremony;
mod client;
mod configuration_change;
mod conflict;
mod consent;
mod counters;
mod event;
mod event_kind;
mod granted_client;
mod invitation;
mod loaded;
mod needs;
mod person;
mod person_grant;
mod pushed_request;
mod record;
mod reload;
mod request_details;
mod rfc3339;
mod secret;
mod session;
mod shared_bundle;
mod switch;

pub use accepted_credential::{AcceptedCredential, OriginOfKeys};
pub use alias::ClientIdAlias;
pub use authorization_code::{AuthorizationCode, GrantTerms};
pub use authorization_details::{AuthorizationDetails, PushedBy};
pub use batch::{Batch, Document, Write};
pub use block::Block;
pub use bundle_sequence::BundleSequence;
pub use ceremony::{Ceremony, CeremonyPurpose};
pub use client::{
    ApplicationType, Client, ClientCredential, ClientMetadata, ClientState, ManagementToken, Predecessor,
    Registration, Removed, client_key,
};
pub use configuration_change::{ConfigurationChange, Names, counted};
pub use conflict::Conflict;
pub use consent::Consent;
pub use counters::{clients_of_authority, clients_of_rule};
pub use event::Event;
pub use event_kind::{EventClass, EventKind};
pub use granted_client::{BoundTo, GrantedClient};
pub use invitation::{Invitation, InvitedName};
pub use loaded::Loaded;
pub use needs::{Needs, WantedRecord};
pub use person::{Passkey, Person, PersonLink, PersonName, PersonState, ProviderAccount};
pub use person_grant::{Grant, GrantDeadlines, IssuedRefreshToken, RefreshToken, Rotation};
pub use pushed_request::PushedRequest;
pub use record::{Announced, Held, Record, Versioned};
pub use reload::ReloadOrder;
pub use request_details::{RequestDetails, RequestRef};
pub use rfc3339::Rfc3339;
pub use secret::{ServerSecret, StoredSigningKey, WithdrawnKey};
pub use session::Session;
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
    /// The account of a person.
    Person = 14 is person::Person;
    /// Which person an account at a provider belongs to.
    PersonLink = 15 is person::PersonLink;
    /// Which person has a name.
    PersonName = 16 is person::PersonName;
    /// The session of a person in one browser.
    Session = 17 is session::Session;
    /// An authorization request that a client pushed.
    PushedRequest = 18 is pushed_request::PushedRequest;
    /// A code, redeemed or not.
    AuthorizationCode = 19 is authorization_code::AuthorizationCode;
    /// What a person granted to a client.
    Grant = 20 is person_grant::Grant;
    /// A refresh token that was issued.
    RefreshToken = 21 is person_grant::RefreshToken;
    /// What a person consented to for a client.
    Consent = 22 is consent::Consent;
    /// An invitation to create or recover an account.
    Invitation = 23 is invitation::Invitation;
    /// A passkey ceremony that a browser began.
    Ceremony = 24 is ceremony::Ceremony;
    /// Which invitation for a new account has a name.
    InvitedName = 25 is invitation::InvitedName;
}

#[cfg(test)]
pub(crate) mod client_tests;
#[cfg(test)]
pub(crate) mod test_store;
#[cfg(test)]
mod tests;
