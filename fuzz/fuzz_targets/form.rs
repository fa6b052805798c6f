#![no_main]
//! Token requests: the form, the grant, the mechanism.

use libfuzzer_sys::fuzz_target;
use testudo_core::doors::{Presented, RequestHeaders};
use testudo_core::grants::GrantRequest;
use testudo_core::rejection::Endpoint;
use testudo_protocol::oauth::Form;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut form) = Form::parse(bytes) else { return };
    if let Err(rejection) = GrantRequest::parse(&form) {
        assert!(rejection.answer(Endpoint::None).status < 500);
    }
    if let Err(rejection) = Presented::find(&mut form, RequestHeaders::default()) {
        assert!(rejection.answer(Endpoint::None).status < 500);
    }
});
