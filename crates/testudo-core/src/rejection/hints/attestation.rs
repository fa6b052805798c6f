//! Hints for attestations and the proofs of their keys.

use super::of_credential;
use super::workload_proof::of_workload_proof;
use crate::rejection::AttestationReason;
use std::borrow::Cow;
use testudo_protocol::oauth::attestation_pop::AttestationPopError;

pub(in crate::rejection) fn of_attestation(reason: &AttestationReason) -> Cow<'static, str> {
    match reason {
        AttestationReason::WrongType => {
            "OAuth-Client-Attestation must contain an attestation with typ oauth-client-attestation+jwt, or a WIT-SVID with typ wit+jwt".into()
        }
        AttestationReason::Refused(reason) => of_credential(reason),
        AttestationReason::UnknownAttester => {
            "add an [[issuers]] entry with kind = \"attester\" for the attester: its issuer must equal iss, or its key set must have the kid".into()
        }
        AttestationReason::SubjectRefused => {
            "the attester must set sub to the client_id: 1 to 2048 printable ASCII characters".into()
        }
        AttestationReason::KeyIdMissing
        | AttestationReason::AudiencePresent
        | AttestationReason::ConfirmationAlgorithm => {
            "the issuer of the trust domain must issue WIT-SVIDs by the SPIFFE standard: with kid and cnf.jwk.alg, without aud".into()
        }
        AttestationReason::Expired { .. } => {
            "the client must get a new attestation from its attester, or a new WIT-SVID, before the old one expires".into()
        }
        AttestationReason::TooOld { .. } => {
            "the client must get a new attestation; if the attester issues them for longer, set attestation_age_max in its [[issuers]] entry".into()
        }
        AttestationReason::ConfirmationKey(_) | AttestationReason::ConfirmationsDiffer => {
            "the attester, or the issuer of the WIT-SVID, must set cnf to one public key of the client, as a jwk without private members".into()
        }
        AttestationReason::ProofMissing | AttestationReason::ProofWithoutAttestation => {
            "the client must send both headers, or the attestation and a DPoP proof with the attested key (docs/doors/attestation.md)".into()
        }
        AttestationReason::Pop(AttestationPopError::TooOld { .. } | AttestationPopError::FromTheFuture { .. }) => {
            "compare the clocks of client and server with a time server; the client must make a new PoP for each request".into()
        }
        AttestationReason::Pop(
            AttestationPopError::Jose(_)
            | AttestationPopError::WrongType
            | AttestationPopError::WrongAudience
            | AttestationPopError::JwtIdRefused,
        ) => "the answer contains this sentence: correct how the client makes its PoP (docs/doors/attestation.md)".into(),
        AttestationReason::PopReplayed => {
            "the client must make a new PoP with a new jti for each request; if it does, a PoP was stolen".into()
        }
        AttestationReason::ChallengeMissing | AttestationReason::ChallengeNotAccepted => {
            "the client must repeat the request once, with a PoP that has the challenge of the answer's OAuth-Client-Attestation-Challenge header".into()
        }
        AttestationReason::Required { .. } => {
            "the client must get an attestation of an attester in `attested_by` of its rule, and send it with a proof".into()
        }
        AttestationReason::AttesterNotOfRule { attester, .. } => {
            format!("add {:?} to `attested_by` of the rule if this attester may attest the client", attester.name()).into()
        }
        AttestationReason::AttesterNotOfIssuer { issuer, attester } => {
            format!("add {:?} to `attesters` of {} if this attester may attest its clients", attester.name(), issuer.described()).into()
        }
        AttestationReason::OtherKeyAttested { .. } => {
            "the attester must attest the key that the credential of the client names; after a change of the key, the client must register again with a new credential".into()
        }
        AttestationReason::OtherClientAttested { client_id, .. } => {
            format!("the attester must set sub to `{client_id}` for this client").into()
        }
        AttestationReason::KeyNotAttested => {
            "the client must sign the DPoP proof with the key of its attestation, or send OAuth-Client-Attestation-PoP as well".into()
        }
        AttestationReason::WorkloadProof(reason) => of_workload_proof(reason),
    }
}
