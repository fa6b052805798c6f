//! Examples of the reasons to refuse an attestation or a proof of possession.

use super::{AttestationReason, Authority, CredentialReason, ProofReason, WorkloadProofReason, agents};
use testudo_protocol::jose::{JoseError, KeyError};
use testudo_protocol::oauth::attestation_pop::AttestationPopError;
use testudo_protocol::oauth::dpop::DpopError;
use testudo_protocol::oauth::workload_proof::WorkloadProofError;
use testudo_protocol::{Seconds, Timestamp};

pub(super) fn attestation_reasons() -> Vec<AttestationReason> {
    vec![
        AttestationReason::WrongType,
        AttestationReason::Refused(CredentialReason::Jose(JoseError::BadSignature)),
        AttestationReason::Refused(CredentialReason::UnknownAuthority {
            authority: Authority::of_key("spiffe://a.example").unwrap(),
        }),
        AttestationReason::UnknownAttester,
        AttestationReason::SubjectRefused,
        AttestationReason::Required { rule: "R".into() },
        AttestationReason::AttesterNotOfRule {
            rule: "R".into(),
            attester: Authority::issuer("at1").unwrap(),
        },
        AttestationReason::AttesterNotOfIssuer {
            issuer: agents(),
            attester: Authority::issuer("at1").unwrap(),
        },
        AttestationReason::OtherKeyAttested {
            client_id: "agents:urn:example:agent:7".into(),
        },
        AttestationReason::OtherClientAttested {
            attested: "c5".into(),
            client_id: "c6".into(),
        },
        AttestationReason::KeyIdMissing,
        AttestationReason::AudiencePresent,
        AttestationReason::ConfirmationAlgorithm,
        AttestationReason::Expired {
            expired: Timestamp(7),
        },
        AttestationReason::TooOld { age_max: Seconds(7) },
        AttestationReason::ConfirmationKey(KeyError::PrivateMaterial),
        AttestationReason::ConfirmationsDiffer,
        AttestationReason::ProofMissing,
        AttestationReason::ProofWithoutAttestation,
        AttestationReason::Pop(AttestationPopError::WrongType),
        AttestationReason::PopReplayed,
        AttestationReason::ChallengeMissing,
        AttestationReason::ChallengeNotAccepted,
        AttestationReason::KeyNotAttested,
        AttestationReason::Pop(AttestationPopError::Jose(JoseError::BadSignature)),
        AttestationReason::Pop(AttestationPopError::WrongAudience),
        AttestationReason::Pop(AttestationPopError::JwtIdRefused),
        AttestationReason::WorkloadProof(WorkloadProofReason::Off),
        AttestationReason::WorkloadProof(WorkloadProofReason::NotOne),
        AttestationReason::WorkloadProof(WorkloadProofReason::BesidePop),
        AttestationReason::WorkloadProof(WorkloadProofReason::WithoutWit),
        AttestationReason::WorkloadProof(WorkloadProofReason::ChallengeRequired),
        AttestationReason::WorkloadProof(WorkloadProofReason::Refused(WorkloadProofError::WrongType)),
        AttestationReason::WorkloadProof(WorkloadProofReason::Replayed),
        AttestationReason::Pop(AttestationPopError::TooOld { issued: Timestamp(7) }),
    ]
}

pub(super) fn proof_reasons() -> Vec<ProofReason> {
    vec![
        ProofReason::DpopRepeated,
        ProofReason::DpopMissing,
        ProofReason::Dpop(DpopError::WrongType),
        ProofReason::DpopNonceMissing,
        ProofReason::DpopNonceNotAccepted,
        ProofReason::DpopReplayed,
        ProofReason::ShareUsed {
            retry_after_seconds: 7,
        },
        ProofReason::Dpop(DpopError::WrongMethod),
        ProofReason::Dpop(DpopError::TooOld { issued: Timestamp(7) }),
        ProofReason::Dpop(DpopError::WrongUri {
            expected: "https://as.example/token".to_owned(),
            found: "x".to_owned(),
        }),
    ]
}
