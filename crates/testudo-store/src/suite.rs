//! The test suite that every engine must pass. It is public, so that an engine in another crate can use it too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed case of the suite panics"
)]

use crate::{CommitError, Conflict, Store};
use std::sync::Arc;
use testudo_core::identity::SingleUse;
use testudo_core::records::{Batch, Document, Kind, Write};
use testudo_protocol::Timestamp;

fn document(kind: Kind, key: &str, body: &str, expires: Option<i64>) -> Document {
    Document {
        kind,
        key: key.into(),
        body: body.into(),
        expires: expires.map(Timestamp),
    }
}

fn batch(writes: Vec<Write>) -> Batch {
    Batch {
        writes,
        ..Batch::default()
    }
}

fn insert(key: &str, body: &str) -> Write {
    Write::Insert(document(Kind::Client, key, body, None))
}

/// Runs every case; panics at the first engine that answers differently.
pub async fn run(store: Arc<Store>) {
    insert_must_be_absent(&store).await;
    replace_and_delete_require_the_current_version(&store).await;
    batch_is_written_completely_or_not_at_all(&store).await;
    counter_does_not_exceed_its_maximum(&store).await;
    counters_can_be_forgotten(&store).await;
    lists_are_in_order_and_paged(&store).await;
    same_key_in_two_kinds_is_two_records(&store).await;
    batch_that_requires_absence_conflicts_with_an_existing_record(&store).await;
    many_documents_are_returned_in_the_order_of_the_keys(&store).await;
    expired_records_are_dropped(&store).await;
    mark_is_written_once(&store).await;
    batch_with_a_used_mark_writes_nothing(&store).await;
    mark_of_a_batch_that_conflicts_can_be_used(&store).await;
    expired_marks_are_dropped(&store).await;
    one_of_many_concurrent_marks_succeeds(store.clone()).await;
    one_of_many_concurrent_inserts_succeeds(store.clone()).await;
    counter_does_not_exceed_its_maximum_under_concurrent_batches(store).await;
}

async fn insert_must_be_absent(store: &Store) {
    store.commit(batch(vec![insert("once", "1")])).await.unwrap();
    let again = store.commit(batch(vec![insert("once", "2")])).await;
    assert_eq!(
        again,
        Err(CommitError::Conflict(Conflict::Exists(
            Kind::Client,
            b"once".to_vec()
        )))
    );
    let stored = store.get(Kind::Client, b"once").await.unwrap().unwrap();
    assert_eq!((stored.version, stored.body.as_slice()), (1, &b"1"[..]));
}

async fn replace_and_delete_require_the_current_version(store: &Store) {
    store.commit(batch(vec![insert("versioned", "1")])).await.unwrap();
    let replace = |body: &str, version| {
        batch(vec![Write::Replace(
            document(Kind::Client, "versioned", body, None),
            version,
        )])
    };
    let changed = Err(CommitError::Conflict(Conflict::Changed(
        Kind::Client,
        b"versioned".to_vec(),
    )));
    assert_eq!(store.commit(replace("x", 2)).await, changed);
    store.commit(replace("2", 1)).await.unwrap();
    assert_eq!(store.commit(replace("3", 1)).await, changed);
    let delete = |version| batch(vec![Write::Delete(Kind::Client, b"versioned".to_vec(), version)]);
    assert_eq!(store.commit(delete(1)).await, changed);
    store.commit(delete(2)).await.unwrap();
    assert_eq!(store.commit(delete(2)).await, changed);
    // No record has version 0, so a write at version 0 conflicts.
    assert_eq!(store.commit(delete(0)).await, changed);
    assert_eq!(store.get(Kind::Client, b"versioned").await.unwrap(), None);
}

async fn batch_is_written_completely_or_not_at_all(store: &Store) {
    store.commit(batch(vec![insert("there", "1")])).await.unwrap();
    let add = Write::Add {
        counter: "whole".into(),
        delta: 1,
        max: None,
    };
    let failing = batch(vec![add.clone(), insert("new", "1"), insert("there", "2")]);
    assert!(store.commit(failing).await.is_err());
    assert_eq!(store.get(Kind::Client, b"new").await.unwrap(), None);
    assert_eq!(store.counter("whole").await.unwrap(), 0);
    let full = Write::Add {
        counter: "full".into(),
        delta: 1,
        max: Some(0),
    };
    assert!(
        store
            .commit(batch(vec![insert("new", "1"), add, full]))
            .await
            .is_err()
    );
    assert_eq!(store.get(Kind::Client, b"new").await.unwrap(), None);
    assert_eq!(store.counter("whole").await.unwrap(), 0);
}

