//! The formats of verifiable credentials, and their names in the configuration.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The format of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialFormat {
    /// [SD-JWT-VC §2]
    #[serde(rename = "dc+sd-jwt")]
    SdJwtVc,
    /// A JWT of data model 2.0. [VC-JOSE-COSE §3.1.1]
    #[serde(rename = "vc+jwt")]
    VcJwt,
    /// A JWT of data model 1.1. [VCDM1 §6.3.1]
    #[serde(rename = "vc1-jwt")]
    Vc1Jwt,
}

impl CredentialFormat {
    /// All formats.
    pub const ALL: [CredentialFormat; 3] = [
        CredentialFormat::SdJwtVc,
        CredentialFormat::VcJwt,
        CredentialFormat::Vc1Jwt,
    ];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            CredentialFormat::SdJwtVc => "dc+sd-jwt",
            CredentialFormat::VcJwt => "vc+jwt",
            CredentialFormat::Vc1Jwt => "vc1-jwt",
        }
    }
}

impl fmt::Display for CredentialFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
