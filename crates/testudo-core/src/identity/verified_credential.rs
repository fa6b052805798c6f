//! What a verified credential states besides the identity: when its client registers, and for later requests what is kept
//! of it.

use super::CredentialFormat;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::credentials::claims::HolderKey;
use testudo_protocol::credentials::key_binding::HolderProof;
use testudo_protocol::credentials::status::StatusReference;

/// A verifiable credential whose signature, times and type were checked. Its issuer is the authority of the identity, and
/// its end is that of the proof.
#[derive(Debug, Clone)]
pub struct VerifiedCredential {
    /// What the entry of its issuer accepted, if the client registers with it now.
    pub issued: Option<Box<IssuedCredential>>,
    /// Where its status is.
    pub status: Vec<StatusReference>,
    /// The key of its holder, if it names one.
    pub key: Option<Arc<HolderKey>>,
    /// SHA-256 of the certificate of its holder, if it names one. [RFC8705 §3.1]
    pub certificate: Option<[u8; 32]>,
    /// True if it neither names a key nor states `jwks`, and the entry allows it: the keys of the client are those in the request.
    pub is_unbound: bool,
    /// How the sender proves that key.
    pub holder: Holder,
}

/// The properties of a credential that the entry of its issuer accepted.
#[derive(Debug, Clone)]
pub struct IssuedCredential {
    /// The key of the issuer.
    pub signer: Signer,
    /// Its format.
    pub format: CredentialFormat,
    /// Those of its types that the entry lists.
    pub types: Vec<Box<str>>,
    /// When it was issued, from which `lifetime_max` is counted.
    pub at: Timestamp,
    /// The end that it states.
    pub expires: Option<Timestamp>,
}

/// What is kept of the key that verified a signature of an issuer, to compare it later with what the entry of the issuer
/// trusts then. Of a certificate, this is what the entry names: an issuer may have a new certificate for every signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signer {
    /// Its JWK thumbprint, or SHA-256 of the public key of the authority that certified it.
    #[serde(rename = "signer")]
    pub key: [u8; 32],
    /// Digest of the name of the issuer in its certificate, if it has one. Absent in records of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate_name: Option<[u8; 32]>,
}

/// How the sender of a credential proves that it is its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Not at all: every caller that has the credential can send it.
    Unproven,
    /// A proof in the credential has a signature of the key. That its nonce is of this server and unused remains to be
    /// checked.
    Presented(HolderProof),
    /// Beside the credential, the request must have the client certificate that it names, an attestation of the key with
    /// its proof, or else a DPoP proof of the key.
    Beside,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Holder::Unproven => "not proven, and not required",
            Holder::Presented(_) => "signed the credential",
            Holder::Beside => "to be proven by a certificate, an attestation or a DPoP proof beside it",
        })
    }
}

impl VerifiedCredential {
    /// That of a registered client, which authenticates with an attestation of its key.
    pub fn of_client(status: Vec<StatusReference>) -> VerifiedCredential {
        VerifiedCredential {
            issued: None,
            status,
            key: None,
            certificate: None,
            is_unbound: false,
            holder: Holder::Beside,
        }
    }

    /// The thumbprint of the key that the request proves; without its proof the request is refused.
    pub(crate) fn proven_key(&self) -> Option<[u8; 32]> {
        match self.holder {
            Holder::Unproven => None,
            Holder::Presented(_) | Holder::Beside => self.key.as_ref().map(|held| *held.key.thumbprint()),
        }
    }
}
