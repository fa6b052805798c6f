//! Tests of the answers for every reason at every endpoint. They are in a table, so that a change of an answer is
//! visible in a review.

mod examples;

use super::*;
use crate::identity::{Authority, CredentialFormat, CredentialKind, SenderConstraint};
use crate::members::MEMBERS;
use crate::metadata::requested::RequestedMetadata;
use examples::reasons;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::{Resource, ScopeSet};

const ENDPOINTS: [(&str, Endpoint); 9] = [
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
            authorization: Authorization::Absent,
        },
    ),
    (
        "registration, unverified statement",
        Endpoint::Registration {
            statement: Statement::Unverified,
            authorization: Authorization::Absent,
        },
    ),
    (
        "registration, verified statement",
        Endpoint::Registration {
            statement: Statement::Verified,
            authorization: Authorization::Absent,
        },
    ),
    (
        "registration, with a token of the scheme DPoP",
        Endpoint::Registration {
            statement: Statement::Absent,
            authorization: Authorization::Dpop,
        },
    ),
    ("management", Endpoint::Management),
    ("authorization", Endpoint::Authorization),
];

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
            if let Some(fresh) = answer.fresh {
                let _ = write!(line, " [{fresh:?}]");
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
fn every_variant_of_the_enums_is_in_the_table() {
    let sources = [
        include_str!("request.rs"),
        include_str!("credential.rs"),
        include_str!("attestation.rs"),
        include_str!("proof.rs"),
        include_str!("metadata.rs"),
        include_str!("admission.rs"),
        include_str!("sign_in.rs"),
        include_str!("grant.rs"),
        include_str!("authorization.rs"),
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

/// Parameters of the token endpoint, and members that are in no row of the table.
const PARAMETERS: [&str; 16] = [
    "code is",
    "code_verifier",
    "redirect_uri",
    "refresh_token",
    "grant_type",
    "client_id",
    "client_assertion",
    "scope",
    "resource",
    "client_certificate",
    "request_uri",
    "request is missing",
    "request must not be present",
    "code_challenge",
    "dpop_jkt",
    "acr_values",
];

/// Reasons that have an answer about no single member or parameter: it is about the body, a header field, a token, a limit
/// or the state of the client, or the parameter has a name that is text of the caller.
const ABOUT_NO_MEMBER: &[&str] = &[
    "account_not_active",
    "account_of_another_person",
    "account_of_provider",
    "attestation_challenge_missing",
    "attestation_challenge_not_accepted",
    "attestation_expired",
    "attestation_not_one",
    "attestation_pop_alone",
    "attestation_pop_refused",
    "attestation_pop_replayed",
    "attestation_proof_missing",
    "attestation_required",
    "attestation_too_old",
    "attester_not_of_issuer",
    "attester_not_of_rule",
    "authority_disabled",
    "authorization_ended",
    "binding_missing",
    "body_encoded",
    "body_late",
    "body_too_large",
    "bundle_unavailable",
    "ceremony_unknown",
    "claim_differs",
    "claims_unknown",
    "client_frozen",
    "consent_differs",
    "consent_needed",
    "consent_refused",
    "credential_not_accepted",
    "credentials_in_url",
    "dpop_key_not_attested",
    "dpop_missing",
    "dpop_nonce_missing",
    "dpop_nonce_not_accepted",
    "dpop_refused",
    "dpop_repeated",
    "dpop_replayed",
    "flow_expired",
    "flow_not_ours",
    "group_missing",
    "host_invalid",
    "host_not_one",
    "host_not_ours",
    "identity_blocked",
    "initial_access_token_has_no_scope",
    "initial_access_token_refused",
    "initial_access_token_status_unavailable",
    "invitation_unknown",
    "last_passkey",
    "malformed_form",
    "malformed_json",
    "method_not_allowed",
    "no_rule",
    "no_such_endpoint",
    "not_a_form",
    "not_json",
    "not_signed_in",
    "origin_not_ours",
    "other_key_attested",
    "passkey_name_refused",
    "passkey_not_made",
    "passkey_refused",
    "passkey_unknown",
    "person_not_active",
    "person_not_allowed",
    "person_not_in_group",
    "proof_share_used",
    "provider_failed",
    "provider_response_refused",
    "provider_token_refused",
    "provider_unknown",
    "push_share_used",
    "refused_by_provider",
    "registration_token_missing",
    "registration_token_refused",
    "registration_token_superseded",
    "request_object_refused",
    "rule_disabled",
    "session_differs",
    "sign_in_name_not_listed",
    "sign_in_needed",
    "sign_in_too_long_ago",
    "sponsor_credential_refused",
    "token_missing",
    "token_not_revocable",
    "token_of_other_client",
    "too_fast",
    "too_many_clients",
    "too_many_passkeys",
    "too_many_providers",
    "too_many_sign_ins",
    "two_mechanisms",
    "workload_proof_beside_pop",
    "workload_proof_not_one",
    "workload_proof_off",
    "workload_proof_refused",
    "workload_proof_replayed",
    "workload_proof_without_challenge",
    "workload_proof_without_wit",
];

#[test]
fn sentences_are_ascii_and_name_the_member_or_parameter_that_is_wrong() {
    let names = || MEMBERS.iter().map(|member| member.name).chain(PARAMETERS);
    let mut unnamed = BTreeSet::new();
    for reason in reasons() {
        for (endpoint, at) in ENDPOINTS {
            let sentence = reason.answer(at).sentence;
            assert!(
                sentence.is_ascii() && !sentence.contains(['"', '\\']),
                "{endpoint}: {sentence}"
            );
            // This sentence is the same for every reason.
            let is_secret = sentence == "client authentication failed";
            if !is_secret && !names().any(|name| sentence.contains(name)) {
                unnamed.insert(reason.name());
            }
        }
    }
    assert_eq!(unnamed.into_iter().collect::<Vec<_>>(), ABOUT_NO_MEMBER);
}

#[test]
fn body_that_is_not_json_is_answered_with_the_member_if_it_is_in_the_table() {
    for (body, sentence) in [
        (
            r#"{"scope":"a","scope":"b"}"#,
            "scope is present twice, or has a member twice",
        ),
        (
            r#"{"client_name#de":"a","client_name#de":"b"}"#,
            "client_name is present twice, or has a member twice",
        ),
        (
            r#"{"x\u202e":1,"x\u202e":2}"#,
            "a member of the body is present twice",
        ),
        (
            r#"{"scope":"a" "jwks":1}"#,
            "scope or what follows it is not JSON with at most 64 members in an object and 8 levels",
        ),
        (
            "[]",
            "the body must be one JSON object, with at most 64 members in an object and 8 levels",
        ),
    ] {
        let rejection = RequestedMetadata::parse(body.as_bytes()).unwrap_err();
        let at = Endpoint::Registration {
            statement: Statement::Absent,
            authorization: Authorization::Absent,
        };
        assert_eq!(rejection.answer(at).sentence, sentence, "{body}");
    }
}

#[test]
fn rfc9449_7_1_challenge_lists_the_algorithms_that_a_proof_may_have() {
    let at = Endpoint::Registration {
        statement: Statement::Absent,
        authorization: Authorization::Dpop,
    };
    let challenge = Rejection::from(ProofReason::DpopReplayed).answer(at).challenge;
    let names = Algorithm::ALL.map(Algorithm::name).join(" ");
    let expected = format!("DPoP error=\"invalid_dpop_proof\", algs=\"{names}\"");
    assert_eq!(challenge, Some(expected.as_str()));
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
    assert_eq!(scope.to_string(), "scope is longer than 4096 bytes");
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

#[test]
fn hint_names_the_authority_that_is_meant_where_a_trust_domain_and_an_issuer_have_the_same_name() {
    let authorities = [Authority::of_key("spiffe://shop"), Authority::issuer("shop")];
    let [domain, issuer] = authorities.map(|authority| {
        let authority = authority.unwrap();
        let disabled = Rejection::Admission(AdmissionReason::AuthorityDisabled {
            authority: authority.clone(),
        });
        let unavailable = Rejection::Credential(CredentialReason::BundleUnavailable { authority });
        [disabled, unavailable].map(|rejection| (rejection.to_string(), rejection.hint()))
    });
    assert_eq!(domain[0].0, "the trust domain `shop` is disabled");
    assert_eq!(domain[0].1, "run `testudo trust enable spiffe://shop`");
    assert_eq!(issuer[0].0, "the issuer `shop` is disabled");
    assert_eq!(issuer[0].1, "run `testudo trust enable shop:`");
    assert_eq!(
        domain[1].1,
        "run `testudo trust show spiffe://shop` for the last error"
    );
    assert_eq!(issuer[1].1, "run `testudo trust show shop:` for the last error");
}

#[test]
fn hint_names_the_setting_and_the_kind_of_authority_that_has_it() {
    for (key, described, accepts) in [
        (
            "spiffe://a.example",
            "trust domain `a.example`",
            "add \"jwt_svid\" to the credentials of trust domain `a.example`",
        ),
        // An [[issuers]] entry has no `credentials`.
        ("ci:", "issuer `ci`", "its `use` must name"),
    ] {
        let authority = Authority::of_key(key).unwrap();
        let lifetime = CredentialReason::LifetimeTooLong {
            by: Some(authority.clone()),
            seconds: 9,
            allowed: 8,
        };
        let expected =
            format!("have credentials issued with a shorter lifetime, or raise lifetime_max of {described}");
        assert_eq!(Rejection::from(lifetime).hint(), expected);
        let kind = AdmissionReason::CredentialNotAccepted {
            kind: CredentialKind::JwtSvid,
            by: NotAcceptedBy::Authority(authority),
        };
        let hint = Rejection::from(kind).hint();
        assert!(hint.contains(accepts), "{hint}");
        let fast = AdmissionReason::TooFast {
            setting: "registrations_per_minute",
            limit: described.to_owned(),
            retry_after_seconds: 1,
        };
        let expected = format!("raise registrations_per_minute of {described}");
        assert_eq!(Rejection::from(fast).hint(), expected);
        let many = AdmissionReason::TooManyClients {
            limit: described.to_owned(),
        };
        let expected = format!("raise clients_max of {described}, or remove unused clients");
        assert_eq!(Rejection::from(many).hint(), expected);
    }
}

#[test]
fn hint_names_no_setting_where_the_configuration_has_none() {
    let own = CredentialReason::LifetimeTooLong {
        by: None,
        seconds: 9,
        allowed: 8,
    };
    let hint = Rejection::from(own).hint();
    assert!(
        hint.contains("exp to at most 8 s") && !hint.contains("lifetime_max"),
        "{hint}"
    );
    for by in [
        NotAcceptedBy::Authority(Authority::configuration()),
        NotAcceptedBy::Authority(Authority::registration()),
        NotAcceptedBy::Registration,
    ] {
        let kind = CredentialKind::JwtSvid;
        let hint = Rejection::from(AdmissionReason::CredentialNotAccepted { kind, by }).hint();
        assert!(
            hint.contains("the client must") || hint.contains("entry must"),
            "{hint}"
        );
        assert!(!hint.contains("to the credentials of"), "{hint}");
    }
}

#[test]
fn only_the_rate_and_the_number_of_clients_are_limits_that_have_events_of_their_own() {
    let exceeded = reasons()
        .into_iter()
        .filter_map(|reason| Some((reason.name(), reason.exceeds()?)));
    let expected = [
        ("too_many_clients", Exceeded::Count),
        ("too_fast", Exceeded::Rate),
    ];
    assert_eq!(exceeded.collect::<Vec<_>>(), expected);
}
