//! Tests of request objects: each refused one beside the accepted one without the fault.

use super::super::authorization::{AuthorizationRequest, AuthorizationRequestError};
use super::*;
use crate::jose::test_keys::{key_set as keys, signing_key as key};
use serde_json::json;

const NOW: Timestamp = Timestamp(1_795_000_000);
const ISSUER: &str = "https://as.example";
const CLIENT: &str = "spiffe://prod.example/web";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn claims() -> Value {
    json!({
        "iss": CLIENT, "aud": ISSUER, "exp": NOW.0 + 60, "nbf": NOW.0, "jti": "a", "iat": NOW.0,
        "client_id": CLIENT, "response_type": "code", "redirect_uri": "https://a.example/cb",
        "scope": "orders.read", "state": "s", "max_age": 300,
        "resource": ["https://api.example/a", "https://api.example/b"],
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    })
}

fn verify(
    object: &str,
    keys: &KeySet,
    expected: RequestObjectExpectation<'_>,
    now: Timestamp,
) -> Result<AuthorizationParameters, RequestObjectError> {
    let object = RequestObject::parse(object)?;
    let verified = object.verify(keys, expected, now);
    assert!(verified.is_err() || object.is_worth_a_fetch(expected, now));
    verified
}

fn of(header: &Value, claims: &Value) -> Result<AuthorizationParameters, RequestObjectError> {
    let key = key();
    let object = key
        .sign_compact(header.to_string().as_bytes(), claims.to_string().as_bytes())
        .unwrap();
    let expected = RequestObjectExpectation {
        client_id: CLIENT,
        issuer: ISSUER,
    };
    verify(&object, &keys(&key), expected, NOW)
}

/// The good object with one claim changed, or removed by `null`.
fn with(name: &str, value: Value) -> Result<AuthorizationParameters, RequestObjectError> {
    let mut claims = claims();
    match value.is_null() {
        true => drop(claims.as_object_mut().unwrap().remove(name)),
        false => claims[name] = value,
    }
    of(&json!({ "alg": "ES256", "kid": "k", "typ": TYP }), &claims)
}

// Row AZ-21.
#[test]
fn rfc9101_4_parameters_of_a_signed_object_are_those_of_the_request() {
    let parameters = with("prompt", json!("")).unwrap();
    let request = AuthorizationRequest::parse(&parameters).unwrap();
    assert_eq!(request.redirect_uri.as_deref(), Some("https://a.example/cb"));
    assert_eq!(request.scope.unwrap().to_string(), "orders.read");
    assert_eq!(request.max_age, Some(Seconds(300)));
    assert_eq!(request.resources.len(), 2);
    assert_eq!(request.code_challenge.to_string(), CHALLENGE);
    assert_eq!(request.state.as_deref(), Some("s"));
    for (name, value) in [
        ("aud", json!([ISSUER, "https://other.example"])),
        ("exp", json!(NOW.0 + REQUEST_OBJECT_LIFETIME_SECONDS_MAX)),
        ("nbf", Value::Null),
        ("nbf", json!(NOW.0 + 30)),
        ("resource", json!("https://api.example/a")),
        ("max_age", json!("300")),
        ("unknown", json!({ "a": [1] })),
    ] {
        assert!(with(name, value.clone()).is_ok(), "{name}: {value}");
    }
    let full = json!({ "alg": "ES256", "kid": "k", "typ": "application/oauth-authz-req+jwt" });
    assert!(of(&full, &claims()).is_ok());
}

// Rows AZ-20, AZ-23.
#[test]
fn rfc9101_6_3_object_for_another_client_server_or_time_is_refused() {
    for (name, value, expected) in [
        ("client_id", json!("c_2"), RequestObjectError::WrongClient),
        ("client_id", Value::Null, RequestObjectError::WrongClient),
        ("client_id", json!(""), RequestObjectError::WrongClient),
        ("iss", json!("c_2"), RequestObjectError::WrongIssuer),
        ("iss", Value::Null, RequestObjectError::WrongIssuer),
        (
            "aud",
            json!("https://other.example"),
            RequestObjectError::WrongAudience,
        ),
        (
            "aud",
            json!("https://as.example/"),
            RequestObjectError::WrongAudience,
        ),
        ("aud", json!([]), RequestObjectError::WrongAudience),
        (
            "aud",
            json!([ISSUER, "a", "b", "c", "d"]),
            RequestObjectError::WrongAudience,
        ),
        ("aud", Value::Null, RequestObjectError::WrongAudience),
        ("sub", json!(CLIENT), RequestObjectError::HasSubject),
        ("sub", json!("u_1"), RequestObjectError::HasSubject),
        ("exp", json!(NOW.0), RequestObjectError::Expired),
        (
            "exp",
            json!(NOW.0 + REQUEST_OBJECT_LIFETIME_SECONDS_MAX + 1),
            RequestObjectError::TooLong,
        ),
        ("nbf", json!(NOW.0 + 31), RequestObjectError::NotYetValid),
        ("request", json!("a.b.c"), RequestObjectError::Nested),
        ("request_uri", json!("urn:x"), RequestObjectError::Nested),
        (
            "scope",
            json!(["a"]),
            RequestObjectError::Parameter { name: "scope" },
        ),
        ("state", json!(7), RequestObjectError::Parameter { name: "state" }),
        (
            "state",
            json!("a\nb"),
            RequestObjectError::Parameter { name: "state" },
        ),
        (
            "client_id",
            json!([CLIENT]),
            RequestObjectError::Parameter { name: "client_id" },
        ),
        (
            "resource",
            json!({}),
            RequestObjectError::Parameter { name: "resource" },
        ),
        (
            "resource",
            json!(["https://api.example/a", 7]),
            RequestObjectError::Parameter { name: "resource" },
        ),
        (
            "max_age",
            json!(true),
            RequestObjectError::Parameter { name: "max_age" },
        ),
    ] {
        let error = with(name, value.clone()).expect_err(name);
        assert_eq!(error, expected, "{name}: {value}");
        assert_eq!(error.code().name(), "invalid_request_object");
    }
    for (name, value) in [
        ("exp", Value::Null),
        ("exp", json!("tomorrow")),
        ("aud", json!(7)),
        ("nbf", json!("x")),
    ] {
        let error = with(name, value.clone()).expect_err(name);
        assert!(
            matches!(error, RequestObjectError::Jose(JoseError::Claims(_))),
            "{name}: {value}"
        );
    }
}

