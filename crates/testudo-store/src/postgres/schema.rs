//! Tables, the function that commits a group, and migrations under an advisory lock.

use super::bounded;
use crate::StoreFault;
use deadpool_postgres::Object;

/// Taken by whoever migrates.
const MIGRATION_LOCK: i64 = 7_308_001;

/// Steps from one schema version to the next, in order.
const MIGRATIONS: &[&str] = &[include_str!("001.sql"), include_str!("002.sql")];

/// Brings the schema to today. Several nodes that start at once take turns.
pub(super) async fn migrate(client: &mut Object) -> Result<(), StoreFault> {
    bounded(async {
        let transaction = client.transaction().await?;
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
            .await?;
        transaction
            .batch_execute("CREATE TABLE IF NOT EXISTS testudo_schema (version INTEGER NOT NULL)")
            .await?;
        let row = transaction
            .query_opt("SELECT version FROM testudo_schema", &[])
            .await?;
        let version = row.map_or(0, |row| row.get::<_, i32>(0));
        for (position, step) in MIGRATIONS.iter().enumerate().skip(version as usize) {
            transaction.batch_execute(step).await?;
            transaction.execute("DELETE FROM testudo_schema", &[]).await?;
            let next = position as i32 + 1;
            transaction
                .execute("INSERT INTO testudo_schema VALUES ($1)", &[&next])
                .await?;
        }
        transaction.commit().await
    })
    .await
}
