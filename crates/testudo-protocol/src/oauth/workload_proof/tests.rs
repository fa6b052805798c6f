//! Tests of Workload Proof Tokens: each refused one beside the accepted one without the fault.

use super::*;
use crate::jose::{Algorithm, Jwk, SigningKey, sha256};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_795_000_000);
const URI: &str = "https://as.example/token";
const WIT: &[u8] = b"the WIT";

fn key() -> SigningKey {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    SigningKey::from_pkcs8(Algorithm::ES256, document.as_ref(), None).unwrap()
}

/// A JWS whose MAC has the text of a public key as its secret.
fn with_mac(header: &str, claims: &str, secret: &str) -> String {
    let input = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        input.as_bytes(),
    );
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Verifies a proof by `signer` with the key `confirmed` of the WIT; one member of the header or of the claims is changed.
fn verify(
    signer: &SigningKey,
    confirmed: &SigningKey,
    (name, value): (&str, Value),
) -> Result<VerifiedWorkloadProof, WorkloadProofError> {
    let mut header = json!({ "alg": "ES256", "typ": TYP });
    let mut claims = json!({
        "aud": URI, "exp": NOW.0 + 60, "jti": "a", "wth": URL_SAFE_NO_PAD.encode(sha256(WIT)),
    });
    let part = if matches!(name, "typ" | "alg" | "crit") {
        &mut header
    } else {
        &mut claims
    };
    if value.is_null() {
        part.as_object_mut().unwrap().remove(name);
    } else {
        part[name] = value;
    }
    let (head, body) = (header.to_string(), claims.to_string());
    let text = match header["alg"] == "HS256" {
        true => with_mac(&head, &body, &confirmed.proof_jwk()),
        false => signer.sign_compact(head.as_bytes(), body.as_bytes()).unwrap(),
    };
    let mut jwk: Value = serde_json::from_str(&confirmed.proof_jwk()).unwrap();
    jwk["alg"] = json!("ES256");
    let jwk: Jwk = serde_json::from_value(jwk).unwrap();
    let expected = WorkloadProofExpectation {
        key: &ProofKey::from_jwk(&jwk).unwrap(),
        wit: &sha256(WIT),
        uris: &[RequestUri::parse(URI).unwrap()],
    };
    VerifiedWorkloadProof::verify(&text, expected, NOW)
}

#[test]
fn wpt_2_proof_for_this_request_and_this_wit_is_accepted_until_it_expires() {
    let key = key();
    let verified = verify(&key, &key, ("more", json!(1))).unwrap();
    assert_eq!(
        (verified.jwt_id.as_str(), verified.expires),
        ("a", NOW + Seconds(60))
    );
    for (name, value) in [
        ("aud", json!([URI])),
        ("aud", json!("HTTPS://as.example:443/token")),
        ("exp", json!(NOW.0 + 1)),
        ("exp", json!(NOW.0 + LIFETIME_MAX.0)),
    ] {
        assert!(
            verify(&key, &key, (name, value.clone())).is_ok(),
            "{name} {value}"
        );
    }
}

#[test]
fn wpt_2_proof_for_another_request_wit_or_key_is_refused() {
    let (key, other) = (key(), key());
    for (name, value) in [
        ("typ", Value::Null),
        ("typ", json!("JWT")),
        ("typ", json!("dpop+jwt")),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("ES384")),
        ("crit", json!(["exp"])),
        ("aud", Value::Null),
        ("aud", json!([])),
        ("aud", json!([URI, "https://other.example/token"])),
        ("aud", json!("https://as.example")),
        ("aud", json!("http://as.example/token")),
        ("exp", Value::Null),
        ("exp", json!(NOW.0)),
        ("exp", json!(NOW.0 + LIFETIME_MAX.0 + 1)),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!("a".repeat(JWT_ID_BYTES_MAX + 1))),
        ("wth", Value::Null),
        ("wth", json!(URL_SAFE_NO_PAD.encode(sha256(b"another WIT")))),
        ("ath", json!("x")),
        ("tth", json!("x")),
        ("oth", json!({ "x": "y" })),
    ] {
        assert!(
            verify(&key, &key, (name, value.clone())).is_err(),
            "{name} {value}"
        );
    }
    assert!(verify(&other, &key, ("more", json!(1))).is_err(), "another key");
    assert!(verify(&key, &key, ("more", json!(1))).is_ok());
}
