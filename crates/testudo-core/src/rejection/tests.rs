//! Tests of the answers for every reason at every endpoint. They are in a table, so that a change of an answer is
//! visible in a review.

use super::*;
use crate::identity::{Authority, CredentialKind};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{JoseError, KeyError};
use testudo_protocol::oauth::redirect_uri::RedirectUriError;
use testudo_protocol::oauth::{FormError, Resource, ScopeSet};
use testudo_protocol::spiffe::{SpiffeIdError, X509Error};

const ENDPOINTS: [(&str, Endpoint); 7] = [
    ("before any endpoint", Endpoint::None),
    (
        "token, with a password",
        Endpoint::Token {
            authorization: Authorization::Other,
        },
    ),
    (
        "token, with a bearer token",
        Endpoint::Token {
            authorization: Authorization::Bearer,
        },
    ),
    (
        "registration",
        Endpoint::Registration {
            statement: Statement::Absent,
        },
    ),
    (
        "registration, unverified statement",
        Endpoint::Registration {
            statement: Statement::Unverified,
        },
    ),
    (
        "registration, verified statement",
        Endpoint::Registration {
            statement: Statement::Verified,
        },
    ),
    ("management", Endpoint::Management),
];

fn request_reasons() -> Vec<RequestReason> {
    vec![
        RequestReason::NotAForm,
        RequestReason::MalformedForm(FormError::NotText),
        RequestReason::NotJson,
        RequestReason::MalformedJson,
        RequestReason::BodyTooLarge,
        RequestReason::BodyLate,
        RequestReason::BodyEncoded,
        RequestReason::HostNotOne,
        RequestReason::HostInvalid,
        RequestReason::NoSuchEndpoint,
        RequestReason::MethodNotAllowed,
        RequestReason::CredentialsInUrl,
        RequestReason::MissingGrantType,
        RequestReason::UnsupportedGrantType,
        RequestReason::MalformedClientId,
        RequestReason::TwoMechanisms,
        RequestReason::ClientIdMissing,
        RequestReason::MalformedScope("client_name"),
        RequestReason::MalformedResource("client_name"),
        RequestReason::SeveralResources,
        RequestReason::MalformedForm(FormError::DuplicateParameter),
        RequestReason::MalformedForm(FormError::TooManyParameters),
        RequestReason::MalformedForm(FormError::ControlCharacter),
    ]
}

