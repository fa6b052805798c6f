//! Who is asking, once it is proven.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::{SpiffeId, TrustDomain};

/// Who vouches for an identity. Each authority has its own namespace of keys and of subjects.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Authority {
    /// A SPIFFE trust domain.
    TrustDomain(TrustDomain),
    /// The administrator, by a `[[clients]]` entry with keys.
    Configuration,
}

impl Authority {
    /// The authority as it stands in record keys, events and switches.
    pub fn key(&self) -> String {
        match self {
            Authority::TrustDomain(name) => format!("spiffe://{name}"),
            Authority::Configuration => "configuration".to_owned(),
        }
    }

    /// The name an administrator uses: a trust domain's bare name.
    pub fn name(&self) -> &str {
        match self {
            Authority::TrustDomain(name) => name.as_str(),
            Authority::Configuration => "configuration",
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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
}

impl CredentialKind {
    /// Name in configuration, records, events and logs.
    pub fn name(self) -> &'static str {
        match self {
            CredentialKind::JwtSvid => "jwt_svid",
            CredentialKind::X509Svid => "x509_svid",
            CredentialKind::WitSvid => "wit_svid",
            CredentialKind::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Name in `token_endpoint_auth_methods_supported`. [SPIFFE-AUTH §4]
    pub fn auth_method(self) -> &'static str {
        match self {
            CredentialKind::JwtSvid => "spiffe_jwt",
            CredentialKind::X509Svid => "spiffe_x509",
            CredentialKind::WitSvid => "spiffe_wit",
            CredentialKind::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

impl fmt::Display for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The request at which evidence is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The token endpoint.
    Token,
    /// The registration endpoint. [RFC7591 §3]
    Registration,
}

impl Occasion {
    /// Name in configuration, records and events.
    pub fn name(self) -> &'static str {
        match self {
            Occasion::Token => "token",
            Occasion::Registration => "registration",
        }
    }
}

/// An identity that an authority vouched for, in a credential whose signature, time and audience were checked.
#[derive(Debug, Clone)]
pub struct AttestedIdentity {
    /// Who vouches.
    pub authority: Authority,
    /// The identity within the authority: a SPIFFE ID, or a configured client's id.
    pub subject: Box<str>,
    /// The subject as a SPIFFE ID, where it is one.
    pub spiffe_id: Option<SpiffeId>,
    /// How it was proven.
    pub kind: CredentialKind,
    /// End of the credential's life.
    pub expires: Timestamp,
    /// Time of its issue, where it says so.
    pub issued: Option<Timestamp>,
    /// Members of client metadata that the credential states although its authority is not trusted to. They have
    /// no effect, and neither has what a request says under the same name.
    pub unlisted_claims: Vec<String>,
    /// SHA-256 of the credential.
    pub digest: [u8; 32],
    /// The credential's `jti`, for the record.
    pub jwt_id: Option<String>,
    /// The credential may be used once only; this is what marks it as used.
    pub single_use: Option<SingleUse>,
    /// The client certificate that proved it, as tokens are bound to it. [RFC8705 §3.1]
    pub certificate_thumbprint: Option<[u8; 32]>,
    /// Claims that the authority is trusted to state about a client, by name. Others never get here.
    pub attested_claims: BTreeMap<String, serde_json::Value>,
}

/// What makes a single-use credential the same as one seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleUse {
    /// (door, authority, subject, jti), length-prefixed by being hashed part by part.
    pub key: [u8; 32],
    /// When the mark may be forgotten.
    pub keep_until: Timestamp,
}
