//! An example of each reason to refuse. The tests of `explain` in the server read this file as well: what it imports from
//! `super` is imported there from this crate.

use super::{
    AdmissionReason, AttestationReason, Authority, AuthorizationReason, CertificateUse, ClaimDifference,
    CredentialFormat, CredentialKind, CredentialReason, GrantReason, MetadataReason, NotAcceptedBy,
    PasskeyFault, PasskeyReason, Presented, ProofReason, Rejection, RequestReason, SenderConstraint,
    ServiceAccountReason, SignInReason, StatusEntry, StatusReason, VerifiableReason, WorkloadProofReason,
};
use testudo_protocol::Timestamp;
use testudo_protocol::client_certificate::ClientCertificateError;
use testudo_protocol::credentials::CredentialError;
use testudo_protocol::jose::{JoseError, KeyError};
use testudo_protocol::json::JsonError;
use testudo_protocol::kubernetes::{ReviewError, ServiceAccountError};
use testudo_protocol::oauth::FormError;
use testudo_protocol::oauth::redirect_uri::RedirectUriError;
use testudo_protocol::spiffe::{SpiffeIdError, X509Error};

// The path is that of this file, because the tests of the server name it by its path too.
#[path = "authorization_examples.rs"]
mod authorization_examples;
#[path = "grant_examples.rs"]
mod grant_examples;
#[path = "proof_examples.rs"]
mod proof_examples;
#[path = "sign_in_examples.rs"]
mod sign_in_examples;
use authorization_examples::authorization_reasons;
use grant_examples::grant_reasons;
use proof_examples::{attestation_reasons, proof_reasons};
use sign_in_examples::sign_in_reasons;

fn request_reasons() -> Vec<RequestReason> {
    vec![
        RequestReason::NotAForm,
        RequestReason::MalformedForm(FormError::NotText),
        RequestReason::NotJson,
        RequestReason::MalformedJson(JsonError::new("not a JSON object")),
        RequestReason::BodyTooLarge,
        RequestReason::BodyLate,
        RequestReason::BodyEncoded,
        RequestReason::HostNotOne,
        RequestReason::HostInvalid,
        RequestReason::HostNotOurs,
        RequestReason::OriginNotOurs,
        RequestReason::FlowNotOurs,
        RequestReason::FlowExpired,
        RequestReason::NoSuchEndpoint,
        RequestReason::MethodNotAllowed,
        RequestReason::CredentialsInUrl,
        RequestReason::MissingGrantType,
        RequestReason::UnsupportedGrantType {
            found: "password".to_owned(),
        },
        RequestReason::MalformedClientId,
        RequestReason::TwoMechanisms {
            found: vec!["client_secret", "client_assertion"],
        },
        RequestReason::AttestationNotOne,
        RequestReason::ClientIdMissing,
        RequestReason::MalformedScope("is longer than 4096 bytes"),
        RequestReason::MalformedResource("has a fragment"),
        RequestReason::SeveralResources,
        RequestReason::TokenMissing,
        RequestReason::MalformedForm(FormError::DuplicateParameter { name: None }),
        RequestReason::MalformedForm(FormError::DuplicateParameter {
            name: Some("grant_type"),
        }),
        RequestReason::MalformedForm(FormError::TooManyParameters),
        RequestReason::MalformedForm(FormError::ControlCharacter { name: None }),
        RequestReason::MalformedForm(FormError::LineBreakAtEnd {
            name: Some("client_assertion"),
        }),
    ]
}

fn agents() -> Authority {
    Authority::issuer("agents").unwrap()
}

fn verifiable(reason: VerifiableReason) -> CredentialReason {
    CredentialReason::Verifiable(Box::new(reason))
}

