//! Tables, pragmas and migrations.

use rusqlite::Connection;
use std::time::Duration;

/// Migration steps from one schema version to the next, in order; `user_version` is the number of steps that were
/// applied.
const MIGRATIONS: &[&str] = &[
    // A rowid table with a unique index: in a table WITHOUT ROWID, SQLite would move whole documents when a page is
    // split.
    "CREATE TABLE records (
         kind    INTEGER NOT NULL,
         key     BLOB    NOT NULL,
         version INTEGER NOT NULL,
         expires INTEGER,
         body    BLOB    NOT NULL
     );
     CREATE UNIQUE INDEX records_by_key ON records (kind, key);
     CREATE INDEX records_by_expiry ON records (expires) WHERE expires IS NOT NULL;
     CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);",
    // A log of the marks of used credentials; see `marks.rs`.
    "CREATE TABLE marks (
         id      INTEGER PRIMARY KEY,
         digests BLOB    NOT NULL CHECK (length(digests) % 16 = 0)
     );",
];

/// Sets up the connection of the writer and migrates the schema to the current version.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // With FULL, a commit is on the disk before it is answered.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Pages of 4 KiB. A flush of a log that grows writes its new length, too, which costs the kernel more than the pages.
    // After this many pages the log is written from its beginning again: the sooner, the sooner each flush is a cheap one.
    connection.pragma_update(None, "wal_autocheckpoint", 1_000)?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    connection.set_prepared_statement_cache_capacity(32);
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (position, step) in MIGRATIONS.iter().enumerate().skip(version as usize) {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step} PRAGMA user_version = {}; COMMIT;",
            position + 1
        ))?;
    }
    Ok(())
}

/// Sets up the connection of a reader.
pub(super) fn prepare_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "cache_size", -8_192)?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(())
}
