//! Who is asking, once it is proven.

mod attested;
mod authority;
mod credential;
mod scheme;
mod spiffe;

pub use attested::{AttestedIdentity, Proof, SingleUse};
pub use authority::Authority;
pub use credential::{CredentialKind, JudgedBy};
pub use scheme::AuthorityKind;

use serde::{Deserialize, Serialize};

/// The request at which evidence is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Occasion")]
pub enum OccasionKind {
    /// The token endpoint.
    Token,
    /// The registration endpoint. [RFC7591 §3]
    Registration,
}

impl OccasionKind {
    /// Name in configuration, records and events.
    pub fn name(self) -> &'static str {
        match self {
            OccasionKind::Token => "token",
            OccasionKind::Registration => "registration",
        }
    }
}

/// Who vouched for a client that has no evidence of its own: the subject of an initial access token. The rule
/// that governs the sponsor governs the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Sponsor {
    /// Who vouches for the sponsor.
    #[schemars(with = "String")]
    pub authority: Authority,
    /// The sponsor within that authority.
    pub subject: String,
    /// How the sponsor proved itself.
    pub credential: CredentialKind,
}
