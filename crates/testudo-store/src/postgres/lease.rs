//! A connection on loan from the pool, which goes back only where the server has answered everything, and is still
//! the one that nodes go by.
//!
//! A connection that hangs (its packets are dropped, the other machine is gone) is not closed by any sign. If it
//! went back into the pool with a statement pending, every later loan would wait behind that statement.

use super::connections::Connections;
use super::{STATEMENT_DEADLINE, fault, with_causes};
use crate::StoreFault;
use deadpool_postgres::{Object, PoolError, TimeoutType};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;

/// A caller that goes away while its statement is pending (a client hung up) leaves a connection that is most likely
/// sound. Where the statement has been pending for longer than this, it is not.
const PENDING_MAX: Duration = Duration::from_secs(1);

/// A connection on loan.
pub(super) struct Lease {
    object: Option<Object>,
    connections: Connections,
    begun: Instant,
    is_pending: AtomicBool,
    is_lost: AtomicBool,
}

/// Lends a connection.
pub(super) async fn checkout(connections: &Connections) -> Result<Lease, StoreFault> {
    let begun = Instant::now();
    let object = connections.get().await.map_err(|error| {
        if let PoolError::Timeout(TimeoutType::Wait) = error {
            return fault("all connections of this node are waiting for an answer");
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
    /// Waits for work on this connection, within the deadline.
    pub(super) async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreFault> {
        self.attempt(work).await.map_err(Failure::into_fault)
    }

    /// The same, with the server's own word where it refused.
    pub(super) async fn attempt<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        self.is_pending.store(true, Ordering::Relaxed);
        let outcome = match within(STATEMENT_DEADLINE, work).await {
            Ok(_) if self.connections.is_of_another(self.begun) => Err(Failure::Exchanged),
            outcome => outcome,
        };
        match &outcome {
            Ok(_) | Err(Failure::Exchanged) => {}
            Err(Failure::NoAnswer(_)) => self.is_lost.store(true, Ordering::Relaxed),
            Err(Failure::Refused(error)) => {
                // The session was made while the server was read-only, and another one may not be.
                let is_read_only = error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
                self.is_lost.store(is_read_only, Ordering::Relaxed);
            }
        }
        self.is_pending.store(false, Ordering::Relaxed);
        outcome
    }
}

impl Deref for Lease {
    type Target = Object;

    #[expect(clippy::expect_used, reason = "only `drop` takes the object out")]
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
        if !is_broken && !self.connections.is_of_another(self.begun) {
            return;
        }
        if let Some(object) = self.object.take() {
            // Out of the pool, which closes the socket.
            drop(Object::take(object));
        }
        if is_broken {
            // Those that idle are as old and went the same way.
            self.connections.close_idle();
        }
    }
}

/// Why a statement has no result.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing was answered in this time.
    NoAnswer(Duration),
    /// The server refused, or the connection broke.
    Refused(tokio_postgres::Error),
    /// It was answered, perhaps by a server that has a successor since.
    Exchanged,
}

impl Failure {
    pub(super) fn into_fault(self) -> StoreFault {
        match self {
            Failure::NoAnswer(time) => fault(format!("no answer within {} s", time.as_secs())),
            Failure::Refused(error) => refusal(&error),
            Failure::Exchanged => fault(
                "another server answers now than when this statement was sent (a failover, or a restart): its result \
                 is not believed",
            ),
        }
    }

    /// True where the server undid the statement because of another one, and it may succeed when repeated.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Failure::NoAnswer(_) | Failure::Exchanged => false,
            Failure::Refused(error) => error.code().is_some_and(|code| {
                [
                    SqlState::T_R_SERIALIZATION_FAILURE,
                    SqlState::T_R_DEADLOCK_DETECTED,
                ]
                .contains(code)
            }),
        }
    }
}

/// What the server said, and what to do where its words do not say it.
fn refusal(error: &tokio_postgres::Error) -> StoreFault {
    let Some(said) = error.as_db_error() else {
        return with_causes(error);
    };
    let code = said.code();
    let remedy = if *code == SqlState::QUERY_CANCELED {
        ": the statement waited, for a lock or for a slow disk"
    } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        ": the database takes no writes now (a standby, or default_transaction_read_only)"
    } else if [
        SqlState::INVALID_SQL_STATEMENT_NAME,
        SqlState::DUPLICATE_PSTATEMENT,
    ]
    .contains(code)
    {
        ": is a pooler in transaction mode in between? Connect directly, or in session mode"
    } else {
        ""
    };
    fault(format!("{} ({}){remedy}", said.message(), code.code()))
}

/// Waits for work on a connection that is not in the pool. Where it fails, the caller drops the connection.
pub(super) async fn bounded<T>(
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreFault> {
    within(STATEMENT_DEADLINE, work)
        .await
        .map_err(Failure::into_fault)
}

/// A paused server answers nothing and closes nothing: give up after this time.
pub(super) async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(time, work).await {
        Ok(outcome) => outcome.map_err(Failure::Refused),
        Err(_) => Err(Failure::NoAnswer(time)),
    }
}