fn credential_reasons() -> Vec<CredentialReason> {
    vec![
        CredentialReason::NoCredential,
        CredentialReason::UnsupportedMechanism,
        CredentialReason::UnknownAssertionType,
        CredentialReason::MissingAssertion,
        CredentialReason::Jose(JoseError::NoKey),
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
        CredentialReason::UnknownTrustDomain {
            authority: Authority::of_key("spiffe://x.example").unwrap(),
        },
        CredentialReason::BundleUnavailable { name: "x".to_owned() },
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
            seconds: 7,
            allowed: 7,
        },
        CredentialReason::IssuerIsNotSubject,
        CredentialReason::JwtIdMissing,
        CredentialReason::JwtIdTooLong,
        CredentialReason::JwtIdUnprintable,
        CredentialReason::AssertionReplayed,
        CredentialReason::MarkDropped {
            kept_until: Timestamp(1),
        },
        CredentialReason::IssuedAtMissing,
        CredentialReason::EvidenceMissing,
        CredentialReason::TwoIdentities,
        CredentialReason::StatementIssuerMismatch {
            expected: "x".to_owned(),
        },
        CredentialReason::InitialAccessTokenRefused { why: "x".to_owned() },
        CredentialReason::InitialAccessTokenHasNoScope,
        CredentialReason::RegistrationTokenMissing,
        CredentialReason::RegistrationTokenRefused { is_superseded: false },
        CredentialReason::RegistrationTokenRefused { is_superseded: true },
        CredentialReason::Jose(JoseError::BadSignature),
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
        MetadataReason::DpopNotSupported,
        MetadataReason::BoundTwice,
        MetadataReason::BindingWithoutCertificate,
        MetadataReason::BindingNotShown,
        MetadataReason::NarrowingNeedsCertificate {
            member: "client_name",
        },
        MetadataReason::NarrowingNeedsAudience {
            member: "client_name",
        },
        MetadataReason::AuthMethodWithoutEvidence,
        MetadataReason::AuthMethodNotSvid,
        MetadataReason::AuthMethodNotShown,
        MetadataReason::AuthMethodChanged,
        MetadataReason::SigningAlgorithmNotSupported,
        MetadataReason::SigningAlgorithmWithoutKey,
        MetadataReason::JwksTwice,
        MetadataReason::KeysOfAttestedClient {
            member: "client_name",
        },
        MetadataReason::JwksMissing,
        MetadataReason::JwksMalformed,
        MetadataReason::JwksTooLarge {
            keys_max: 20,
            kib_max: 20,
        },
        MetadataReason::JwksKeyIdRepeated,
        MetadataReason::JwksKeySymmetric,
        MetadataReason::JwksKeyMalformed,
        MetadataReason::JwksKeyRefused {
            position: 0,
            why: KeyError::ClientRsaExponent,
        },
        MetadataReason::JwksWithoutKey,
        MetadataReason::PrivateKeyDisclosed,
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
        AdmissionReason::AuthorityDisabled { name: "x".to_owned() },
        AdmissionReason::IdentityBlocked { by: "x".to_owned() },
        AdmissionReason::NoRule,
        AdmissionReason::RuleDisabled { rule: "x".to_owned() },
        AdmissionReason::CredentialNotAccepted {
            kind: CredentialKind::JwtSvid,
            by: "x".to_owned(),
        },
        AdmissionReason::ClientIdMismatch {
            expected: "x".to_owned(),
        },
        AdmissionReason::ClientFrozen,
        AdmissionReason::FirstUseOff { by: "x".to_owned() },
        AdmissionReason::FirstUseObserved { by: "x".to_owned() },
        AdmissionReason::AttestedClaimMalformed(MetadataReason::ScopeMalformed),
        AdmissionReason::GrantNotAllowed { rule: "x".to_owned() },
        AdmissionReason::ScopeNotAllowed {
            rule: "x".to_owned(),
            refused: "x".to_owned(),
        },
        AdmissionReason::ResourceNotAllowed { rule: "x".to_owned() },
        AdmissionReason::BindingMissing { rule: "x".to_owned() },
        AdmissionReason::ClientIdClash {
            client_id: "x".to_owned(),
        },
        AdmissionReason::ClientIdReserved { rule: "x".to_owned() },
        AdmissionReason::TooManyClients {
            limit: "x".to_owned(),
        },
        AdmissionReason::TooFast {
            limit: "x".to_owned(),
            retry_after_seconds: 7,
        },
        AdmissionReason::AttestedClaimMalformed(MetadataReason::RedirectUri(RedirectUriError::NoPath)),
    ]
}

fn reasons() -> Vec<Rejection> {
    let mut all: Vec<Rejection> = request_reasons().into_iter().map(Rejection::from).collect();
    all.extend(credential_reasons().into_iter().map(Rejection::from));
    all.extend(metadata_reasons().into_iter().map(Rejection::from));
    all.extend(admission_reasons().into_iter().map(Rejection::from));
    all
}

/// Endpoints with the same answer share a line.
fn table() -> String {
    let mut text = String::new();
    for reason in reasons() {
        let _ = writeln!(text, "{}", reason.name());
        let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
        for (endpoint, at) in ENDPOINTS {
            let answer = reason.answer(at);
            let mut line = format!("{} {}: {}", answer.status, answer.code.name(), answer.sentence);
            if let Some(challenge) = answer.challenge {
                let _ = write!(line, " [{challenge}]");
            }
            if let Some(seconds) = answer.retry_after_seconds {
                let _ = write!(line, " [again in {seconds} s]");
            }
            match lines.iter_mut().find(|(known, _)| *known == line) {
                Some((_, endpoints)) => endpoints.push(endpoint),
                None => lines.push((line, vec![endpoint])),
            }
        }
        for (line, endpoints) in lines {
            let where_from = if endpoints.len() == ENDPOINTS.len() {
                "everywhere".to_owned()
            } else {
                endpoints.join("; ")
            };
            let _ = writeln!(text, "  {line}\n    ({where_from})");
        }
    }
    text
}

