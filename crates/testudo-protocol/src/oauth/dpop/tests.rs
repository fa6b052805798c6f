//! Tests of DPoP proofs. Rows of section G of the conformance tables.

use super::*;
use crate::jose::Algorithm;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_795_000_000);
const URI: &str = "https://as.example/token";

fn key() -> SigningKey {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    SigningKey::from_pkcs8(Algorithm::ES256, document.as_ref(), None).unwrap()
}

fn rsa_key(size: KeySize) -> SigningKey {
    use aws_lc_rs::encoding::AsDer as _;
    let pair = aws_lc_rs::rsa::KeyPair::generate(size).unwrap();
    let document: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    SigningKey::from_pkcs8(Algorithm::PS256, document.as_ref(), None).unwrap()
}

fn claims() -> Value {
    json!({ "jti": "a", "htm": "POST", "htu": URI, "iat": NOW.0 })
}

fn header(key: &SigningKey) -> Value {
    let jwk: Value = serde_json::from_str(&key.proof_jwk()).unwrap();
    json!({ "alg": key.algorithm().name(), "typ": TYP, "jwk": jwk })
}

fn sign(key: &SigningKey, header: &Value, claims: &Value) -> String {
    key.sign_compact(header.to_string().as_bytes(), claims.to_string().as_bytes())
        .unwrap()
}

fn verify_for(proof: &str, access_token: Option<&str>) -> Result<VerifiedDpop, DpopError> {
    let uris = [RequestUri::parse(URI).unwrap()];
    let expected = DpopExpectation {
        method: "POST",
        uris: &uris,
        access_token,
    };
    DpopProof::parse(proof)?.verify(expected, NOW)
}

fn verify(proof: &str) -> Result<VerifiedDpop, DpopError> {
    verify_for(proof, None)
}

/// The proof with one member of its header replaced, or removed.
fn with_header(name: &str, value: Option<Value>) -> Result<VerifiedDpop, DpopError> {
    let key = key();
    let mut header = header(&key);
    set(&mut header, name, value);
    verify(&sign(&key, &header, &claims()))
}

fn with_claim(name: &str, value: Option<Value>) -> Result<VerifiedDpop, DpopError> {
    let key = key();
    let mut claims = claims();
    set(&mut claims, name, value);
    verify(&sign(&key, &header(&key), &claims))
}

fn set(object: &mut Value, name: &str, value: Option<Value>) {
    let members = object.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.into(), value),
        None => members.remove(name),
    };
}

#[test]
fn proof_that_a_client_makes_is_accepted_with_the_thumbprint_of_its_key() {
    for key in [key(), rsa_key(KeySize::Rsa2048)] {
        let claims = DpopClaims {
            jti: "unique",
            htm: "POST",
            htu: URI,
            iat: NOW,
            nonce: Some("n"),
        };
        let verified = verify(&claims.sign(&key, None).unwrap()).unwrap();
        assert_eq!(verified.thumbprint, key.thumbprint());
        assert_eq!(verified.jwt_id, "unique");
        assert_eq!(verified.nonce.as_deref(), Some("n"));
    }
}

// Row G-01.
#[test]
fn rfc9449_4_3_query_of_htu_other_claims_and_small_clock_differences_are_accepted() {
    for (name, value) in [
        ("htu", json!("https://as.example/token?a=b#c")),
        ("htu", json!("HTTPS://AS.EXAMPLE:443/token")),
        ("iat", json!(NOW.0 - 10)),
        ("iat", json!(NOW.0 + 10)),
        ("exp", json!(1)),
    ] {
        assert!(with_claim(name, Some(value.clone())).is_ok(), "{name} {value}");
    }
    for (name, value) in [("kid", json!("k")), ("x5c", json!(["AA"]))] {
        assert!(with_header(name, Some(value.clone())).is_ok(), "{name} {value}");
    }
}

// Row G-02.
#[test]
fn rfc9449_4_3_typ_other_than_dpop_is_refused() {
    for typ in [
        None,
        Some("JWT"),
        Some("dpop+jwt+x"),
        Some("DPOP+JWT"),
        Some("at+jwt"),
    ] {
        let refused = with_header("typ", typ.map(Value::from));
        assert_eq!(refused, Err(DpopError::WrongType), "{typ:?}");
    }
}

