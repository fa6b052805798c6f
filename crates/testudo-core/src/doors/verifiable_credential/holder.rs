//! The holder of a verified credential: its key, and the proof that it sent the credential. [RFC9901 §7.3]

use super::form::Form;
use crate::identity::Holder;
use crate::policy::{HolderBinding, Unbound, VerifiableCredentialPolicy};
use crate::rejection::VerifiableReason;
use testudo_protocol::Timestamp;
use testudo_protocol::credentials::CredentialError;
use testudo_protocol::credentials::claims::{CredentialClaims, HolderKey};
use testudo_protocol::credentials::did::Did;
use testudo_protocol::credentials::disclosures::DisclosureHash;
use testudo_protocol::credentials::key_binding::HolderExpectation;

/// What the proof of the holder must fit.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    /// The key of the holder, if the credential names one.
    pub(super) key: Option<&'a HolderKey>,
    /// True if the credential names the certificate of the holder.
    pub(super) names_certificate: bool,
    /// `holder_binding` and `unbound` of the entry.
    pub(super) entry: &'a VerifiableCredentialPolicy,
    /// The issuer identifier of this server.
    pub(super) server: &'a str,
    pub(super) now: Timestamp,
}

/// The key of the holder: in `cnf`, or in the DID of the subject. A DID whose key is elsewhere is never resolved: its
/// document would be fetched because of what a client sent.
pub(super) fn key(claims: &mut CredentialClaims) -> Result<Option<HolderKey>, VerifiableReason> {
    let of_did = match claims.subject.starts_with("did:") {
        true => {
            let did = Did::parse(&claims.subject).map_err(CredentialError::Did);
            let key = did.and_then(|did| HolderKey::of_did(&did));
            key.map_err(VerifiableReason::Refused)?
        }
        false => None,
    };
    match (claims.confirmation.take(), of_did) {
        (Some(stated), Some(own)) if stated.key.thumbprint() != own.key.thumbprint() => {
            Err(VerifiableReason::HolderKeysDiffer)
        }
        (Some(key), _) | (None, Some(key)) => Ok(Some(key)),
        (None, None) => Ok(None),
    }
}

/// How the sender proves the key of the holder. A proof that is sent must be valid, also where none is required.
pub(super) fn proven(
    form: &Form,
    hash: Option<DisclosureHash>,
    subject: &str,
    expected: Expected<'_>,
) -> Result<Holder, VerifiableReason> {
    let has_proof = form.has_proof().map_err(VerifiableReason::Refused)?;
    let is_required = expected.entry.holder_binding == HolderBinding::Required;
    let Some(key) = expected.key else {
        let needs_key = is_required && expected.entry.unbound == Unbound::Refuse;
        return match (has_proof, is_required && expected.names_certificate) {
            (false, true) => Ok(Holder::Beside),
            (true, _) => Err(VerifiableReason::HolderKeyMissing),
            (false, false) if needs_key => Err(VerifiableReason::HolderKeyMissing),
            (false, false) => Ok(Holder::Unproven),
        };
    };
    if has_proof {
        let expected = HolderExpectation {
            key: &key.key,
            server: expected.server,
            now: expected.now,
        };
        let proof = form.verify_proof(hash, subject, expected);
        return proof
            .map(Holder::Presented)
            .map_err(VerifiableReason::HolderProof);
    }
    match (is_required, form.may_be_proven_beside()) {
        (false, _) => Ok(Holder::Unproven),
        (true, true) => Ok(Holder::Beside),
        (true, false) => Err(VerifiableReason::HolderProofMissing),
    }
}
