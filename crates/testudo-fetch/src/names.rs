//! From names to addresses. A lookup blocks a thread for as long as the resolver takes, which no deadline of ours
//! shortens: so lookups have threads of their own, few of them, and those that strangers cause are counted apart.

use crate::{FetchFault, UrlOrigin};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::{fmt, io};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Lookups of strangers' names under way. Beyond, a fetch fails at once: a slow resolver is no reason to queue.
pub const STRANGER_LOOKUPS_MAX: usize = 8;
/// Lookups of the operator's names under way. Beyond, they wait: their URLs are few.
pub const OPERATOR_LOOKUPS_MAX: usize = 16;
/// Addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 16;

/// Finds the addresses of a name; it may block.
#[derive(Clone)]
pub struct NameLookup(Arc<Find>);

type Find = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

impl NameLookup {
    /// In place of the system's resolver: for tests.
    pub fn new(find: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> NameLookup {
        NameLookup(Arc::new(find))
    }
}

impl Default for NameLookup {
    fn default() -> NameLookup {
        NameLookup::new(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
    }
}

impl fmt::Debug for NameLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameLookup")
    }
}

pub(crate) struct Names {
    lookup: NameLookup,
    strangers: Arc<Semaphore>,
    operator: Arc<Semaphore>,
}

impl Names {
    pub(crate) fn new(lookup: NameLookup) -> Names {
        Names {
            lookup,
            strangers: Arc::new(Semaphore::new(STRANGER_LOOKUPS_MAX)),
            operator: Arc::new(Semaphore::new(OPERATOR_LOOKUPS_MAX)),
        }
    }

    /// The addresses of a name, in the order in which the system gives them.
    pub(crate) async fn find(&self, name: &str, origin: UrlOrigin) -> Result<Vec<IpAddr>, FetchFault> {
        let not_found = || FetchFault::NameNotFound(name.to_owned());
        let permit = self.permit(origin).await?;
        let (reply, answer) = oneshot::channel();
        let (lookup, owned) = (self.lookup.clone(), name.to_owned());
        // The thread holds the permit: a request that stops waiting makes no room for another lookup.
        std::thread::Builder::new()
            .name("name-lookup".into())
            .spawn(move || {
                // The caller may have gone.
                let _ = reply.send((lookup.0)(&owned));
                drop(permit);
            })
            .map_err(|error| FetchFault::Connect(format!("no thread for a name lookup: {error}")))?;
        let found = answer.await.map_err(|_| not_found())?.map_err(|_| not_found())?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.into_iter().take(ADDRESSES_MAX) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(not_found());
        }
        Ok(addresses)
    }

    async fn permit(&self, origin: UrlOrigin) -> Result<OwnedSemaphorePermit, FetchFault> {
        let busy = FetchFault::Busy {
            limit: "name lookups",
        };
        match origin {
            UrlOrigin::Stranger => self.strangers.clone().try_acquire_owned().map_err(|_| busy),
            UrlOrigin::Operator => self.operator.clone().acquire_owned().await.map_err(|_| busy),
        }
    }
}
