//! The proof of a holder: KB-JWTs and presentations.

use super::super::key_binding::{self, HolderExpectation, HolderProof};
use super::super::presentation::Presentation;
use super::super::sd_jwt::SdJwt;
use super::sd_jwt::VECTOR;
use super::*;
use serde_json::json;

const SERVER: &str = "https://as.example";

fn verified_at(text: &str, key: &ProofKey, now: Timestamp) -> Result<HolderProof, CredentialError> {
    let sd_jwt = SdJwt::parse(text)?;
    let disclosed = sd_jwt.verify(IssuerKeys::Set(&issuer_keys("k1")))?;
    let expected = HolderExpectation {
        key,
        server: SERVER,
        now,
    };
    key_binding::verify(&sd_jwt, disclosed.hash, expected)
}

fn verified(text: &str) -> Result<HolderProof, CredentialError> {
    verified_at(text, &holder_key(), NOW)
}

/// The credential of the vector with another proof.
fn with_proof(header: &str, change: impl FnOnce(&mut Value), signer: Signer) -> String {
    let presented = &VECTOR[..=VECTOR.rfind('~').unwrap()];
    let mut claims = json!({
        "iat": ISSUED + 10, "aud": SERVER, "nonce": "Zk3-9qL0aXw",
        "sd_hash": "4dvEnufshdITo4Bp9ZxfSOectJ4CZrW3QdWtS578ajw",
    });
    change(&mut claims);
    format!("{presented}{}", signer.jws(header, &claims.to_string()))
}

const HEADER: &str = r#"{"alg":"EdDSA","typ":"kb+jwt"}"#;

// Row SD-01.
#[test]
fn proof_of_the_holder_is_accepted_with_its_nonce() {
    let proof = verified(VECTOR).unwrap();
    assert_eq!(proof.nonce, "Zk3-9qL0aXw");
    assert_eq!(proof.issued, Timestamp(ISSUED + 10));
    assert!(verified(&with_proof(HEADER, |_| {}, Signer::Holder)).is_ok());
}

