//! SD-JWTs: signature, disclosures and members.

use super::super::disclosures::{DisclosureHash, resolve};
use super::super::sd_jwt::{SdJwt, read};
use super::*;
use serde_json::json;

/// The complete example of an issuer, with the proof of its holder.
pub(super) const VECTOR: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6ImRjK3NkLWp3dCIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwidmN0IjoiaHR0cHM6Ly92Y3QuZXhhbXBsZS9vYXV0aC1jbGllbnQvMSIsInN1YiI6InVybjpleGFtcGxlOmFnZW50OjciLCJpYXQiOjE3OTUwMDAwMDAsImV4cCI6MTc5NTAwMzYwMCwiY2xpZW50X25hbWUiOiJBZ2VudCA3IiwiY25mIjp7Imp3ayI6eyJrdHkiOiJPS1AiLCJjcnYiOiJFZDI1NTE5IiwieCI6IlBVQVh3LWhEaVZxU3R3cW5UUnQtdkp5WUxNOHV4SmFNd00xVjhTcjBaZ3cifX0sIl9zZF9hbGciOiJzaGEtMjU2IiwiX3NkIjpbImRVZWU2YWZ5bG5xbGVKVkNxbVRHLXRpRmdzdWJCdk9LbTcxWm5fZzFMbTgiXX0.UPk2BZWi8drVAdstvp9RtbEsEN4E7RDHzY9aZNTSPsN78yYPcdU6Vm_EKVBNdgGFrtQVvbEfDK16bnxUJpSoBg~WyJxM1hqMHdZYjVzMW1WN3VLYzJhVG5BIiwicmVkaXJlY3RfdXJpcyIsWyJodHRwczovL2FwcC5leGFtcGxlL2NiIl1d~eyJhbGciOiJFZERTQSIsInR5cCI6ImtiK2p3dCJ9.eyJpYXQiOjE3OTUwMDAwMTAsImF1ZCI6Imh0dHBzOi8vYXMuZXhhbXBsZSIsIm5vbmNlIjoiWmszLTlxTDBhWHciLCJzZF9oYXNoIjoiNGR2RW51ZnNoZElUbzRCcDlaeGZTT2VjdEo0Q1pyVzNRZFd0UzU3OGFqdyJ9.cGtJmcQRUn6QS2_MV33tgx2gOg02iA6crS2GwjI0BC3iJzi69x4zH8YsKy8FpGIfEOlW-fMo4YlnIzZ4HV53DQ";

fn object(value: Value) -> Map {
    value.as_object().unwrap().clone()
}

type Map = serde_json::Map<String, Value>;

/// The disclosed payload, or the reason of the refusal.
fn resolved(payload: Value, disclosures: &[&str]) -> Result<Value, String> {
    let out = resolve(object(payload), disclosures).map_err(|error| error.to_string())?;
    Ok(Value::Object(out.payload))
}

#[track_caller]
fn refused(payload: Value, disclosures: &[&str], words: &str) {
    let error = resolved(payload, disclosures).unwrap_err();
    assert!(error.contains(words), "{error}");
}

// Row SD-01.
#[test]
fn vector_is_verified_with_the_value_of_its_disclosure() {
    assert_eq!(VECTOR.len(), 972);
    let sd_jwt = SdJwt::parse(VECTOR).unwrap();
    let keys = issuer_keys("k1");
    let disclosed = sd_jwt.verify(IssuerKeys::Set(&keys)).unwrap();
    let claims = read(&disclosed).unwrap();
    assert_eq!(claims.issuer.as_deref(), Some("https://issuer.example"));
    assert_eq!(claims.subject, "urn:example:agent:7");
    assert_eq!(claims.types, ["https://vct.example/oauth-client/1"]);
    assert_eq!(
        Value::Object(claims.about_client),
        json!({"client_name": "Agent 7", "redirect_uris": ["https://app.example/cb"]})
    );
    assert_eq!(
        claims.confirmation.unwrap().key.thumbprint(),
        holder_key().thumbprint()
    );
    assert_eq!(claims.times.issued, Some(Timestamp(ISSUED)));
    assert_eq!(claims.times.expires, Some(Timestamp(ISSUED + 3600)));
    assert!(claims.status.is_empty());
}

