//! Passkeys in Chromium, with an authenticator that its debugger makes.

use super::{PEOPLE, Pages};
use crate::administration::events;

/// Runs a walk, in which administrators invite people, and returns how many accounts were created and recovered.
fn check(walk: &str) -> Option<(usize, usize)> {
    let pages = Pages::start(PEOPLE)?;
    pages.walk_with_invitations("passkeys.mjs", walk);
    let count = |kind| events(&pages.site, kind).len();
    Some((count("person.created"), count("person.recovered")))
}

#[test]
fn invited_person_makes_a_passkey_signs_in_for_an_application_and_recovers_the_account() {
    let counts = check("invited_person_signs_in");
    assert!(counts.is_none_or(|counts| counts == (1, 1)), "{counts:?}");
}

#[test]
fn person_whom_the_authenticator_does_not_verify_makes_and_uses_no_passkey() {
    let counts = check("refused_by_the_browser");
    assert!(counts.is_none_or(|counts| counts == (1, 1)), "{counts:?}");
}
