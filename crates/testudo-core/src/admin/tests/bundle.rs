//! Tests of bundles that are used, held back, or accepted by an administrator.

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
fn bundle_with_a_lower_or_missing_sequence_is_held_back() {
    for (held, sequence, is_empty, taken) in [
        (None, None, false, true),
        (None, Some(0), false, true),
        (Some(2), Some(2), false, true),
        (Some(2), Some(3), false, true),
        (Some(2), Some(1), false, false),
        (Some(2), Some(0), false, false),
        (Some(2), None, false, false),
        (Some(u64::MAX), Some(u64::MAX - 1), false, false),
        // A document without keys is used and does not lower the floor.
        (Some(2), None, true, true),
        (Some(2), Some(1), true, false),
    ] {
        let offered = Offered {
            sequence,
            is_empty,
            ..Offered::default()
        };
        let expected = match (taken, held) {
            (true, _) => Ok(()),
            (false, held) => Err(HeldBack::LowerSequence {
                held: held.unwrap(),
                offered: sequence,
            }),
        };
        assert_eq!(floor(0, held).check(&offered), expected, "{held:?} {offered:?}");
        // Using a bundle never lowers the floor.
        assert_eq!(floor(7, held).after(&offered), floor(7, held.max(sequence)));
    }
}

// Row DID-25.
#[test]
fn document_with_a_new_key_is_held_back_whatever_its_sequence_is_until_it_is_accepted() {
    let new_key = Some([7; 32]);
    for (held, sequence) in [(None, None), (Some(2), Some(3))] {
        let offered = Offered {
            new_key,
            ..offered(sequence)
        };
        let held_back = HeldBack::NewKey { thumbprint: [7; 32] };
        assert_eq!(floor(7, held).check(&offered), Err(held_back), "{held:?}");
        let accepted = accept(&order(), floor(7, held), true, &offered);
        assert_eq!(accepted.floor, floor(NOW.0, sequence), "{held:?}");
        let what = accepted.what.unwrap();
        assert!(
            what.contains("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"),
            "{what}"
        );
        assert!(
            what.contains("not among the keys that were accepted last"),
            "{what}"
        );
    }
}

#[test]
fn accepting_a_bundle_that_is_not_held_back_changes_no_floor_and_is_not_recorded() {
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
fn accepted_floor_is_higher_than_every_earlier_floor() {
    for (case, before, sequence, at) in [
        ("no earlier acceptance", 0, Some(1), NOW.0),
        ("accepted a second ago", NOW.0 - 1, Some(1), NOW.0),
        ("accepted in this second", NOW.0, Some(1), NOW.0 + 1),
        ("the clock was set back", NOW.0 + 500, Some(1), NOW.0 + 501),
        ("without a sequence", 0, None, NOW.0),
    ] {
        let held = floor(before, Some(9));
        let accepted = accept(&order(), held, true, &offered(sequence));
        assert_eq!(accepted.floor, floor(at, sequence), "{case}");
        assert!(accepted.floor > held, "{case}");
        assert!(accepted.floor.check(&offered(sequence)).is_ok(), "{case}");
        let what = accepted.what.unwrap();
        assert!(what.contains("9 was used before"), "{case}: {what}");
    }
    // The last possible time.
    let accepted = accept(&order(), floor(i64::MAX, Some(9)), true, &offered(Some(1)));
    assert_eq!(accepted.floor, floor(i64::MAX, Some(1)));
}

#[test]
fn event_of_an_acceptance_contains_why_the_bundle_was_held_back() {
    let lost = Offered {
        lost: Some("no JWT authority"),
        ..offered(Some(3))
    };
    for (is_readable, offer, expected) in [
        (true, lost, "the Workload API offers no JWT authority"),
        (
            false,
            offered(Some(3)),
            "the stored sequence could not be read and was replaced",
        ),
        (
            true,
            offered(Some(1)),
            "the source offers sequence 1, but sequence 2 was used before",
        ),
        (
            true,
            offered(None),
            "the source offers a bundle without spiffe_sequence, but sequence 2 was used before",
        ),
        (
            false,
            offered(Some(1)),
            "the source offers sequence 1, but sequence 2 was used before",
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
