//! The next key, withdrawals, and retirement by the clock.

use super::*;
use crate::admin::keys::{KeysDecided, Wanted, plan, retire};
use crate::records::{StoredSigningKey, WithdrawnKey};
use crate::signing_keys::{KeyList, PUBLISHED_BEFORE_USE, SigningKeys};

fn key(kid: &str, algorithm: Algorithm, active_from: Timestamp) -> StoredSigningKey {
    StoredSigningKey {
        kid: kid.into(),
        algorithm: algorithm.name().into(),
        created: active_from,
        active_from,
        wrapped: "opaque".into(),
    }
}

/// Keys of ES256 by id and age, newest first.
fn keys(of: &[(&str, i64)]) -> SigningKeys {
    let mut list = KeyList::begin(Timestamp(0));
    let accepted = of.iter().map(|(kid, age)| {
        let record = key(kid, Algorithm::ES256, NOW - Seconds(*age));
        list.add(&record);
        Versioned { record, version: 2 }
    });
    SigningKeys {
        accepted: accepted.collect(),
        rejected: Vec::new(),
        marked: HashMap::new(),
        list,
    }
}

/// Plans and decides as the server does: it makes a key where one is needed.
fn ordered(wanted: Wanted<'_>, keys: &SigningKeys) -> Result<KeysDecided, NotDone> {
    let plan = plan(wanted, keys, Algorithm::ES256, NOW)?;
    let made = plan.needs_key(NOW).map(|from| key("new", Algorithm::ES256, from));
    Ok(plan.decide(&order(), made.as_ref()))
}

#[track_caller]
fn carried_out(wanted: Wanted<'_>, keys: &SigningKeys, written: &[&str], done: &str) -> KeysDecided {
    let decided = ordered(wanted, keys).unwrap_or_else(|why| panic!("{done}: {why:?}"));
    check(&decided.decided, written, done);
    let withdraws = written.contains(&"key.revoked");
    assert_eq!(decided.decided.warning.is_some(), withdraws, "{done}");
    decided
}

#[test]
fn next_key_is_published_before_it_signs_and_withdraws_no_other() {
    let keys = keys(&[("old", 100)]);
    let from = NOW + PUBLISHED_BEFORE_USE;
    let done = format!("new: published, signs from {from}");
    let decided = carried_out(
        Wanted::Next,
        &keys,
        &["insert SigningKey new", "key.created"],
        &done,
    );
    assert!(decided.list.lists("new") && decided.list.lists("old"));
    let events = decided.decided.changes.unwrap().events().to_vec();
    let detail = format!("new, ES256, signs from {from}");
    assert_eq!(events.first().unwrap().detail.as_deref(), Some(detail.as_str()));
}

#[test]
fn withdrawal_of_the_only_key_makes_another_one_in_the_same_batch() {
    let keys = keys(&[("only", 100)]);
    let decided = carried_out(
        Wanted::Withdrawn("only"),
        &keys,
        &[
            "insert SigningKey new",
            "delete SigningKey only @2",
            "insert WithdrawnKey only",
            "key.created",
            "key.revoked",
        ],
        "withdrawn: only; new signs from now on",
    );
    assert!(decided.list.lists("new") && !decided.list.lists("only"));
    assert_eq!(decided.list.withdrawn_at("only"), Some(NOW));
}

#[test]
fn withdrawal_makes_another_key_only_where_the_key_that_signs_goes() {
    // `next` does not sign yet, `retiring` does not sign any more.
    let keys = keys(&[("next", -300), ("active", 100), ("retiring", 200)]);
    for (kid, makes) in [("next", false), ("active", true), ("retiring", false)] {
        let decided = ordered(Wanted::Withdrawn(kid), &keys).unwrap();
        assert_eq!(decided.list.lists("new"), makes, "{kid}");
        assert!(!decided.list.lists(kid), "{kid}");
    }
    // The only one that signs with this algorithm: one of another algorithm does not take its place.
    let mut of_two = keys;
    of_two.accepted.retain(|key| key.record.kid == "active");
    let other = key("rsa", Algorithm::RS256, NOW - Seconds(50));
    of_two.list.add(&other);
    of_two.accepted.insert(
        0,
        Versioned {
            record: other,
            version: 2,
        },
    );
    for (kid, makes) in [("active", true), ("rsa", false)] {
        let decided = ordered(Wanted::Withdrawn(kid), &of_two).unwrap();
        assert_eq!(decided.list.lists("new"), makes, "{kid}");
    }
}

