//! The switch of an authority.

use super::*;
use crate::admin::trust::{disable, enable, known};

#[test]
fn authority_that_is_as_ordered_already_is_not_written_and_has_no_event() {
    let a = authority("spiffe://a.example");
    check(
        &disable(&order(), &a, Some(1)),
        &[],
        "a.example: disabled already",
    );
    check(&enable(&order(), &a, None), &[], "a.example: enabled already");
}

#[test]
fn switch_is_inserted_where_it_is_absent_and_removed_at_its_version() {
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
