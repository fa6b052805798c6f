//! Fake issuers, broken credentials, an HTTP client that can send malformed requests, and a load driver, for tests and
//! benchmarks. The binary does not contain this crate; the issuer of `testudo dev` is in `testudo-issuer`.

#![warn(clippy::wildcard_enum_match_arm)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "an error in a test panics"
)]

pub mod ci;
mod go_tools;
pub mod held_writes;
pub mod hostile;
pub mod http;
pub mod kubernetes;
pub mod load;
pub mod passkey;
pub mod passkey_pages;
pub mod patroni;
pub mod person;
pub mod pgbouncer;
mod ports;
pub mod postgres;
pub mod scratch;
pub mod spire;
pub mod status_list;
pub mod token;
pub mod web;
pub mod workload_api;
pub mod x509;

pub use ports::free_port;
pub use testudo_issuer::{TestIssuer, generate_key};

/// The first address in the line that `testudo serve` prints when it is ready.
pub fn ready_address(line: &str) -> std::net::SocketAddr {
    let rest = line.split("://").nth(1).unwrap();
    rest.split([',', ' ']).next().unwrap().parse().unwrap()
}

/// The JWK Set with the public halves of these keys.
pub fn key_set(keys: &[&testudo_protocol::jose::SigningKey]) -> serde_json::Value {
    let keys: Vec<_> = keys.iter().map(|key| key.public_jwk("sig", true)).collect();
    serde_json::json!({ "keys": keys })
}

/// A form body with the parameters of a JWT-SVID request.
pub fn svid_form(svid: &str, more: &[(&str, &str)]) -> String {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
    form_with_assertion(kind, svid, more)
}

/// A form body with the parameters of a token request by an assertion that is not a JWT-SVID.
pub fn assertion_form(assertion: &str, more: &[(&str, &str)]) -> String {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    form_with_assertion(kind, assertion, more)
}

fn form_with_assertion(kind: &str, assertion: &str, more: &[(&str, &str)]) -> String {
    let own = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", kind),
        ("client_assertion", assertion),
    ];
    form(&[&own, more].concat())
}

/// A form body of exactly these parameters.
pub fn form(parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    (byte as char).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}
