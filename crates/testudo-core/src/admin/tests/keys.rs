//! Tests of creating the next key, withdrawing keys, and removing retired keys.

use super::*;
use crate::admin::keys::{KeyOrder, KeysDecided, plan, retire};
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

/// ES256 keys with these ids and ages, newest first.
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

/// Plans and decides as the server does; creates a key if one is needed.
fn ordered(wanted: KeyOrder<'_>, keys: &SigningKeys) -> Result<KeysDecided, NotDone> {
    let plan = plan(wanted, keys, Algorithm::ES256, NOW)?;
    let made = plan.needs_key(NOW).map(|from| key("new", Algorithm::ES256, from));
    Ok(plan.decide(&order(), made.as_ref()))
}

#[track_caller]
fn carried_out(wanted: KeyOrder<'_>, keys: &SigningKeys, written: &[&str], done: &str) -> KeysDecided {
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
    let done = format!("new is published and signs from {from}");
    let decided = carried_out(
        KeyOrder::Next,
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
fn withdrawal_of_the_only_key_creates_a_new_one_in_the_same_batch() {
    let keys = keys(&[("only", 100)]);
    let decided = carried_out(
        KeyOrder::Withdrawn("only"),
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
fn withdrawal_creates_a_new_key_only_if_the_signing_key_is_withdrawn() {
    // `next` does not sign yet, `retiring` does not sign any more.
    let keys = keys(&[("next", -300), ("active", 100), ("retiring", 200)]);
    for (kid, makes) in [("next", false), ("active", true), ("retiring", false)] {
        let decided = ordered(KeyOrder::Withdrawn(kid), &keys).unwrap();
        assert_eq!(decided.list.lists("new"), makes, "{kid}");
        assert!(!decided.list.lists(kid), "{kid}");
    }
    // The only key with this algorithm: a key with another algorithm cannot replace it.
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
        let decided = ordered(KeyOrder::Withdrawn(kid), &of_two).unwrap();
        assert_eq!(decided.list.lists("new"), makes, "{kid}");
    }
}

#[test]
fn withdrawal_of_all_keys_removes_refused_rows_and_records_keys_whose_id_is_text() {
    let mut keys = keys(&[("b", 100), ("a", 200)]);
    keys.rejected = vec![(b"altered".to_vec(), 9), (vec![0xff], 4)];
    keys.marked.insert("altered".into(), Some(NOW));
    let decided = carried_out(
        KeyOrder::OnlyNew,
        &keys,
        &[
            "insert SigningKey new",
            "delete SigningKey b @2",
            "insert WithdrawnKey b",
            "delete SigningKey a @2",
            "insert WithdrawnKey a",
            // Its withdrawal is already recorded.
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
        KeyOrder::OnlyNew,
        &self::keys(&[]),
        &["insert SigningKey new", "key.created"],
        "new signs from now on",
    );
}

#[test]
fn withdrawal_of_an_unknown_key_is_refused() {
    let mut keys = keys(&[("a", 100)]);
    let earlier = NOW - Seconds(60);
    keys.marked.insert("gone".into(), Some(earlier));
    keys.marked.insert("unread".into(), None);
    keys.list.withdraw("gone", earlier);
    let already = format!("already withdrawn, at {earlier}");
    for (kid, words) in [
        ("", "no signing key has this key id"),
        ("A", "no signing key has this key id"),
        ("a ", "no signing key has this key id"),
        ("unknown", "no signing key has this key id"),
        ("gone", already.as_str()),
        ("unread", "the record of its withdrawal cannot be read"),
    ] {
        check_not_done(ordered(KeyOrder::Withdrawn(kid), &keys), true, words);
    }
}

#[test]
fn deleted_record_of_a_withdrawal_is_written_again_with_the_original_time() {
    let mut keys = keys(&[("a", 100)]);
    let earlier = NOW - Seconds(60);
    keys.list.withdraw("gone", earlier);
    let decided = carried_out(
        KeyOrder::Withdrawn("gone"),
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
fn restored_row_of_a_withdrawn_key_is_removed_again_and_the_time_is_kept() {
    let mut keys = keys(&[("a", 100)]);
    let earlier = NOW - Seconds(60);
    keys.rejected = vec![(b"gone".to_vec(), 5)];
    keys.marked.insert("gone".into(), Some(earlier));
    keys.list.withdraw("gone", earlier);
    let decided = carried_out(
        KeyOrder::Withdrawn("gone"),
        &keys,
        &["delete SigningKey gone @5", "key.revoked"],
        "withdrawn: gone",
    );
    assert_eq!(decided.list.withdrawn_at("gone"), Some(earlier));
}

#[test]
fn key_is_removed_two_hours_after_its_successor_signs_and_not_earlier() {
    for (case, of, expected) in [
        ("no key", &[][..], &[][..]),
        ("the only key, at any age", &[("a", 1_000_000)], &[]),
        (
            "the signing key and the next one",
            &[("b", -1), ("a", 1_000_000)],
            &[],
        ),
        ("a second before", &[("b", 7199), ("a", 8000)], &[]),
        ("at the second", &[("b", 7200), ("a", 8000)], &["a"]),
        (
            "two retired keys",
            &[("c", 7200), ("b", 8000), ("a", 20_000)],
            &["b", "a"],
        ),
        (
            "one retired key",
            &[("c", 100), ("b", 8000), ("a", 20_000)],
            &["a"],
        ),
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
                "{case}: a retired key must not be recorded as withdrawn"
            );
        }
    }
}
