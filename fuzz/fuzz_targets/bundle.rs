#![no_main]
//! Bundle documents and key sets.

use libfuzzer_sys::fuzz_target;
use testudo_protocol::jose::KeySet;
use testudo_protocol::spiffe::Bundle;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(bundle) = Bundle::parse(bytes) {
        assert!(bundle.jwt_keys.iter().all(|key| key.kid().is_some()));
        assert!(bundle.refresh_hint.is_none_or(|hint| (60..=86_400).contains(&hint.0)));
    }
    let _ = KeySet::from_jwks(bytes);
});
