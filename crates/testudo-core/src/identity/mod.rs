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
mod sponsor;
mod verified_credential;

pub use attested::{AttestedIdentity, Proof, SingleUse};
pub use auth_method::{ATTESTATION_BY_DPOP, AuthMethod};
pub use authority::Authority;
pub use claims::{ClaimSource, ClaimValue, NamedClaims};
pub use credential::{CredentialKind, VerifiedBy};
pub use credential_format::CredentialFormat;
pub use scheme::AuthorityKind;
pub use sender_constraint::SenderConstraint;
pub(crate) use sponsor::LIMITS;
pub use sponsor::{SCOPE_REGISTER, Sponsor, SponsorLimits};
pub use verified_credential::{Holder, IssuedCredential, Signer, VerifiedCredential};

use serde::{Deserialize, Serialize};

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
    /// The introspection endpoint. [RFC7662 §2.1]
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    Introspection,
    /// The revocation endpoint. [RFC7009 §2.1]
    #[serde(skip_deserializing)]
    #[schemars(skip)]
    Revocation,
}

impl OccasionKind {
    /// The name in configuration, records and events.
    pub fn name(self) -> &'static str {
        match self {
            OccasionKind::Token => "token",
            OccasionKind::Registration => "registration",
            OccasionKind::PushedAuthorization => "pushed_authorization",
            OccasionKind::Authorization => "authorization",
            OccasionKind::Introspection => "introspection",
            OccasionKind::Revocation => "revocation",
        }
    }

    /// The kind of request by which `occasions` of a rule decides whether the rule governs this one: a client that may
    /// get tokens may also ask about them and revoke them.
    pub fn governed_as(self) -> OccasionKind {
        match self {
            OccasionKind::Token | OccasionKind::Introspection | OccasionKind::Revocation => {
                OccasionKind::Token
            }
            OccasionKind::Registration | OccasionKind::PushedAuthorization | OccasionKind::Authorization => {
                self
            }
        }
    }
}
