//! Clients in memory, so that the request of a known client needs no read of the store; and when each was last used.

use crate::state::absent_clients::AbsentClients;
use crate::state::client_changes::ClientChanges;
pub use crate::state::client_changes::ReadTicket;
use crate::state::moment::Moment;
use crate::trust::remote_keys::KeySetUrl;
use quick_cache::sync::Cache;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use testudo_core::CredentialKind;
use testudo_core::doors::{ClientKeys, PublicRegistration};
use testudo_core::records::{Client, Versioned};
use testudo_protocol::Timestamp;

/// A client in memory, and when it was last used.
#[derive(Debug)]
pub struct CachedClient {
    /// The record, as stored.
    pub stored: Versioned<Client>,
    last_used: AtomicI64,
    last_credential: Mutex<CredentialKind>,
    is_dirty: AtomicBool,
    /// The client's keys, parsed at their first use: importing a key costs as much as one verification.
    keys: OnceLock<Option<Arc<ClientKeys>>>,
    public: OnceLock<Option<Arc<PublicRegistration>>>,
    key_set_url: OnceLock<Result<KeySetUrl, String>>,
}

impl CachedClient {
    /// The keys that the client registered by value, if any.
    pub fn keys(&self) -> Option<Arc<ClientKeys>> {
        let parse = || ClientKeys::of(&self.stored.record).map(Arc::new);
        self.keys.get_or_init(parse).clone()
    }

    /// What the client is judged by, if it registered as a public one.
    pub fn public(&self) -> Option<Arc<PublicRegistration>> {
        let read = || PublicRegistration::of(&self.stored.record).map(Arc::new);
        self.public.get_or_init(read).clone()
    }

    /// The `jwks_uri` that the client registered, if any, in its normal form.
    pub(crate) fn key_set_url(&self) -> Option<&Result<KeySetUrl, String>> {
        let url = self.stored.record.metadata.jwks_uri.as_deref()?;
        Some(self.key_set_url.get_or_init(|| KeySetUrl::parse(url)))
    }

    /// When the client was last used, whether or not that is already in the store.
    pub fn last_used(&self) -> Timestamp {
        Timestamp(self.last_used.load(Ordering::Relaxed))
    }

    /// The kind of the credential that the client used last.
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
    absent: AbsentClients,
    /// A client that was read before a change must not be put into memory after it: [`Clients::file`] asks this, and
    /// [`Clients::note_absent`] does so for a client that was not found.
    changes: ClientChanges,
    dirty: Mutex<Vec<Arc<CachedClient>>>,
}

impl Clients {
    /// An empty memory for at most `clients_max` clients.
    pub fn new(clients_max: usize) -> Clients {
        Clients {
            cache: Cache::new(clients_max),
            absent: AbsentClients::default(),
            changes: ClientChanges::default(),
            dirty: Mutex::default(),
        }
    }

    /// Changes the most clients in memory; removes those that are too many.
    pub fn resize(&self, clients_max: usize) {
        self.cache.set_capacity(clients_max as u64);
    }

    /// The most clients that are kept in memory.
    pub fn clients_max(&self) -> u64 {
        self.cache.capacity()
    }

    /// A client by key.
    pub fn get(&self, key: &[u8]) -> Option<Arc<CachedClient>> {
        self.cache.get(key)
    }

    /// The ticket to take before the store is read.
    pub fn ticket(&self) -> ReadTicket {
        self.changes.ticket()
    }

    /// Puts a client that was read into memory; removes it again if it may have been changed since
    /// `ticket`.
    pub fn file(&self, key: Vec<u8>, stored: Versioned<Client>, ticket: ReadTicket) -> Arc<CachedClient> {
        let known = Arc::new(CachedClient {
            last_used: AtomicI64::new(stored.record.last_used.0),
            last_credential: Mutex::new(stored.record.last_credential),
            is_dirty: AtomicBool::new(false),
            keys: OnceLock::new(),
            public: OnceLock::new(),
            key_set_url: OnceLock::new(),
            stored,
        });
        self.cache.insert(key.clone(), known.clone());
        if self.changes.are_since(ticket, &key) {
            self.cache.remove(&key);
        }
        known
    }

    /// True if a moment ago the store had no such client, and this node has not been notified of one since.
    pub fn is_absent(&self, key: &[u8], now: Moment) -> bool {
        self.absent.contains(key, now)
    }

    /// Notes that the store has no such client, unless it may have been made since `ticket`.
    pub fn note_absent(&self, key: &[u8], ticket: ReadTicket, now: Moment) {
        self.absent.insert(key, now);
        if self.changes.are_since(ticket, key) {
            self.absent.remove(key);
        }
    }

    /// Removes a client from memory because it was inserted, changed or deleted in the store.
    pub fn forget(&self, key: &[u8]) {
        self.changes.note(key);
        self.cache.remove(key);
        self.absent.remove(key);
    }

    /// Removes all clients from memory because changes may have been missed.
    pub fn forget_all(&self) {
        self.changes.note_all();
        self.cache.clear();
        self.absent.clear();
    }

    /// Notes a use in memory. The next flush writes it to the store.
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

    /// Notes again the clients whose uses could not be written; the next flush tries them again.
    pub fn take_back(&self, clients: &[Arc<CachedClient>]) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        let clean = clients
            .iter()
            .filter(|known| !known.is_dirty.swap(true, Ordering::Relaxed));
        dirty.extend(clean.cloned());
    }

    /// The clients that were used since the last call.
    pub fn take_dirty(&self) -> Vec<Arc<CachedClient>> {
        let dirty = std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner));
        for known in &dirty {
            known.is_dirty.store(false, Ordering::Relaxed);
        }
        dirty
    }

    /// The number of clients in memory.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// True where no client is in memory.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }
}
