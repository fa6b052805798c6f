#![no_main]
//! Request objects: the input is a header and claims, which the client signed. What is accepted is a request of this
//! client, for this server and for an hour at most.

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{Algorithm, KeySet, PublicKey, SigningKey};
use testudo_protocol::oauth::authorization::AuthorizationRequest;
use testudo_protocol::oauth::request_object::{RequestObject, RequestObjectExpectation};

const NOW: Timestamp = Timestamp(1_795_636_000);
const EXPECTED: RequestObjectExpectation<'static> =
    RequestObjectExpectation { client_id: "c_1", issuer: "https://as.example" };

static KEYS: LazyLock<(SigningKey, KeySet)> = LazyLock::new(|| {
    let key = testudo_issuer::generate_key(Algorithm::ES256, Some("k"));
    let jwk = serde_json::from_value(key.public_jwk("sig", true)).expect("a JWK");
    let mut set = KeySet::default();
    set.push(PublicKey::from_client_jwk(&jwk).expect("a public key"));
    (key, set)
});

fuzz_target!(|parts: (&str, &str)| {
    let (header, claims) = parts;
    let (key, keys) = &*KEYS;
    let verified = |object: &str| RequestObject::parse(object)?.verify(keys, EXPECTED, NOW);
    assert!(verified(claims).is_err(), "it is not signed by the client");
    let Ok(object) = key.sign_compact(header.as_bytes(), claims.as_bytes()) else {
        return;
    };
    match verified(&object) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(parameters) => {
            let claims: Value = serde_json::from_str(claims).expect("accepted claims are JSON");
            assert!(claims["client_id"] == "c_1" && claims["iss"] == "c_1" && claims["sub"].is_null());
            assert!(claims["aud"].to_string().contains("https://as.example"));
            assert!(header.contains("oauth-authz-req+jwt"));
            let _ = AuthorizationRequest::parse(&parameters);
        }
    }
});
