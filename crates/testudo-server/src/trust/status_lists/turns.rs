//! How many status lists are fetched at the same time: in all, and for one issuer.

use super::fetch::Fault;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest time that a fetch waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The fetches that may run.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    of_issuer_max: usize,
    /// By the name of the issuer, for those of which a fetch runs or waits.
    issuers: Mutex<HashMap<Box<str>, Arc<Semaphore>>>,
}

/// The right to fetch one list, until it is dropped.
pub(super) struct Turn {
    _all: OwnedSemaphorePermit,
    _issuer: OwnedSemaphorePermit,
}

impl Turns {
    pub(super) fn new(all_max: usize, of_issuer_max: usize) -> Turns {
        Turns {
            all: Arc::new(Semaphore::new(all_max)),
            of_issuer_max,
            issuers: Mutex::default(),
        }
    }

    /// Waits for the turn of a fetch for this issuer. Fetches that wait because of their own issuer take no turn of others.
    pub(super) async fn of(&self, issuer: &str) -> Result<Turn, Fault> {
        let own = self.issuer(issuer);
        let turn = async {
            let _issuer = own.acquire_owned().await.ok()?;
            let _all = self.all.clone().acquire_owned().await.ok()?;
            Some(Turn { _all, _issuer })
        };
        let turn = tokio::time::timeout(WAIT_MAX, turn).await.ok().flatten();
        turn.ok_or_else(|| Fault::Shed("too many status lists are being fetched".to_owned()))
    }

    fn issuer(&self, name: &str) -> Arc<Semaphore> {
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        // A permit holds its semaphore, so one that is held only here has no fetch.
        issuers.retain(|_, turns| Arc::strong_count(turns) > 1);
        let new = || Arc::new(Semaphore::new(self.of_issuer_max));
        issuers.entry(name.into()).or_insert_with(new).clone()
    }
}