// Row SD-06.
#[test]
fn digest_is_that_of_the_encoded_disclosure() {
    let sha256 = DisclosureHash::Sha256;
    for (text, digest) in [
        (
            "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0",
            "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0",
        ),
        (
            "WyJxM1hqMHdZYjVzMW1WN3VLYzJhVG5BIiwicmVkaXJlY3RfdXJpcyIsWyJodHRwczovL2FwcC5leGFtcGxlL2NiIl1d",
            "dUee6afylnqleJVCqmTG-tiFgsubBvOKm71Zn_g1Lm8",
        ),
        (
            "WyJaazl1WTJWQmNuSmhlVk5oYkhReE1nIiwib3JkZXJzLndyaXRlIl0",
            "lEQIJ20_RCPwywBTqFK47sDeWjFLkwgwM1jsMsin4ic",
        ),
    ] {
        assert_eq!(sha256.digest(text), digest);
    }
    let (text, digest) = disclosure(&json!(["s", "scope", "a"]));
    assert_eq!(
        resolved(json!({"_sd": [digest]}), &[&text]).unwrap(),
        json!({"scope": "a"})
    );
    for (name, wrong) in [
        ("decoded JSON", "HTlO9_qvLEiDWgwzTg1j7yD6oOVf2GFPnVbYjdul_sU"),
        (
            "hexadecimal",
            "NzU0NzllZTlhN2YyOTY3YWE1Nzg5NTQyYWE2NGM2ZmFkODg1ODJjYjliMDZmMzhhOWJiZDU5OWZmODM1MmU2Zg",
        ),
    ] {
        let text =
            "WyJxM1hqMHdZYjVzMW1WN3VLYzJhVG5BIiwicmVkaXJlY3RfdXJpcyIsWyJodHRwczovL2FwcC5leGFtcGxlL2NiIl1d";
        let error = resolved(json!({"_sd": [wrong]}), &[text]).unwrap_err();
        assert!(error.contains("not in the payload"), "{name}: {error}");
    }
}

// Rows SD-03, SD-04.
#[test]
fn nested_and_array_disclosures_stand_in_their_places_and_decoys_are_ignored() {
    let (grant, of_grant) = disclosure(&json!(["s", "client_credentials"]));
    let (inner, of_inner) = disclosure(&json!(["s", "name", {"_sd": ["decoy-2"], "en": "A"}]));
    let (outer, of_outer) = disclosure(&json!(["s", "about", {"_sd": [of_inner], "kept": 1}]));
    let payload = json!({
        "_sd_alg": "sha-256",
        "_sd": [of_outer, "decoy"],
        "grant_types": [{"...": of_grant}, {"...": "gone"}, "refresh_token"],
    });
    assert_eq!(
        resolved(payload.clone(), &[&grant, &inner, &outer]).unwrap(),
        json!({
            "grant_types": ["client_credentials", "refresh_token"],
            "about": {"kept": 1, "name": {"en": "A"}},
        })
    );
    assert_eq!(
        resolved(payload, &[]).unwrap(),
        json!({"grant_types": ["refresh_token"]})
    );
}