// Row G-03.
#[test]
fn rfc9449_4_3_proof_without_a_public_key_that_may_be_used_is_refused() {
    assert_eq!(with_header("jwk", None), Err(DpopError::KeyMissing));
    let own = key();
    let mut private: Value = serde_json::from_str(&own.proof_jwk()).unwrap();
    set(&mut private, "d", Some(json!("AA")));
    for (jwk, expected) in [
        (private, KeyError::PrivateMaterial),
        (json!({ "kty": "oct", "k": "AA" }), KeyError::PrivateMaterial),
        (json!({ "kty": "EC", "crv": "P-256" }), KeyError::MissingMember),
        (json!({}), KeyError::UnknownType),
    ] {
        assert_eq!(with_header("jwk", Some(jwk)), Err(DpopError::Key(expected)));
    }
    for jwk in [json!("text"), json!(7), json!([])] {
        assert!(matches!(with_header("jwk", Some(jwk)), Err(DpopError::Jose(_))));
    }
    let other: Value = serde_json::from_str(&key().proof_jwk()).unwrap();
    let refused = with_header("jwk", Some(other));
    assert_eq!(refused, Err(DpopError::Jose(JoseError::BadSignature)));
}

#[test]
fn rfc9449_4_3_symmetric_unknown_and_foreign_algorithms_are_refused() {
    for alg in ["none", "HS256", "es256", "", "ES256K"] {
        let refused = with_header("alg", Some(alg.into()));
        assert_eq!(refused, Err(DpopError::AlgorithmRefused), "{alg}");
    }
    // An algorithm that the key cannot have.
    let refused = with_header("alg", Some("RS256".into()));
    assert_eq!(refused, Err(DpopError::Jose(JoseError::BadSignature)));
    let refused = with_header("crit", Some(json!(["b64"])));
    assert_eq!(refused, Err(DpopError::Jose(JoseError::CriticalExtension)));
}

// Row G-04.
#[test]
fn rfc9449_4_3_other_method_or_uri_is_refused() {
    for method in ["post", "GET", ""] {
        assert_eq!(
            with_claim("htm", Some(method.into())),
            Err(DpopError::WrongMethod),
            "{method}"
        );
    }
    for uri in [
        "https://evil.example/token",
        "http://as.example/token",
        "https://as.example/register",
        "",
    ] {
        let refused = with_claim("htu", Some(uri.into()));
        assert!(matches!(refused, Err(DpopError::WrongUri { .. })), "{uri}");
    }
}

// Row G-05.
#[test]
fn rfc9449_4_2_missing_and_malformed_claims_are_refused() {
    for name in ["jti", "htm", "htu", "iat"] {
        assert!(
            matches!(with_claim(name, None), Err(DpopError::Jose(_))),
            "{name}"
        );
        let wrong = if name == "iat" {
            json!("1795000000")
        } else {
            json!(1)
        };
        assert!(
            matches!(with_claim(name, Some(wrong)), Err(DpopError::Jose(_))),
            "{name}"
        );
    }
    for jti in [String::new(), "a".repeat(JWT_ID_BYTES_MAX + 1), "a\u{0}".into()] {
        let refused = with_claim("jti", Some(jti.as_str().into()));
        assert_eq!(refused, Err(DpopError::JwtIdRefused), "{jti:?}");
    }
    assert!(matches!(
        with_claim("nonce", Some(json!(7))),
        Err(DpopError::Jose(_))
    ));
}

#[test]
fn rfc9449_4_3_proof_that_is_too_old_or_from_the_future_is_refused() {
    for (age, is_accepted) in [
        (60, true),
        (61, false),
        (600, false),
        (-30, true),
        (-31, false),
        (-120, false),
    ] {
        let verified = with_claim("iat", Some(json!(NOW.0 - age)));
        assert_eq!(verified.is_ok(), is_accepted, "{age}");
    }
    assert!(with_claim("iat", Some(json!(i64::MIN))).is_err());
    assert!(with_claim("iat", Some(json!(i64::MAX))).is_err());
}

#[test]
fn rfc9449_4_3_proof_must_be_for_the_access_token_of_the_request() {
    let key = key();
    let claims = DpopClaims {
        jti: "a",
        htm: "POST",
        htu: URI,
        iat: NOW,
        nonce: None,
    };
    let with = claims.sign(&key, Some("token")).unwrap();
    let without = claims.sign(&key, None).unwrap();
    assert!(verify_for(&with, Some("token")).is_ok());
    assert_eq!(verify_for(&with, Some("other")), Err(DpopError::WrongToken));
    assert_eq!(verify_for(&without, Some("token")), Err(DpopError::WrongToken));
    // The token endpoint ignores `ath`.
    assert!(verify_for(&with, None).is_ok());
}

#[test]
fn texts_that_are_no_proof_are_refused() {
    for text in ["", "a.b.c", "..", &"a".repeat(20_000), "\u{0}"] {
        assert!(DpopProof::parse(text).is_err(), "{text:.20}");
    }
}
