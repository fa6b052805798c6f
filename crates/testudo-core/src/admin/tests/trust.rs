//! Tests of disabling and enabling authorities.

use super::*;
use crate::admin::trust::{disable, enable, known};

#[test]
fn disabling_a_disabled_and_enabling_an_enabled_authority_writes_nothing() {
    let a = authority("spiffe://a.example");
    check(
        &disable(&order(), &a, Some(1)),
        &[],
        "a.example is disabled already",
    );
    check(&enable(&order(), &a, None), &[], "a.example is enabled already");
}

#[test]
fn switch_is_inserted_by_disabling_and_removed_at_its_version_by_enabling() {
    let a = authority("spiffe://a.example");
    check(
        &disable(&order(), &a, None),
        &["insert Switch spiffe://a.example", "authority.disabled"],
        "a.example: disabled",
    );
    check(
        &enable(&order(), &a, Some(8)),
        &["delete Switch spiffe://a.example @8", "authority.enabled"],
        "a.example: enabled",
    );
}

#[test]
fn name_that_no_configured_authority_has_is_not_found() {
    for name in [
        "",
        "b.example",
        "A.example",
        "a.example/",
        "spiffe://",
        "ops-tool",
    ] {
        check_not_done(known(name, &policy()), true, "no trust domain or issuer named");
    }
    for name in ["a.example", "spiffe://a.example"] {
        assert_eq!(known(name, &policy()), Ok(authority("spiffe://a.example")));
    }
}
