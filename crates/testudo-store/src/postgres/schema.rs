//! Tables, the functions that commit a group, and migrations under an advisory lock.

use super::connect::Route;
use super::lease::{Failure, bounded, within};
use super::{PostgresAddress, fault, with_causes};
use crate::StoreFault;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

/// The advisory lock that a node takes while it migrates.
const MIGRATION_LOCK: i64 = 7_308_001;
/// How long a node waits for another one that migrates.
const LOCK_DEADLINE: Duration = Duration::from_secs(60);
/// How long one step may take: it may have to go through a table of millions of rows.
const STEP_DEADLINE: Duration = Duration::from_secs(600);
/// The server gives up by itself at a deadline; an answer that takes longer than this beyond it does not come.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Steps from one schema version to the next, in order.
const MIGRATIONS: &[&str] = &[
    include_str!("001.sql"),
    include_str!("002.sql"),
    include_str!("003.sql"),
];

/// The version that this version of Testudo works with.
pub(super) const TODAY: usize = MIGRATIONS.len();

/// What a schema holds of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// An earlier version.
    Earlier(usize),
    /// What this version of Testudo works with.
    Today,
}

/// Brings the schema to today. Several nodes that start at once take turns. Nothing is written, and no lock is
/// taken, where the schema is today's already: a role that may not create tables can start a node then.
pub(super) async fn bring_to_today(route: &Route, address: &PostgresAddress) -> Result<(), StoreFault> {
    let (mut client, _ends_with_us) = route.connect_alone(Arc::new(Notify::new())).await?;
    refuse_transaction_pooling(route, &client).await?;
    let found = look(&client, address).await?;
    if found == Found::Today {
        return Ok(());
    }
    let migrated = migrate(&mut client, &address.schema).await;
    migrated.map_err(|failure| match (failure, found) {
        (Failure::Refused(error), _) if error.code() == Some(&SqlState::QUERY_CANCELED) => fault(format!(
            "the schema must be brought to version {}, and for {} s another session has held its migration lock or a \
             table of it",
            TODAY,
            LOCK_DEADLINE.as_secs()
        )),
        (Failure::Refused(error), found) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let is = match found {
                Found::Nothing => "is empty".to_owned(),
                Found::Earlier(version) => format!("has version {version}"),
                Found::Today => "was today's".to_owned(),
            };
            fault(format!(
                "schema {} {is} and must be brought to version {}, which this role may not do ({}): start one node \
                 once as the role that owns the schema",
                address.schema,
                TODAY,
                Failure::Refused(error).into_fault()
            ))
        }
        (failure, _) => failure.into_fault(),
    })
}

/// A pooler in transaction mode hands the sessions of one client to another: what a session begins with would not
/// hold for our statements, and notifications would not come. Seen by what a second session finds of the first.
pub(super) async fn refuse_transaction_pooling(route: &Route, first: &Client) -> Result<(), StoreFault> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mark = format!("{}-{}", std::process::id(), now.as_nanos());
    bounded(first.batch_execute(&format!("SET testudo.session TO '{mark}'"))).await?;
    let (second, _ends_with_us) = route.connect_alone(Arc::new(Notify::new())).await?;
    let text = "SELECT coalesce(current_setting('testudo.session', true), '')";
    let found: String = bounded(second.query_one(text, &[])).await?.get(0);
    match found == mark {
        true => Err(fault(
            "a pooler in transaction mode is in between, and it mixes the sessions of its clients: let store.url \
             lead to PostgreSQL directly, or to a pooler in session mode",
        )),
        false => Ok(()),
    }
}

/// What is there, without a lock and without a write. A schema that cannot be one of this version's is an error.
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
    let today = TODAY;
    match versions[..] {
        [] => Ok(Found::Earlier(0)),
        [version] => match usize::try_from(version) {
            Ok(version) if version == today => Ok(Found::Today),
            Ok(version) if version < today => Ok(Found::Earlier(version)),
            Ok(version) => Err(fault(format!(
                "schema {schema} has version {version}, and this version of Testudo knows versions up to {today}: \
                 start a newer Testudo"
            ))),
            Err(_) => Err(fault(format!(
                "{name} says version {version}, which no version of Testudo writes: restore the table"
            ))),
        },
        _ => Err(fault(format!(
            "{name} has more than one row, which no version of Testudo writes: restore the table"
        ))),
    }
}

/// An earlier version took the first schema of the role's `search_path`. A node that finds nothing in its schema must
/// not begin anew beside what this role wrote there.
async fn refuse_another_schema(client: &Client, schema: &str) -> Result<(), StoreFault> {
    let text = "SELECT n.nspname::text FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relname = 'testudo_schema' AND c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%'
                  AND c.oid IS DISTINCT FROM to_regclass($1)
                  AND pg_catalog.pg_has_role(c.relowner, 'MEMBER') ORDER BY 1 LIMIT 1";
    // Another node that starts now may have made the table since it was looked for.
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

async fn migrate(client: &mut Client, schema: &str) -> Result<(), Failure> {
    let answer = ANSWER_WITHIN;
    let transaction = within(answer, client.transaction()).await?;
    within(answer, limit(&transaction, LOCK_DEADLINE)).await?;
    let lock = transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]);
    within(LOCK_DEADLINE + answer, lock).await?;
    within(answer, limit(&transaction, STEP_DEADLINE)).await?;
    let table = format!("CREATE TABLE IF NOT EXISTS {schema}.testudo_schema (version INTEGER NOT NULL)");
    within(STEP_DEADLINE + answer, transaction.batch_execute(&table)).await?;
    // Another node may have been here since the look.
    let row = within(
        answer,
        transaction.query_opt("SELECT version FROM testudo_schema", &[]),
    )
    .await?;
    let version: i32 = row
        .map_or(Ok(0), |row| row.try_get(0))
        .map_err(Failure::Refused)?;
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

/// The server's own limit for the statements that follow in this transaction.
async fn limit(transaction: &Transaction<'_>, time: Duration) -> Result<(), tokio_postgres::Error> {
    let text = format!("SET LOCAL statement_timeout TO {}", time.as_millis());
    transaction.batch_execute(&text).await
}