#[test]
fn withdrawal_of_all_keys_takes_refused_rows_too_and_marks_what_has_a_text_as_its_id() {
    let mut keys = keys(&[("b", 100), ("a", 200)]);
    keys.rejected = vec![(b"altered".to_vec(), 9), (vec![0xff], 4)];
    keys.marked.insert("altered".into(), Some(NOW));
    let decided = carried_out(
        Wanted::OnlyNew,
        &keys,
        &[
            "insert SigningKey new",
            "delete SigningKey b @2",
            "insert WithdrawnKey b",
            "delete SigningKey a @2",
            "insert WithdrawnKey a",
            // It has its mark.
            "delete SigningKey altered @9",
            "delete SigningKey \u{fffd} @4",
            "key.created",
            "key.revoked",
            "key.revoked",
            "key.revoked",
            "key.revoked",
        ],
        "withdrawn: b a altered \u{fffd}; new signs from now on",
    );
    let withdrawn: Vec<&str> = decided.list.withdrawn().collect();
    assert_eq!(withdrawn, ["b", "a", "altered"]);
    carried_out(
        Wanted::OnlyNew,
        &self::keys(&[]),
        &["insert SigningKey new", "key.created"],
        "new signs from now on",
    );
}

#[test]
fn key_that_is_not_there_is_not_withdrawn() {
    let mut keys = keys(&[("a", 100)]);
    let earlier = NOW - Seconds(60);
    keys.marked.insert("gone".into(), Some(earlier));
    keys.marked.insert("unread".into(), None);
    keys.list.withdraw("gone", earlier);
    let already = format!("withdrawn already, at {earlier}");
    for (kid, words) in [
        ("", "no signing key has this id"),
        ("A", "no signing key has this id"),
        ("a ", "no signing key has this id"),
        ("unknown", "no signing key has this id"),
        ("gone", already.as_str()),
        ("unread", "the mark of its withdrawal cannot be read"),
    ] {
        check_not_done(ordered(Wanted::Withdrawn(kid), &keys), true, words);
    }
}

#[test]
fn mark_that_was_removed_is_made_again_with_the_time_of_the_withdrawal() {
    let mut keys = keys(&[("a", 100)]);
    let earlier = NOW - Seconds(60);
    keys.list.withdraw("gone", earlier);
    let decided = carried_out(
        Wanted::Withdrawn("gone"),
        &keys,
        &["insert WithdrawnKey gone", "key.revoked"],
        "withdrawn: gone",
    );
    let batch = decided.decided.changes.unwrap().batch();
    let Some(Write::Insert(document)) = batch.writes.first() else {
        panic!("{batch:?}");
    };
    let mark: WithdrawnKey = serde_json::from_slice(&document.body).unwrap();
    assert_eq!((mark.at, mark.reason.as_deref()), (earlier, Some("incident 7")));
}

#[test]
fn withdrawn_key_whose_row_is_back_is_removed_again_and_keeps_its_time() {
    let mut keys = keys(&[("a", 100)]);
    let earlier = NOW - Seconds(60);
    keys.rejected = vec![(b"gone".to_vec(), 5)];
    keys.marked.insert("gone".into(), Some(earlier));
    keys.list.withdraw("gone", earlier);
    let decided = carried_out(
        Wanted::Withdrawn("gone"),
        &keys,
        &["delete SigningKey gone @5", "key.revoked"],
        "withdrawn: gone",
    );
    assert_eq!(decided.list.withdrawn_at("gone"), Some(earlier));
}

#[test]
fn key_retires_two_hours_after_its_successor_took_over_and_not_before() {
    for (case, of, expected) in [
        ("no key", &[][..], &[][..]),
        ("the only key, however old", &[("a", 1_000_000)], &[]),
        (
            "a key that signs and one that will",
            &[("b", -1), ("a", 1_000_000)],
            &[],
        ),
        ("a second before", &[("b", 7199), ("a", 8000)], &[]),
        ("at the second", &[("b", 7200), ("a", 8000)], &["a"]),
        (
            "two of them",
            &[("c", 7200), ("b", 8000), ("a", 20_000)],
            &["b", "a"],
        ),
        ("one of them", &[("c", 100), ("b", 8000), ("a", 20_000)], &["a"]),
    ] {
        let keys = keys(of);
        let outcome = retire(&order(), &keys, Algorithm::ES256);
        let over: Vec<&str> = expected.to_vec();
        let Some((changes, list)) = outcome else {
            assert!(over.is_empty(), "{case}");
            continue;
        };
        let deletions = over.iter().map(|kid| format!("delete SigningKey {kid} @2"));
        let events = over.iter().map(|_| "key.retired".to_owned());
        let written: Vec<String> = deletions.chain(events).collect();
        assert_eq!(lines(&changes.batch()), written, "{case}");
        for (kid, _) in of {
            assert_eq!(list.lists(kid), !over.contains(kid), "{case}: {kid}");
            assert_eq!(
                list.withdrawn_at(kid),
                None,
                "{case}: to retire is not to be withdrawn"
            );
        }
    }
}
