#![no_main]
//! Compact JWS and both doors, up to the signature.

use libfuzzer_sys::fuzz_target;
use testudo_core::CredentialKind;
use testudo_core::doors::{Presented, recognise};
use testudo_core::rejection::Endpoint;
use testudo_fuzz::parse_within_limits;
use testudo_protocol::jose::{Jws, KeySet};

fuzz_target!(|text: &str| {
    for kind in [CredentialKind::JwtSvid, CredentialKind::PrivateKeyJwt] {
        parse_within_limits(text.len(), || parse_as(kind, text));
    }
    if let Ok(jws) = Jws::parse(text) {
        assert!(jws.verify(&KeySet::default()).is_err(), "an empty key set must verify no token");
    }
});

fn parse_as(kind: CredentialKind, text: &str) {
    if let Err(rejection) = recognise(&Presented::new(kind, text.to_owned())) {
        let answer = rejection.answer(Endpoint::None);
        assert_eq!(answer.sentence, "client authentication failed");
    }
}