fn credential_reasons() -> Vec<CredentialReason> {
    vec![
        CredentialReason::NoCredential,
        CredentialReason::CertificateHeaderNotRead {
            found: "x-forwarded-client-cert",
            expected: Some("client-cert".to_owned()),
            needed: CertificateUse::Authentication,
        },
        CredentialReason::CertificateHeaderNotRead {
            found: "ssl-client-cert",
            expected: None,
            needed: CertificateUse::Evidence,
        },
        CredentialReason::UnsupportedMechanism {
            found: "client_secret",
        },
        CredentialReason::UnknownAssertionType,
        CredentialReason::MissingAssertion,
        CredentialReason::Jose(JoseError::NoKey { kid: None }),
        CredentialReason::ClientCertificate(ClientCertificateError::OtherName),
        CredentialReason::Certificate(X509Error::Malformed),
        CredentialReason::ForeignCertificateHeader,
        CredentialReason::CertificateHeaderMalformed {
            header: "x".to_owned(),
            problem: "is y",
        },
        CredentialReason::TypeNotAllowed {
            found: Some("x".to_owned()),
        },
        CredentialReason::AlgorithmNotAllowed {
            found: "x".to_owned(),
        },
        CredentialReason::SubjectNotSpiffeId(SpiffeIdError::TooLong),
        CredentialReason::SubjectHasNoPath,
        CredentialReason::SubjectUnusable {
            claim: "repository_id".to_owned(),
        },
        CredentialReason::UnknownAuthority {
            authority: Authority::of_key("spiffe://x.example").unwrap(),
        },
        CredentialReason::BundleUnavailable {
            authority: Authority::of_key("spiffe://x.example").unwrap(),
        },
        CredentialReason::UnknownClient,
        CredentialReason::ClientKeysUnavailable { why: "x".to_owned() },
        CredentialReason::AudienceMismatch {
            expected: "x".to_owned(),
            found: vec!["y".to_owned()],
        },
        CredentialReason::AssertionExpired {
            expired: Timestamp(1),
        },
        CredentialReason::AssertionNotYetValid {
            valid_from: Timestamp(1),
        },
        CredentialReason::AssertionFromTheFuture { issued: Timestamp(1) },
        CredentialReason::LifetimeTooLong {
            by: None,
            seconds: 7,
            allowed: 7,
        },
        CredentialReason::IssuerIsNotSubject,
        CredentialReason::JwtIdMissing,
        CredentialReason::JwtIdTooLong,
        CredentialReason::JwtIdUnprintable,
        CredentialReason::BoundToKey,
        CredentialReason::AssertionReplayed,
        CredentialReason::MarkDropped {
            kept_until: Timestamp(1),
        },
        CredentialReason::ServiceAccount(Box::new(ServiceAccountReason::NoKeyId)),
        verifiable(VerifiableReason::Refused(CredentialError::NotSdJwt(
            "is larger than 32 KiB",
        ))),
        verifiable(VerifiableReason::UnknownIssuer),
        verifiable(VerifiableReason::SeveralIssuers {
            entries: ["agents", "papers"].map(|name| Authority::issuer(name).unwrap()),
        }),
        verifiable(VerifiableReason::FormatNotAllowed {
            issuer: agents(),
            format: CredentialFormat::Vc1Jwt,
        }),
        verifiable(VerifiableReason::KeyIdMissing),
        verifiable(VerifiableReason::IssuerDiffers {
            expected: "https://issuer.example".to_owned(),
        }),
        verifiable(VerifiableReason::TypeNotAllowed {
            issuer: agents(),
            types: vec!["https://vct.example/diploma".to_owned()],
        }),
        verifiable(VerifiableReason::Concealed {
            claim: "scope".to_owned(),
        }),
        verifiable(VerifiableReason::KeysMayBeConcealed),
        verifiable(VerifiableReason::KeyWithdrawn { issuer: agents() }),
        verifiable(VerifiableReason::MemberNotAttested {
            issuer: agents(),
            member: "jwks".to_owned(),
        }),
        verifiable(VerifiableReason::LifetimeReduced { issuer: agents() }),
        verifiable(VerifiableReason::RegisteredUnproven { issuer: agents() }),
        verifiable(VerifiableReason::RegisteredUnbound { issuer: agents() }),
        verifiable(VerifiableReason::Superseded),
        verifiable(VerifiableReason::HolderKeysDiffer),
        verifiable(VerifiableReason::HolderKeyMissing),
        verifiable(VerifiableReason::HolderProofMissing),
        verifiable(VerifiableReason::HolderKeyNotProven),
        verifiable(VerifiableReason::HolderCertificateDiffers),
        verifiable(VerifiableReason::HolderProof(CredentialError::NotSdJwt(
            "has no proof of its holder (KB-JWT)",
        ))),
        verifiable(VerifiableReason::NonceNotAccepted),
        verifiable(VerifiableReason::ProofReplayed),
        verifiable(VerifiableReason::NoClientKey),
        verifiable(VerifiableReason::OtherKeysRegistered),
        verifiable(VerifiableReason::ClientIdNotIdentity {
            rule: "agents".to_owned(),
        }),
        CredentialReason::ServiceAccount(Box::new(ServiceAccountReason::SeveralClusters {
            entries: ["cluster-a:", "cluster-b:"].map(|key| Authority::of_key(key).unwrap()),
        })),
        CredentialReason::ServiceAccount(Box::new(ServiceAccountReason::Claims(
            ServiceAccountError::NoClaim,
        ))),
        CredentialReason::ServiceAccount(Box::new(ServiceAccountReason::DefaultAccount {
            cluster: Authority::of_key("cluster-a:").unwrap(),
            namespace: "pay".to_owned(),
        })),
        CredentialReason::ServiceAccount(Box::new(ServiceAccountReason::Review(
            ReviewError::NotAuthenticated { error: None },
        ))),
        CredentialReason::ServiceAccount(Box::new(ServiceAccountReason::NotReviewed {
            cluster: Authority::of_key("cluster-a:").unwrap(),
            why: "no complete answer within 2 s".to_owned(),
        })),
        CredentialReason::IssuedAtMissing,
        CredentialReason::EvidenceMissing,
        CredentialReason::TwoIdentities,
        CredentialReason::StatementIssuerMismatch {
            expected: "x".to_owned(),
        },
        CredentialReason::InitialAccessTokenRefused { why: "x".to_owned() },
        CredentialReason::InitialAccessTokenStatusUnavailable {
            why: "x".to_owned(),
            retry_after_seconds: 5,
        },
        CredentialReason::InitialAccessTokenHasNoScope,
        CredentialReason::RegistrationTokenMissing,
        CredentialReason::RegistrationTokenRefused { is_superseded: false },
        CredentialReason::RegistrationTokenRefused { is_superseded: true },
        CredentialReason::Jose(JoseError::BadSignature),
    ]
}

