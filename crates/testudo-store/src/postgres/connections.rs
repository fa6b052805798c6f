//! The pool of a node's connections, bounded in number and in every wait, and since when they lead to today's server.

use super::connect::Route;
use super::{CONNECT_DEADLINE, CONNECTIONS_MAX, fault};
use crate::StoreFault;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio_postgres::Config;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
    /// When it was last found that another server answers, or the same one after a restart. A connection that was
    /// asked for before may lead to the server that was, which may go on answering.
    exchanged: Arc<Mutex<Option<Instant>>>,
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
        })
    }

    /// A connection that was made since the database was last exchanged.
    pub(super) async fn get(&self) -> Result<Object, PoolError> {
        loop {
            let object = self.pool.get().await?;
            if !self.is_of_another(Object::metrics(&object).created) {
                return Ok(object);
            }
            drop(Object::take(object));
        }
    }

    /// True where what began at this moment may have met the server that was.
    pub(super) fn is_of_another(&self, began: Instant) -> bool {
        let exchanged = *self.exchanged.lock().unwrap_or_else(PoisonError::into_inner);
        exchanged.is_some_and(|moment| began <= moment)
    }

    /// Another server answers now. Whatever began before is not believed, and no connection of before is lent again.
    pub(super) fn leave_all(&self) {
        *self.exchanged.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.close_idle();
    }

    /// Closes what is in the pool now. New ones are made as they are needed.
    pub(super) fn close_idle(&self) {
        self.pool.retain(|_, _| false);
    }
}