/// A changed answer changes `answers.txt` in the same commit: UPDATE_ANSWERS=1 writes it.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the table is a file beside the test, which UPDATE_ANSWERS=1 writes"
)]
fn answers_of_all_endpoints_are_those_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rejection/answers.txt");
    if std::env::var_os("UPDATE_ANSWERS").is_some() {
        std::fs::write(path, table()).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    for (now, before) in table().lines().zip(expected.lines()) {
        assert_eq!(now, before);
    }
    assert_eq!(table(), expected);
}

#[test]
fn every_variant_of_the_four_enums_is_in_the_table() {
    let sources = [
        include_str!("request.rs"),
        include_str!("credential.rs"),
        include_str!("metadata.rs"),
        include_str!("admission.rs"),
    ];
    let in_table: BTreeSet<String> = reasons()
        .iter()
        .map(|reason| variant(&format!("{reason:?}")))
        .collect();
    let mut count = 0;
    for source in sources {
        let (_, body) = source.split_once("Reason {\n").unwrap();
        let (body, _) = body.split_once("\n}\n").unwrap();
        let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
        for line in variants.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase())) {
            let name: String = line.chars().take_while(char::is_ascii_alphanumeric).collect();
            assert!(in_table.contains(&name), "{name}");
            count += 1;
        }
    }
    assert_eq!(count, in_table.len());
}

/// The variant: `NotAForm` of `Request(NotAForm)`.
fn variant(debug: &str) -> String {
    let (_, inner) = debug.split_once('(').unwrap();
    inner.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn every_reason_has_a_unique_name() {
    let mut names: Vec<(&str, String)> = reasons()
        .iter()
        .map(|reason| (reason.name(), variant(&format!("{reason:?}"))))
        .collect();
    names.sort();
    names.dedup();
    for pair in names.windows(2) {
        assert_ne!(pair[0].0, pair[1].0, "{} and {}", pair[0].1, pair[1].1);
    }
}

#[test]
fn sentences_are_ascii_and_those_about_metadata_name_a_member() {
    let members = [
        "client_name",
        "contacts",
        "spiffe_id",
        "software_id",
        "software_statement",
        "client_id",
        "application_type",
        "grant_types",
        "response_types",
        "scope",
        "dpop_bound_access_tokens",
        "jwks",
        "jwks_uri",
        "redirect_uris",
        "tls_client_certificate_bound_access_tokens",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
    ];
    for reason in reasons() {
        for (endpoint, at) in ENDPOINTS {
            let sentence = reason.answer(at).sentence;
            assert!(
                sentence.is_ascii() && !sentence.contains('"'),
                "{endpoint}: {sentence}"
            );
        }
        if let Rejection::Metadata(reason) = &reason {
            let sentence = reason.to_string();
            assert!(
                members.iter().any(|member| sentence.contains(member)),
                "{sentence}"
            );
        }
    }
}

#[test]
fn every_reason_has_a_hint_that_differs_from_its_sentence() {
    for reason in reasons() {
        let (fault, remedy) = (reason.to_string(), reason.hint());
        assert!(remedy.len() > 20, "{}: {remedy}", reason.name());
        assert_ne!(fault, remedy, "{}", reason.name());
        assert!(!remedy.contains('\n'), "{}: {remedy}", reason.name());
    }
}

#[test]
fn log_contains_what_is_malformed_in_a_scope_or_a_resource() {
    let scope = ScopeSet::parse(&"a ".repeat(10_000)).unwrap_err();
    let scope = Rejection::Request(RequestReason::MalformedScope(scope));
    assert_eq!(scope.to_string(), "scope is malformed: it is too long");
    let resource = Resource::parse("https://a.example/#x").unwrap_err();
    let resource = Rejection::Request(RequestReason::MalformedResource(resource));
    assert_eq!(
        resource.to_string(),
        "resource must be an absolute URI without fragment: it has a fragment"
    );
    let answer = resource.answer(Endpoint::None);
    assert_eq!(
        answer.sentence,
        "resource must be an absolute URI without fragment"
    );
}
