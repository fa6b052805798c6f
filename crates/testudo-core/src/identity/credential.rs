//! Kinds of credential: what a door takes, and how it is called in configuration, records and metadata.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of credential, which is also the name of its door.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A SPIFFE JWT-SVID. [JWT-SVID]
    JwtSvid,
    /// A SPIFFE X.509-SVID. [X509-SVID]
    X509Svid,
    /// A SPIFFE WIT-SVID.
    WitSvid,
    /// A client's own signed assertion. [RFC7523 §2.2]
    PrivateKeyJwt,
    /// Nothing: a public client, known by its name only. [RFC6749 §2.1]
    #[serde(rename = "none")]
    Public,
}

/// Which keys of its authority judge a credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JudgedBy {
    /// Those that sign tokens.
    TokenKeys,
    /// Those that certificates end in.
    Certificates,
}

impl CredentialKind {
    /// All kinds.
    pub const ALL: [CredentialKind; 5] = [
        CredentialKind::JwtSvid,
        CredentialKind::X509Svid,
        CredentialKind::WitSvid,
        CredentialKind::PrivateKeyJwt,
        CredentialKind::Public,
    ];

    /// The kind of this name.
    pub fn of_name(name: &str) -> Option<CredentialKind> {
        CredentialKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// True for the kinds that an authority issues; the others are of a client's own making.
    pub fn is_issued(self) -> bool {
        match self {
            CredentialKind::JwtSvid | CredentialKind::X509Svid | CredentialKind::WitSvid => true,
            CredentialKind::PrivateKeyJwt | CredentialKind::Public => false,
        }
    }

    /// Which keys of its authority judge it; nothing where there is no door for it, or keys of the client judge it.
    pub fn judged_by(self) -> Option<JudgedBy> {
        match self {
            CredentialKind::JwtSvid => Some(JudgedBy::TokenKeys),
            CredentialKind::X509Svid => Some(JudgedBy::Certificates),
            CredentialKind::WitSvid | CredentialKind::PrivateKeyJwt | CredentialKind::Public => None,
        }
    }

    /// Name in configuration, records, events and logs.
    pub fn name(self) -> &'static str {
        match self {
            CredentialKind::JwtSvid => "jwt_svid",
            CredentialKind::X509Svid => "x509_svid",
            CredentialKind::WitSvid => "wit_svid",
            CredentialKind::PrivateKeyJwt => "private_key_jwt",
            CredentialKind::Public => "none",
        }
    }

    /// Name in `token_endpoint_auth_methods_supported`. [SPIFFE-AUTH §4]
    pub fn auth_method(self) -> &'static str {
        match self {
            CredentialKind::JwtSvid => "spiffe_jwt",
            CredentialKind::X509Svid => "spiffe_x509",
            CredentialKind::WitSvid => "spiffe_wit",
            CredentialKind::PrivateKeyJwt => "private_key_jwt",
            CredentialKind::Public => "none",
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
