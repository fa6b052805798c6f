//! Recognizes code that is compiled for tests only. It makes no arrows.

use syn::{Attribute, Meta, Token, punctuated::Punctuated};

/// True if the item is compiled for tests only: it has `#[test]`, or a `#[cfg]` that cannot be true without `test`.
pub fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => attribute
            .parse_args::<Meta>()
            .is_ok_and(|condition| needs_test(&condition)),
        Meta::List(_) | Meta::NameValue(_) => false,
    })
}

/// True for `#[cfg_attr(test, …)]`: the attributes in it are for tests only.
pub fn is_cfg_attr_of_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg_attr")
        && attribute
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|parts| parts.first().is_some_and(needs_test))
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let Ok(parts) = parts else {
                return false;
            };
            if list.path.is_ident("all") {
                parts.iter().any(needs_test)
            } else {
                list.path.is_ident("any") && !parts.is_empty() && parts.iter().all(needs_test)
            }
        }
        Meta::NameValue(_) => false,
    }
}
