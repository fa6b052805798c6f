//! Inspects a database without creating or changing anything there: for `testudo doctor`, before a start.

use super::connect::Route;
use super::lease::bounded;
use super::schema::{self, CURRENT, Found};
use super::{PostgresAddress, PostgresEngine, fault};
use crate::StoreFault;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_postgres::Client;

/// What a node would find in the database. Every condition that would refuse its start, or each of its writes, is an
/// error.
pub(crate) enum Look {
    /// No tables of Testudo; they can be created.
    Empty,
    /// A schema that can be read; and its version, if it has to be migrated.
    Schema(PostgresEngine, Option<usize>),
}

pub(crate) async fn look(url: &str, extra_roots_pem: Option<&[u8]>) -> Result<Look, StoreFault> {
    let address = super::parse(url, extra_roots_pem)?;
    let route = Route::new(&address, extra_roots_pem)?;
    let (client, _ends_with_us) = route.connect_alone(Arc::new(Notify::new())).await?;
    schema::refuse_transaction_pooling(&route, &client).await?;
    schema::require_encoding(&route, &client).await?;
    let found = schema::look(&client, &address).await?;
    let text = "SELECT current_setting('transaction_read_only') = 'on'";
    if yes(&client, text).await? {
        return Err(fault(
            "the database accepts no writes now: default_transaction_read_only is on",
        ));
    }
    let version = match found {
        Found::Nothing => {
            require_create(&client, &address).await?;
            return Ok(Look::Empty);
        }
        Found::Earlier(version) => {
            require_ownership(&client, version).await?;
            Some(version)
        }
        Found::Current => {
            require_writes(&client).await?;
            None
        }
    };
    Ok(Look::Schema(PostgresEngine::start(route, None)?, version))
}

async fn yes(client: &Client, text: &str) -> Result<bool, StoreFault> {
    let row = bounded(client.query_one(text, &[])).await?;
    Ok(row.get::<_, Option<bool>>(0).unwrap_or(false))
}

async fn require_create(client: &Client, address: &PostgresAddress) -> Result<(), StoreFault> {
    let schema = &address.schema;
    let text = format!("SELECT has_schema_privilege(to_regnamespace('{schema}'), 'CREATE')");
    match yes(client, &text).await? {
        true => Ok(()),
        false => Err(fault(format!(
            "schema {schema} is empty or absent, and this role may not create tables there: start one node once as \
             the role that owns it"
        ))),
    }
}

async fn require_ownership(client: &Client, version: usize) -> Result<(), StoreFault> {
    let text = "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class
                WHERE oid IN (to_regclass('records'), to_regclass('counters'), to_regclass('changes'))";
    match yes(client, text).await? {
        true => Ok(()),
        false => Err(fault(format!(
            "the schema has version {version} and must be migrated to version {CURRENT}, which needs the role that owns \
             it: start one node once as that role"
        ))),
    }
}

async fn require_writes(client: &Client) -> Result<(), StoreFault> {
    let text = "SELECT string_agg(p || ' on ' || t, ', ')
                FROM unnest(ARRAY['records', 'counters', 'changes']) t,
                     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
                WHERE NOT has_table_privilege(t, p)";
    let row = bounded(client.query_one(text, &[])).await?;
    let missing = match row.get::<_, Option<String>>(0) {
        Some(missing) => Some(missing),
        None => {
            let text = "SELECT bool_and(has_function_privilege(oid, 'EXECUTE')) FROM pg_proc
                        WHERE proname = 'testudo_write' AND pronamespace = current_schema()::regnamespace";
            let may_execute = yes(client, text).await?;
            (!may_execute).then(|| "EXECUTE on testudo_write".to_owned())
        }
    };
    match missing {
        None => Ok(()),
        Some(missing) => Err(fault(format!(
            "this role lacks {missing}: run docs/operations/run-time-role.sql as the owner"
        ))),
    }
}
