//! Bundles that are taken, held back, or accepted by an administrator.

use super::*;
use crate::admin::bundle::{Floor, HeldBack, Offered, accept, accepted_event};

fn floor(accepted: i64, sequence: Option<u64>) -> Floor {
    Floor { accepted, sequence }
}

fn offered(sequence: Option<u64>) -> Offered {
    Offered {
        sequence,
        ..Offered::default()
    }
}

// Row I-06.
#[test]
fn bundle_is_held_back_where_its_sequence_is_lower_or_missing() {
    for (held, sequence, is_empty, taken) in [
        (None, None, false, true),
        (None, Some(0), false, true),
        (Some(2), Some(2), false, true),
        (Some(2), Some(3), false, true),
        (Some(2), Some(1), false, false),
        (Some(2), Some(0), false, false),
        (Some(2), None, false, false),
        (Some(u64::MAX), Some(u64::MAX - 1), false, false),
        // A document that lists no key lowers nothing.
        (Some(2), None, true, true),
        (Some(2), Some(1), true, false),
    ] {
        let offered = Offered {
            sequence,
            is_empty,
            lost: None,
        };
        let expected = match (taken, held) {
            (true, _) => Ok(()),
            (false, held) => Err(HeldBack {
                held: held.unwrap(),
                offered: sequence,
            }),
        };
        assert_eq!(floor(0, held).judge(&offered), expected, "{held:?} {offered:?}");
        // To take a bundle never lowers the floor.
        assert_eq!(floor(7, held).after(&offered), floor(7, held.max(sequence)));
    }
}

#[test]
fn accepting_a_bundle_that_is_not_held_back_lowers_nothing_and_is_no_acceptance() {
    for (held, sequence) in [
        (None, None),
        (None, Some(1)),
        (Some(2), Some(2)),
        (Some(2), Some(3)),
    ] {
        let accepted = accept(&order(), floor(7, held), true, &offered(sequence));
        assert_eq!(accepted.what, None, "{held:?} {sequence:?}");
        assert_eq!(
            accepted.floor,
            floor(7, held.max(sequence)),
            "{held:?} {sequence:?}"
        );
    }
}

#[test]
fn accepted_floor_is_later_than_every_floor_before_it() {
    for (case, before, sequence, at) in [
        ("none was accepted", 0, Some(1), NOW.0),
        ("accepted a second ago", NOW.0 - 1, Some(1), NOW.0),
        ("accepted in this second", NOW.0, Some(1), NOW.0 + 1),
        ("the clock was set back", NOW.0 + 500, Some(1), NOW.0 + 501),
        ("without a sequence", 0, None, NOW.0),
    ] {
        let held = floor(before, Some(9));
        let accepted = accept(&order(), held, true, &offered(sequence));
        assert_eq!(accepted.floor, floor(at, sequence), "{case}");
        assert!(accepted.floor > held, "{case}");
        assert!(accepted.floor.judge(&offered(sequence)).is_ok(), "{case}");
        let what = accepted.what.unwrap();
        assert!(what.contains("9 was taken before"), "{case}: {what}");
    }
    // The last moment that there is.
    let accepted = accept(&order(), floor(i64::MAX, Some(9)), true, &offered(Some(1)));
    assert_eq!(accepted.floor, floor(i64::MAX, Some(1)));
}

#[test]
fn acceptance_states_what_would_have_been_held_back() {
    let lost = Offered {
        lost: Some("no JWT authority"),
        ..offered(Some(3))
    };
    for (is_readable, offer, expected) in [
        (true, lost, "the Workload API names no JWT authority"),
        (
            false,
            offered(Some(3)),
            "the stored sequence could not be read, and was replaced",
        ),
        (
            true,
            offered(Some(1)),
            "sequence 1 is offered, 2 was taken before",
        ),
        (
            true,
            offered(None),
            "a bundle without spiffe_sequence is offered, sequence 2 was taken before",
        ),
        (
            false,
            offered(Some(1)),
            "sequence 1 is offered, 2 was taken before",
        ),
    ] {
        let accepted = accept(&order(), floor(0, Some(2)), is_readable, &offer);
        assert_eq!(accepted.what.as_deref(), Some(expected));
        let event = accepted_event(&order(), &authority("spiffe://a.example"), expected);
        assert_eq!(event.event.name(), "authority.bundle_accepted");
        assert_eq!(event.authority.as_deref(), Some("spiffe://a.example"));
        assert_eq!(event.detail.as_deref(), Some(expected));
        assert_eq!(event.actor.as_deref(), Some(ALICE));
        assert_eq!(event.reason.as_deref(), Some("incident 7"));
    }
}
