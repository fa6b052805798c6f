//! What every session begins with, whatever an administrator set for the role or the database.

use super::postgres;
use super::postgres_faults::session;
use crate::Store;
use testudo_core::records::{Batch, Document, Kind, Write};

/// A record whose write is announced, so that a hint follows it.
fn block(key: &str) -> Batch {
    let document = Document {
        kind: Kind::Block,
        key: key.into(),
        body: b"{}".to_vec(),
        expires: None,
    };
    Batch {
        writes: vec![Write::Insert(document)],
        is_quiet: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_durable_whatever_synchronous_commit_is_set_for_the_role_or_the_database() {
    let url = postgres().database("durable").unwrap();
    drop(Store::postgres(&url, None).await.unwrap());
    let admin = session(&url).await;
    admin
        .batch_execute(
            "CREATE ROLE hasty LOGIN SUPERUSER;
             CREATE TABLE seen (value TEXT);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO public.seen VALUES (current_setting('synchronous_commit'));
                 RETURN NEW;
             END $$;
             CREATE TRIGGER note BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION note()",
        )
        .await
        .unwrap();
    let as_hasty = url.replace("postgres@", "hasty@");
    for scope in ["DATABASE durable", "ROLE hasty"] {
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
            let store = Store::postgres(&as_hasty, None).await.unwrap();
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
