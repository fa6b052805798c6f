//! Which schema a node uses, and which schemas it must not use or change.

use super::postgres_faults::session;
use super::{postgres, write};
use crate::Store;
use std::time::Duration;
use testudo_core::records::Kind;
use testudo_testkit::scratch::folder;

async fn refusal(url: &str) -> String {
    match Store::postgres(url, None).await {
        Ok(_) => panic!("{url} was opened"),
        Err(fault) => fault.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_schema_version_refuses_the_start() {
    let url = postgres().database("versions").unwrap();
    drop(Store::postgres(&url, None).await.unwrap());
    let admin = session(&url).await;
    for (version, expected) in [
        ("99", "start a newer Testudo"),
        ("-1", "no version of Testudo writes"),
        ("-2147483648", "no version of Testudo writes"),
    ] {
        let text = format!("UPDATE testudo_schema SET version = {version}");
        admin.batch_execute(&text).await.unwrap();
        let refused = refusal(&url).await;
        assert!(
            refused.contains(version) && refused.contains(expected),
            "{refused}"
        );
        let row = admin
            .query_one("SELECT version::text FROM testudo_schema", &[])
            .await;
        assert_eq!(
            row.unwrap().get::<_, String>(0),
            version,
            "the version must not be changed"
        );
    }
    admin
        .batch_execute("INSERT INTO testudo_schema VALUES (1)")
        .await
        .unwrap();
    assert!(refusal(&url).await.contains("more than one row"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_in_a_schema_that_is_first_in_the_search_path_are_not_used() {
    let url = postgres().database("paths").unwrap();
    let store = Store::postgres(&url, None).await.unwrap();
    store.commit(write("known")).await.unwrap();
    let admin = session(&url).await;
    admin
        .batch_execute(
            "CREATE SCHEMA empty; CREATE SCHEMA hostile;
             CREATE TABLE hostile.testudo_schema AS SELECT * FROM public.testudo_schema;
             CREATE TABLE hostile.records (LIKE public.records INCLUDING ALL);
             CREATE FUNCTION hostile.coalesce_max() RETURNS INT LANGUAGE sql AS 'SELECT 1'",
        )
        .await
        .unwrap();
    for path in ["empty, public", "hostile, public", "hostile"] {
        let text = format!("ALTER DATABASE paths SET search_path TO {path}");
        admin.batch_execute(&text).await.unwrap();
        let other = Store::postgres(&url, None).await.unwrap();
        assert!(
            other.get(Kind::Client, b"known").await.unwrap().is_some(),
            "{path}"
        );
        other.commit(write(path)).await.unwrap();
        assert!(
            store.get(Kind::Client, path.as_bytes()).await.unwrap().is_some(),
            "{path}"
        );
    }
    let text = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                WHERE nspname = 'empty'";
    assert_eq!(admin.query_one(text, &[]).await.unwrap().get::<_, i64>(0), 0);
    let rows = admin.query_one("SELECT count(*) FROM hostile.records", &[]).await;
    assert_eq!(rows.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn start_is_refused_if_the_tables_are_in_a_schema_that_the_url_does_not_name() {
    let url = postgres().database("elsewhere").unwrap();
    let admin = session(&url).await;
    admin.batch_execute("CREATE SCHEMA auth").await.unwrap();
    let named = format!("{url}?options=-csearch_path%3Dauth");
    let store = Store::postgres(&named, None).await.unwrap();
    store.commit(write("known")).await.unwrap();
    let refused = refusal(&url).await;
    assert!(refused.contains("search_path%3Dauth"), "{refused}");
    let found = admin
        .query_one("SELECT to_regclass('public.records')::text", &[])
        .await;
    assert_eq!(
        found.unwrap().get::<_, Option<String>>(0),
        None,
        "no table must be created"
    );
    let again = Store::postgres(&named, None).await.unwrap();
    assert!(again.get(Kind::Client, b"known").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn migration_waits_for_another_session_longer_than_a_statement_may() {
    let url = postgres().database("waits").unwrap();
    let other = session(&url).await;
    other
        .batch_execute("SELECT pg_advisory_lock(7308001)")
        .await
        .unwrap();
    let opening = tokio::spawn({
        let url = url.clone();
        async move { Store::postgres(&url, None).await.map(drop) }
    });
    let text = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while other.query_one(text, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!opening.is_finished());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A statement may take 5 s.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(
        !opening.is_finished(),
        "the migration stopped waiting for the lock"
    );
    other
        .batch_execute("SELECT pg_advisory_unlock(7308001)")
        .await
        .unwrap();
    opening.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn role_that_may_not_create_tables_starts_only_on_a_current_schema() {
    let url = postgres().database("rights").unwrap();
    let admin = session(&url).await;
    admin.batch_execute("CREATE ROLE runner LOGIN").await.unwrap();
    let as_runner = url.replace("postgres@", "runner@");
    let refused = refusal(&as_runner).await;
    assert!(
        refused.contains("is empty") && refused.contains("role that owns the schema"),
        "{refused}"
    );
    drop(Store::postgres(&url, None).await.unwrap());
    let refused = refusal(&as_runner).await;
    assert!(
        refused.contains("permission denied for table testudo_schema"),
        "{refused}"
    );
    admin
        .batch_execute(include_str!("../../../../docs/operations/run-time-role.sql").trim())
        .await
        .unwrap();
    let store = Store::postgres(&as_runner, None).await.unwrap();
    crate::suite::run(std::sync::Arc::new(store)).await;
    // A session that holds the migration lock does not stop a start on a current schema.
    admin
        .batch_execute("SELECT pg_advisory_lock(7308001)")
        .await
        .unwrap();
    Store::postgres(&as_runner, None).await.unwrap();
    admin
        .batch_execute("UPDATE testudo_schema SET version = version - 1; SELECT pg_advisory_unlock(7308001)")
        .await
        .unwrap();
    let refused = refusal(&as_runner).await;
    assert!(refused.contains("role that owns the schema"), "{refused}");
}

/// Needs Debian's pgbouncer. Without it, the test fails in CI, and on other machines prints that poolers were not
/// tested.
#[tokio::test(flavor = "multi_thread")]
async fn pooler_in_session_mode_works_and_pooler_in_transaction_mode_is_refused_with_the_reason() {
    use testudo_testkit::pgbouncer::Pgbouncer;
    if !Pgbouncer::is_installed() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must test poolers, and pgbouncer is not installed: apt-get install pgbouncer"
        );
        println!("poolers were not tested: pgbouncer is not installed");
        return;
    }
    postgres().database("pooled").unwrap();
    let start = |mode: &str| Pgbouncer::start(&folder("pgbouncer"), postgres().port(), mode).unwrap();
    let pooler = start("transaction");
    let refused = refusal(&pooler.database("pooled")).await;
    assert!(refused.contains("session mode"), "{refused}");
    let pooler = start("session");
    let store = Store::postgres(&pooler.database("pooled"), None).await.unwrap();
    crate::suite::run(std::sync::Arc::new(store)).await;
}