async fn counter_does_not_exceed_its_maximum(store: &Store) {
    let add = |delta, max| {
        batch(vec![Write::Add {
            counter: "ceiling".into(),
            delta,
            max,
        }])
    };
    for _ in 0..3 {
        store.commit(add(1, Some(3))).await.unwrap();
    }
    let over = store.commit(add(1, Some(3))).await;
    assert_eq!(
        over,
        Err(CommitError::Conflict(Conflict::OverLimit("ceiling".into())))
    );
    store.commit(add(-1, Some(0))).await.unwrap();
    store.commit(add(1, Some(3))).await.unwrap();
    assert_eq!(store.counter("ceiling").await.unwrap(), 3);
    assert_eq!(store.counter("never moved").await.unwrap(), 0);
}

async fn counters_can_be_forgotten(store: &Store) {
    for name in ["w/1/a", "w/2/a", "w/3/a", "x"] {
        let add = Write::Add {
            counter: name.into(),
            delta: 7,
            max: None,
        };
        store.commit(batch(vec![add])).await.unwrap();
    }
    store.forget_counters("w/", "w/3").await.unwrap();
    for (name, value) in [("w/1/a", 0), ("w/2/a", 0), ("w/3/a", 7), ("x", 7)] {
        assert_eq!(store.counter(name).await.unwrap(), value, "{name}");
    }
}

async fn lists_are_in_order_and_paged(store: &Store) {
    for number in [3, 1, 2, 5, 4] {
        let document = document(Kind::Block, &format!("b{number}"), "x", None);
        store.commit(batch(vec![Write::Insert(document)])).await.unwrap();
    }
    let keys = |stored: Vec<crate::Stored>| -> Vec<String> {
        stored
            .into_iter()
            .map(|stored| String::from_utf8(stored.key).unwrap())
            .collect()
    };
    assert_eq!(keys(store.list(Kind::Block, b"", 2).await.unwrap()), ["b1", "b2"]);
    assert_eq!(
        keys(store.list(Kind::Block, b"b2", 10).await.unwrap()),
        ["b3", "b4", "b5"]
    );
    let back = async |before: Option<&str>, limit: usize| {
        let before = before.map(str::as_bytes);
        keys(store.list_back(Kind::Block, before, limit).await.unwrap())
    };
    assert_eq!(back(None, 2).await, ["b5", "b4"]);
    assert_eq!(back(Some("b4"), 2).await, ["b3", "b2"]);
    assert_eq!(back(Some("b2"), 10).await, ["b1"]);
    assert_eq!(back(Some("b1"), 10).await, [""; 0]);
    assert_eq!(back(Some("c"), 1).await, ["b5"]);
}

async fn same_key_in_two_kinds_is_two_records(store: &Store) {
    store.commit(batch(vec![insert("same", "client")])).await.unwrap();
    store
        .commit(batch(vec![Write::Insert(document(
            Kind::Switch,
            "same",
            "switch",
            None,
        ))]))
        .await
        .unwrap();
    let both = store
        .get_many(vec![
            (Kind::Client, b"same".to_vec()),
            (Kind::Switch, b"same".to_vec()),
            (Kind::Block, b"same".to_vec()),
        ])
        .await
        .unwrap();
    let bodies: Vec<Option<Vec<u8>>> = both
        .into_iter()
        .map(|found| found.map(|stored| stored.body))
        .collect();
    assert_eq!(bodies, [Some(b"client".to_vec()), Some(b"switch".to_vec()), None]);
}

async fn batch_that_requires_absence_conflicts_with_an_existing_record(store: &Store) {
    let absent = Write::Absent(Kind::Removed, b"absent".to_vec());
    store
        .commit(batch(vec![absent.clone(), insert("beside-absent", "1")]))
        .await
        .unwrap();
    store
        .commit(batch(vec![Write::Insert(document(
            Kind::Removed,
            "absent",
            "x",
            None,
        ))]))
        .await
        .unwrap();
    let refused = store
        .commit(batch(vec![absent, insert("beside-present", "1")]))
        .await;
    assert_eq!(
        refused,
        Err(CommitError::Conflict(Conflict::Exists(
            Kind::Removed,
            b"absent".to_vec()
        )))
    );
    assert_eq!(store.get(Kind::Client, b"beside-present").await.unwrap(), None);
}

