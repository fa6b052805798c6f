//! Both engines pass the suite; SQLite also survives what memory does not promise.

use super::*;
use std::path::PathBuf;
use std::sync::Arc;
use testudo_core::records::{Document, Write};

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("testudo-store-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder.join("test.db")
}

fn write(key: &str) -> Batch {
    let document = Document {
        kind: Kind::Client,
        key: key.into(),
        body: b"x".to_vec(),
        expires: None,
    };
    let add = Write::Add {
        counter: "n".into(),
        delta: 1,
        max: None,
    };
    Batch {
        writes: vec![Write::Insert(document), add],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_passes_the_suite() {
    suite::run(Arc::new(Store::memory())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_passes_the_suite() {
    suite::run(Arc::new(Store::sqlite(&scratch("suite")).unwrap())).await;
}

#[tokio::test]
async fn sqlite_keeps_what_it_acknowledged_across_a_reopen() {
    let path = scratch("reopen");
    let store = Store::sqlite(&path).unwrap();
    store.commit(write("a")).await.unwrap();
    drop(store);
    let store = Store::sqlite(&path).unwrap();
    assert!(store.get(Kind::Client, b"a").await.unwrap().is_some());
    assert_eq!(store.counter("n").await.unwrap(), 1);
}

/// The files as a crash leaves them: copied while the database is open, the write-ahead log not folded in.
#[tokio::test]
async fn sqlite_keeps_what_it_acknowledged_across_a_crash() {
    let path = scratch("crash");
    let store = Store::sqlite(&path).unwrap();
    for number in 0..50 {
        store.commit(write(&format!("k{number}"))).await.unwrap();
    }
    let copy = scratch("crash-copy");
    for suffix in ["", "-wal"] {
        std::fs::copy(
            format!("{}{suffix}", path.display()),
            format!("{}{suffix}", copy.display()),
        )
        .unwrap();
    }
    let reopened = Store::sqlite(&copy).unwrap();
    assert_eq!(reopened.list(Kind::Client, b"", 100).await.unwrap().len(), 50);
    assert_eq!(reopened.counter("n").await.unwrap(), 50);
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_says_which() {
    let error = Store::sqlite(Path::new("/nowhere/at/all.db")).err().unwrap();
    assert!(error.to_string().contains("/nowhere/at/all.db"), "{error}");
}
