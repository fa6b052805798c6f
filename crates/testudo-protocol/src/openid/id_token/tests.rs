//! Tests of ID tokens: each refused one beside the accepted one without the fault.

use super::*;
use crate::jose::test_keys::{key_set as keys, signing_key as key};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

const NOW: Timestamp = Timestamp(1_795_000_000);
const ISSUER: &str = "https://login.example";
const CLIENT: &str = "testudo";
const EXPECTED: IdTokenExpectation<'_> = IdTokenExpectation {
    issuer: ISSUER,
    client_id: CLIENT,
    nonce: "n-0S6_WzA2Mj",
    max_age: Some(Seconds(300)),
    access_token: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
};

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "248289761001", "aud": CLIENT, "exp": NOW.0 + 300, "iat": NOW.0,
        "nonce": "n-0S6_WzA2Mj", "auth_time": NOW.0 - 60, "acr": "urn:example:mfa",
        // The example of [OIDCC A.3].
        "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
        "name": "Zoë", "email": "zoe@a.example", "email_verified": true, "groups": ["staff"],
    })
}

fn verify(
    header: &Value,
    claims: &Value,
    expected: IdTokenExpectation<'_>,
) -> Result<VerifiedIdToken, IdTokenError> {
    let key = key();
    let token = key
        .sign_compact(header.to_string().as_bytes(), claims.to_string().as_bytes())
        .unwrap();
    VerifiedIdToken::verify(&token, &keys(&key), expected, NOW)
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value.is_null() {
        true => drop(claims.as_object_mut().unwrap().remove(name)),
        false => claims[name] = value,
    }
    claims
}

fn with(name: &str, value: Value) -> Result<VerifiedIdToken, IdTokenError> {
    verify(
        &json!({ "alg": "ES256", "kid": "k", "typ": "JWT" }),
        &changed(name, value),
        EXPECTED,
    )
}

#[test]
fn oidcc_3_1_3_7_id_token_for_this_request_is_accepted() {
    let verified = with("unknown", json!(1)).unwrap();
    assert_eq!(verified.subject, "248289761001");
    assert_eq!(verified.auth_time, Some(NOW - Seconds(60)));
    assert_eq!(verified.acr.as_deref(), Some("urn:example:mfa"));
    assert_eq!(verified.claims["groups"], json!(["staff"]));
    for (name, value) in [
        ("aud", json!([CLIENT])),
        ("azp", json!(CLIENT)),
        ("at_hash", Value::Null),
        ("acr", Value::Null),
        ("iat", json!(NOW.0 + 30)),
        ("iat", json!(NOW.0 - 600)),
        ("exp", json!(NOW.0 + 1)),
        ("auth_time", json!(NOW.0 - 330)),
        ("auth_time", json!(NOW.0 + 30)),
        ("sub", json!("x".repeat(255))),
        ("sub", json!("auth0|a b")),
    ] {
        assert!(with(name, value.clone()).is_ok(), "{name}: {value}");
    }
    let mut several = changed("aud", json!([CLIENT, "other"]));
    several["azp"] = json!(CLIENT);
    let header = json!({ "alg": "ES256", "kid": "k" });
    assert!(verify(&header, &several, EXPECTED).is_ok());
    let without_max_age = IdTokenExpectation {
        max_age: None,
        ..EXPECTED
    };
    assert!(verify(&header, &changed("auth_time", Value::Null), without_max_age).is_ok());
    assert!(verify(&header, &changed("auth_time", json!(1)), without_max_age).is_ok());
}

#[test]
fn oidcc_3_1_3_7_id_token_for_another_client_request_or_time_is_refused() {
    let many: Vec<String> = (0..ID_TOKEN_AUDIENCES_MAX)
        .map(|number| format!("c{number}"))
        .collect();
    let many = json!([many, vec![CLIENT.to_owned()]].concat());
    for (name, value, expected) in [
        ("iss", json!("https://evil.example"), IdTokenError::WrongIssuer),
        ("iss", json!("https://login.example/"), IdTokenError::WrongIssuer),
        ("aud", json!("other"), IdTokenError::WrongAudience),
        ("aud", json!([]), IdTokenError::WrongAudience),
        ("aud", many, IdTokenError::WrongAudience),
        (
            "aud",
            json!([CLIENT, "other"]),
            IdTokenError::WrongAuthorizedParty,
        ),
        ("azp", json!("other"), IdTokenError::WrongAuthorizedParty),
        ("azp", json!(""), IdTokenError::WrongAuthorizedParty),
        ("sub", json!(""), IdTokenError::SubjectRefused),
        ("sub", json!("x".repeat(256)), IdTokenError::SubjectRefused),
        ("sub", json!("a\u{0}b"), IdTokenError::SubjectRefused),
        ("sub", json!("zo\u{eb}"), IdTokenError::SubjectRefused),
        ("exp", json!(NOW.0), IdTokenError::Expired),
        ("iat", json!(NOW.0 + 31), IdTokenError::WrongIssueTime),
        ("iat", json!(NOW.0 - 601), IdTokenError::WrongIssueTime),
        ("nonce", json!("other"), IdTokenError::WrongNonce),
        ("nonce", json!(""), IdTokenError::WrongNonce),
        ("nonce", Value::Null, IdTokenError::WrongNonce),
        ("auth_time", Value::Null, IdTokenError::SignInTimeMissing),
        ("auth_time", json!(NOW.0 - 331), IdTokenError::SignInTooOld),
        ("auth_time", json!(NOW.0 + 31), IdTokenError::SignInTooOld),
        (
            "at_hash",
            json!("77QmUPtjPfzWtF2AnpK9RA"),
            IdTokenError::WrongAccessToken,
        ),
        ("at_hash", json!(""), IdTokenError::WrongAccessToken),
    ] {
        assert_eq!(
            with(name, value.clone()).expect_err(name),
            expected,
            "{name}: {value}"
        );
    }
    for (name, value) in [
        ("sub", Value::Null),
        ("sub", json!(7)),
        ("aud", Value::Null),
        ("exp", Value::Null),
        ("iat", Value::Null),
        ("auth_time", json!("now")),
        ("nonce", json!(7)),
    ] {
        let error = with(name, value.clone()).expect_err(name);
        assert!(
            matches!(error, IdTokenError::Jose(JoseError::Claims(_))),
            "{name}: {value}"
        );
    }
}

