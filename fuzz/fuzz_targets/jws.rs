#![no_main]
//! Compact JWS and both doors, up to the signature.

use libfuzzer_sys::fuzz_target;
use testudo_core::CredentialKind;
use testudo_core::doors::{Presented, recognise};
use testudo_core::rejection::Endpoint;
use testudo_protocol::jose::{Jws, KeySet};

fuzz_target!(|text: &str| {
    if let Ok(jws) = Jws::parse(text) {
        assert!(jws.verify(&KeySet::default()).is_err(), "an empty key set must verify no token");
    }
    for kind in [CredentialKind::JwtSvid, CredentialKind::PrivateKeyJwt] {
        if let Err(rejection) = recognise(&Presented::new(kind, text.to_owned())) {
            let answer = rejection.answer(Endpoint::None);
            assert_eq!(answer.sentence, "client authentication failed");
        }
    }
});
