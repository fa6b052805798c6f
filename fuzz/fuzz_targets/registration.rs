#![no_main]
//! Registration requests: the body, member by member.

use libfuzzer_sys::fuzz_target;
use testudo_core::metadata::keys::key_set;
use testudo_core::metadata::requested::RequestedMetadata;
use testudo_core::rejection::{Authorization, Endpoint, Statement};
use testudo_protocol::oauth::redirect_uri;

fuzz_target!(|bytes: &[u8]| {
    match RequestedMetadata::parse(bytes) {
        Ok(requested) => {
            let uris = requested.redirect_uris.as_ref();
            assert!(uris.is_none_or(|uris| !uris.is_empty()));
            assert!(requested.scope.is_none_or(|scope| !scope.is_empty()));
            for uri in uris.into_iter().flatten() {
                if redirect_uri::form(uri).is_ok() {
                    assert!(uri.is_ascii() && !uri.contains(['#', '\\', ' ']));
                }
            }
            assert!(requested.jwks.is_none_or(|jwks| key_set(&jwks).is_ok()));
        }
        Err(rejection) => {
            let answer = rejection.answer(Endpoint::Registration {
                statement: Statement::Absent,
                authorization: Authorization::Absent,
            });
            assert_eq!(answer.status, 400);
            assert!(answer.sentence.is_ascii());
        }
    }
});
