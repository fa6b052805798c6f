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
    /// This server, which named the client when it registered without evidence of its own.
    Registration,
}

const CONFIGURATION: &str = "configuration";
const REGISTRATION: &str = "registration";

impl Authority {
    /// The authority as it stands in record keys, events and switches.
    pub fn key(&self) -> String {
        match self {
            Authority::TrustDomain(name) => format!("spiffe://{name}"),
            Authority::Configuration => CONFIGURATION.to_owned(),
            Authority::Registration => REGISTRATION.to_owned(),
        }
    }

    /// The authority of a key.
    pub fn of_key(key: &str) -> Option<Authority> {
        match key {
            CONFIGURATION => Some(Authority::Configuration),
            REGISTRATION => Some(Authority::Registration),
            _ => TrustDomain::parse(key.strip_prefix("spiffe://")?)
                .ok()
                .map(Authority::TrustDomain),
        }
    }

    /// The name an administrator uses: a trust domain's bare name.
    pub fn name(&self) -> &str {
        match self {
            Authority::TrustDomain(name) => name.as_str(),
            Authority::Configuration => CONFIGURATION,
            Authority::Registration => REGISTRATION,
        }
    }
}

impl Serialize for Authority {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.key())
    }
}

impl<'de> Deserialize<'de> for Authority {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        Authority::of_key(&key).ok_or_else(|| serde::de::Error::custom("is not the key of an authority"))
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
    /// Nothing: a public client, known by its name only. [RFC6749 §2.1]
    #[serde(rename = "none")]
    Public,
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

    /// True for the SPIFFE kinds.
    pub fn is_svid(self) -> bool {
        match self {
            CredentialKind::JwtSvid | CredentialKind::X509Svid | CredentialKind::WitSvid => true,
            CredentialKind::PrivateKeyJwt | CredentialKind::Public => false,
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
    /// The credential was made for the registration endpoint: its audience is that endpoint's URL.
    pub is_for_registration: bool,
    /// SHA-256 of the credential; nothing for a client that is only being named.
    pub digest: Option<[u8; 32]>,
    /// Who vouched for it when it registered, where somebody did.
    pub sponsor: Option<Box<Sponsor>>,
    /// The credential's `jti`, for the record.
    pub jwt_id: Option<String>,
    /// The credential may be used once only; this is what marks it as used.
    pub single_use: Option<SingleUse>,
    /// The client certificate that proved it, as tokens are bound to it. [RFC8705 §3.1]
    pub certificate_thumbprint: Option<[u8; 32]>,
    /// Claims that the authority is trusted to state about a client, by name. Others never get here.
    pub attested_claims: BTreeMap<String, serde_json::Value>,
}

impl AttestedIdentity {
    /// True where the request that showed this identity proved possession of a key that is its own.
    pub fn has_proven_key(&self) -> bool {
        self.certificate_thumbprint.is_some()
    }

    /// True where the request showed this kind of credential, alone or beside another one.
    pub fn shows(&self, kind: CredentialKind) -> bool {
        self.kind == kind || (kind == CredentialKind::X509Svid && self.has_proven_key())
    }

    /// Whose rule, rates and quota it stands under, and by which kind of credential: its own, or its sponsor's.
    pub fn governed_as(&self) -> (&Authority, &str, CredentialKind) {
        match &self.sponsor {
            Some(sponsor) => (&sponsor.authority, &sponsor.subject, sponsor.credential),
            None => (&self.authority, &self.subject, self.kind),
        }
    }

    /// A client that this server named: nothing of it is proven but what it will prove by its keys, and whatever
    /// its sponsor proved.
    pub fn named_here(
        client_id: &str,
        kind: CredentialKind,
        sponsor: Option<Box<Sponsor>>,
    ) -> AttestedIdentity {
        AttestedIdentity {
            authority: Authority::Registration,
            subject: client_id.into(),
            spiffe_id: None,
            kind,
            expires: Timestamp(0),
            issued: None,
            unlisted_claims: Vec::new(),
            is_for_registration: false,
            digest: None,
            sponsor,
            jwt_id: None,
            single_use: None,
            certificate_thumbprint: None,
            attested_claims: BTreeMap::new(),
        }
    }
}

/// What makes a single-use credential the same as one seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleUse {
    /// (door, authority, subject, jti), length-prefixed by being hashed part by part.
    pub key: [u8; 32],
    /// When the mark may be forgotten.
    pub keep_until: Timestamp,
}