// Rows SD-05, SD-07, SD-08.
#[test]
fn repeated_digest_and_disclosure_that_nothing_refers_to_are_refused() {
    let (text, digest) = disclosure(&json!(["s", "a", 1]));
    let (nested, of_nested) = disclosure(&json!(["s", "b", {"_sd": [digest]}]));
    let (other, _) = disclosure(&json!(["s", "a", 2]));
    assert!(resolved(json!({"_sd": [digest]}), &[&text]).is_ok());
    refused(json!({"_sd": [digest, digest]}), &[&text], "occurs twice");
    refused(json!({"_sd": ["decoy", "decoy"]}), &[], "occurs twice");
    refused(
        json!({"_sd": [digest], "x": {"_sd": [digest]}}),
        &[&text],
        "occurs twice",
    );
    refused(
        json!({"_sd": [digest, of_nested]}),
        &[&text, &nested],
        "occurs twice",
    );
    refused(
        json!({"_sd": [digest], "x": [{"...": digest}]}),
        &[&text],
        "occurs twice",
    );
    refused(
        json!({"_sd": [digest]}),
        &[&text, &other],
        "disclosure 1 has a digest that is not",
    );
    refused(json!({"_sd": [digest]}), &[&other], "not in the payload");
    refused(json!({"_sd": [digest]}), &[&text, &text], "sent twice");
}

