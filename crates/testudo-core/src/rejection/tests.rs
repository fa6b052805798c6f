//! Tests of the answers for every reason at every endpoint. They are in a table, so that a change of an answer is
//! visible in a review.

mod examples;

use super::*;
use crate::identity::{Authority, CredentialKind, SenderConstraint};
use examples::reasons;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use testudo_protocol::oauth::{Resource, ScopeSet};

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
        include_str!("proof.rs"),
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
