//! The settings of every session, which replace those that an administrator set for the role or the database.

use super::postgres;
use super::postgres_faults::session;
use crate::Store;
use testudo_core::records::{Batch, Document, Kind, Write};

/// A batch with a record whose write is announced, so that a NOTIFY follows it.
fn block(key: &str) -> Batch {
    let document = Document {
        kind: Kind::Block,
        key: key.into(),
        body: b"{}".to_vec(),
        expires: None,
    };
    Batch {
        writes: vec![Write::Insert(document)],
        ..Batch::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_durable_even_if_the_role_or_the_database_sets_synchronous_commit_off() {
    let url = postgres().database("durable").unwrap();
    drop(Store::postgres(&url, None).await.unwrap());
    let admin = session(&url).await;
    admin
        .batch_execute(
            "CREATE ROLE not_durable LOGIN SUPERUSER;
             CREATE TABLE seen (value TEXT);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO public.seen VALUES (current_setting('synchronous_commit'));
                 RETURN NEW;
             END $$;
             CREATE TRIGGER note BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION note()",
        )
        .await
        .unwrap();
    let as_not_durable = url.replace("postgres@", "not_durable@");
    for scope in ["DATABASE durable", "ROLE not_durable"] {
        for (configured, expected) in [
            ("off", "on"),
            ("local", "on"),
            ("remote_write", "on"),
            ("on", "on"),
            ("remote_apply", "remote_apply"),
        ] {
            let text = format!(
                "ALTER {scope} SET synchronous_commit TO {configured}; DELETE FROM records; DELETE FROM seen"
            );
            admin.batch_execute(&text).await.unwrap();
            let store = Store::postgres(&as_not_durable, None).await.unwrap();
            for number in 0..10 {
                store.commit(block(&number.to_string())).await.unwrap();
            }
            let rows = admin.query("SELECT value FROM seen", &[]).await.unwrap();
            let seen: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(seen, vec![expected; 10], "{scope}: {configured}");
        }
        let text = format!("ALTER {scope} RESET synchronous_commit");
        admin.batch_execute(&text).await.unwrap();
    }
}
