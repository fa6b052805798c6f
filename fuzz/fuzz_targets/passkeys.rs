#![no_main]
//! The answers of browsers to passkey ceremonies: JSON, and within it the client data and what an authenticator signs, in
//! CBOR. Nothing that is made without the key of the passkey is accepted as a sign-in.

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::sync::LazyLock;
use testudo_core::people::PersonId;
use testudo_core::records::Passkey;
use testudo_protocol::{Timestamp, base64url};
use testudo_server::config::RelyingParty;
use testudo_server::pages::passkeys::relying_party::{
    Asked, Assertion, NewUser, new_credential, options_for_new, options_to_sign_in, verify,
};
use testudo_testkit::passkey::Authenticator;

const ORIGIN: &str = "https://as.example.net";

struct World {
    party: RelyingParty,
    new: Asked,
    sign_in: Asked,
    passkey: Passkey,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let party = RelyingParty {
        id: "as.example.net".to_owned(),
        origin: ORIGIN.to_owned(),
    };
    let user = NewUser {
        id: PersonId::of_random(&[7; 16]),
        name: "alice",
        passkeys: &[],
    };
    let new = options_for_new("Corp", &party, &user).expect("options");
    let answer = Authenticator::new(ORIGIN).create(&new.options);
    let (id, credential) = new_credential(&party, &new.state, &answer).expect("a passkey");
    let passkey = Passkey {
        id,
        name: "laptop".to_owned(),
        credential,
        created: Timestamp(0),
        last_used: None,
    };
    let sign_in = options_to_sign_in(&party).expect("options");
    World {
        party,
        new,
        sign_in,
        passkey,
    }
});

/// The client data that the server expects.
fn client_data(kind: &str, asked: &Asked) -> String {
    let data = json!({ "type": kind, "challenge": asked.options["challenge"], "origin": ORIGIN });
    base64url::text(data.to_string().as_bytes())
}

fn answer(response: Value) -> String {
    let id = &WORLD.passkey.id;
    json!({ "id": id, "rawId": id, "type": "public-key", "response": response }).to_string()
}

fn sign_in(text: &str) {
    let world = &*WORLD;
    if let Ok(assertion) = Assertion::parse(text) {
        let verified = verify(&world.party, &world.sign_in.state, &assertion, &world.passkey);
        assert!(verified.is_err(), "{text}");
    }
}

fuzz_target!(|parts: (&str, &[u8], &[u8])| {
    let (text, data, signature) = parts;
    let world = &*WORLD;
    let _ = new_credential(&world.party, &world.new.state, text);
    sign_in(text);
    let made = answer(json!({
        "clientDataJSON": client_data("webauthn.create", &world.new),
        "attestationObject": base64url::text(data),
    }));
    if let Ok((id, _)) = new_credential(&world.party, &world.new.state, &made) {
        assert!(id.len() <= 1_364);
    }
    sign_in(&answer(json!({
        "clientDataJSON": client_data("webauthn.get", &world.sign_in),
        "authenticatorData": base64url::text(data),
        "signature": base64url::text(signature),
        "userHandle": base64url::text(&[7; 16]),
    })));
});
