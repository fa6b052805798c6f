//! A connection that is taken from the pool. It is returned to the pool only if the server has answered every statement
//! and has not been replaced by another server.
//!
//! A connection that hangs (its packets are dropped, the other machine is gone) reports no error. If it were returned
//! to the pool with a pending statement, every later user would wait behind that statement.

use super::connections::Connections;
use super::{STATEMENT_DEADLINE, fault, with_causes};
use crate::StoreFault;
use deadpool_postgres::{Object, PoolError, TimeoutType};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;

/// If a caller ends while its statement is pending (a client closed its request), the connection most likely works. If
/// the statement has been pending for longer than this, the connection is closed.
const PENDING_MAX: Duration = Duration::from_secs(1);

/// A connection that is taken from the pool.
pub(super) struct Lease {
    object: Option<Object>,
    connections: Connections,
    begun: Instant,
    is_pending: AtomicBool,
    is_lost: AtomicBool,
}

/// Takes a connection from the pool.
pub(super) async fn checkout(connections: &Connections) -> Result<Lease, StoreFault> {
    let begun = Instant::now();
    let object = connections.get().await.map_err(|error| {
        if let PoolError::Timeout(TimeoutType::Wait) = error {
            return fault("all connections of this node to the database are waiting for an answer");
        }
        if let PoolError::Backend(error) = &error {
            return connections.target().fault(error);
        }
        with_causes(&error)
    })?;
    Ok(Lease {
        object: Some(object),
        connections: connections.clone(),
        begun,
        is_pending: AtomicBool::new(false),
        is_lost: AtomicBool::new(false),
    })
}

impl Lease {
    /// Awaits `work` on this connection, within the deadline.
    pub(super) async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreFault> {
        self.attempt(work).await.map_err(StatementFault::into_fault)
    }

    /// As [`Lease::bounded`], with the error of the database if it refused the statement.
    pub(super) async fn attempt<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StatementFault> {
        self.is_pending.store(true, Ordering::Relaxed);
        let outcome = match within(STATEMENT_DEADLINE, work).await {
            Ok(_) if self.connections.may_be_of_former_server(self.begun) => {
                Err(StatementFault::ServerReplaced)
            }
            outcome => outcome,
        };
        let is_lost = match &outcome {
            Ok(_) | Err(StatementFault::ServerReplaced) => false,
            Err(StatementFault::NoAnswer(_)) => true,
            // With the first code the session began while the server was read-only: a new session may be able to write. A
            // connection that ended may not look closed yet, and must not be given out again.
            Err(fault @ StatementFault::Refused(error)) => {
                error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) || fault.is_of_connection()
            }
        };
        if is_lost {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        self.is_pending.store(false, Ordering::Relaxed);
        outcome
    }
}

impl Deref for Lease {
    type Target = Object;

    #[expect(clippy::expect_used, reason = "only `drop` takes the object")]
    fn deref(&self) -> &Object {
        self.object
            .as_ref()
            .expect("a lease has its connection until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let is_stuck = self.is_pending.load(Ordering::Relaxed) && self.begun.elapsed() > PENDING_MAX;
        let is_broken = is_stuck || self.is_lost.load(Ordering::Relaxed);
        if !is_broken && !self.connections.may_be_of_former_server(self.begun) {
            return;
        }
        if let Some(object) = self.object.take() {
            // Removes the connection from the pool, which closes the socket.
            drop(Object::take(object));
        }
        if is_broken {
            // The idle connections are as old and use the same network path, so they are closed too.
            self.connections.close_idle();
        }
    }
}

/// Why a statement has no result.
#[derive(Debug)]
pub(super) enum StatementFault {
    /// There was no answer within this time.
    NoAnswer(Duration),
    /// The server refused the statement, or the connection failed.
    Refused(tokio_postgres::Error),
    /// The statement was answered, but perhaps by the former server.
    ServerReplaced,
}

impl StatementFault {
    pub(super) fn into_fault(self) -> StoreFault {
        match self {
            StatementFault::NoAnswer(time) => fault(format!("no answer within {} s", time.as_secs())),
            StatementFault::Refused(error) => refusal(&error),
            StatementFault::ServerReplaced => fault(
                "the database server was replaced or restarted after this statement was sent: its result \
                 is not used",
            ),
        }
    }

    /// True if the statement has no result because its connection ended, or may have led to the former server. Another
    /// connection may have one.
    pub(super) fn is_of_connection(&self) -> bool {
        match self {
            StatementFault::ServerReplaced => true,
            // The server that ends states so on each connection: shutdown (57P01), crash (57P02), not started yet (57P03).
            StatementFault::Refused(error) => {
                error.is_closed() || error.code().is_some_and(|code| code.code().starts_with("57P0"))
            }
            StatementFault::NoAnswer(_) => false,
        }
    }

    /// True if the server undid the statement because of a concurrent one, so that it may succeed when it is repeated.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            StatementFault::NoAnswer(_) | StatementFault::ServerReplaced => false,
            StatementFault::Refused(error) => error.code().is_some_and(|code| {
                [
                    SqlState::T_R_SERIALIZATION_FAILURE,
                    SqlState::T_R_DEADLOCK_DETECTED,
                ]
                .contains(code)
            }),
        }
    }
}

/// The error of the database, with a hint for errors whose text does not name the remedy.
fn refusal(error: &tokio_postgres::Error) -> StoreFault {
    let Some(said) = error.as_db_error() else {
        return with_causes(error);
    };
    let code = said.code();
    let remedy = if *code == SqlState::QUERY_CANCELED {
        ": the statement waited for a lock or for a slow disk"
    } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        ": the database accepts no writes now (it is a standby, or default_transaction_read_only is on)"
    } else if [
        SqlState::INVALID_SQL_STATEMENT_NAME,
        SqlState::DUPLICATE_PSTATEMENT,
    ]
    .contains(code)
    {
        ": there may be a connection pooler in transaction mode: connect directly, or use session mode"
    } else {
        ""
    };
    fault(format!("{} ({}){remedy}", said.message(), code.code()))
}

/// Awaits `work` on a connection that is not in the pool. If it fails, the caller drops the connection.
pub(super) async fn bounded<T>(
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreFault> {
    within(STATEMENT_DEADLINE, work)
        .await
        .map_err(StatementFault::into_fault)
}

/// Stops waiting after this time, because a paused server neither answers nor closes the connection.
pub(super) async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StatementFault> {
    match tokio::time::timeout(time, work).await {
        Ok(outcome) => outcome.map_err(StatementFault::Refused),
        Err(_) => Err(StatementFault::NoAnswer(time)),
    }
}
