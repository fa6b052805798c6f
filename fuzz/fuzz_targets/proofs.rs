#![no_main]
//! WIT-SVIDs, client attestations and the proofs of their keys, up to the signature: the input is a header and claims.

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use testudo_core::CredentialKind;
use testudo_core::doors::{Presented, recognise};
use testudo_core::rejection::Endpoint;
use testudo_fuzz::parse_within_limits;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{ProofKey, encode_segment, sha256};
use testudo_protocol::oauth::RequestUri;
use testudo_protocol::oauth::attestation_pop::VerifiedAttestationPop;
use testudo_protocol::oauth::dpop::{DpopExpectation, DpopProof};
use testudo_protocol::oauth::workload_proof::{VerifiedWorkloadProof, WorkloadProofExpectation};

const NOW: Timestamp = Timestamp(1_795_636_000);

/// The key of the example in RFC 7515, A.3.
static KEY: LazyLock<ProofKey> = LazyLock::new(|| {
    let jwk = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    ProofKey::from_jwk(&serde_json::from_str(jwk).expect("a JWK")).expect("a public key")
});

fuzz_target!(|parts: (&str, &str, &[u8])| {
    let (header, claims, signature) = parts;
    let encoded = |part: &[u8]| {
        let mut text = String::new();
        encode_segment(part, &mut text);
        text
    };
    let token = [header.as_bytes(), claims.as_bytes(), signature].map(encoded).join(".");
    for kind in [CredentialKind::WitSvid, CredentialKind::Attestation] {
        parse_within_limits(token.len(), || parse_as(kind, &token));
    }
    parse_within_limits(token.len(), || drop(DpopProof::parse(&token)));
    // The input has no signature by the key.
    let uris = [RequestUri::parse("https://as.example/token").expect("a URI")];
    assert!(VerifiedAttestationPop::verify(&token, &KEY, "https://as.example", NOW).is_err());
    let wit = sha256(header.as_bytes());
    let expected = WorkloadProofExpectation { key: &KEY, wit: &wit, uris: &uris };
    assert!(VerifiedWorkloadProof::verify(&token, expected, NOW).is_err());
    let expected = DpopExpectation { method: "POST", uris: &uris, access_token: None };
    let dpop = DpopProof::parse(&token).and_then(|proof| proof.verify(expected, NOW));
    assert!(dpop.is_err());
});

fn parse_as(kind: CredentialKind, token: &str) {
    if let Err(rejection) = recognise(&Presented::new(kind, token.to_owned())) {
        let answer = rejection.answer(Endpoint::None);
        assert_eq!((answer.status, &*answer.sentence), (400, "client authentication failed"));
    }
}
