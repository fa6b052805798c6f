#![no_main]
//! Sign-in at an OpenID provider: the input is a header and claims, which the provider signed, and a text, which is read
//! as metadata, as an answer of the token endpoint and as a response.

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;
use testudo_protocol::jose::{Algorithm, KeySet, PublicKey, SigningKey};
use testudo_protocol::oauth::Form;
use testudo_protocol::openid::{
    IdTokenExpectation, ProviderMetadata, ProviderResponse, TokenAnswer, VerifiedIdToken, group_names,
};
use testudo_protocol::{Seconds, Timestamp};

const NOW: Timestamp = Timestamp(1_795_636_000);
const ISSUER: &str = "https://login.example";
const EXPECTED: IdTokenExpectation<'static> = IdTokenExpectation {
    issuer: ISSUER,
    client_id: "testudo",
    nonce: "n",
    max_age: Some(Seconds(300)),
    access_token: "t",
};
const METADATA: &str = r#"{"issuer":"https://login.example","authorization_endpoint":"https://login.example/authorize",
    "token_endpoint":"https://login.example/token","jwks_uri":"https://login.example/keys"}"#;

struct World {
    key: SigningKey,
    keys: KeySet,
    provider: ProviderMetadata,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let key = testudo_issuer::generate_key(Algorithm::ES256, Some("k"));
    let jwk = serde_json::from_value(key.public_jwk("sig", true)).expect("a JWK");
    let mut keys = KeySet::default();
    keys.push(PublicKey::from_jwk(&jwk).expect("a public key"));
    let provider = ProviderMetadata::parse(METADATA.as_bytes(), ISSUER).expect("metadata");
    World { key, keys, provider }
});

fuzz_target!(|parts: (&str, &str, &str)| {
    let (header, claims, text) = parts;
    let world = &*WORLD;
    if let Ok(metadata) = ProviderMetadata::parse(text.as_bytes(), ISSUER) {
        assert!(metadata.issuer == ISSUER && metadata.token_endpoint.scheme() == "https");
    }
    let _ = TokenAnswer::parse(200, text.as_bytes());
    let _ = TokenAnswer::parse(400, text.as_bytes());
    if let Ok(mut form) = Form::parse(text.as_bytes()) {
        let issuer = form.get("iss").map(str::to_owned);
        let response = ProviderResponse::parse(&mut form, &world.provider);
        assert!(response.is_err() || issuer.is_none_or(|issuer| issuer == ISSUER));
    }
    let Ok(token) = world.key.sign_compact(header.as_bytes(), claims.as_bytes()) else {
        return;
    };
    match VerifiedIdToken::verify(&token, &world.keys, EXPECTED, NOW) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(verified) => {
            let claims: Value = serde_json::from_str(claims).expect("accepted claims are JSON");
            assert!(claims["iss"] == ISSUER && claims["nonce"] == "n");
            assert!(!verified.subject.is_empty() && verified.subject.len() <= 255);
            let _ = (verified.label("name"), verified.verified_email());
            let _ = group_names(&verified.claims["groups"]);
        }
    }
});
