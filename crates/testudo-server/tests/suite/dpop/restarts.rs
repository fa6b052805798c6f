//! Proofs and single-use assertions that were used before the server was started again, with the same database or with
//! one of an earlier version.

use super::{ask, key, proof, send};
use crate::world::{ISSUER, World};
use std::path::Path;
use testudo_testkit::assertion_form;
use testudo_testkit::token::Draft;

/// Writes the marks as the version without a log of marks did: as records of kind 7. Of a key, the log has the first
/// half only.
fn make_older(folder: &Path) {
    let database = rusqlite::Connection::open(folder.join("test.db")).unwrap();
    let rows: Vec<(i64, Vec<u8>)> = database
        .prepare("SELECT id, digests FROM marks")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (id, digests) in rows {
        for digest in digests.chunks(16) {
            let key = [digest, &[7; 16]].concat();
            let expires = (id >> 24) * 64 + 63;
            let row = rusqlite::params![key, expires];
            let insert = "INSERT INTO records VALUES (7, ?1, 1, ?2, CAST('{}' AS BLOB))";
            database.execute(insert, row).unwrap();
        }
    }
    let count: i64 = database
        .query_row("SELECT count(*) FROM records WHERE kind = 7", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(count, 2);
    database
        .execute_batch("DROP TABLE marks; PRAGMA user_version = 1")
        .unwrap();
}

#[tokio::test]
async fn what_was_used_before_a_restart_or_before_the_migration_is_refused_after_it() {
    let mut world = World::start().await;
    let key = key();
    let used = proof(&world, &key, "used").sign();
    let issued = world.now();
    let assertion = |world: &World, jti: &str| Draft::assertion(&world.c6, "c6", ISSUER, jti, issued).sign();
    let by_assertion = async |world: &World, jti: &str| {
        let body = assertion_form(&assertion(world, jti), &[]);
        send(&mut world.connect().await, body, &[]).await
    };
    assert_eq!(ask(&world, &used).await.status, 200);
    assert_eq!(by_assertion(&world, "used").await.status, 200);
    let changes: [fn(&Path); 2] = [|_| {}, make_older];
    for (round, change) in changes.into_iter().enumerate() {
        world = world.restart_after(change).await;
        assert_eq!(ask(&world, &used).await.error(), "invalid_dpop_proof", "{round}");
        let refused = by_assertion(&world, "used").await;
        assert_eq!(refused.error(), "invalid_client", "{round}");
        assert_eq!(world.reason_of(&refused).await, "assertion_replayed", "{round}");
    }
    // New ones are accepted.
    let new = proof(&world, &key, "new").sign();
    assert_eq!(ask(&world, &new).await.status, 200);
    assert_eq!(by_assertion(&world, "new").await.status, 200);
}
