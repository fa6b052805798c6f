//! Which verifiable credentials an issuer may state clients with.

use crate::identity::{Authority, CredentialFormat};
use serde::{Deserialize, Serialize};

/// What an entry of kind `verifiable_credential` accepts, besides what every authority has.
#[derive(Debug, Clone)]
pub struct VerifiableCredentialPolicy {
    /// `vct` of an SD-JWT VC, or a type of another credential: one of them is required.
    pub types: Vec<String>,
    /// The formats that are read.
    pub formats: Vec<CredentialFormat>,
    /// Whether the holder must prove its key.
    pub holder_binding: HolderBinding,
    /// Whether a credential that names no key registers a client.
    pub unbound: Unbound,
    /// The attesters whose attestations prove the key of a holder, and authenticate its client.
    pub attesters: Vec<Authority>,
}

/// Whether the holder of a credential must prove the key that the credential names. [RFC9901 §9.5] It depends on the
/// entry only, and never on what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HolderBinding {
    /// Every registration needs a proof, except with a credential without a key if `unbound` allows it.
    #[default]
    Required,
    /// A registration needs none. One that is sent must be valid.
    None,
}

/// Whether a credential that names no key of a holder registers a client with keys from `jwks` of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unbound {
    /// It is refused: everyone who has a copy of the credential could name a key.
    #[default]
    Refuse,
    /// It registers a client. The keys that are registered first stay.
    Allow,
}
