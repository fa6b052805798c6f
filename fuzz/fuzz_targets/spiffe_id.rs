#![no_main]
//! SPIFFE IDs and patterns: a parsed id prints the same text, and an id as a pattern matches itself.

use libfuzzer_sys::fuzz_target;
use testudo_core::Authority;
use testudo_core::rules::Pattern;
use testudo_protocol::spiffe::SpiffeId;

fuzz_target!(|text: &str| {
    if let Ok(id) = SpiffeId::parse(text) {
        assert_eq!(id.as_str(), text);
        assert_eq!(format!("spiffe://{}{}", id.trust_domain_name(), id.path()), text);
        if !id.path().is_empty() {
            let pattern = Pattern::parse(text).expect("an id with a path is a valid pattern");
            assert!(pattern.matches(&Authority::from(&id), text).is_some());
        }
    }
    if let Ok(pattern) = Pattern::parse(text) {
        assert!(pattern.covers(&pattern));
    }
});
