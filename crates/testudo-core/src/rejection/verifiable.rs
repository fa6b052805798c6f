//! Reasons to refuse a verifiable credential as a software statement.
//!
//! Until the signature of the issuer is verified, the answer is that of every invalid statement. What the holder itself
//! made wrong (its proof) is named in the answer, since only the holder can correct it.

use super::row::{Row, StatementEffect};
use crate::identity::{Authority, CredentialFormat};
use std::fmt;
use testudo_protocol::credentials::CredentialError;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::printable::excerpt;

/// Why a verifiable credential is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifiableReason {
    /// The credential is malformed, its signature does not verify, or it is not valid now.
    Refused(CredentialError),
    /// The issuer is that of no entry of kind `verifiable_credential`.
    UnknownIssuer,
    /// The credential has no `iss`, and its certificate has the names of several entries. [SD-JWT-VC §2.2.2.3]
    SeveralIssuers {
        /// Two of them.
        entries: [Authority; 2],
    },
    /// The entry does not list the format.
    FormatNotAllowed {
        /// The entry.
        issuer: Authority,
        /// The format of the credential.
        format: CredentialFormat,
    },
    /// A credential of a DID has no `kid`, which must be a key of the DID. [VC-JOSE-COSE §3.3.1]
    KeyIdMissing,
    /// The credential names another issuer than the one whose keys verify it, or none.
    IssuerDiffers {
        /// `issuer` of the entry.
        expected: String,
    },
    /// None of the types of the credential is one that the entry lists.
    TypeNotAllowed {
        /// The entry.
        issuer: Authority,
        /// The types of the credential.
        types: Vec<String>,
    },
    /// A claim on which the rights of the client depend is absent, and may be one that the SD-JWT does not disclose.
    Concealed {
        /// The claim.
        claim: String,
    },
    /// The credential shows no key, and keys may be among what the SD-JWT does not disclose.
    KeysMayBeConcealed,
    /// The key of the issuer that signed the credential of the client is not one of its keys any more.
    KeyWithdrawn {
        /// The entry.
        issuer: Authority,
    },
    /// The client has this member from its credential, and the entry does not let the issuer state it any more.
    MemberNotAttested {
        /// The entry.
        issuer: Authority,
        /// `redirect_uris` or `jwks`.
        member: String,
    },
    /// The credential of the client is valid for longer after its issue than the entry allows now.
    LifetimeReduced {
        /// The entry.
        issuer: Authority,
    },
    /// The client registered without a proof of its key, and the entry requires one now.
    RegisteredUnproven {
        /// The entry.
        issuer: Authority,
    },
    /// The client registered keys that its credential does not name, and the entry does not allow that any more.
    RegisteredUnbound {
        /// The entry.
        issuer: Authority,
    },
    /// A newer credential registered this client before it ended.
    Superseded,
    /// `cnf` and the DID of the subject are different keys.
    HolderKeysDiffer,
    /// The entry requires a proof of the holder, and the credential names no key of a holder.
    HolderKeyMissing,
    /// The entry requires a proof of the holder, and the request has none.
    HolderProofMissing,
    /// The DPoP proof beside the credential is signed with another key than that of the holder.
    HolderKeyNotProven,
    /// The connection has another client certificate than the one that the credential names.
    HolderCertificateDiffers,
    /// The proof of the holder is refused.
    HolderProof(CredentialError),
    /// The nonce in the proof of the holder is too old, or is not from this server.
    NonceNotAccepted,
    /// The nonce or the proof of the holder was used before.
    ProofReplayed,
    /// The credential names no key, so its client could never authenticate.
    NoClientKey,
    /// The credential names no key, and the request names other keys than those that the client registered first.
    OtherKeysRegistered,
    /// The rule gives the client another id than its identity, by which the keys of the client are found.
    ClientIdNotIdentity {
        /// The rule.
        rule: String,
    },
}

