//! Proven identities, and the authorities that attest them.

mod attested;
mod auth_method;
mod authority;
pub mod claims;
mod credential;
mod credential_format;
pub(crate) mod issuer_subject;
mod scheme;
mod sender_constraint;
mod spiffe;
mod verified_credential;

pub use attested::{AttestedIdentity, Proof, SingleUse};
pub use auth_method::{ATTESTATION_BY_DPOP, AuthMethod};
pub use authority::Authority;
pub use claims::{ClaimSource, ClaimValue, NamedClaims};
pub use credential::{CredentialKind, VerifiedBy};
pub use credential_format::CredentialFormat;
pub use scheme::AuthorityKind;
pub use sender_constraint::SenderConstraint;
pub use verified_credential::{Holder, IssuedCredential, VerifiedCredential};

use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// The kind of request in which a credential is presented.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Occasion")]
pub enum OccasionKind {
    /// The token endpoint.
    Token,
    /// The registration endpoint. [RFC7591 §3]
    Registration,
    /// The endpoint for pushed authorization requests. [RFC9126 §2]
    PushedAuthorization,
    /// The authorization endpoint. A credential is presented later, at the token endpoint. [RFC6749 §3.1]
    Authorization,
}

impl OccasionKind {
    /// The name in configuration, records and events.
    pub fn name(self) -> &'static str {
        match self {
            OccasionKind::Token => "token",
            OccasionKind::Registration => "registration",
            OccasionKind::PushedAuthorization => "pushed_authorization",
            OccasionKind::Authorization => "authorization",
        }
    }
}

/// The holder of the initial access token with which a client without evidence was registered. The rule that governs
/// the sponsor governs the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Sponsor {
    /// Key of the authority of the sponsor. Example: `spiffe://prod.example`.
    #[schemars(with = "String")]
    pub authority: Authority,
    /// Identity of the sponsor. Example: `spiffe://prod.example/portal`.
    pub subject: String,
    /// The instance of the sponsor, where its credential named one: the uid of a pod, or the thumbprint of its key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instance: Option<String>,
    /// Kind of the credential with which the sponsor authenticated last.
    pub credential: CredentialKind,
    /// When the verifiable credential of the sponsor ended, as of the registration of this client, which ends then too.
    /// Example: `2026-11-23T11:06:40Z`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>")]
    pub ends: Option<Timestamp>,
}
