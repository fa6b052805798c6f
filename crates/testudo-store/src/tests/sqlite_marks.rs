//! Marks of used credentials in SQLite: they are in memory, and the log of the database brings them back.

use super::*;
use rusqlite::{Connection, params};
use testudo_core::identity::SingleUse;

fn mark(number: u16, keep_until: i64) -> SingleUse {
    let mut key = [number as u8; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    SingleUse {
        key,
        keep_until: Timestamp(keep_until),
    }
}

async fn spend(store: &Store, mark: &SingleUse) -> Result<(), CommitError> {
    let mut batch = Batch::default();
    batch.mark(mark);
    store.commit(batch).await
}

#[track_caller]
fn assert_used(spent: Result<(), CommitError>, mark: &SingleUse) {
    assert_eq!(spent, Err(CommitError::Conflict(Conflict::Used(mark.key))));
}

fn count(path: &Path, query: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

/// Expiries at the bounds of a period and of the type.
const EXPIRIES: [i64; 8] = [i64::MIN, 0, 63, 64, 1_000_000, 1_000_001, 1 << 50, i64::MAX];

#[tokio::test]
async fn used_credential_is_refused_after_a_restart_and_after_a_crash() {
    let path = scratch("marks");
    let store = Store::sqlite(&path).unwrap();
    for (number, expiry) in (0..).zip(EXPIRIES) {
        spend(&store, &mark(number, expiry)).await.unwrap();
    }
    // The files as a crash leaves them, and as the end of the server leaves them.
    let copy = scratch("marks-crash");
    for suffix in ["", "-wal"] {
        let [from, to] = [&path, &copy].map(|path| format!("{}{suffix}", path.display()));
        std::fs::copy(from, to).unwrap();
    }
    drop(store);
    for path in [path, copy] {
        for _ in 0..2 {
            let store = Store::sqlite(&path).unwrap();
            assert_eq!(store.count_marks().await.unwrap(), EXPIRIES.len());
            for (number, expiry) in (0..).zip(EXPIRIES) {
                let used = mark(number, expiry);
                assert_used(spend(&store, &used).await, &used);
            }
            assert!(!store.is_used(&mark(100, 0).key).await.unwrap());
        }
    }
}

#[tokio::test]
async fn mark_is_deleted_after_its_period_and_not_before_its_time() {
    let path = scratch("marks-expiry");
    let store = Store::sqlite(&path).unwrap();
    for (number, expiry) in [(1, 6_400), (2, 6_463), (3, 6_464), (4, i64::MAX)] {
        spend(&store, &mark(number, expiry)).await.unwrap();
    }
    for (now, left) in [(6_463, 4), (6_464, 2), (6_527, 2), (6_528, 1), (1 << 45, 1)] {
        store.drop_expired(Timestamp(now), 1_000).await.unwrap();
        assert_eq!(store.count_marks().await.unwrap(), left, "{now}");
    }
    drop(store);
    let store = Store::sqlite(&path).unwrap();
    assert_eq!(
        store.count_marks().await.unwrap(),
        1,
        "deleted marks do not come back"
    );
    // A mark of a period whose rows are deleted, and then one more row of the same period.
    for number in [1, 2] {
        spend(&store, &mark(number, 6_400)).await.unwrap();
    }
    assert_eq!(count(&path, "SELECT count(*) FROM marks"), 3);
    assert_eq!(store.drop_expired(Timestamp(6_464), 1_000).await.unwrap(), 2);
}

/// A database of an earlier version, in which a mark is a record with two indexes.
fn older(path: &Path, marks: &[SingleUse]) {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE records (kind INTEGER NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL,
                 expires INTEGER, body BLOB NOT NULL);
             CREATE UNIQUE INDEX records_by_key ON records (kind, key);
             CREATE INDEX records_by_expiry ON records (expires) WHERE expires IS NOT NULL;
             CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
             PRAGMA user_version = 1;
             INSERT INTO records VALUES (1, CAST('kept' AS BLOB), 1, NULL, CAST('x' AS BLOB));",
        )
        .unwrap();
    add_records(&connection, marks);
}

fn add_records(connection: &Connection, marks: &[SingleUse]) {
    let transaction = connection.unchecked_transaction().unwrap();
    for mark in marks {
        let body = b"{\"key\":[],\"keep_until\":0}";
        let row = params![mark.key, mark.keep_until.0, body];
        let insert = "INSERT INTO records VALUES (7, ?1, 1, ?2, ?3)";
        transaction.execute(insert, row).unwrap();
    }
    transaction.commit().unwrap();
}

#[tokio::test]
async fn credential_that_was_used_before_the_migration_is_refused_after_it() {
    let path = scratch("marks-older");
    // More than one transaction of the migration, in three periods.
    let marks: Vec<SingleUse> = (0..9_000)
        .map(|number| mark(number, 1_000_000 + 64 * i64::from(number % 3)))
        .collect();
    older(&path, &marks);
    // `doctor` may open the database before the server does: it changes no mark.
    drop(Store::sqlite_beside_a_server(&path).unwrap());
    assert_eq!(count(&path, "SELECT count(*) FROM records WHERE kind = 7"), 9_000);
    for _ in 0..2 {
        let store = Store::sqlite(&path).unwrap();
        assert_eq!(store.count_marks().await.unwrap(), 9_000);
        for used in marks.iter().step_by(1_000) {
            assert_used(spend(&store, used).await, used);
        }
        assert!(store.get(Kind::Client, b"kept").await.unwrap().is_some());
    }
    assert_eq!(
        count(&path, "SELECT count(*) FROM records"),
        1,
        "only the client is left"
    );
    // A server of the earlier version ran in between: one mark is new, and one is in both tables.
    let fresh = mark(60_000, 1_000_000);
    add_records(
        &Connection::open(&path).unwrap(),
        &[fresh.clone(), marks[0].clone()],
    );
    let store = Store::sqlite(&path).unwrap();
    assert_eq!(store.count_marks().await.unwrap(), 9_001);
    assert_used(spend(&store, &fresh).await, &fresh);
    assert_eq!(count(&path, "SELECT count(*) FROM records"), 1);
    // What was migrated expires as other marks do.
    let mut dropped = 0;
    while dropped < 9_001 {
        let more = store.drop_expired(Timestamp(1_001_000), 1_000).await.unwrap();
        assert!(more > 0, "{dropped}");
        dropped += more;
    }
    assert_eq!(store.count_marks().await.unwrap(), 0);
    spend(&store, &fresh).await.unwrap();
}

#[tokio::test]
async fn credential_of_a_transaction_that_the_database_refused_can_be_used() {
    let path = scratch("marks-refused");
    let store = Store::sqlite(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON marks BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        )
        .unwrap();
    let refused = spend(&store, &mark(1, 1_000)).await;
    assert!(
        matches!(&refused, Err(CommitError::Unavailable(fault)) if fault.0.contains("the disk is full")),
        "{refused:?}"
    );
    assert!(!store.is_used(&mark(1, 1_000).key).await.unwrap());
    other.execute_batch("DROP TRIGGER full").unwrap();
    spend(&store, &mark(1, 1_000)).await.unwrap();
    assert_used(spend(&store, &mark(1, 1_000)).await, &mark(1, 1_000));
}

#[tokio::test]
async fn marks_whose_deletion_the_database_refused_stay_in_force() {
    let path = scratch("marks-kept");
    let store = Store::sqlite(&path).unwrap();
    spend(&store, &mark(1, 1_000)).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TRIGGER kept BEFORE DELETE ON marks BEGIN SELECT RAISE(ABORT, 'not now'); END")
        .unwrap();
    assert!(store.drop_expired(Timestamp(5_000), 10).await.is_err());
    assert_used(spend(&store, &mark(1, 1_000)).await, &mark(1, 1_000));
    other.execute_batch("DROP TRIGGER kept").unwrap();
    assert_eq!(store.drop_expired(Timestamp(5_000), 10).await.unwrap(), 1);
    assert_eq!(store.count_marks().await.unwrap(), 0);
}

#[tokio::test]
async fn tool_beside_a_server_cannot_use_a_credential() {
    let path = scratch("marks-beside");
    let server = Store::sqlite(&path).unwrap();
    spend(&server, &mark(1, 1_000)).await.unwrap();
    let tool = Store::sqlite_beside_a_server(&path).unwrap();
    for number in [1, 2] {
        let answer = spend(&tool, &mark(number, 1_000)).await;
        assert!(matches!(answer, Err(CommitError::Unavailable(_))), "{answer:?}");
        tool.is_used(&mark(number, 1_000).key).await.unwrap_err();
    }
    tool.count_marks().await.unwrap_err();
    spend(&server, &mark(2, 1_000)).await.unwrap();
}
