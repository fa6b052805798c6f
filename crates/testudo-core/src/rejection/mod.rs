//! Every reason to refuse a request, with three texts: the answer for the caller (a code and a sentence), a hint for
//! the administrator or the owner of the client, and the exact reason for the log.
//!
//! Reasons are in nine enums by topic: `request.rs`, `credential.rs`, `attestation.rs`, `proof.rs`, `metadata.rs`,
//! `admission.rs`, `sign_in.rs`, `grant.rs` and `authorization.rs`. Each reason has one row (`row.rs`) with its name, its code and its
//! sentence; its hint is in `hints.rs`. `answer.rs` computes the answer of an endpoint from the row; code, status and
//! challenge are chosen only there.

mod admission;
mod answer;
mod attestation;
mod authorization;
mod credential;
mod grant;
mod hints;
mod metadata;
mod passkey;
mod proof;
mod request;
mod row;
mod service_account;
mod sign_in;
mod status;
#[cfg(test)]
mod tests;
mod verifiable;
mod workload_proof;

pub use admission::{AdmissionReason, ClaimDifference, NotAcceptedBy};
pub use answer::{Answer, Authorization, Endpoint, Statement};
pub use attestation::AttestationReason;
pub use authorization::AuthorizationReason;
pub use credential::{CertificateUse, CredentialReason};
pub use grant::{GrantReason, Presented};
pub use metadata::MetadataReason;
pub use passkey::{PasskeyFault, PasskeyReason};
pub use proof::ProofReason;
pub use request::{CLIENT_CERTIFICATE, RequestReason};
pub use row::{Exceeded, Fresh};
pub use service_account::ServiceAccountReason;
pub use sign_in::SignInReason;
pub use status::{StatusEntry, StatusReason};
pub use verifiable::VerifiableReason;
pub use workload_proof::WorkloadProofReason;

use crate::identity::Authority;
use row::Row;
use std::fmt;

/// Why a request is refused. The fault is that of the caller, except if a bundle is missing at this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The request itself is wrong: its body, its form, its parameters.
    Request(RequestReason),
    /// The credential is refused.
    Credential(CredentialReason),
    /// An attestation, or the proof of its key, is refused.
    Attestation(AttestationReason),
    /// A proof of possession beside the credential is refused.
    Proof(ProofReason),
    /// The metadata of a registration is refused.
    Metadata(MetadataReason),
    /// The identity is proven, but it or its request is refused.
    Admission(AdmissionReason),
    /// A person cannot sign in.
    SignIn(SignInReason),
    /// A code or a refresh token is refused.
    Grant(GrantReason),
    /// An authorization request is refused.
    Authorization(AuthorizationReason),
}

impl From<RequestReason> for Rejection {
    fn from(reason: RequestReason) -> Rejection {
        Rejection::Request(reason)
    }
}

impl From<CredentialReason> for Rejection {
    fn from(reason: CredentialReason) -> Rejection {
        Rejection::Credential(reason)
    }
}

impl From<AttestationReason> for Rejection {
    fn from(reason: AttestationReason) -> Rejection {
        Rejection::Attestation(reason)
    }
}

impl From<WorkloadProofReason> for Rejection {
    fn from(reason: WorkloadProofReason) -> Rejection {
        Rejection::Attestation(AttestationReason::WorkloadProof(reason))
    }
}

impl From<ServiceAccountReason> for Rejection {
    fn from(reason: ServiceAccountReason) -> Rejection {
        Rejection::Credential(CredentialReason::ServiceAccount(Box::new(reason)))
    }
}

impl From<StatusReason> for Rejection {
    fn from(reason: StatusReason) -> Rejection {
        Rejection::Credential(CredentialReason::Status(Box::new(reason)))
    }
}

impl From<VerifiableReason> for Rejection {
    fn from(reason: VerifiableReason) -> Rejection {
        Rejection::Credential(CredentialReason::Verifiable(Box::new(reason)))
    }
}

impl From<ProofReason> for Rejection {
    fn from(reason: ProofReason) -> Rejection {
        Rejection::Proof(reason)
    }
}

impl From<MetadataReason> for Rejection {
    fn from(reason: MetadataReason) -> Rejection {
        Rejection::Metadata(reason)
    }
}

impl From<AdmissionReason> for Rejection {
    fn from(reason: AdmissionReason) -> Rejection {
        Rejection::Admission(reason)
    }
}

impl From<AuthorizationReason> for Rejection {
    fn from(reason: AuthorizationReason) -> Rejection {
        Rejection::Authorization(reason)
    }
}