// Rows SD-02, SD-15, SD-16, SD-17.
#[test]
fn proof_by_another_key_for_another_server_or_of_another_time_is_refused() {
    let bare = &VECTOR[..=VECTOR.rfind('~').unwrap()];
    assert!(verified(bare).is_err(), "no proof");
    let set = |name: &'static str, value: Value| move |claims: &mut Value| claims[name] = value;
    for (name, text) in [
        ("issuer", with_proof(HEADER, |_| {}, Signer::Issuer)),
        (
            "own key",
            with_proof(
                &format!(
                    r#"{{"alg":"EdDSA","typ":"kb+jwt","jwk":{{"kty":"OKP","crv":"Ed25519","x":"{X2}"}}}}"#
                ),
                |_| {},
                Signer::Holder,
            ),
        ),
        (
            "typ",
            with_proof(r#"{"alg":"EdDSA","typ":"JWT"}"#, |_| {}, Signer::Holder),
        ),
        ("no typ", with_proof(r#"{"alg":"EdDSA"}"#, |_| {}, Signer::Holder)),
        (
            "none",
            with_proof(r#"{"alg":"none","typ":"kb+jwt"}"#, |_| {}, Signer::Holder),
        ),
        (
            "other server",
            with_proof(HEADER, set("aud", json!("https://other.example")), Signer::Holder),
        ),
        (
            "endpoint",
            with_proof(
                HEADER,
                set("aud", json!("https://as.example/token")),
                Signer::Holder,
            ),
        ),
        (
            "array",
            with_proof(HEADER, set("aud", json!([SERVER])), Signer::Holder),
        ),
        (
            "no nonce",
            with_proof(HEADER, set("nonce", Value::Null), Signer::Holder),
        ),
        (
            "old",
            with_proof(HEADER, set("iat", json!(ISSUED - 291)), Signer::Holder),
        ),
        (
            "future",
            with_proof(HEADER, set("iat", json!(ISSUED + 21)), Signer::Holder),
        ),
        (
            "iat as text",
            with_proof(HEADER, set("iat", json!("1795000010")), Signer::Holder),
        ),
        (
            "expired",
            with_proof(HEADER, set("exp", json!(ISSUED + 10)), Signer::Holder),
        ),
        (
            "not yet",
            with_proof(HEADER, set("nbf", json!(ISSUED + 21)), Signer::Holder),
        ),
    ] {
        assert!(verified(&text).is_err(), "{name}");
    }
    for (name, at) in [("oldest", ISSUED - 290), ("latest", ISSUED + 20)] {
        assert!(
            verified(&with_proof(HEADER, set("iat", json!(at)), Signer::Holder)).is_ok(),
            "{name}"
        );
    }
}

// Row SD-18.
#[test]
fn proof_of_another_presentation_is_refused() {
    for (name, hash) in [
        ("no last tilde", "a3jA4QPrwm00g1p3WCQzbIzK7VNxUnKkRT6w31rrXdA"),
        ("JWT alone", "L6Oqdwwr1EL_wVi8nJX5MQ59INoDC7bcNYenJXEGCe8"),
        ("no disclosure", "UGTu2mGMG6G0rnVjPJSeHyr0eX78YGApO3rR44WV9YU"),
    ] {
        let text = with_proof(HEADER, |claims| claims["sd_hash"] = json!(hash), Signer::Holder);
        let error = verified(&text).unwrap_err();
        assert!(error.to_string().contains("sd_hash"), "{name}: {error}");
    }
    let (jwt, rest) = VECTOR.split_once('~').unwrap();
    let (_, proof) = rest.split_once('~').unwrap();
    assert!(
        verified(&format!("{jwt}~{proof}")).is_err(),
        "disclosure removed after signing"
    );
}

/// A presentation of data model 2.0 around a credential.
fn presented(
    typ: &str,
    change: impl FnOnce(&mut Value),
    signer: Signer,
) -> Result<HolderProof, CredentialError> {
    let mut claims = json!({
        "type": ["VerifiablePresentation"], "holder": K2, "iss": K2, "aud": SERVER, "iat": ISSUED + 10, "nonce": "n",
        "verifiableCredential": [
            {"type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt,a.b.c"},
        ],
    });
    change(&mut claims);
    let token = signer.jws(
        &format!(r#"{{"alg":"EdDSA","typ":"{typ}"}}"#),
        &claims.to_string(),
    );
    let none = CredentialError::member("vp", "is no presentation");
    let presentation = Presentation::parse(&token)?.ok_or(none)?;
    assert_eq!(presentation.credential, "a.b.c");
    let key = holder_key();
    let expected = HolderExpectation {
        key: &key,
        server: SERVER,
        now: NOW,
    };
    presentation.verify(K2, expected)
}

// Rows VC-01, VC-22.
#[test]
fn presentation_is_of_the_subject_for_this_server_with_one_credential() {
    let unchanged = |_: &mut Value| {};
    assert_eq!(presented("vp+jwt", unchanged, Signer::Holder).unwrap().nonce, "n");
    assert!(presented("application/vp+jwt", unchanged, Signer::Holder).is_ok());
    assert!(
        presented("vp+jwt", unchanged, Signer::Issuer).is_err(),
        "signed by the issuer"
    );
    assert!(
        presented("JWT", unchanged, Signer::Holder).is_err(),
        "no presentation"
    );
    let envelope = |id: &str| json!({"type": "EnvelopedVerifiableCredential", "id": id});
    for (name, member, value) in [
        ("aud", "aud", json!("https://as.example/token")),
        ("aud array", "aud", json!([SERVER, "x"])),
        ("aud array of one", "aud", json!([SERVER])),
        ("no aud", "aud", Value::Null),
        ("no nonce", "nonce", Value::Null),
        ("old", "iat", json!(ISSUED - 600)),
        ("no iat", "iat", Value::Null),
        ("holder", "holder", json!(K1)),
        ("holder object", "holder", json!({"id": K1})),
        ("iss", "iss", json!(K1)),
        ("type", "type", json!(["VerifiableCredential"])),
        ("none", "verifiableCredential", json!([])),
        (
            "two",
            "verifiableCredential",
            json!([
                envelope("data:application/vc+jwt,a.b.c"),
                envelope("data:application/vc+jwt,a.b.c")
            ]),
        ),
        (
            "SD-JWT",
            "verifiableCredential",
            json!([envelope("data:application/vc+sd-jwt,a.b.c")]),
        ),
        (
            "base64",
            "verifiableCredential",
            json!([envelope("data:application/vc+jwt;base64,a.b.c")]),
        ),
        ("no envelope", "verifiableCredential", json!(["a.b.c"])),
        ("also vp", "vp", json!({})),
        ("also vc", "vc", json!({})),
    ] {
        assert!(
            presented("vp+jwt", |claims| claims[member] = value, Signer::Holder).is_err(),
            "{name}"
        );
    }
    let object = |claims: &mut Value| claims["holder"] = json!({"id": K2});
    assert!(presented("vp+jwt", object, Signer::Holder).is_ok());
    let case =
        |claims: &mut Value| claims["verifiableCredential"] = envelope("DATA:application/VC+JWT,a.b.c");
    assert!(presented("vp+jwt", case, Signer::Holder).is_ok());
}

// Row VC-03.
#[test]
fn presentation_of_data_model_1_has_one_jwt() {
    let parse = |credentials: Value| {
        let claims = json!({"iss": K2, "vp": {"verifiableCredential": credentials}});
        Presentation::parse(&Signer::Holder.jws(r#"{"alg":"EdDSA","typ":"JWT"}"#, &claims.to_string()))
    };
    assert_eq!(parse(json!(["a.b.c"])).unwrap().unwrap().credential, "a.b.c");
    for (name, credentials) in [
        ("two", json!(["a.b.c", "a.b.c"])),
        ("none", json!([])),
        ("object", json!([{"issuer": "x"}])),
        ("missing", Value::Null),
    ] {
        assert!(parse(credentials).is_err(), "{name}");
    }
    let both = json!({"vp": {"verifiableCredential": ["a.b.c"]}, "vc": {}});
    assert!(Presentation::parse(&Signer::Holder.jws(r#"{"alg":"EdDSA"}"#, &both.to_string())).is_err());
    let bare = Signer::Issuer.jws(r#"{"alg":"EdDSA"}"#, r#"{"vc":{}}"#);
    assert!(
        Presentation::parse(&bare).unwrap().is_none(),
        "a credential is no presentation"
    );
}