impl VerifiableReason {
    pub(super) fn row(&self) -> Row {
        let by_holder = |name, sentence: &'static str| {
            let invalid = ErrorCode::InvalidSoftwareStatement;
            Row::unauthenticated(name).statement_effect(StatementEffect::Member(invalid, sentence.into()))
        };
        match self {
            VerifiableReason::Refused(_) => Row::unauthenticated("credential_malformed_or_forged"),
            VerifiableReason::UnknownIssuer => Row::unauthenticated("credential_issuer_unknown"),
            VerifiableReason::SeveralIssuers { .. } => Row::unauthenticated("credential_several_issuers"),
            VerifiableReason::FormatNotAllowed { .. } => {
                Row::unauthenticated("credential_format_not_allowed")
            }
            VerifiableReason::KeyIdMissing => Row::unauthenticated("credential_without_kid"),
            VerifiableReason::IssuerDiffers { .. } => Row::unauthenticated("credential_issuer_differs"),
            // The signature of the issuer is verified before.
            VerifiableReason::TypeNotAllowed { .. } => {
                let sentence = "software_statement is not accepted by this server";
                let code = ErrorCode::UnapprovedSoftwareStatement;
                Row::not_admitted("credential_type_not_allowed")
                    .statement_effect(StatementEffect::Member(code, sentence.into()))
            }
            // The signatures of the issuer and of the holder are verified before, and only the holder can disclose more.
            VerifiableReason::Concealed { claim } => {
                let sentence = format!("software_statement must disclose {}", excerpt(claim));
                let code = ErrorCode::InvalidSoftwareStatement;
                Row::unauthenticated("credential_claim_concealed")
                    .statement_effect(StatementEffect::Member(code, sentence.into()))
            }
            VerifiableReason::KeysMayBeConcealed => {
                let sentence =
                    "software_statement that names no key of the client must disclose all its members";
                let code = ErrorCode::InvalidSoftwareStatement;
                Row::unauthenticated("credential_keys_concealed")
                    .statement_effect(StatementEffect::Member(code, sentence.into()))
            }
            VerifiableReason::KeyWithdrawn { .. } => Row::not_admitted("credential_key_withdrawn"),
            VerifiableReason::MemberNotAttested { .. } => Row::not_admitted("credential_member_not_attested"),
            VerifiableReason::LifetimeReduced { .. } => Row::not_admitted("credential_lifetime_reduced"),
            VerifiableReason::RegisteredUnproven { .. } => {
                Row::not_admitted("credential_registered_unproven")
            }
            VerifiableReason::RegisteredUnbound { .. } => Row::not_admitted("credential_registered_unbound"),
            VerifiableReason::Superseded => {
                let sentence = "software_statement is older than the one that registered this client last";
                let code = ErrorCode::UnapprovedSoftwareStatement;
                Row::not_admitted("credential_superseded")
                    .statement_effect(StatementEffect::Member(code, sentence.into()))
            }
            VerifiableReason::HolderKeysDiffer => Row::unauthenticated("credential_keys_differ"),
            VerifiableReason::HolderKeyMissing => by_holder(
                "credential_holder_key_missing",
                "software_statement must name a key of its holder in cnf, or as the DID of its subject",
            ),
            VerifiableReason::HolderProofMissing => by_holder(
                "holder_proof_missing",
                "software_statement needs a proof of its holder: a KB-JWT, a presentation, or beside a credential without tildes an attestation or a DPoP proof",
            ),
            VerifiableReason::HolderKeyNotProven => by_holder(
                "holder_key_not_proven",
                "the DPoP proof beside software_statement must be signed with the key of the holder",
            ),
            VerifiableReason::HolderCertificateDiffers => by_holder(
                "holder_certificate_differs",
                "the client certificate must be the one that cnf of software_statement names",
            ),
            VerifiableReason::HolderProof(_) => by_holder(
                "holder_proof_refused",
                "the proof of the holder in software_statement is not valid: it needs aud with the issuer identifier of this server, the present time in iat, and the key of the holder",
            ),
            VerifiableReason::NonceNotAccepted => by_holder(
                "holder_nonce_not_accepted",
                "software_statement needs a proof of its holder with a registration_nonce that this server gave within the last five minutes",
            ),
            VerifiableReason::ProofReplayed => by_holder(
                "holder_proof_replayed",
                "software_statement has a proof of its holder that was used before: get a new registration_nonce for each registration",
            ),
            VerifiableReason::NoClientKey => {
                let sentence = "software_statement must name the key with which the client authenticates";
                let code = ErrorCode::InvalidClientMetadata;
                Row::unauthenticated("credential_without_key")
                    .statement_effect(StatementEffect::Member(code, sentence.into()))
            }
            VerifiableReason::OtherKeysRegistered => {
                let sentence = "jwks must have the keys that this client registered first";
                let code = ErrorCode::InvalidClientMetadata;
                Row::not_admitted("credential_other_keys_registered")
                    .statement_effect(StatementEffect::Member(code, sentence.into()))
            }
            VerifiableReason::ClientIdNotIdentity { .. } => {
                Row::not_admitted("credential_client_id_not_identity")
            }
        }
    }
}

