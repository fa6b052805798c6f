//! WIT-SVIDs, attestations and the proofs of their keys with changed bytes: a small form of the fuzz target `proofs`.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use testudo_protocol::jose::{Jwk, ProofKey, sha256};
use testudo_protocol::oauth::RequestUri;
use testudo_protocol::oauth::attestation_pop::VerifiedAttestationPop;
use testudo_protocol::oauth::dpop::{DpopExpectation, DpopProof};
use testudo_protocol::oauth::workload_proof::{VerifiedWorkloadProof, WorkloadProofExpectation};

const URI: &str = "https://as.example/token";

/// How often each token is changed.
const CHANGES: usize = 1_000;

/// A generator of numbers that gives the same ones in each run. (xorshift)
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    /// Replaces, inserts or removes up to four bytes.
    pub(super) fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let (at, byte) = (self.below(bytes.len()), u8::try_from(self.below(256)).unwrap());
            match self.below(3) {
                0 => bytes.insert(at, byte),
                1 if !bytes.is_empty() => _ = bytes.remove(at),
                _ if !bytes.is_empty() => bytes[at] = byte,
                _ => bytes.push(byte),
            }
        }
    }
}

/// Whether the token is accepted as a PoP, as a Workload Proof Token and as a DPoP proof.
fn accepted(token: &str, key: &ProofKey) -> [bool; 3] {
    let uris = [RequestUri::parse(URI).unwrap()];
    let workload_proof = WorkloadProofExpectation {
        key,
        wit: &sha256(b"wit"),
        uris: &uris,
    };
    let dpop = DpopExpectation {
        method: "POST",
        uris: &uris,
        access_token: None,
    };
    let dpop = DpopProof::parse(token).and_then(|proof| proof.verify(dpop, Timestamp(NOW)));
    [
        VerifiedAttestationPop::verify(token, key, ISSUER, Timestamp(NOW)).is_ok(),
        VerifiedWorkloadProof::verify(token, workload_proof, Timestamp(NOW)).is_ok(),
        dpop.is_ok(),
    ]
}

#[test]
fn token_with_changed_bytes_is_accepted_by_no_check_and_causes_no_panic() {
    let key = generate_key(Algorithm::ES256, Some("k"));
    let jwk: Jwk = serde_json::from_str(&key.proof_jwk()).unwrap();
    let confirmed = ProofKey::from_jwk(&jwk).unwrap();
    let (none, [pop, wpt, dpop]) = (
        [false; 3],
        [[true, false, false], [false, true, false], [false, false, true]],
    );
    let mut numbers = Numbers(7);
    for (name, draft, expected) in [
        (
            "WIT-SVID",
            Draft::wit_svid(&key, "spiffe://a.example/x", &key, NOW),
            none,
        ),
        ("attestation", Draft::attestation(&key, "c5", &key, NOW), none),
        ("PoP", Draft::attestation_pop(&key, ISSUER, "1", NOW), pop),
        ("WPT", Draft::workload_proof(&key, "wit", URI, "1", NOW), wpt),
        ("DPoP", Draft::dpop(&key, URI, "1", NOW), dpop),
    ] {
        let token = draft.sign();
        assert_eq!(accepted(&token, &confirmed), expected, "{name}");
        let parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let parts: Vec<Vec<u8>> = parts.collect();
        for round in 0..CHANGES {
            let mut changed = parts.clone();
            numbers.change(&mut changed[round % 3]);
            if changed == parts {
                continue;
            }
            let token = assemble(&changed[0], &changed[1], &changed[2]);
            assert_eq!(accepted(&token, &confirmed), none, "{name}: {token}");
            for kind in [CredentialKind::WitSvid, CredentialKind::Attestation] {
                if let Err(rejection) = recognise(&Presented::new(kind, token.clone())) {
                    let answer = rejection.answer(Endpoint::None);
                    assert_eq!(
                        (answer.status, &*answer.sentence),
                        (400, "client authentication failed"),
                        "{token}"
                    );
                }
            }
        }
    }
}
