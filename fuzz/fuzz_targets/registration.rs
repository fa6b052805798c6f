#![no_main]
//! Registration requests: the body, member by member.

use libfuzzer_sys::fuzz_target;
use testudo_core::registration::requested::Requested;

fuzz_target!(|bytes: &[u8]| {
    match Requested::parse(bytes) {
        Ok(requested) => {
            let uris = requested.redirect_uris.as_ref();
            assert!(uris.is_none_or(|uris| !uris.is_empty()));
            assert!(requested.scope.is_none_or(|scope| !scope.is_empty()));
        }
        Err(rejection) => {
            assert_eq!(rejection.code_of_statement().status(), 400);
            assert!(rejection.sentence_of_statement().is_ascii());
        }
    }
});
