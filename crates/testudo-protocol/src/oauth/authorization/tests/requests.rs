//! Tests of authorization requests: each refused one beside the accepted one without the fault.

use super::super::*;
use crate::limits::{ACR_VALUES_MAX, LOGIN_HINT_BYTES_MAX, RESOURCES_MAX, STATE_BYTES_MAX};
use crate::oauth::pkce::PkceError;
use crate::oauth::{ErrorCode, Form, FormError};
use AuthorizationRequestError as Error;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const HANDLE: &str = "urn:ietf:params:oauth:request_uri:E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The good request; parameters of `changes` replace its own, and an empty one is omitted.
fn sent(changes: &[(&str, &str)]) -> Form {
    let good = [
        ("client_id", "c_1"),
        ("response_type", "code"),
        ("redirect_uri", "https://a.example/cb"),
        ("state", "s 1"),
        ("scope", "orders.read"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let kept = good
        .iter()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(kept.chain(changes));
    Form::parse(query.finish().as_bytes()).unwrap()
}

fn parse(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, Error> {
    AuthorizationRequest::parse(&AuthorizationParameters::parse(&sent(changes)))
}

#[test]
fn authorization_request_is_read_with_all_its_parameters() {
    let request = parse(&[
        ("response_mode", "form_post"),
        ("resource", "https://api.example/b"),
        ("resource", "https://api.example/a"),
        ("resource", "https://api.example/b"),
        ("prompt", "login consent"),
        ("max_age", "0"),
        ("acr_values", "phr  mfa phr"),
        ("login_hint", "Zoë@a.example"),
        ("dpop_jkt", CHALLENGE),
        ("nonce", "ignored"),
        ("claims", "{}"),
    ])
    .unwrap();
    assert_eq!(request.redirect_uri.as_deref(), Some("https://a.example/cb"));
    assert_eq!(request.response_mode, ResponseMode::FormPost);
    assert_eq!(request.state.as_deref(), Some("s 1"));
    assert_eq!(request.code_challenge.to_string(), CHALLENGE);
    assert_eq!(request.scope.as_ref().unwrap().to_string(), "orders.read");
    let resources: Vec<&str> = request
        .resources
        .iter()
        .map(|resource| resource.as_str())
        .collect();
    assert_eq!(resources, ["https://api.example/b", "https://api.example/a"]);
    assert!(request.prompt.login && request.prompt.consent);
    assert!(!request.prompt.none && !request.prompt.select_account);
    assert_eq!(request.max_age.unwrap().0, 0);
    assert_eq!(request.acr_values, ["phr", "mfa"]);
    assert_eq!(request.login_hint.as_deref(), Some("Zoë@a.example"));
    assert!(request.dpop_jkt.is_some());
    let stored = serde_json::to_string(&request).unwrap();
    assert_eq!(
        serde_json::from_str::<AuthorizationRequest>(&stored).unwrap(),
        request
    );
}

// Rows TK-12, TK-18.
#[test]
fn parameters_without_value_are_omitted() {
    let request = parse(&[
        ("redirect_uri", ""),
        ("state", ""),
        ("scope", ""),
        ("prompt", ""),
        ("max_age", ""),
        ("resource", ""),
    ])
    .unwrap();
    assert_eq!(request.redirect_uri, None);
    assert_eq!(request.scope, None);
    assert_eq!(request.max_age, None);
    assert!(request.resources.is_empty() && request.state.is_none());
    assert_eq!(request.response_mode, ResponseMode::Query);
    let stored = serde_json::to_string(&request).unwrap();
    assert!(
        !stored.contains("state") && !stored.contains("max_age"),
        "{stored}"
    );
    assert_eq!(
        serde_json::from_str::<AuthorizationRequest>(&stored).unwrap(),
        request
    );
}

// Rows TK-05, TK-06, TK-32, AZ-27.
#[test]
fn each_wrong_parameter_is_refused_for_its_own_reason() {
    let long_state = "x".repeat(STATE_BYTES_MAX + 1);
    let long_hint = "x".repeat(LOGIN_HINT_BYTES_MAX + 1);
    let many_values: String = (0..=ACR_VALUES_MAX).map(|number| format!("a{number} ")).collect();
    let verifier_as_challenge = "a".repeat(42);
    let malformed = Error::Challenge(PkceError::MalformedChallenge);
    let scope = Error::Scope("has a value with a character that is not allowed in scope values");
    for (name, changes, expected, code) in [
        (
            "no response type",
            &[("response_type", "")][..],
            Error::ResponseTypeMissing,
            "invalid_request",
        ),
        (
            "implicit",
            &[("response_type", "token")],
            Error::ResponseTypeRefused,
            "unsupported_response_type",
        ),
        (
            "hybrid",
            &[("response_type", "code token")],
            Error::ResponseTypeRefused,
            "unsupported_response_type",
        ),
        (
            "ID token",
            &[("response_type", "code id_token")],
            Error::ResponseTypeRefused,
            "unsupported_response_type",
        ),
        (
            "other case",
            &[("response_type", "Code")],
            Error::ResponseTypeRefused,
            "unsupported_response_type",
        ),
        (
            "unknown mode",
            &[("response_mode", "web_message")],
            Error::ResponseModeRefused,
            "invalid_request",
        ),
        (
            "signed mode",
            &[("response_mode", "jwt")],
            Error::ResponseModeRefused,
            "invalid_request",
        ),
        (
            "long state",
            &[("state", &long_state)],
            Error::StateMalformed,
            "invalid_request",
        ),
        (
            "state beyond ASCII",
            &[("state", "\u{e9}")],
            Error::StateMalformed,
            "invalid_request",
        ),
        (
            "no challenge",
            &[("code_challenge", "")],
            Error::ChallengeMissing,
            "invalid_request",
        ),
        (
            "neither challenge nor method",
            &[("code_challenge", ""), ("code_challenge_method", "")],
            Error::ChallengeMissing,
            "invalid_request",
        ),
        (
            "plain",
            &[("code_challenge_method", "plain")],
            Error::ChallengeMethodRefused,
            "invalid_request",
        ),
        (
            "plain by default",
            &[("code_challenge_method", "")],
            Error::ChallengeMethodRefused,
            "invalid_request",
        ),
        (
            "method of another case",
            &[("code_challenge_method", "s256")],
            Error::ChallengeMethodRefused,
            "invalid_request",
        ),
        (
            "short challenge",
            &[("code_challenge", &verifier_as_challenge)],
            malformed,
            "invalid_request",
        ),
        ("scope with a quote", &[("scope", "a\"b")], scope, "invalid_scope"),
        (
            "relative resource",
            &[("resource", "/orders")],
            Error::Resource("is not an absolute URI"),
            "invalid_target",
        ),
        (
            "resource with a fragment",
            &[("resource", "https://api.example/#x")],
            Error::Resource("has a fragment"),
            "invalid_target",
        ),
        (
            "one of two resources",
            &[("resource", "https://api.example/"), ("resource", "x")],
            Error::Resource("is not an absolute URI"),
            "invalid_target",
        ),
        (
            "unknown prompt",
            &[("prompt", "create")],
            Error::PromptUnknown,
            "invalid_request",
        ),
        (
            "prompt of another case",
            &[("prompt", "Login")],
            Error::PromptUnknown,
            "invalid_request",
        ),
        (
            "none and login",
            &[("prompt", "none login")],
            Error::PromptNoneWithOthers,
            "invalid_request",
        ),
        (
            "consent and none",
            &[("prompt", "consent none")],
            Error::PromptNoneWithOthers,
            "invalid_request",
        ),
        (
            "negative age",
            &[("max_age", "-1")],
            Error::MaxAgeMalformed,
            "invalid_request",
        ),
        (
            "signed age",
            &[("max_age", "+1")],
            Error::MaxAgeMalformed,
            "invalid_request",
        ),
        (
            "fractional age",
            &[("max_age", "1.5")],
            Error::MaxAgeMalformed,
            "invalid_request",
        ),
        (
            "age above the limit",
            &[("max_age", "315360001")],
            Error::MaxAgeMalformed,
            "invalid_request",
        ),
        (
            "age above 64 bits",
            &[("max_age", "99999999999999999999")],
            Error::MaxAgeMalformed,
            "invalid_request",
        ),
        (
            "too many acr values",
            &[("acr_values", &many_values)],
            Error::AcrValuesMalformed,
            "invalid_request",
        ),
        (
            "acr value beyond ASCII",
            &[("acr_values", "\u{e9}")],
            Error::AcrValuesMalformed,
            "invalid_request",
        ),
        (
            "long hint",
            &[("login_hint", &long_hint)],
            Error::LoginHintMalformed,
            "invalid_request",
        ),
        (
            "hidden character in hint",
            &[("login_hint", "a\u{202e}b")],
            Error::LoginHintMalformed,
            "invalid_request",
        ),
        (
            "short thumbprint",
            &[("dpop_jkt", "abc")],
            Error::DpopKeyMalformed,
            "invalid_request",
        ),
        (
            "thumbprint in hexadecimal",
            &[("dpop_jkt", &"ab".repeat(32))],
            Error::DpopKeyMalformed,
            "invalid_request",
        ),
    ] {
        let error = parse(changes).expect_err(name);
        assert_eq!(error, expected, "{name}");
        assert_eq!(error.code().name(), code, "{name}");
        assert_eq!(error.code().status(), 400, "{name}");
    }
    assert!(parse(&[]).is_ok());
    assert!(parse(&[("max_age", "315360000")]).is_ok());
    assert!(parse(&[("state", &"x".repeat(STATE_BYTES_MAX))]).is_ok());
    assert!(parse(&[("login_hint", &"x".repeat(LOGIN_HINT_BYTES_MAX))]).is_ok());
    assert_eq!(
        parse(&[("prompt", "none")]).map(|request| request.prompt.none),
        Ok(true)
    );
}

#[test]
fn resources_and_all_parameters_together_are_bounded_at_the_limit_and_one_past() {
    let texts: Vec<String> = (0..=RESOURCES_MAX)
        .map(|number| format!("https://api.example/{number}"))
        .collect();
    let all: Vec<(&str, &str)> = texts.iter().map(|text| ("resource", text.as_str())).collect();
    assert_eq!(parse(&all[1..]).unwrap().resources.len(), RESOURCES_MAX);
    assert_eq!(parse(&all).unwrap_err(), Error::TooManyResources);

    // The good request without these two parameters keeps 20 + 11 bytes.
    let of_length = |length: usize| format!("urn:x:{}", "y".repeat(length - 6));
    let (full, rest) = (of_length(2048), of_length(8192 - 3 * 2048 - 20 - 11));
    let with = |last: &str| {
        parse(&[
            ("state", ""),
            ("resource", &full),
            ("resource", &full),
            ("resource", &full),
            ("resource", last),
        ])
    };
    assert!(with(&rest).is_ok());
    assert_eq!(with(&format!("{rest}y")).unwrap_err(), Error::TooLarge);
}

// Row TK-19, for the authorization endpoint. [RFC6749 §3.1]
#[test]
fn repeated_parameter_is_refused_also_if_it_is_unknown_or_empty() {
    for query in [
        "client_id=a&client_id=b",
        "state=&state=a",
        "scope=a&scope=a",
        "x=1&x=2",
    ] {
        let error = Form::parse(query.as_bytes()).unwrap_err();
        assert!(matches!(error, FormError::DuplicateParameter { .. }), "{query}");
    }
}

// Rows AZ-13, AZ-24.
#[test]
fn request_is_sent_as_parameters_or_as_an_object_or_as_the_name_of_a_pushed_one() {
    let at_authorize = |changes: &[(&str, &str)]| SentRequest::at_authorization_endpoint(&sent(changes));
    let pushed = |changes: &[(&str, &str)]| SentRequest::at_pushed_endpoint(&sent(changes));
    assert!(
        matches!(at_authorize(&[]), Ok(SentRequest::Plain(plain)) if plain.client_id.as_deref() == Some("c_1"))
    );
    let named = at_authorize(&[("request_uri", HANDLE)]);
    assert!(matches!(named, Ok(SentRequest::Pushed { client_id, request_uri })
        if client_id == "c_1" && request_uri.as_str() == HANDLE));
    for found in [
        at_authorize(&[("request", "a.b.c")]),
        pushed(&[("request", "a.b.c")]),
    ] {
        assert!(
            matches!(found, Ok(SentRequest::Object { client_id: Some(id), object }) if id == "c_1" && object == "a.b.c")
        );
    }
    assert!(
        matches!(pushed(&[("client_id", "")]), Ok(SentRequest::Plain(plain)) if plain.client_id.is_none())
    );

    for (name, found, expected) in [
        (
            "object and URI",
            at_authorize(&[("request", "a.b.c"), ("request_uri", HANDLE)]),
            Error::ObjectAndUri,
        ),
        (
            "no client",
            at_authorize(&[("client_id", "")]),
            Error::ClientIdMissing,
        ),
        (
            "no client, pushed before",
            at_authorize(&[("client_id", ""), ("request_uri", HANDLE)]),
            Error::ClientIdMissing,
        ),
        (
            "client beyond ASCII",
            at_authorize(&[("client_id", "\u{e9}")]),
            Error::ClientIdMalformed,
        ),
        (
            "long client",
            at_authorize(&[("client_id", &"x".repeat(2049))]),
            Error::ClientIdMalformed,
        ),
        (
            "long client, pushed",
            pushed(&[("client_id", &"x".repeat(2049))]),
            Error::ClientIdMalformed,
        ),
        (
            "by reference",
            at_authorize(&[("request_uri", "https://a.example/request")]),
            Error::UriByReference,
        ),
        (
            "of another case",
            at_authorize(&[("request_uri", &HANDLE.replace("urn:", "URN:"))]),
            Error::UriByReference,
        ),
        (
            "short handle",
            at_authorize(&[("request_uri", &HANDLE[..HANDLE.len() - 1])]),
            Error::UriMalformed,
        ),
        (
            "long handle",
            at_authorize(&[("request_uri", &format!("{HANDLE}A"))]),
            Error::UriMalformed,
        ),
        (
            "pushed again",
            pushed(&[("request_uri", HANDLE)]),
            Error::UriInPushedRequest,
        ),
        (
            "pushed with an object",
            pushed(&[("request", "a.b.c"), ("request_uri", HANDLE)]),
            Error::UriInPushedRequest,
        ),
    ] {
        assert_eq!(found.err(), Some(expected), "{name}");
    }
    assert_eq!(Error::UriByReference.code(), ErrorCode::RequestUriNotSupported);
    assert_eq!(Error::UriMalformed.code(), ErrorCode::InvalidRequestUri);
    assert_eq!(Error::ObjectAndUri.code(), ErrorCode::InvalidRequest);
}

#[test]
fn rfc9126_2_2_request_uri_is_made_of_random_bytes_and_stored_by_its_digest() {
    let uri = PushedRequestUri::of_random(&[7; 32]);
    assert!(PushedRequestUri::parse(uri.as_str()).is_ok_and(|parsed| parsed == uri));
    assert_eq!(uri.digest(), crate::jose::sha256(uri.as_str().as_bytes()));
    assert!(PushedRequestUri::of_random(&[8; 32]).digest() != uri.digest());
}

#[test]
fn error_response_is_possible_although_mode_or_state_is_wrong() {
    let of = |changes: &[(&str, &str)]| {
        let parameters = AuthorizationParameters::parse(&sent(changes));
        (
            parameters.mode_of_response(),
            parameters.state_of_response().map(str::to_owned),
        )
    };
    let state = || Some("s 1".to_owned());
    assert_eq!(of(&[]), (ResponseMode::Query, state()));
    assert_eq!(
        of(&[("response_mode", "fragment")]),
        (ResponseMode::Fragment, state())
    );
    assert_eq!(of(&[("response_mode", "x")]), (ResponseMode::Query, state()));
    assert_eq!(of(&[("state", "\u{e9}")]), (ResponseMode::Query, None));
}