fn status_reasons() -> [StatusReason; 10] {
    let url = || "https://status.example/1".to_owned();
    let at = || StatusEntry { url: url(), index: 7 };
    let why = || "the signature does not verify".to_owned();
    [
        StatusReason::Missing,
        StatusReason::ForeignList { url: url() },
        StatusReason::Revoked { at: at() },
        StatusReason::Suspended { at: at() },
        StatusReason::ApplicationSpecific { at: at(), value: 3 },
        StatusReason::Unassigned { at: at(), value: 4 },
        StatusReason::OutOfRange { at: at() },
        StatusReason::OtherPurpose { at: at() },
        StatusReason::ListRefused {
            url: url(),
            why: why(),
        },
        StatusReason::ListUnavailable {
            url: url(),
            why: why(),
            retry_after_seconds: 30,
        },
    ]
}

fn metadata_reasons() -> Vec<MetadataReason> {
    vec![
        MetadataReason::NotAString {
            member: "client_name",
        },
        MetadataReason::NotABoolean {
            member: "client_name",
        },
        MetadataReason::NotAListOfStrings {
            member: "client_name",
        },
        MetadataReason::NameMalformed {
            member: "client_name",
            characters_max: 20,
        },
        MetadataReason::SoftwareTextMalformed {
            member: "client_name",
            bytes_max: 20,
        },
        MetadataReason::LabelUrlMalformed {
            member: "client_name",
        },
        MetadataReason::ContactsMalformed {
            member: "client_name",
            items_max: 20,
            characters_max: 20,
        },
        MetadataReason::LanguageTagRepeated {
            member: "client_name",
        },
        MetadataReason::TooManyLanguageTags {
            member: "client_name",
            tags_max: 20,
        },
        MetadataReason::CertificateSubjectNamed {
            member: "client_name",
        },
        MetadataReason::StatementNotTaken,
        MetadataReason::SpiffeIdClaimed,
        MetadataReason::SpiffeIdMismatch,
        MetadataReason::SoftwareIdMismatch,
        MetadataReason::ClientIdChosen,
        MetadataReason::ApplicationTypeUnknown,
        MetadataReason::ApplicationTypeChanged,
        MetadataReason::GrantTypeEnded,
        MetadataReason::NoGrantTypeRemains,
        MetadataReason::ResponseTypesMismatch,
        MetadataReason::ScopeMalformed,
        MetadataReason::NoScopeRemains,
        MetadataReason::BoundTwice,
        MetadataReason::BindingWithoutCertificate,
        MetadataReason::BindingNotShown,
        MetadataReason::NarrowingNeedsKey {
            member: "client_name",
        },
        MetadataReason::NarrowingNeedsAudience {
            member: "client_name",
        },
        MetadataReason::AuthMethodWithoutEvidence,
        MetadataReason::AuthMethodNotAttested,
        MetadataReason::AuthMethodNotShown,
        MetadataReason::CertificatesMissing,
        MetadataReason::CertificatesNotReceived,
        MetadataReason::AuthMethodChanged,
        MetadataReason::SigningAlgorithmNotSupported,
        MetadataReason::SigningAlgorithmWithoutKey,
        MetadataReason::JwksTwice,
        MetadataReason::LabelNeedsKey { member: "client_uri" },
        MetadataReason::KeysOfAttestedClient {
            member: "client_name",
        },
        MetadataReason::JwksMissing,
        MetadataReason::JwksMalformed,
        MetadataReason::JwksTooLarge {
            keys_max: 20,
            kib_max: 20,
        },
        MetadataReason::JwksKeyIdRepeated {
            position: 1,
            earlier: 0,
        },
        MetadataReason::JwksKeySymmetric { position: 0 },
        MetadataReason::JwksKeyMalformed { position: 0 },
        MetadataReason::JwksKeyRefused {
            position: 0,
            why: KeyError::ClientRsaExponent,
        },
        MetadataReason::JwksWithoutKey,
        MetadataReason::PrivateKeyDisclosed { position: 0 },
        MetadataReason::JwksUriNotTaken,
        MetadataReason::JwksUriMalformed,
        MetadataReason::RedirectUrisMalformed { items_max: 20 },
        MetadataReason::RedirectUri(RedirectUriError::NoPath),
        MetadataReason::RedirectUrisMissing,
        MetadataReason::RedirectUrisWithoutGrant,
        MetadataReason::RedirectUrisOfWeb,
        MetadataReason::RedirectUrisMixed,
        MetadataReason::RedirectUriOutsideRule,
        MetadataReason::AttestedRedirectUriOutsideRule,
        MetadataReason::RedirectUriOfOthers,
        MetadataReason::ReplacementOfAnother,
        MetadataReason::ReplacementMalformed {
            member: "client_name",
        },
        MetadataReason::RedirectUri(RedirectUriError::HttpsOfLocalhost),
        MetadataReason::RedirectUri(RedirectUriError::SchemeNotReversed),
    ]
}

