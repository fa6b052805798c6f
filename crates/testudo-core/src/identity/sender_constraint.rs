//! What a token must be bound to.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What the tokens of a client must be bound to, so that a stolen token is useless. [RFC9700 §2.2.1]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SenderConstraint {
    /// Nothing: the token is bound only if the client sends a DPoP proof.
    #[default]
    None,
    /// The key of a DPoP proof. [RFC9449 §6]
    Dpop,
    /// The client certificate. [RFC8705 §3]
    Mtls,
    /// The key of a DPoP proof, or the client certificate.
    Any,
}

impl SenderConstraint {
    /// True if a client certificate satisfies it.
    pub fn takes_certificates(self) -> bool {
        match self {
            SenderConstraint::Mtls | SenderConstraint::Any => true,
            SenderConstraint::None | SenderConstraint::Dpop => false,
        }
    }
}

impl fmt::Display for SenderConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SenderConstraint::None => "nothing",
            SenderConstraint::Dpop => "the key of a DPoP proof",
            SenderConstraint::Mtls => "a client certificate",
            SenderConstraint::Any => "the key of a DPoP proof or a client certificate",
        })
    }
}
