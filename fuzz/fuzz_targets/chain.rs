#![no_main]
//! Certificate chains: arbitrary bytes, and a valid chain with replaced bytes.

use libfuzzer_sys::fuzz_target;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::{X509Authorities, X509Svid, check_client_key};

/// A time at which the seed certificates are valid.
const WITHIN: i64 = 1_795_636_000;
const ROOT: &[u8] = include_bytes!("../seeds/root.der");
const INTERMEDIATE: &[u8] = include_bytes!("../seeds/intermediate.der");
const LEAF: &[u8] = include_bytes!("../seeds/leaf.der");

fuzz_target!(|bytes: &[u8]| {
    check(&pieces(bytes));
    let mut good = [LEAF.to_vec(), INTERMEDIATE.to_vec()];
    for change in bytes.chunks_exact(4) {
        let [which, high, low, value] = *change else { continue };
        let der = &mut good[usize::from(which % 2)];
        let at = usize::from(u16::from_be_bytes([high, low])) % der.len();
        der[at] = value;
    }
    let verified = check(&good);
    assert!(verified || good[0] != LEAF || good[1] != INTERMEDIATE, "the seed certificates must verify");
});

/// Certificates with two bytes of length before each.
fn pieces(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (piece, rest) = rest.split_at(length);
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    pieces
}

/// True if the chain verifies.
fn check(chain: &[Vec<u8>]) -> bool {
    if let Some(leaf) = chain.first() {
        let _ = check_client_key(leaf);
    }
    let Ok(svid) = X509Svid::parse(chain) else { return false };
    let mut authorities = X509Authorities::default();
    let _ = authorities.push(ROOT);
    // The seed certificates are valid for an hour. A chain that verifies must have the signed identity.
    [0, WITHIN, 1_900_000_000].into_iter().any(|now| {
        let verified = svid.verify(&authorities, Timestamp(now)).is_ok();
        assert!(!verified || svid.unverified_spiffe_id().as_str() == "spiffe://a.example/ns/pay/sa/api");
        verified
    })
}
