#![no_main]
//! Token requests: the form, the grant, the mechanism, and the credential up to its signature.

use libfuzzer_sys::fuzz_target;
use testudo_core::doors::{Presented, RequestHeaders, recognise};
use testudo_core::grants::GrantRequest;
use testudo_core::rejection::{Endpoint, Rejection};
use testudo_fuzz::parse_within_limits;
use testudo_protocol::oauth::Form;

fuzz_target!(|bytes: &[u8]| {
    parse_within_limits(bytes.len(), || parse(bytes));
});

fn parse(bytes: &[u8]) {
    let Ok(mut form) = Form::parse(bytes) else { return };
    if let Err(rejection) = GrantRequest::parse(&form) {
        assert_is_refusal(&rejection);
    }
    let found = Presented::find(&mut form, RequestHeaders::default());
    if let Err(rejection) = found.and_then(|(presented, _)| recognise(&presented)) {
        assert_is_refusal(&rejection);
    }
}

fn assert_is_refusal(rejection: &Rejection) {
    assert!(rejection.answer(Endpoint::None).status < 500);
}
