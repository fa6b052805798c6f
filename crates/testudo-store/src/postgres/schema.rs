//! Tables, the functions that commit a group, and migrations under an advisory lock.

use super::connect::Route;
use super::lease::{StatementFault, bounded, within};
use super::{PostgresAddress, fault, with_causes};
use crate::StoreFault;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

/// The advisory lock that a node takes while it migrates.
const MIGRATION_LOCK: i64 = 7_308_001;
/// How long a node waits for another node that migrates the schema.
const LOCK_DEADLINE: Duration = Duration::from_secs(60);
/// How long one migration step may take: it may have to rewrite a table with millions of rows.
const STEP_DEADLINE: Duration = Duration::from_secs(600);
/// The database ends a statement at its deadline; an answer that is later than the deadline by this time will not come.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Migration steps from one schema version to the next, in order.
const MIGRATIONS: &[&str] = &[
    include_str!("001.sql"),
    include_str!("002.sql"),
    include_str!("003.sql"),
];

/// The schema version of this version of Testudo.
pub(super) const CURRENT: usize = MIGRATIONS.len();

/// The tables of Testudo in a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There are none.
    Nothing,
    /// They have an earlier version, which must be migrated.
    Earlier(usize),
    /// They have the version of this version of Testudo.
    Current,
}

/// Migrates the schema to the current version. Nodes that start at the same time do this one after the other. If the
/// schema is current, nothing is written and no lock is taken, so that a role that may not create tables can start a
/// node.
pub(super) async fn migrate_to_current(route: &Route, address: &PostgresAddress) -> Result<(), StoreFault> {
    let (mut client, _ends_with_us) = route.connect_alone(Arc::new(Notify::new())).await?;
    refuse_transaction_pooling(route, &client).await?;
    require_encoding(route, &client).await?;
    let found = look(&client, address).await?;
    if found == Found::Current {
        return Ok(());
    }
    let migrated = migrate(&mut client, &address.schema).await;
    migrated.map_err(|failure| match (failure, found) {
        (StatementFault::Refused(error), _) if error.code() == Some(&SqlState::QUERY_CANCELED) => fault(format!(
            "the schema must be migrated to version {}, and for {} s another session has held the migration lock or a \
             table of it",
            CURRENT,
            LOCK_DEADLINE.as_secs()
        )),
        (StatementFault::Refused(error), found) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let is = match found {
                Found::Nothing => "is empty".to_owned(),
                Found::Earlier(version) => format!("has version {version}"),
                Found::Current => "was today's".to_owned(),
            };
            fault(format!(
                "schema {} {is} and must be migrated to version {}, which this role may not do ({}): start one node \
                 once as the role that owns the schema",
                address.schema,
                CURRENT,
                StatementFault::Refused(error).into_fault()
            ))
        }
        (failure, _) => failure.into_fault(),
    })
}

/// Refuses a connection pooler in transaction mode: it gives the session of one client to another, so the settings of a
/// session would not apply to our statements, and notifications would not arrive. The pooler is detected by a setting
/// of the first session that a second session can read.
pub(super) async fn refuse_transaction_pooling(route: &Route, first: &Client) -> Result<(), StoreFault> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mark = format!("{}-{}", std::process::id(), now.as_nanos());
    bounded(first.batch_execute(&format!("SET testudo.session TO '{mark}'"))).await?;
    let (second, _ends_with_us) = route.connect_alone(Arc::new(Notify::new())).await?;
    let text = "SELECT coalesce(current_setting('testudo.session', true), '')";
    let found: String = bounded(second.query_one(text, &[])).await?.get(0);
    match found == mark {
        true => Err(fault(
            "there is a connection pooler in transaction mode, which mixes the sessions of its clients: let store.url \
             lead to PostgreSQL directly, or to a pooler in session mode",
        )),
        false => Ok(()),
    }
}

/// Refuses a database whose encoding has no place for every character: names and events could not be written.
/// `SQL_ASCII` stores any bytes unchanged.
pub(super) async fn require_encoding(route: &Route, client: &Client) -> Result<(), StoreFault> {
    let row = bounded(client.query_one("SHOW server_encoding", &[])).await?;
    let encoding: &str = row.get(0);
    match encoding {
        "UTF8" | "SQL_ASCII" => Ok(()),
        other => Err(fault(format!(
            "the database has the encoding {other}, and UTF8 is needed ({}): create another one with `createdb \
             --encoding=UTF8 --template=template0 NAME`",
            route.target()
        ))),
    }
}

