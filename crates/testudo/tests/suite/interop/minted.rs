//! An issuer whose private key is in the test, for tokens that Testudo would not issue.

use super::shop::RESOURCE;
use crate::binary::now;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::token::{Draft, assemble};
use testudo_testkit::{generate_key, key_set};

pub const SUBJECT: &str = "spiffe://prod.example/ns/shop/sa/pay";

pub struct Minted {
    pub issuer: String,
    key: SigningKey,
}

impl Minted {
    /// An issuer with this URL. Its keys are published by the caller.
    pub fn named(issuer: String) -> Minted {
        let key = generate_key(Algorithm::ES256, None);
        Minted { issuer, key }
    }

    /// An issuer that serves its keys and a copy of the metadata of `server`, until the process ends.
    pub fn like(server: &str, metadata: &str) -> Minted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let minted = Minted::named(format!("http://{}", listener.local_addr().unwrap()));
        let metadata = metadata.replace(server, &minted.issuer);
        let jwks = minted.jwks();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).unwrap_or_default();
                let is_for_keys = request[..length].starts_with(b"GET /jwks");
                let body = if is_for_keys { &jwks } else { &metadata };
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
                let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            }
        });
        minted
    }

    pub fn jwks(&self) -> String {
        key_set(&[&self.key]).to_string()
    }

    /// A valid token in the format of Testudo's tokens.
    pub fn good(&self) -> String {
        self.draft(&self.key).sign()
    }

    /// Tokens that every API must refuse, each with one fault.
    pub fn wrong(&self) -> Vec<(&'static str, String)> {
        let draft = || self.draft(&self.key);
        // The same `kid`, so that only the signature is wrong.
        let other = generate_key(Algorithm::ES256, Some(self.key.kid()));
        let unsigned = draft().header("alg", "none");
        let past = now() - 600;
        vec![
            ("no token", String::new()),
            (
                "another audience",
                draft().claim("aud", "https://other.example").sign(),
            ),
            (
                "another issuer",
                draft().claim("iss", "https://other.example").sign(),
            ),
            (
                "expired",
                draft().claim("iat", past - 300).claim("exp", past).sign(),
            ),
            ("another key", self.draft(&other).sign()),
            (
                "no signature",
                assemble(
                    unsigned.header.to_string().as_bytes(),
                    unsigned.claims.to_string().as_bytes(),
                    b"",
                ),
            ),
            ("another type", draft().header("typ", "JWT").sign()),
        ]
    }

    fn draft<'k>(&self, key: &'k SigningKey) -> Draft<'k> {
        Draft::svid(key, SUBJECT, RESOURCE, now())
            .header("typ", "at+jwt")
            .claim("aud", RESOURCE)
            .claim("iss", self.issuer.as_str())
            .claim("client_id", SUBJECT)
            .claim("jti", "1")
            .claim("scope", "orders.read")
    }
}