#[test]
fn rfc8725_3_11_other_tokens_of_the_provider_and_symmetric_signatures_are_refused() {
    for (name, header, expected) in [
        (
            "access token",
            json!({ "alg": "ES256", "kid": "k", "typ": "at+jwt" }),
            IdTokenError::WrongType,
        ),
        (
            "logout token",
            json!({ "alg": "ES256", "kid": "k", "typ": "logout+jwt" }),
            IdTokenError::WrongType,
        ),
        (
            "request object",
            json!({ "alg": "ES256", "kid": "k", "typ": "oauth-authz-req+jwt" }),
            IdTokenError::WrongType,
        ),
        (
            "none",
            json!({ "alg": "none" }),
            IdTokenError::Jose(JoseError::AlgorithmRefused),
        ),
        (
            "crit",
            json!({ "alg": "ES256", "crit": ["x"] }),
            IdTokenError::Jose(JoseError::CriticalExtension),
        ),
        (
            "unknown key",
            json!({ "alg": "ES256", "kid": "other" }),
            IdTokenError::Jose(JoseError::NoKey {
                kid: Some("other".to_owned()),
            }),
        ),
    ] {
        assert_eq!(
            verify(&header, &claims(), EXPECTED).expect_err(name),
            expected,
            "{name}"
        );
    }
    assert!(verify(&json!({ "alg": "ES256", "b64": true }), &claims(), EXPECTED).is_err());

    let key = key();
    let foreign = self::key()
        .sign_jwt(None, claims().to_string().as_bytes())
        .unwrap();
    let refused = VerifiedIdToken::verify(&foreign, &keys(&key), EXPECTED, NOW);
    assert_eq!(refused.unwrap_err(), IdTokenError::Jose(JoseError::BadSignature));
    // A MAC with the text of the public key as its secret.
    let input =
        [r#"{"alg":"HS256"}"#.to_owned(), claims().to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
    let input = input.join(".");
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, key.proof_jwk().as_bytes()),
        input.as_bytes(),
    );
    let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
    let refused = VerifiedIdToken::verify(&token, &keys(&key), EXPECTED, NOW);
    assert_eq!(
        refused.unwrap_err(),
        IdTokenError::Jose(JoseError::AlgorithmRefused)
    );
}

#[test]
fn labels_are_kept_only_if_they_can_be_shown_and_an_email_only_if_it_is_verified() {
    let of = |name: &str, value: Value| {
        let token = with(name, value).unwrap();
        (
            token.label("name").map(str::to_owned),
            token.verified_email().map(str::to_owned),
        )
    };
    let (name, email) = (|| Some("Zoë".to_owned()), || Some("zoe@a.example".to_owned()));
    assert_eq!(of("unknown", json!(1)), (name(), email()));
    assert_eq!(of("name", json!(" Zoë ")), (name(), email()));
    for value in [
        json!(7),
        json!(""),
        json!("  "),
        json!("a\u{202e}b"),
        json!("x".repeat(256)),
        Value::Null,
    ] {
        assert_eq!(of("name", value.clone()), (None, email()), "{value}");
    }
    for value in [json!(false), json!("true"), json!(1), Value::Null] {
        assert_eq!(of("email_verified", value.clone()), (name(), None), "{value}");
    }
    for value in [
        json!("zoe"),
        json!(["zoe@a.example"]),
        json!("zoe@a.example\n\u{200b}x"),
    ] {
        assert_eq!(of("email", value.clone()), (name(), None), "{value}");
    }
}

#[test]
fn groups_are_bounded_names_and_each_is_listed_once() {
    let list = |count: usize| json!((0..count).map(|number| format!("g{number}")).collect::<Vec<_>>());
    assert_eq!(
        group_names(&json!(["b", "a", "b"])),
        Ok(vec!["b".to_owned(), "a".to_owned()])
    );
    assert_eq!(group_names(&json!("staff")), Ok(vec!["staff".to_owned()]));
    assert_eq!(group_names(&json!([])), Ok(Vec::new()));
    assert_eq!(
        group_names(&list(GROUPS_MAX)).map(|groups| groups.len()),
        Ok(GROUPS_MAX)
    );
    assert_eq!(group_names(&list(GROUPS_MAX + 1)), Err(GroupsError::TooMany));
    for wrong in [
        json!(null),
        json!(7),
        json!({ "a": 1 }),
        json!(["a", 7]),
        json!([["a"]]),
    ] {
        assert_eq!(group_names(&wrong), Err(GroupsError::WrongForm), "{wrong}");
    }
    for refused in [
        json!(""),
        json!(["a", ""]),
        json!("a\u{202e}b"),
        json!("x".repeat(GROUP_BYTES_MAX + 1)),
    ] {
        assert_eq!(group_names(&refused), Err(GroupsError::NameRefused), "{refused}");
    }
    assert!(group_names(&json!("x".repeat(GROUP_BYTES_MAX))).is_ok());
}