async fn many_documents_are_returned_in_the_order_of_the_keys(store: &Store) {
    let name = |number: usize| format!("many-{number:03}").into_bytes();
    for number in (0..300).step_by(2) {
        let key = String::from_utf8_lossy(&name(number)).into_owned();
        let write = insert(&key, &number.to_string());
        store.commit(batch(vec![write])).await.unwrap();
    }
    let mut keys: Vec<_> = (0..300)
        .rev()
        .map(|number| (Kind::Client, name(number)))
        .collect();
    keys.push((Kind::Removed, name(0)));
    keys.push((Kind::Client, name(0)));
    let found = store.get_many(keys.clone()).await.unwrap();
    assert_eq!(found.len(), keys.len());
    for (position, stored) in found.iter().enumerate() {
        let number = 299usize.saturating_sub(position);
        let is_there = if position < 300 {
            number % 2 == 0
        } else {
            position == 301
        };
        assert_eq!(stored.is_some(), is_there, "{position}");
        if let Some(stored) = stored {
            assert_eq!(stored.key, keys[position].1);
            assert_eq!(stored.body, number.to_string().into_bytes());
        }
    }
}

async fn expired_records_are_dropped(store: &Store) {
    for (key, expires) in [
        ("past", Some(100)),
        ("now", Some(200)),
        ("later", Some(201)),
        ("never", None),
    ] {
        let document = document(Kind::SharedBundle, key, "x", expires);
        store.commit(batch(vec![Write::Insert(document)])).await.unwrap();
    }
    assert_eq!(store.drop_expired(Timestamp(200), 1).await.unwrap(), 1);
    assert_eq!(store.drop_expired(Timestamp(200), 10).await.unwrap(), 1);
    assert_eq!(store.drop_expired(Timestamp(200), 10).await.unwrap(), 0);
    assert_eq!(store.list(Kind::SharedBundle, b"", 10).await.unwrap().len(), 2);
}

