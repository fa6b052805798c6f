//! No type that contains a secret prints it with `Debug`: a host application, a failed test or a line of the log could
//! print the value. `cargo xtask tidy` checks the sources for types that derive it (`xtask/src/tidy/secrets.rs`). The
//! tokens and the answers that only a request can make are in `crates/testudo-client/tests/tokens.rs` and
//! `crates/testudo-fetch/src/tests.rs`.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::path::Path;
use testudo_client::{
    Attested, ClientIdentity, FetcherOptions, Outgoing, PrivateKey, Svid, TokenClient, TokenHeaders,
};
use testudo_core::admission::client_name::OpaqueKey;
use testudo_core::doors::{ClientAssertion, Credential, Evidence, Presented, RequestHeaders};
use testudo_core::metadata::requested::RequestedMetadata;
use testudo_core::possession::PresentedProofs;
use testudo_core::signing_keys::SigningKeys;
use testudo_core::tokens::access_token::IssuedToken;
use testudo_protocol::jose::{Jws, SigningKey};
use testudo_protocol::oauth::Form;
use testudo_protocol::oauth::server_nonce::ServerNonces;
use testudo_resource::{Dpop, DpopRequest};
use testudo_server::config::sections::ConfigFile;
use testudo_server::key_encryption::KeyEncryption;
use testudo_server::state::certificates::Certificate;
use testudo_store::PostgresAddress;

/// The secret of every value here: 32 bytes, so that it can be a key.
const SECRET: &str = "hidden-secret-of-32-bytes-long-x";

/// Whether a type has `Debug`: the constant of the first block is used where the type has it, else that of the trait.
struct Of<T>(PhantomData<T>);

trait WithoutDebug {
    const HAS_DEBUG: bool = false;
}

impl<T> WithoutDebug for Of<T> {}

impl<T: Debug> Of<T> {
    const HAS_DEBUG: bool = true;
}

macro_rules! with_debug {
    ($($type:ty),* $(,)?) => {
        [$((stringify!($type), Of::<$type>::HAS_DEBUG)),*]
    };
}

#[test]
fn types_of_keys_credentials_and_tokens_have_no_debug() {
    for (name, has_debug) in with_debug![
        SigningKey,
        SigningKeys,
        OpaqueKey,
        KeyEncryption,
        ServerNonces,
        PrivateKey,
        Dpop,
        Jws,
        Presented,
        Evidence,
        PresentedProofs,
        RequestHeaders,
        Credential,
        ClientAssertion,
        IssuedToken,
        Attested,
        TokenClient,
        TokenHeaders,
        Outgoing<'static>,
    ] {
        assert!(!has_debug, "{name} has Debug");
    }
    for (name, has_debug) in with_debug![Form, Certificate] {
        assert!(has_debug, "the Debug of {name} is not found");
    }
}

/// The forms in which `Debug` could print the secret: as text, as a list of bytes, and encoded.
fn prints_secret(text: &str) -> bool {
    use base64::Engine as _;
    let list = |bytes: &[u8]| {
        let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
        numbers.join(", ")
    };
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(SECRET);
    let text = text
        .replace(",\n", ", ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    [
        SECRET.to_owned(),
        list(SECRET.as_bytes()),
        encoded,
        hex::encode(SECRET),
    ]
    .iter()
    .any(|form| text.contains(form))
}

#[test]
fn debug_of_values_that_contain_a_secret_does_not_print_it() {
    let database = format!("postgres://testudo:{SECRET}@127.0.0.1/testudo");
    let store = serde_json::json!({ "url": database, "key_encryption_key": SECRET });
    let sections: ConfigFile = serde_json::from_value(serde_json::json!({ "store": store })).unwrap();
    let text = format!(
        "issuer = \"https://as.example\"\n[store]\nurl = \"{database}\"\nkey_encryption_key = \"{}\"\n",
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, SECRET)
    );
    let (configuration, _) = testudo_server::config::parse(&text, Path::new("/"), 1).unwrap();
    let identity = ClientIdentity {
        chain: Vec::new(),
        private_key: SECRET.into(),
    };
    let options = FetcherOptions {
        client_identity: Some(identity.clone()),
        ..FetcherOptions::default()
    };
    let request = DpopRequest {
        token: SECRET,
        proof: SECRET,
        method: "GET",
        path: "/",
        certificate: None,
    };
    let form = format!("client_assertion={SECRET}&client_secret={SECRET}");
    let metadata = serde_json::json!({ "software_statement": SECRET }).to_string();
    let members = RequestedMetadata::members(metadata.as_bytes()).unwrap();
    let values: [(&str, &dyn Debug); 10] = [
        ("sections of a configuration", &sections),
        ("configuration", &configuration),
        (
            "address of a database",
            &PostgresAddress::parse(&database, false).unwrap(),
        ),
        ("form", &Form::parse(form.as_bytes()).unwrap()),
        ("registration", &RequestedMetadata::of(&members).unwrap()),
        ("JWT-SVID of the SDK", &Svid::Jwt(SECRET.to_owned())),
        ("client certificate", &identity),
        (
            "X.509-SVID of the SDK",
            &Svid::X509 {
                spiffe_id: "spiffe://prod.example/x".to_owned(),
                identity: identity.clone(),
            },
        ),
        ("options of a fetcher", &options),
        ("request with a bound token", &request),
    ];
    for (name, value) in values {
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            assert!(!prints_secret(&text), "{name}: {text}");
        }
    }
}

#[test]
fn secret_is_found_in_every_form_in_which_debug_can_print_it() {
    let bytes = SECRET.as_bytes().to_vec();
    for text in [
        format!("{SECRET:?}"),
        format!("{bytes:?}"),
        format!("{bytes:#?}"),
        format!("{:?}", Some((1, bytes))),
    ] {
        assert!(prints_secret(&text), "{text}");
    }
    assert!(!prints_secret("hidden"));
}