fn admission_reasons() -> Vec<AdmissionReason> {
    vec![
        AdmissionReason::EvidenceNotTaken,
        AdmissionReason::AuthorityDisabled {
            authority: Authority::of_key("spiffe://x.example").unwrap(),
        },
        AdmissionReason::IdentityBlocked { by: "x".to_owned() },
        AdmissionReason::NoRule,
        AdmissionReason::ClaimDiffers(Box::new(ClaimDifference {
            rule: "deploy".to_owned(),
            claim: "repository_id".to_owned(),
            expected: "\"12345\"".to_owned(),
            found: Some("\"999\"".to_owned()),
        })),
        AdmissionReason::ClaimsUnknown { rule: "x".to_owned() },
        AdmissionReason::SponsorCredential {
            sponsor: "agents:x".to_owned(),
            why: Box::new(VerifiableReason::KeyWithdrawn { issuer: agents() }.into()),
        },
        AdmissionReason::RuleDisabled { rule: "x".to_owned() },
        AdmissionReason::CredentialNotAccepted {
            kind: CredentialKind::JwtSvid,
            by: NotAcceptedBy::Rule("x".to_owned()),
        },
        AdmissionReason::ClientIdMismatch {
            sent: "y".to_owned(),
            expected: "x".to_owned(),
        },
        AdmissionReason::ClientFrozen {
            client_id: "spiffe://prod.example/x".into(),
        },
        AdmissionReason::FirstUseOff { by: "x".to_owned() },
        AdmissionReason::FirstUseObserved { by: "x".to_owned() },
        AdmissionReason::AttestedClaimMalformed(MetadataReason::ScopeMalformed),
        AdmissionReason::GrantNotAllowed { rule: "x".to_owned() },
        AdmissionReason::ScopeNotAllowed {
            rule: "x".to_owned(),
            refused: "x".to_owned(),
        },
        AdmissionReason::ResourceNotAllowed {
            rule: "x".to_owned(),
            refused: "y".to_owned(),
        },
        AdmissionReason::BindingMissing {
            rule: "x".to_owned(),
            constraint: SenderConstraint::Mtls,
        },
        AdmissionReason::BindingMissing {
            rule: "x".to_owned(),
            constraint: SenderConstraint::Dpop,
        },
        AdmissionReason::ClientIdClash {
            client_id: "x".to_owned(),
        },
        AdmissionReason::ClientIdReserved { rule: "x".to_owned() },
        AdmissionReason::TooManyClients {
            limit: "x".to_owned(),
        },
        AdmissionReason::TooFast {
            setting: "registrations_per_minute",
            limit: "x".to_owned(),
            retry_after_seconds: 7,
        },
        AdmissionReason::AttestedClaimMalformed(MetadataReason::RedirectUri(RedirectUriError::NoPath)),
    ]
}

/// One of each reason; of some that hold another error, several.
pub fn reasons() -> Vec<Rejection> {
    let mut all: Vec<Rejection> = request_reasons().into_iter().map(Rejection::from).collect();
    all.extend(credential_reasons().into_iter().map(Rejection::from));
    all.extend(status_reasons().into_iter().map(Rejection::from));
    all.extend(attestation_reasons().into_iter().map(Rejection::from));
    all.extend(proof_reasons().into_iter().map(Rejection::from));
    all.extend(metadata_reasons().into_iter().map(Rejection::from));
    all.extend(admission_reasons().into_iter().map(Rejection::from));
    all.extend(sign_in_reasons().into_iter().map(Rejection::from));
    all.extend(grant_reasons().into_iter().map(Rejection::from));
    all.extend(authorization_reasons().into_iter().map(Rejection::from));
    all
}
