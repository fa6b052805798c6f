//! An attestation of the client of a verifiable credential. [ABCA §4]
//!
//! The issuer of the credential names the client, and its entry lists the attesters (`attesters`) whose attestations the
//! client may send: when it registers, as a proof that it is the holder, and later to authenticate. The attested key must
//! be the key of the client, so an attester cannot give the client to the holder of another key.

use super::client_keys::ClientKeys;
use crate::identity::issuer_subject::subject_of;
use crate::identity::{AttestedIdentity, Authority, CredentialKind, Holder, Proof, VerifiedCredential};
use crate::policy::Policy;
use crate::records::client_key;
use crate::rejection::{AttestationReason, CredentialReason, Rejection, VerifiableReason};

/// The client of a verifiable credential that an attestation names in `sub`. Whether it is registered, and whether the
/// attested key is its key, remains to be checked.
pub struct AttestedClient<'a> {
    issuer: Authority,
    client_id: String,
    attested: &'a AttestedIdentity,
}

impl<'a> AttestedClient<'a> {
    /// `None` for every other identity: also for one whose client id begins with the name of an issuer that lists no
    /// attesters.
    pub fn of(
        attested: &'a AttestedIdentity,
        policy: &Policy,
    ) -> Result<Option<AttestedClient<'a>>, Rejection> {
        let is_attested = attested.is_named_by_attester();
        let Some(segments) = attested.authority.path(&attested.subject).filter(|_| is_attested) else {
            return Ok(None);
        };
        // The name of an issuer ends with a colon. Most attested clients have none, and cost nothing here.
        let Some(issuer) = segments
            .contains(':')
            .then(|| policy.issuer_of_client(segments))
            .flatten()
        else {
            return Ok(None);
        };
        let attesters = attesters(&issuer, policy);
        if attesters.is_empty() {
            return Ok(None);
        }
        is_listed(attested, &issuer, attesters)?;
        Ok(Some(AttestedClient {
            issuer,
            client_id: subject_of(segments),
            attested,
        }))
    }

    /// The key of the record of the client.
    pub fn record_key(&self) -> Vec<u8> {
        client_key(self.issuer.key(), &self.client_id)
    }

    /// The identity of the client, if it registered with a verifiable credential, and with the attested key.
    pub fn authenticate(self, registered: Option<&ClientKeys>) -> Result<AttestedIdentity, Rejection> {
        let of_credential = registered.and_then(|client| Some((client, client.credential.as_deref()?)));
        let Some((client, credential)) = of_credential else {
            return Err(CredentialReason::UnknownClient.into());
        };
        let proof = &self.attested.proof;
        let attested_key = proof.confirmed_key();
        if !attested_key.is_some_and(|key| client.keys.has_thumbprint(&key)) {
            let client_id = self.client_id;
            return Err(AttestationReason::OtherKeyAttested { client_id }.into());
        }
        let status = credential.status.clone();
        let proof = Proof {
            issued: proof.issued,
            digest: proof.digest,
            confirmation: proof.confirmation.clone(),
            // What the issuer stated at the registration limits the tokens, and not what the attester states.
            attested_claims: credential.limits.clone(),
            claims: credential.named_claims(),
            credential: Some(Box::new(VerifiedCredential::of_client(status))),
            ..Proof::until(proof.expires)
        };
        let kind = CredentialKind::Attestation;
        Ok(AttestedIdentity {
            sponsor: client.sponsor.clone(),
            ..AttestedIdentity::proven(self.issuer, self.client_id, kind, proof)
        })
    }
}

/// Adds an attestation to the identity of the credential with which its client registers. The request must then prove the
/// attested key, which is that of the holder.
pub fn attest_holder(
    holder: &mut AttestedIdentity,
    attested: AttestedIdentity,
    policy: &Policy,
) -> Result<(), Rejection> {
    is_listed(&attested, &holder.authority, attesters(&holder.authority, policy))?;
    let client_id = attested.authority.path(&attested.subject).map(subject_of);
    let attested_id = client_id.unwrap_or_default();
    if attested_id != *holder.subject {
        return Err(AttestationReason::OtherClientAttested {
            attested: attested_id,
            client_id: holder.subject.to_string(),
        }
        .into());
    }
    let Some(credential) = &mut holder.proof.credential else {
        return Err(CredentialReason::TwoIdentities.into());
    };
    let Some(key) = &credential.key else {
        return Err(VerifiableReason::HolderKeyMissing.into());
    };
    if attested.proof.confirmed_key() != Some(*key.key.thumbprint()) {
        let client_id = holder.subject.to_string();
        return Err(AttestationReason::OtherKeyAttested { client_id }.into());
    }
    if credential.holder == Holder::Unproven {
        credential.holder = Holder::Beside;
    }
    holder.proof.confirmation = attested.proof.confirmation;
    Ok(())
}

/// The attesters that the entry of an issuer of credentials lists.
fn attesters<'p>(issuer: &Authority, policy: &'p Policy) -> &'p [Authority] {
    let entry = policy.authority(issuer);
    let verifiable = entry.and_then(|entry| entry.verifiable.as_deref());
    verifiable.map_or(&[], |verifiable| &verifiable.attesters)
}

fn is_listed(
    attested: &AttestedIdentity,
    issuer: &Authority,
    attesters: &[Authority],
) -> Result<(), Rejection> {
    if attesters.contains(&attested.authority) {
        return Ok(());
    }
    Err(AttestationReason::AttesterNotOfIssuer {
        issuer: issuer.clone(),
        attester: attested.authority.clone(),
    }
    .into())
}
