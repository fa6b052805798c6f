//! Every member that an authority may attest, for every authority: listed in `attested_metadata` or not, and malformed.

use super::metadata::{redirecting, register_with};
use super::*;
use testudo_core::members::attestable;

/// One member: what the credential claims, what the request asks for, and the effective value with the claim listed and
/// with it not listed.
pub struct Case {
    pub member: &'static str,
    pub claim: Value,
    pub asked: Value,
    pub listed: Value,
    pub unlisted: Value,
}

fn case(member: &'static str, claim: Value, asked: Value, listed: Value, unlisted: Value) -> Case {
    Case {
        member,
        claim,
        asked,
        listed,
        unlisted,
    }
}

/// The cases, for a rule with the scopes `r w`, the grants for both flows, and the redirect host `app.example`.
pub fn cases() -> Vec<Case> {
    let page = |name: &str| json!(format!("https://app.example/{name}"));
    let machine = json!(["client_credentials"]);
    let both = json!(["client_credentials", "authorization_code"]);
    let mut cases = vec![
        case(
            "client_name",
            json!("Attested"),
            json!("Asked"),
            json!("Attested"),
            Value::Null,
        ),
        case("contacts", json!(["a"]), json!(["b"]), json!(["a"]), Value::Null),
        case("software_id", json!("A"), json!("A"), json!("A"), Value::Null),
        case(
            "software_version",
            json!("1"),
            json!("2"),
            json!("1"),
            Value::Null,
        ),
        case("scope", json!("r"), json!("r w"), json!("r"), json!("r w")),
        case("grant_types", machine.clone(), both.clone(), machine, both),
        case(
            "redirect_uris",
            json!([page("cb")]),
            Value::Null,
            json!([page("cb")]),
            Value::Null,
        ),
        // Without the response type `code`, the grant with a redirect is not left.
        case(
            "response_types",
            json!([]),
            Value::Null,
            json!([]),
            json!(["code"]),
        ),
        case(
            "response_types",
            json!(["code", "token"]),
            Value::Null,
            json!(["code"]),
            json!(["code"]),
        ),
    ];
    for member in ["client_uri", "logo_uri", "tos_uri", "policy_uri"] {
        cases.push(case(member, page("a"), page("b"), page("a"), Value::Null));
    }
    // What either of them demands is in force; an unlisted claim does not remove what the client demands.
    for member in [
        "dpop_bound_access_tokens",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
    ] {
        cases.push(case(member, json!(true), Value::Null, json!(true), Value::Null));
        cases.push(case(member, json!(false), json!(true), json!(true), json!(true)));
        cases.push(case(member, json!(true), json!(false), json!(true), Value::Null));
        cases.push(case(member, json!(false), Value::Null, Value::Null, Value::Null));
    }
    let member = "tls_client_certificate_bound_access_tokens";
    cases.push(case(member, json!(true), Value::Null, json!(true), Value::Null));
    cases.push(case(member, json!(true), json!(false), json!(true), Value::Null));
    cases
}

/// The line of the configuration that lists every member.
pub fn every_member() -> String {
    let every: Vec<&str> = attestable().collect();
    format!("attested_metadata = {}", json!(every))
}

/// Registers with each claim, and compares the answer.
pub async fn check_each(is_listed: bool, mut register: impl AsyncFnMut(Value, Value) -> Answer) {
    let cases = cases();
    for name in attestable() {
        assert!(cases.iter().any(|case| case.member == name), "{name} has no case");
    }
    for Case {
        member,
        claim,
        asked,
        listed,
        unlisted,
    } in cases
    {
        let what = format!("{member} {claim} {asked}, listed: {is_listed}");
        // The grants of both flows, so that there is a redirect to limit.
        let mut body = json!({ "grant_types": ["client_credentials", "authorization_code"] });
        if !asked.is_null() {
            body[member] = asked;
        }
        let answer = register(json!({ member: claim }), body).await;
        assert_eq!(answer.status, 201, "{what}: {answer:?}");
        let found = &answer.json()[member];
        match (member, if is_listed { listed } else { unlisted }) {
            // The rule may derive further ones.
            ("redirect_uris", Value::Null) => {
                assert!(!found.to_string().contains("app.example/"), "{what}: {found}")
            }
            ("redirect_uris", expected) => {
                let found = found.as_array().unwrap();
                assert!(found.contains(&expected[0]), "{what}: {found:?}");
            }
            (_, expected) => assert_eq!(*found, expected, "{what}"),
        }
    }
    // Row RF-98.
    for name in attestable() {
        let answer = register(json!({ name: 7 }), json!({})).await;
        match is_listed {
            true => {
                let code = answer.error();
                let is_refused = code == "invalid_client_metadata" || code == "invalid_redirect_uri";
                assert!(answer.status == 400 && is_refused, "{name}: {answer:?}");
            }
            false => assert_eq!(answer.status, 201, "{name}: {answer:?}"),
        }
    }
}

// Rows RF-95 to RF-98.
#[tokio::test]
async fn each_claim_of_an_svid_has_its_effect_if_it_is_listed_and_none_otherwise() {
    let rules = redirecting("redirect_uri_hosts = [\"app.example\"]").replacen(", \"refresh_token\"", "", 1);
    for (more, is_listed) in [(every_member(), true), (String::new(), false)] {
        let world = open_with(&more, &rules).await;
        check_each(is_listed, async |claims, body| {
            register_with(&world, claims, body).await
        })
        .await;
    }
}
