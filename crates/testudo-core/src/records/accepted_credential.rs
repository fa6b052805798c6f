//! What the entry of an issuer accepted of the verifiable credential of a client. It is compared with the entry and the keys
//! of the issuer at later token requests, so that what an administrator or the issuer withdraws also ends for clients that
//! are registered already.

use crate::identity::{AttestedIdentity, CredentialFormat, Holder, Signer};
use serde::{Deserialize, Serialize};
use testudo_protocol::Timestamp;

/// The attested members that decide where codes are sent and who authenticates as the client. Labels are not among them,
/// and limits only reduce what the client may do.
const MEMBERS: [&str; 2] = ["redirect_uris", "jwks"];

/// Properties of a credential that the entry of its issuer accepted at the registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedCredential {
    /// The key of the issuer.
    #[serde(flatten)]
    pub signer: Signer,
    /// Its format.
    pub format: CredentialFormat,
    /// Those of its types that `types` listed.
    pub types: Vec<Box<str>>,
    /// `redirect_uris` and `jwks`, where the client has those that the credential states.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub members: Vec<Box<str>>,
    /// How the keys of the client came to be its keys.
    pub keys: OriginOfKeys,
    /// When it was issued. Absent in records of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issued: Option<Timestamp>,
    /// The end that it states.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<Timestamp>,
}

/// How the keys of a client with a verifiable credential came to be its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginOfKeys {
    /// The credential states them, and the caller proved that it has the key.
    Proven,
    /// The credential states them, and the caller proved nothing.
    Unproven,
    /// The request stated them, and the credential states none.
    Requested,
}

impl AcceptedCredential {
    /// What is kept of the credential of an identity, if it is one.
    pub(super) fn of(identity: &AttestedIdentity) -> Option<AcceptedCredential> {
        let credential = identity.proof.credential.as_deref()?;
        let issued = credential.issued.as_deref()?;
        // The key of the holder takes precedence over keys that the issuer states.
        let is_used = |name: &str| name != "jwks" || credential.key.is_none();
        let stated = |name: &&str| identity.proof.attested_claims.contains_key(*name) && is_used(name);
        let keys = match (&credential.holder, credential.is_unbound) {
            (Holder::Unproven | Holder::Presented(_) | Holder::Beside, true) => OriginOfKeys::Requested,
            (Holder::Unproven, false) => OriginOfKeys::Unproven,
            (Holder::Presented(_) | Holder::Beside, false) => OriginOfKeys::Proven,
        };
        Some(AcceptedCredential {
            signer: issued.signer,
            format: issued.format,
            types: issued.types.clone(),
            members: MEMBERS.into_iter().filter(stated).map(Into::into).collect(),
            keys,
            issued: Some(issued.at),
            expires: issued.expires,
        })
    }
}
