//! Resolves names. A lookup blocks a thread until the resolver answers, and a deadline cannot stop it. So lookups run
//! in a small number of separate threads, with one limit for names from clients and another for names from the
//! configuration.

use crate::{FetchFault, UrlOrigin};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::{fmt, io};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Running lookups of names from clients. Further fetches fail at once, so that requests do not queue for a slow
/// resolver.
pub const CLIENT_LOOKUPS_MAX: usize = 8;
/// Running lookups of names from the configuration. Further lookups wait, since the configuration has few URLs.
pub const CONFIGURATION_LOOKUPS_MAX: usize = 16;
/// Maximum number of addresses of one name that are used.
const ADDRESSES_MAX: usize = 16;

/// Resolves a name; it may block.
#[derive(Clone)]
pub struct NameLookup(Arc<Find>);

type Find = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

impl NameLookup {
    /// A replacement of the system's resolver, for tests.
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
    for_clients: Arc<Semaphore>,
    for_configuration: Arc<Semaphore>,
}

impl Names {
    pub(crate) fn new(lookup: NameLookup) -> Names {
        Names {
            lookup,
            for_clients: Arc::new(Semaphore::new(CLIENT_LOOKUPS_MAX)),
            for_configuration: Arc::new(Semaphore::new(CONFIGURATION_LOOKUPS_MAX)),
        }
    }

    /// The addresses of a name, in the order in which the resolver returns them.
    pub(crate) async fn find(&self, name: &str, origin: UrlOrigin) -> Result<Vec<IpAddr>, FetchFault> {
        let not_found = || FetchFault::NameNotFound(name.to_owned());
        let permit = self.permit(origin).await?;
        let (reply, answer) = oneshot::channel();
        let (lookup, owned) = (self.lookup.clone(), name.to_owned());
        // The thread holds the permit until the lookup ends, even if the request stops waiting: the thread is still in
        // use.
        std::thread::Builder::new()
            .name("name-lookup".into())
            .spawn(move || {
                // The caller may have stopped waiting.
                let _ = reply.send((lookup.0)(&owned));
                drop(permit);
            })
            .map_err(|error| {
                FetchFault::Connect(format!("cannot start a thread for a name lookup: {error}"))
            })?;
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
            UrlOrigin::Client => self.for_clients.clone().try_acquire_owned().map_err(|_| busy),
            UrlOrigin::Configuration => self
                .for_configuration
                .clone()
                .acquire_owned()
                .await
                .map_err(|_| busy),
        }
    }
}