/// Inspects the schema without a lock and without a write. A schema that this version cannot use is an error.
pub(super) async fn look(client: &Client, address: &PostgresAddress) -> Result<Found, StoreFault> {
    let schema = &address.schema;
    let name = format!("{schema}.testudo_schema");
    let row = bounded(client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name])).await?;
    if !row.get::<_, bool>(0) {
        if !address.is_schema_named {
            refuse_another_schema(client, schema).await?;
        }
        return Ok(Found::Nothing);
    }
    let rows = bounded(client.query("SELECT version FROM testudo_schema LIMIT 2", &[])).await?;
    let versions: Vec<i32> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(|error| with_causes(&error))?;
    let today = CURRENT;
    match versions[..] {
        [] => Ok(Found::Earlier(0)),
        [version] => match usize::try_from(version) {
            Ok(version) if version == today => Ok(Found::Current),
            Ok(version) if version < today => Ok(Found::Earlier(version)),
            Ok(version) => Err(fault(format!(
                "schema {schema} has version {version}, and this version of Testudo knows versions up to {today}: \
                 start a newer Testudo"
            ))),
            Err(_) => Err(fault(format!(
                "{name} has version {version}, which no version of Testudo writes: restore the table"
            ))),
        },
        _ => Err(fault(format!(
            "{name} has more than one row, which no version of Testudo writes: restore the table"
        ))),
    }
}

/// An earlier version of Testudo used the first schema of the role's `search_path`. A node that finds no tables in its
/// schema must not start with an empty store while the tables of this role are in another schema.
async fn refuse_another_schema(client: &Client, schema: &str) -> Result<(), StoreFault> {
    let text = "SELECT n.nspname::text FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relname = 'testudo_schema' AND c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%'
                  AND c.oid IS DISTINCT FROM to_regclass($1)
                  AND pg_catalog.pg_has_role(c.relowner, 'MEMBER') ORDER BY 1 LIMIT 1";
    // Another node that starts now may have created the table since the query above.
    let own = format!("{schema}.testudo_schema");
    match bounded(client.query_opt(text, &[&own])).await? {
        None => Ok(()),
        Some(row) => {
            let other: String = row.get(0);
            Err(fault(format!(
                "schema {schema} is empty, and the tables of Testudo are in schema {other:?}: name it in store.url, \
                 as ?options=-csearch_path%3D{other}"
            )))
        }
    }
}

async fn migrate(client: &mut Client, schema: &str) -> Result<(), StatementFault> {
    let answer = ANSWER_WITHIN;
    let transaction = within(answer, client.transaction()).await?;
    within(answer, limit(&transaction, LOCK_DEADLINE)).await?;
    let lock = transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]);
    within(LOCK_DEADLINE + answer, lock).await?;
    within(answer, limit(&transaction, STEP_DEADLINE)).await?;
    let table = format!("CREATE TABLE IF NOT EXISTS {schema}.testudo_schema (version INTEGER NOT NULL)");
    within(STEP_DEADLINE + answer, transaction.batch_execute(&table)).await?;
    // Another node may have migrated the schema since it was inspected.
    let row = within(
        answer,
        transaction.query_opt("SELECT version FROM testudo_schema", &[]),
    )
    .await?;
    let version: i32 = row
        .map_or(Ok(0), |row| row.try_get(0))
        .map_err(StatementFault::Refused)?;
    let done = usize::try_from(version).unwrap_or(0);
    for (position, step) in MIGRATIONS.iter().enumerate().skip(done) {
        within(STEP_DEADLINE + answer, transaction.batch_execute(step)).await?;
        let next = format!(
            "DELETE FROM testudo_schema; INSERT INTO testudo_schema VALUES ({})",
            position + 1
        );
        within(answer, transaction.batch_execute(&next)).await?;
    }
    within(STEP_DEADLINE, transaction.commit()).await
}

/// Sets the time limit in the database for the statements that follow in this transaction.
async fn limit(transaction: &Transaction<'_>, time: Duration) -> Result<(), tokio_postgres::Error> {
    let text = format!("SET LOCAL statement_timeout TO {}", time.as_millis());
    transaction.batch_execute(&text).await
}
