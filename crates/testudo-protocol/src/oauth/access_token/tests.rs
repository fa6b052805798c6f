//! Tests of access tokens, as they are written and as they are read.

use super::*;
use crate::jose::test_keys::{key_set as keys, signing_key as key};
use serde_json::json;

const NOW: Timestamp = Timestamp(1_795_000_000);
const ISSUER: &str = "https://as.example";

fn signed(key: &SigningKey, is_of_a_person: bool) -> String {
    let audience = Resource::parse("https://api.example").unwrap();
    let token = AccessToken {
        iss: ISSUER,
        sub: if is_of_a_person { "u_1" } else { "c_1" },
        client_id: "c_1",
        aud: &audience,
        exp: NOW + Seconds(300),
        iat: NOW,
        jti: "j",
        scope: Some("orders.read"),
        sub_type: if is_of_a_person {
            SUB_TYPE_USER
        } else {
            SUB_TYPE_CLIENT
        },
        spiffe_id: None,
        instance: None,
        cnf: is_of_a_person.then(|| Confirmation::new(Some(&[7; 32]), None)),
        auth_time: is_of_a_person.then_some(NOW - Seconds(60)),
        acr: is_of_a_person.then_some("phr"),
        grant_id: is_of_a_person.then_some("g"),
        registration_limits: None,
    };
    token.sign(key).unwrap()
}

fn expected(dpop_key: Option<&[u8; 32]>) -> Expectation<'_> {
    Expectation {
        issuer: ISSUER,
        audience: "https://api.example",
        leeway: Seconds(0),
        certificate_thumbprint: None,
        dpop_key,
    }
}

// Rows AT-01, AT-02.
#[test]
fn rfc9700_4_15_tokens_of_people_and_of_clients_state_what_their_subject_is() {
    let key = key();
    let of_client: Value = Jws::parse(&signed(&key, false))
        .unwrap()
        .unverified_claims()
        .unwrap();
    let mut claims = json!({
        "iss": ISSUER, "sub": "c_1", "client_id": "c_1", "aud": "https://api.example", "exp": NOW.0 + 300,
        "iat": NOW.0, "jti": "j", "scope": "orders.read", "sub_type": "client",
    });
    assert_eq!(of_client, claims);
    let token = signed(&key, true);
    let of_person: Value = Jws::parse(&token).unwrap().unverified_claims().unwrap();
    for (name, value) in [
        ("sub", json!("u_1")),
        ("sub_type", json!("user")),
        ("auth_time", json!(NOW.0 - 60)),
        ("acr", json!("phr")),
        ("grant_id", json!("g")),
        (
            "cnf",
            json!({ "jkt": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc" }),
        ),
    ] {
        claims[name] = value;
    }
    assert_eq!(of_person, claims);

    let verified = verify(&token, &keys(&key), expected(Some(&[7; 32])), NOW).unwrap();
    assert_eq!(verified.subject_type, Some(SubjectType::User));
    assert_eq!(verified.person(), Some("u_1"));
    assert_eq!(verified.auth_time, Some(NOW - Seconds(60)));
    assert_eq!(
        (verified.acr.as_deref(), verified.grant_id.as_deref()),
        (Some("phr"), Some("g"))
    );
    let verified = verify(&signed(&key, false), &keys(&key), expected(None), NOW).unwrap();
    assert_eq!(verified.subject_type, Some(SubjectType::Client));
    assert_eq!(verified.person(), None);
    assert_eq!(
        (verified.auth_time, verified.acr, verified.grant_id),
        (None, None, None)
    );
}

#[test]
fn token_of_an_unknown_kind_of_subject_is_refused() {
    let key = key();
    let with = |sub_type: Value| {
        let mut claims: Value = Jws::parse(&signed(&key, false))
            .unwrap()
            .unverified_claims()
            .unwrap();
        match sub_type.is_null() {
            true => drop(claims.as_object_mut().unwrap().remove("sub_type")),
            false => claims["sub_type"] = sub_type,
        }
        let token = key.sign_jwt(Some(TYP), claims.to_string().as_bytes()).unwrap();
        verify(&token, &keys(&key), expected(None), NOW).map(|token| token.subject_type)
    };
    assert_eq!(with(json!("client")), Ok(Some(SubjectType::Client)));
    assert_eq!(with(json!("user")), Ok(Some(SubjectType::User)));
    assert_eq!(with(Value::Null), Ok(None));
    for other in [
        json!("User"),
        json!("agent"),
        json!(""),
        json!(["user"]),
        json!(7),
    ] {
        assert!(matches!(with(other.clone()), Err(TokenError::Jose(_))), "{other}");
    }
}

#[test]
fn rfc7662_2_2_issuer_reads_its_token_without_a_proof_until_it_expires() {
    let key = key();
    let token = signed(&key, true);
    let claims = verify_for_issuer(&token, &keys(&key), ISSUER, NOW).unwrap();
    assert_eq!(claims.aud.values(), ["https://api.example"]);
    assert_eq!(
        claims.confirmation(),
        Ok(Some(Confirmation::new(Some(&[7; 32]), None)))
    );
    let unbound = verify_for_issuer(&signed(&key, false), &keys(&key), ISSUER, NOW).unwrap();
    assert_eq!(unbound.confirmation(), Ok(None));

    let last = NOW + Seconds(299);
    assert!(verify_for_issuer(&token, &keys(&key), ISSUER, last).is_ok());
    for (name, outcome) in [
        (
            "expired",
            verify_for_issuer(&token, &keys(&key), ISSUER, NOW + Seconds(300)),
        ),
        (
            "other issuer",
            verify_for_issuer(&token, &keys(&key), "https://other.example", NOW),
        ),
        (
            "other key",
            verify_for_issuer(&token, &keys(&self::key()), ISSUER, NOW),
        ),
        ("no JWT", verify_for_issuer("abc", &keys(&key), ISSUER, NOW)),
    ] {
        assert!(outcome.is_err(), "{name}");
    }
    let other_type = key.sign_jwt(Some("JWT"), b"{}").unwrap();
    let refused = verify_for_issuer(&other_type, &keys(&key), ISSUER, NOW).unwrap_err();
    assert_eq!(refused, TokenError::WrongType);

    let mut claims: Value = Jws::parse(&token).unwrap().unverified_claims().unwrap();
    for cnf in [
        json!({ "jwk": {} }),
        json!({ "jkt": "a", "kid": "b" }),
        json!({ "jkt": 7 }),
    ] {
        claims["cnf"] = cnf.clone();
        let token = key.sign_jwt(Some(TYP), claims.to_string().as_bytes()).unwrap();
        let read = verify_for_issuer(&token, &keys(&key), ISSUER, NOW).unwrap();
        assert_eq!(read.confirmation(), Err(TokenError::Bound), "{cnf}");
    }
}