// Row AZ-22.
#[test]
fn rfc9101_10_8_unsigned_object_and_other_jwts_of_the_client_are_refused() {
    for (name, header, expected) in [
        (
            "alg none",
            json!({ "alg": "none", "typ": TYP }),
            RequestObjectError::Jose(JoseError::AlgorithmRefused),
        ),
        (
            "symmetric",
            json!({ "alg": "HS256", "kid": "k", "typ": TYP }),
            RequestObjectError::Jose(JoseError::AlgorithmRefused),
        ),
        (
            "crit",
            json!({ "alg": "ES256", "typ": TYP, "crit": ["x"], "x": 1 }),
            RequestObjectError::Jose(JoseError::CriticalExtension),
        ),
        (
            "no typ",
            json!({ "alg": "ES256", "kid": "k" }),
            RequestObjectError::WrongType,
        ),
        (
            "JWT",
            json!({ "alg": "ES256", "kid": "k", "typ": "JWT" }),
            RequestObjectError::WrongType,
        ),
        (
            "DPoP proof",
            json!({ "alg": "ES256", "kid": "k", "typ": "dpop+jwt" }),
            RequestObjectError::WrongType,
        ),
        (
            "access token",
            json!({ "alg": "ES256", "kid": "k", "typ": "at+jwt" }),
            RequestObjectError::WrongType,
        ),
        (
            "other case",
            json!({ "alg": "ES256", "kid": "k", "typ": "OAUTH-AUTHZ-REQ+JWT" }),
            RequestObjectError::WrongType,
        ),
    ] {
        assert_eq!(of(&header, &claims()).expect_err(name), expected, "{name}");
    }
    let b64 = of(&json!({ "alg": "ES256", "typ": TYP, "b64": false }), &claims()).unwrap_err();
    assert!(b64.to_string().contains("b64"), "{b64}");
    let foreign = key()
        .sign_jwt(Some(TYP), claims().to_string().as_bytes())
        .unwrap();
    let expected = RequestObjectExpectation {
        client_id: CLIENT,
        issuer: ISSUER,
    };
    let verified = verify(&foreign, &keys(&key()), expected, NOW);
    assert_eq!(
        verified.unwrap_err(),
        RequestObjectError::Jose(JoseError::BadSignature)
    );
    for text in ["", "a.b", "a.b.c.d.e", "{}"] {
        let refused = verify(text, &keys(&key()), expected, NOW).unwrap_err();
        assert!(matches!(refused, RequestObjectError::Jose(_)), "{text}");
    }
}

#[test]
fn parameters_of_an_object_are_checked_like_those_of_a_form() {
    let many: Vec<String> = (0..20)
        .map(|number| format!("https://api.example/{number}"))
        .collect();
    for (name, value, expected) in [
        (
            "resource",
            json!(many),
            AuthorizationRequestError::TooManyResources,
        ),
        (
            "code_challenge_method",
            json!("plain"),
            AuthorizationRequestError::ChallengeMethodRefused,
        ),
        ("max_age", json!(-1), AuthorizationRequestError::MaxAgeMalformed),
        ("max_age", json!(1.5), AuthorizationRequestError::MaxAgeMalformed),
        (
            "response_type",
            json!(""),
            AuthorizationRequestError::ResponseTypeMissing,
        ),
    ] {
        let parameters = with(name, value.clone()).unwrap();
        assert_eq!(
            AuthorizationRequest::parse(&parameters),
            Err(expected),
            "{name}: {value}"
        );
    }
}
