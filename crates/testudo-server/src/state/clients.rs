//! Clients in memory, so that a known client costs no store access, and when they were last used.

use crate::trust::remote_keys::Place;
use quick_cache::sync::Cache;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use testudo_core::CredentialKind;
use testudo_core::doors::ClientKeys;
use testudo_core::records::{Client, Versioned};
use testudo_protocol::Timestamp;

/// A client that was loaded, and when it was last used since.
#[derive(Debug)]
pub struct CachedClient {
    /// As stored.
    pub stored: Versioned<Client>,
    last_used: AtomicI64,
    last_credential: Mutex<CredentialKind>,
    is_dirty: AtomicBool,
    /// Parsed at their first use: importing a key costs as much as verifying with it.
    keys: OnceLock<Option<Arc<ClientKeys>>>,
    place: OnceLock<Result<Place, String>>,
}

impl CachedClient {
    /// Keys of its own, of a client that registered with some.
    pub fn keys(&self) -> Option<Arc<ClientKeys>> {
        let parse = || ClientKeys::of(&self.stored.record).map(Arc::new);
        self.keys.get_or_init(parse).clone()
    }

    /// Where it publishes its keys, of a client that registered a URL for them.
    pub(crate) fn place_of_keys(&self) -> Option<&Result<Place, String>> {
        let url = self.stored.record.metadata.jwks_uri.as_deref()?;
        Some(self.place.get_or_init(|| Place::parse(url)))
    }

    /// When it was last used, flushed or not.
    pub fn last_used(&self) -> Timestamp {
        Timestamp(self.last_used.load(Ordering::Relaxed))
    }

    /// The kind of credential it showed last.
    pub fn last_credential(&self) -> CredentialKind {
        *self
            .last_credential
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Clients in memory.
pub struct Clients {
    cache: Cache<Vec<u8>, Arc<CachedClient>>,
    /// Counts changes made by administrators. A client that was read before a change and kept after it would
    /// stay stale: the code that keeps it compares the count first.
    changes: AtomicU64,
    dirty: Mutex<Vec<Arc<CachedClient>>>,
}

/// Taken before a read, given back when its result is filed.
#[derive(Debug, Clone, Copy)]
pub struct ReadTicket(u64);

impl Clients {
    /// Room for so many.
    pub fn new(clients_max: usize) -> Clients {
        Clients {
            cache: Cache::new(clients_max),
            changes: AtomicU64::new(0),
            dirty: Mutex::default(),
        }
    }

    /// Room for another number: what is too many is forgotten.
    pub fn resize(&self, clients_max: usize) {
        self.cache.set_capacity(clients_max as u64);
    }

    /// A client by key.
    pub fn get(&self, key: &[u8]) -> Option<Arc<CachedClient>> {
        self.cache.get(key)
    }

    /// To be taken before the store is read.
    pub fn ticket(&self) -> ReadTicket {
        ReadTicket(self.changes.load(Ordering::SeqCst))
    }

    /// Files what was read; drops it again if a change came in between.
    pub fn file(&self, key: Vec<u8>, stored: Versioned<Client>, ticket: ReadTicket) -> Arc<CachedClient> {
        let known = Arc::new(CachedClient {
            last_used: AtomicI64::new(stored.record.last_used.0),
            last_credential: Mutex::new(stored.record.last_credential),
            is_dirty: AtomicBool::new(false),
            keys: OnceLock::new(),
            place: OnceLock::new(),
            stored,
        });
        self.cache.insert(key.clone(), known.clone());
        if self.changes.load(Ordering::SeqCst) != ticket.0 {
            self.cache.remove(&key);
        }
        known
    }

    /// Forgets a client that was changed in the store.
    pub fn forget(&self, key: &[u8]) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.cache.remove(key);
    }

    /// Forgets all: changes may have been missed.
    pub fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.cache.clear();
    }

    /// Notes a use: in memory only, written by the next flush.
    pub fn note_use(&self, known: &Arc<CachedClient>, kind: CredentialKind, now: Timestamp) {
        if known.last_used.swap(now.0, Ordering::Relaxed) == now.0 {
            return;
        }
        *known
            .last_credential
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = kind;
        if !known.is_dirty.swap(true, Ordering::Relaxed) {
            self.dirty
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(known.clone());
        }
    }

    /// Takes back clients whose uses could not be written: the next flush tries again.
    pub fn take_back(&self, clients: &[Arc<CachedClient>]) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        let untold = clients
            .iter()
            .filter(|known| !known.is_dirty.swap(true, Ordering::Relaxed));
        dirty.extend(untold.cloned());
    }

    /// The clients used since the last call.
    pub fn take_dirty(&self) -> Vec<Arc<CachedClient>> {
        let dirty = std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner));
        for known in &dirty {
            known.is_dirty.store(false, Ordering::Relaxed);
        }
        dirty
    }

    /// Clients in memory now.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// True where none is.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }
}