impl From<SignInReason> for Rejection {
    fn from(reason: SignInReason) -> Rejection {
        Rejection::SignIn(reason)
    }
}

impl From<PasskeyReason> for Rejection {
    fn from(reason: PasskeyReason) -> Rejection {
        Rejection::SignIn(SignInReason::Passkey(reason))
    }
}

impl From<GrantReason> for Rejection {
    fn from(reason: GrantReason) -> Rejection {
        Rejection::Grant(reason)
    }
}

impl Rejection {
    /// The name of the reason in logs, events and counters.
    pub fn name(&self) -> &'static str {
        self.row().name
    }

    /// The hint, for `testudo explain`, `testudo doctor` and events.
    pub fn hint(&self) -> String {
        match self {
            Rejection::Request(reason) => hints::of_request(reason),
            Rejection::Credential(reason) => hints::of_credential(reason),
            Rejection::Attestation(reason) => hints::of_attestation(reason),
            Rejection::Proof(reason) => hints::of_proof(reason),
            Rejection::Metadata(reason) => hints::of_metadata(reason),
            Rejection::Admission(reason) => hints::of_admission(reason),
            Rejection::SignIn(reason) => hints::of_sign_in(reason),
            Rejection::Grant(reason) => hints::of_grant(reason),
            Rejection::Authorization(reason) => hints::of_authorization(reason),
        }
        .into_owned()
    }

    /// The authority that the reason names, of a credential whose identity is not proven.
    pub fn authority(&self) -> Option<&Authority> {
        match self {
            Rejection::Credential(
                CredentialReason::UnknownAuthority { authority }
                | CredentialReason::BundleUnavailable { authority },
            )
            | Rejection::Attestation(AttestationReason::Refused(CredentialReason::UnknownAuthority {
                authority,
            })) => Some(authority),
            Rejection::Request(_)
            | Rejection::Credential(_)
            | Rejection::Attestation(_)
            | Rejection::Proof(_)
            | Rejection::Metadata(_)
            | Rejection::Admission(_)
            | Rejection::SignIn(_)
            | Rejection::Grant(_)
            | Rejection::Authorization(_) => None,
        }
    }

    /// The audiences of a credential that is for another audience than this server.
    pub fn audiences(&self) -> &[String] {
        match self {
            Rejection::Credential(CredentialReason::AudienceMismatch { found, .. }) => found,
            Rejection::Request(_)
            | Rejection::Credential(_)
            | Rejection::Attestation(_)
            | Rejection::Proof(_)
            | Rejection::Metadata(_)
            | Rejection::Admission(_)
            | Rejection::SignIn(_)
            | Rejection::Grant(_)
            | Rejection::Authorization(_) => &[],
        }
    }

    /// The `grant_type` that is not supported, if this is the reason: at most its first 80 characters.
    pub fn unsupported_grant_type(&self) -> Option<String> {
        match self {
            Rejection::Request(reason) => reason.unsupported_grant_type(),
            Rejection::Credential(_)
            | Rejection::Attestation(_)
            | Rejection::Proof(_)
            | Rejection::Metadata(_)
            | Rejection::Admission(_)
            | Rejection::SignIn(_)
            | Rejection::Grant(_)
            | Rejection::Authorization(_) => None,
        }
    }

    /// The kind of limit that the request exceeds, if this is the reason.
    pub fn exceeds(&self) -> Option<Exceeded> {
        self.row().exceeds
    }

    fn row(&self) -> Row {
        match self {
            Rejection::Request(reason) => reason.row(),
            Rejection::Credential(reason) => reason.row(),
            Rejection::Attestation(reason) => reason.row(),
            Rejection::Proof(reason) => reason.row(),
            Rejection::Metadata(reason) => reason.row(),
            Rejection::Admission(reason) => reason.row(),
            Rejection::SignIn(reason) => reason.row(),
            Rejection::Grant(reason) => reason.row(),
            Rejection::Authorization(reason) => reason.row(),
        }
    }
}

/// The exact reason, for logs and `testudo explain`. It is not sent to the caller if the row has another sentence, and
/// it never contains a credential.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::Request(reason) => reason.fmt(f),
            Rejection::Credential(reason) => reason.fmt(f),
            Rejection::Attestation(reason) => reason.fmt(f),
            Rejection::Proof(reason) => reason.fmt(f),
            Rejection::Metadata(reason) => reason.fmt(f),
            Rejection::Admission(reason) => reason.fmt(f),
            Rejection::SignIn(reason) => reason.fmt(f),
            Rejection::Grant(reason) => reason.fmt(f),
            Rejection::Authorization(reason) => reason.fmt(f),
        }
    }
}