// Rows SD-09, SD-10, SD-11, SD-12.
#[test]
fn disclosure_of_another_form_or_with_a_name_that_is_taken_is_refused() {
    let with = |parts: Value| {
        let (text, digest) = disclosure(&parts);
        resolved(json!({"_sd": [digest], "client_name": "A"}), &[&text])
    };
    assert!(with(json!(["s", "scope", "a"])).is_ok());
    for (name, parts) in [
        ("taken", json!(["s", "client_name", "B"])),
        ("_sd", json!(["s", "_sd", []])),
        ("...", json!(["s", "...", "x"])),
        ("nested algorithm", json!(["s", "x", {"_sd_alg": "sha-256"}])),
        ("nested placeholder", json!(["s", "x", {"...": "d", "y": 1}])),
        ("two parts in an object", json!(["s", "a"])),
        ("four parts", json!(["s", "a", 1, 2])),
        ("one part", json!(["s"])),
        ("salt", json!([1, "a", 1])),
        ("name", json!(["s", 1, 1])),
        ("object", json!({"s": 1})),
        ("deep", json!(["s", "x", [[[[[[[[1]]]]]]]]])),
    ] {
        assert!(with(parts).is_err(), "{name}");
    }
    let (text, digest) = disclosure(&json!(["s", "a", 1]));
    refused(json!({"x": [{"...": digest}]}), &[&text], "is of a member");
    refused(json!({"x": [{"...": 7}]}), &[], "must be a string");
    refused(json!({"...": digest}), &[&text], "only alone");
    refused(json!({"_sd": digest}), &[&text], "must be an array");
    refused(json!({"_sd": [7]}), &[], "strings only");
    let twice = URL_SAFE_NO_PAD.encode(r#"["s","a",{"b":1,"b":2}]"#);
    let of_twice = DisclosureHash::Sha256.digest(&twice);
    refused(json!({"_sd": [of_twice]}), &[&twice], "within the limits");
    let appended = URL_SAFE_NO_PAD.encode(r#"["s","a",1],"e":[1]"#);
    refused(json!({}), &[&appended], "disclosure 0");
    for (hash, algorithm, good) in [
        (DisclosureHash::Sha384, "sha-384", true),
        (DisclosureHash::Sha512, "sha-512", true),
        (DisclosureHash::Sha256, "md5", false),
        (DisclosureHash::Sha256, "SHA-256", false),
    ] {
        let payload = json!({"_sd_alg": algorithm, "_sd": [hash.digest(&text)]});
        assert_eq!(resolved(payload, &[&text]).is_ok(), good, "{algorithm}");
    }
    refused(json!({"_sd_alg": 7}), &[], "_sd_alg");
    refused(json!({"x": {"_sd_alg": "sha-256"}}), &[], "top level");
}

// Row SD-13.
#[test]
fn claims_about_validity_must_not_be_concealed() {
    let payload = || {
        object(json!({
            "iss": "https://issuer.example", "vct": "t", "sub": "s", "iat": ISSUED, "exp": ISSUED + 60,
        }))
    };
    assert!(read(&resolve(payload(), &[]).unwrap()).is_ok());
    for name in [
        "iss",
        "nbf",
        "exp",
        "cnf",
        "vct",
        "vct#integrity",
        "aka_vcts",
        "status",
    ] {
        let (text, digest) = disclosure(&json!(["s", name, 1]));
        let mut payload = payload();
        payload.remove(name);
        payload.insert("_sd".to_owned(), json!([digest]));
        let error = read(&resolve(payload, &[&text]).unwrap()).unwrap_err();
        assert!(error.to_string().contains("must not conceal"), "{name}: {error}");
    }
    let (text, digest) = disclosure(&json!(["s", "jwk", {"kty": "OKP", "crv": "Ed25519", "x": X2}]));
    let mut within = payload();
    within.insert("cnf".to_owned(), json!({"_sd": [digest]}));
    let error = read(&resolve(within, &[&text]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("must not conceal"), "{error}");
}

// Row SD-14.
#[test]
fn subject_may_be_concealed_and_must_be_disclosed() {
    let (text, digest) = disclosure(&json!(["s", "sub", "urn:x"]));
    let payload = object(json!({"vct": "t", "iat": ISSUED, "_sd": [digest]}));
    let claims = read(&resolve(payload.clone(), &[&text]).unwrap()).unwrap();
    assert_eq!(claims.subject, "urn:x");
    let error = read(&resolve(payload, &[]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("`sub` is missing"), "{error}");
}

// Row SD-25.
#[test]
fn member_of_another_form_is_refused() {
    let with = |name: &str, value: Value| {
        let mut payload = object(json!({"vct": "t", "sub": "s", "iat": ISSUED}));
        payload.insert(name.to_owned(), value);
        read(&resolve(payload, &[]).unwrap())
    };
    let claims = with("aka_vcts", json!(["allowed"])).unwrap();
    assert_eq!(claims.types, ["t"], "aka_vcts is no type");
    for (name, value) in [
        ("vct", json!(7)),
        ("vct", Value::Null),
        ("aka_vcts", json!([])),
        ("aka_vcts", json!(["t"])),
        ("aka_vcts", json!("x")),
        ("sub", json!("")),
        ("sub", json!(["s"])),
        ("exp", json!("tomorrow")),
        ("iat", json!("1795000000")),
        ("iss", json!(7)),
        ("cnf", json!("k")),
        ("cnf", json!({})),
        ("cnf", json!({"kid": "k"})),
        (
            "cnf",
            json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": X2}, "jku": "https://x.example"}),
        ),
        ("cnf", json!({"jwk": {"kty": "oct", "k": "AA"}})),
        (
            "cnf",
            json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": X2, "d": "AA"}}),
        ),
        (
            "cnf",
            json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}}),
        ),
        ("status", json!("x")),
        (
            "status",
            json!({"status_list": {"idx": -1, "uri": "https://s.example/1"}}),
        ),
        (
            "status",
            json!({"status_list": {"idx": 1.5, "uri": "https://s.example/1"}}),
        ),
        (
            "status",
            json!({"status_list": {"idx": "3", "uri": "https://s.example/1"}}),
        ),
        (
            "status",
            json!({"status_list": {"idx": 9_007_199_254_740_992u64, "uri": "https://s.example/1"}}),
        ),
        ("status", json!({"status_list": {"idx": 1, "uri": "x"}})),
        ("status", json!({"status_list": {"idx": 1}})),
    ] {
        assert!(with(name, value.clone()).is_err(), "{name} {value}");
    }
    assert!(with("cnf", json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": X2}})).is_ok());
    assert!(
        with(
            "status",
            json!({"status_list": {"idx": 1, "uri": "https://s.example/1"}})
        )
        .is_ok()
    );
}

// Row SD-31.
#[test]
fn text_that_is_not_a_jwt_and_disclosures_with_tildes_is_refused() {
    let (jwt, rest) = VECTOR.split_once('~').unwrap();
    let (one, proof) = rest.split_once('~').unwrap();
    assert!(SdJwt::parse(&format!("{jwt}~")).is_ok());
    let bare = format!("{jwt}~{one}~");
    assert_eq!(SdJwt::parse(&bare).unwrap().key_binding, None);
    for (name, text) in [
        ("no tilde", jwt.to_owned()),
        ("empty disclosure", format!("{jwt}~~")),
        ("empty disclosure before another", format!("{jwt}~~{one}~")),
        ("two proofs", format!("{jwt}~{one}~{proof}~{proof}")),
        ("tilde first", format!("~{jwt}~")),
        ("nothing", "~".to_owned()),
        ("large", format!("{jwt}~{}~", "a".repeat(32 * 1024))),
        ("dot", format!("{jwt}.~")),
        ("JSON", format!(r#"{{"payload":"{jwt}"}}~"#)),
    ] {
        assert!(SdJwt::parse(&text).is_err(), "{name}");
    }
    let texts: Vec<String> = (0..65)
        .map(|n| disclosure(&json!(["s", format!("m{n}"), 1])).0)
        .collect();
    let many: Vec<&str> = texts.iter().map(String::as_str).collect();
    refused(json!({}), &many, "more than 64");
    let large = URL_SAFE_NO_PAD.encode(format!(r#"["s","a","{}"]"#, "a".repeat(4096)));
    refused(json!({}), &[&large], "larger than 4 KiB");
}

// Row SD-32.
#[test]
fn disclosures_that_are_nested_64_deep_are_refused_in_one_pass() {
    let mut disclosures = Vec::new();
    let mut inner = json!(1);
    for _ in 0..64 {
        let (text, digest) = disclosure(&json!(["s", "x", inner]));
        disclosures.push(text);
        inner = json!({"_sd": [digest]});
    }
    let texts: Vec<&str> = disclosures.iter().map(String::as_str).collect();
    refused(json!({"x": inner}), &texts, "nested too deep");
}

// Rows VC-08, VC-09, VC-11, VC-12, SD-19, SD-26.
#[test]
fn key_of_the_sender_and_another_algorithm_are_refused() {
    let keys = issuer_keys("k1");
    let payload = r#"{"vct":"t","sub":"s","iat":1795000000}"#;
    let verified = |header: &str| {
        let text = format!("{}~", Signer::Issuer.jws(header, payload));
        SdJwt::parse(&text)?.verify(IssuerKeys::Set(&keys)).map(|_| ())
    };
    let good = r#"{"alg":"EdDSA","typ":"dc+sd-jwt","kid":"k1"}"#;
    verified(good).unwrap();
    for (name, header) in [
        ("none", r#"{"alg":"none","kid":"k1"}"#),
        ("noNE", r#"{"alg":"noNE","kid":"k1"}"#),
        ("HS256", r#"{"alg":"HS256","kid":"k1"}"#),
        ("ES256", r#"{"alg":"ES256","kid":"k1"}"#),
        ("other kid", r#"{"alg":"EdDSA","kid":"k2"}"#),
        ("crit", r#"{"alg":"EdDSA","kid":"k1","crit":["x"],"x":1}"#),
        ("b64", r#"{"alg":"EdDSA","kid":"k1","b64":false}"#),
        ("zip", r#"{"alg":"EdDSA","kid":"k1","zip":"DEF"}"#),
        (
            "jwk",
            r#"{"alg":"EdDSA","kid":"k1","jwk":{"kty":"OKP","crv":"Ed25519","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}}"#,
        ),
        (
            "jku",
            r#"{"alg":"EdDSA","kid":"k1","jku":"https://evil.example"}"#,
        ),
        (
            "x5u",
            r#"{"alg":"EdDSA","kid":"k1","x5u":"https://evil.example"}"#,
        ),
        ("x5c", r#"{"alg":"EdDSA","kid":"k1","x5c":["AA=="]}"#),
    ] {
        assert!(verified(header).is_err(), "{name}");
    }
    let other = format!("{}~", Signer::Holder.jws(good, payload));
    let error = SdJwt::parse(&other)
        .unwrap()
        .verify(IssuerKeys::Set(&keys))
        .unwrap_err();
    assert_eq!(error, CredentialError::Jose(JoseError::BadSignature));
}
