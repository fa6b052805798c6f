//! The pool of a node's connections, bounded in number and in every wait. After a failover, connections to the former
//! server are not used any more.

use super::connect::Route;
use super::connect_fault::Target;
use super::{CONNECT_DEADLINE, CONNECTIONS_MAX, fault};
use crate::StoreFault;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio_postgres::Config;

/// A handle of the pool, cheap to clone.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
    /// When the listener last found that another server answers, or the same server after a restart. A connection that
    /// was requested earlier may lead to the former server, which may still answer.
    exchanged: Arc<Mutex<Option<Instant>>>,
    target: Target,
}

impl Connections {
    pub(super) fn new(route: &Route) -> Result<Connections, StoreFault> {
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_connect(Config::new(), route.clone(), recycling);
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS_MAX)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_DEADLINE))
            .create_timeout(Some(route.deadline()))
            .recycle_timeout(Some(CONNECT_DEADLINE))
            .build()
            .map_err(fault)?;
        Ok(Connections {
            pool,
            exchanged: Arc::default(),
            target: route.target().clone(),
        })
    }

    /// The database, for messages.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// A connection that was opened after the last change of the database server.
    pub(super) async fn get(&self) -> Result<Object, PoolError> {
        loop {
            let object = self.pool.get().await?;
            if !self.may_be_of_former_server(Object::metrics(&object).created) {
                return Ok(object);
            }
            drop(Object::take(object));
        }
    }

    /// True if a statement that began at this moment may have been answered by the former server.
    pub(super) fn may_be_of_former_server(&self, began: Instant) -> bool {
        let exchanged = *self.exchanged.lock().unwrap_or_else(PoisonError::into_inner);
        exchanged.is_some_and(|moment| began <= moment)
    }

    /// Records that another server answers now. Results of statements that began earlier are not used, and no earlier
    /// connection is given out again.
    pub(super) fn discard_all(&self) {
        *self.exchanged.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.close_idle();
    }

    /// Closes the idle connections of the pool. New ones are opened when they are needed.
    pub(super) fn close_idle(&self) {
        self.pool.retain(|_, _| false);
    }
}
