#![no_main]
//! Verifiable credentials, their disclosures, DIDs and status lists. The first part of the input chooses what is parsed.

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use testudo_protocol::Timestamp;
use testudo_protocol::credentials::did::document::{Relationship, keys};
use testudo_protocol::credentials::did::{Did, split_key_id};
use testudo_protocol::credentials::disclosures::resolve;
use testudo_protocol::credentials::presentation::Presentation;
use testudo_protocol::credentials::sd_jwt::{self, SdJwt};
use testudo_protocol::credentials::vc_jwt::{self, Model};
use testudo_protocol::credentials::{issuer_metadata, status};
use testudo_protocol::jose::{KeySet, encode_segment};

const NOW: Timestamp = Timestamp(1_795_000_010);

fn encoded(part: &[u8]) -> String {
    let mut text = String::new();
    encode_segment(part, &mut text);
    text
}

fuzz_target!(|parts: (u8, &str, &str, Vec<&str>)| {
    let (what, first, second, more) = parts;
    match what % 5 {
        0 => {
            if let Ok(did) = Did::parse(first) {
                // A DID leads to exactly one of a key and a URL.
                assert!(did.own_key().is_some() != did.document_url().is_some());
                if let Some(url) = did.document_url() {
                    assert!(url.starts_with("https://"));
                }
                let _ = keys(&did, second.as_bytes(), Relationship::Assertion);
            }
            let _ = split_key_id(first);
        }
        1 => {
            let payload = serde_json::from_str::<Map<String, Value>>(first);
            let disclosures: Vec<String> = more.iter().map(|text| encoded(text.as_bytes())).collect();
            let disclosures: Vec<&str> = disclosures.iter().map(String::as_str).collect();
            if let Ok(disclosed) = payload.map(|payload| resolve(payload, &disclosures)).unwrap_or_else(|_| {
                resolve(Map::new(), &disclosures)
            }) {
                let _ = sd_jwt::read(&disclosed);
            }
            let _ = SdJwt::parse(first);
        }
        2 => {
            if let Ok(payload) = serde_json::from_str::<Map<String, Value>>(first) {
                for model in [Model::First, Model::Second] {
                    if let Ok(claims) = vc_jwt::read(model, &payload) {
                        assert!(!claims.subject.is_empty());
                    }
                }
            }
            let token = [first.as_bytes(), second.as_bytes(), b"x"].map(encoded).join(".");
            let _ = Presentation::parse(&token);
        }
        3 => {
            let _ = issuer_metadata::read(first, second.as_bytes());
            if let Some(url) = issuer_metadata::url(first) {
                assert!(url.starts_with("https://"));
            }
        }
        _ => {
            // The input has no signature by a key.
            let token = [first.as_bytes(), second.as_bytes(), b"x"].map(encoded).join(".");
            assert!(status::read_token_list(&token, "https://s.example", &KeySet::default(), NOW).is_err());
        }
    }
});
