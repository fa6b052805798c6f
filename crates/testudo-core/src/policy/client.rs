//! A `[[clients]]` entry: a client that the configuration names.

use crate::identity::CredentialKind;
use crate::rules::Rule;
use std::sync::Arc;
use testudo_protocol::client_certificate::{ClientAuthorities, ExpectedName};
use testudo_protocol::jose::KeySet;

/// A client that the configuration names.
#[derive(Debug)]
pub struct ConfiguredClient {
    /// How it authenticates.
    pub method: ClientMethod,
    /// Its limits, as a rule.
    pub rule: Rule,
}

/// How a configured client authenticates. It has one method, or is a public client.
#[derive(Debug)]
pub enum ClientMethod {
    /// With assertions that are signed with one of these keys.
    PrivateKeyJwt(Arc<KeySet>),
    /// With a certificate that these authorities issued and that has this name. [RFC8705 §2.1]
    TlsClientAuth(ClientAuthorities, ExpectedName),
    /// With one of the certificates with these SHA-256. [RFC8705 §2.2]
    SelfSigned(Vec<[u8; 32]>),
    /// Not at all: it is a public client. [RFC6749 §2.1]
    Public,
}

impl ClientMethod {
    /// The kind of its credential.
    pub fn kind(&self) -> CredentialKind {
        match self {
            ClientMethod::PrivateKeyJwt(_) => CredentialKind::PrivateKeyJwt,
            ClientMethod::TlsClientAuth(..) => CredentialKind::TlsClientAuth,
            ClientMethod::SelfSigned(_) => CredentialKind::SelfSignedTlsClientAuth,
            ClientMethod::Public => CredentialKind::Public,
        }
    }
}