/// A mark that is not expired in this suite. The first two bytes of a key are spread, as those of hashes are.
fn mark(number: u16) -> SingleUse {
    let mut key = [0; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    SingleUse {
        key,
        keep_until: Timestamp(1_000_000),
    }
}

fn used(number: u16) -> Result<(), CommitError> {
    Err(CommitError::Conflict(Conflict::Used(mark(number).key)))
}

async fn mark_is_written_once(store: &Store) {
    let before = store.count_marks().await.unwrap();
    assert!(!store.is_used(&mark(1).key).await.unwrap());
    store.commit(batch(vec![Write::Mark(mark(1))])).await.unwrap();
    let again = store.commit(batch(vec![Write::Mark(mark(1))])).await;
    assert_eq!(again, used(1));
    // The key alone decides, and not the expiry.
    let later = SingleUse {
        keep_until: Timestamp(2_000_000),
        ..mark(1)
    };
    assert_eq!(store.commit(batch(vec![Write::Mark(later)])).await, used(1));
    assert!(store.is_used(&mark(1).key).await.unwrap());
    assert!(!store.is_used(&mark(2).key).await.unwrap());
    assert_eq!(store.count_marks().await.unwrap(), before + 1);
}

async fn batch_with_a_used_mark_writes_nothing(store: &Store) {
    store.commit(batch(vec![Write::Mark(mark(10))])).await.unwrap();
    let add = Write::Add {
        counter: "beside a mark".into(),
        delta: 1,
        max: None,
    };
    let beside = || [Write::Mark(mark(11)), insert("beside-mark", "1"), add.clone()];
    let [other, document, counted] = beside();
    let orders = [
        vec![Write::Mark(mark(10)), other, document, counted],
        beside().into_iter().chain([Write::Mark(mark(10))]).collect(),
    ];
    for writes in orders {
        assert_eq!(store.commit(batch(writes)).await, used(10));
    }
    assert_eq!(store.get(Kind::Client, b"beside-mark").await.unwrap(), None);
    assert_eq!(store.counter("beside a mark").await.unwrap(), 0);
    assert!(!store.is_used(&mark(11).key).await.unwrap());
    // The same batch without the used mark.
    store.commit(batch(beside().to_vec())).await.unwrap();
    assert!(store.get(Kind::Client, b"beside-mark").await.unwrap().is_some());
    assert_eq!(store.counter("beside a mark").await.unwrap(), 1);
    // Twice in one batch is twice.
    let twice = batch(vec![Write::Mark(mark(12)), Write::Mark(mark(12))]);
    assert_eq!(store.commit(twice).await, used(12));
    assert!(!store.is_used(&mark(12).key).await.unwrap());
}

async fn mark_of_a_batch_that_conflicts_can_be_used(store: &Store) {
    store
        .commit(batch(vec![insert("in-the-way", "1")]))
        .await
        .unwrap();
    let full = Write::Add {
        counter: "full beside a mark".into(),
        delta: 1,
        max: Some(0),
    };
    let conflicting = [
        insert("in-the-way", "2"),
        Write::Absent(Kind::Client, b"in-the-way".to_vec()),
        Write::Delete(Kind::Client, b"in-the-way".to_vec(), 7),
        full,
    ];
    for write in conflicting {
        for writes in [
            vec![Write::Mark(mark(20)), write.clone()],
            vec![write.clone(), Write::Mark(mark(20))],
        ] {
            assert!(store.commit(batch(writes)).await.is_err(), "{write:?}");
            assert!(!store.is_used(&mark(20).key).await.unwrap(), "{write:?}");
        }
    }
    store.commit(batch(vec![Write::Mark(mark(20))])).await.unwrap();
}

async fn expired_marks_are_dropped(store: &Store) {
    let until = |number: u16, keep_until: i64| SingleUse {
        keep_until: Timestamp(keep_until),
        ..mark(number)
    };
    store.drop_expired(Timestamp(20_000), 10_000).await.unwrap();
    // More than the store deletes at once, in the opposite order of their expiries, and with some that stay.
    let before = store.count_marks().await.unwrap();
    for start in (0..3_000).step_by(500) {
        let of = |number: u16| {
            let keep_until = match number % 3 {
                0 => 1_000_000,
                _ => 10_000 - i64::from(number),
            };
            Write::Mark(until(10_000 + number, keep_until))
        };
        store
            .commit(batch((start..start + 500).map(of).collect()))
            .await
            .unwrap();
    }
    assert_eq!(store.drop_expired(Timestamp(7_000), 10_000).await.unwrap(), 0);
    let mut dropped = 0;
    for _ in 0..3_000 {
        match store.drop_expired(Timestamp(20_000), 100).await.unwrap() {
            some if some >= 100 => dropped += some,
            last => {
                dropped += last;
                break;
            }
        }
    }
    assert_eq!(dropped, 2_000);
    assert_eq!(store.count_marks().await.unwrap(), before + 1_000);
    assert!(!store.is_used(&mark(10_001).key).await.unwrap());
    assert!(store.is_used(&mark(10_003).key).await.unwrap());
    // A dropped mark is forgotten completely.
    store
        .commit(batch(vec![Write::Mark(mark(10_001))]))
        .await
        .unwrap();
}

/// Batches with the same mark that arrive together are in one group.
async fn one_of_many_concurrent_marks_succeeds(store: Arc<Store>) {
    for round in 0..8 {
        let racers: Vec<_> = (0..64)
            .map(|number| {
                let store = store.clone();
                let mut writes = vec![Write::Mark(mark(30 + round))];
                if number % 2 == 0 {
                    writes.push(insert(&format!("beside-race-{round}-{number}"), "x"));
                }
                tokio::spawn(async move { store.commit(batch(writes)).await })
            })
            .collect();
        let mut winners = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Ok(()) => winners += 1,
                lost => assert_eq!(lost, used(30 + round)),
            }
        }
        assert_eq!(winners, 1);
    }
}

async fn one_of_many_concurrent_inserts_succeeds(store: Arc<Store>) {
    let racers: Vec<_> = (0..64)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .commit(batch(vec![insert("race", &number.to_string())]))
                    .await
            })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap().is_ok());
    }
    assert_eq!(winners, 1);
}

async fn counter_does_not_exceed_its_maximum_under_concurrent_batches(store: Arc<Store>) {
    let racers: Vec<_> = (0..64)
        .map(|number| {
            let store = store.clone();
            let writes = vec![
                insert(&format!("quota-{number}"), "x"),
                Write::Add {
                    counter: "quota".into(),
                    delta: 1,
                    max: Some(10),
                },
            ];
            tokio::spawn(async move { store.commit(batch(writes)).await })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap().is_ok());
    }
    assert_eq!(winners, 10);
    assert_eq!(store.counter("quota").await.unwrap(), 10);
}