impl fmt::Display for VerifiableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifiableReason::Refused(error) => write!(f, "the credential is refused: {error}"),
            VerifiableReason::UnknownIssuer => {
                f.write_str("the issuer of the credential, or without iss the name of its certificate, is that of no entry of kind verifiable_credential")
            }
            VerifiableReason::SeveralIssuers { entries: [one, other] } => write!(
                f,
                "the credential has no iss, and its certificate has the name in jwks.x5c of both {one} and {other}"
            ),
            VerifiableReason::FormatNotAllowed { issuer, format } => {
                write!(f, "formats of {issuer} does not list {format}")
            }
            VerifiableReason::KeyIdMissing => {
                f.write_str("the credential has no kid, which must name a key of the DID of its issuer")
            }
            VerifiableReason::IssuerDiffers { expected } => {
                write!(f, "the credential does not name the issuer {expected}, whose keys verify it")
            }
            VerifiableReason::TypeNotAllowed { issuer, types } => {
                let types = types.join(", ");
                write!(f, "types of {issuer} lists none of {:?}", excerpt(&types))
            }
            VerifiableReason::Concealed { claim } => write!(
                f,
                "the claim {:?} is absent, and the credential has digests without a disclosure, which may conceal it",
                excerpt(claim)
            ),
            VerifiableReason::KeysMayBeConcealed => f.write_str(
                "the credential names no key, and has digests without a disclosure, which may conceal jwks",
            ),
            VerifiableReason::KeyWithdrawn { issuer } => {
                write!(f, "the key that signed the credential of the client is not a key of {issuer} any more")
            }
            VerifiableReason::MemberNotAttested { issuer, member } => {
                write!(f, "{member} of the client is from its credential, and attests of {issuer} does not list {member} any more")
            }
            VerifiableReason::LifetimeReduced { issuer } => {
                write!(f, "the credential of the client is valid for longer after its issue than lifetime_max of {issuer} allows now")
            }
            VerifiableReason::RegisteredUnproven { issuer } => {
                write!(f, "the client registered without a proof of its key, and holder_binding of {issuer} requires one now")
            }
            VerifiableReason::RegisteredUnbound { issuer } => {
                write!(f, "the client registered keys that its credential does not name, and unbound of {issuer} refuses that now")
            }
            VerifiableReason::Superseded => {
                f.write_str("the client ended, and a newer credential had registered it before")
            }
            VerifiableReason::HolderKeysDiffer => {
                f.write_str("cnf, the certificate that it names and the DID of the subject have different keys")
            }
            VerifiableReason::HolderKeyMissing => f.write_str(
                "the credential names no key of its holder, neither in cnf nor as a did:key or did:jwk of its subject",
            ),
            VerifiableReason::HolderProofMissing => f.write_str("the request has no proof of the holder"),
            VerifiableReason::HolderKeyNotProven => {
                f.write_str("the DPoP proof is signed with another key than that of the holder")
            }
            VerifiableReason::HolderCertificateDiffers => {
                f.write_str("the client certificate is not the one that cnf of the credential names")
            }
            VerifiableReason::HolderProof(error) => write!(f, "the proof of the holder is refused: {error}"),
            VerifiableReason::NonceNotAccepted => {
                f.write_str("nonce of the proof of the holder is older than five minutes, or is not a registration_nonce of this server")
            }
            VerifiableReason::ProofReplayed => {
                f.write_str("the nonce, or the proof of the holder, was used before")
            }
            VerifiableReason::NoClientKey => f.write_str(
                "the credential names no key: neither of its holder nor, where attests lists it, in jwks",
            ),
            VerifiableReason::OtherKeysRegistered => f.write_str(
                "the credential names no key, and jwks of the request has other keys than those that this client registered first",
            ),
            VerifiableReason::ClientIdNotIdentity { rule } => write!(
                f,
                "rule `{rule}` gives the client another id than its identity, by which the keys of the client are found"
            ),
        }
    }
}
