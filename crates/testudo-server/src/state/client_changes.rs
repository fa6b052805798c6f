//! Which clients were changed lately, so that a client that was read before a change is not put into memory after it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Clients are distributed over so many slots by their keys. A change makes the reads of its slot that are under way
/// unusable. With one slot for all clients, no client could be read into memory while another node registers thousands
/// in a second.
const SLOTS: usize = 1_024;

/// Numbers the changes of clients, and knows the last one of each slot.
pub(super) struct ClientChanges {
    count: AtomicU64,
    /// The number of the last change that was of all clients.
    last_of_all: AtomicU64,
    last: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// The number of the last change before a read. [`ClientChanges::are_since`] tells whether there was another one.
#[derive(Debug, Clone, Copy)]
pub struct ReadTicket(u64);

impl Default for ClientChanges {
    fn default() -> ClientChanges {
        ClientChanges {
            count: AtomicU64::new(0),
            last_of_all: AtomicU64::new(0),
            last: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl ClientChanges {
    /// The ticket to take before the store is read.
    pub(super) fn ticket(&self) -> ReadTicket {
        ReadTicket(self.count.load(Ordering::SeqCst))
    }

    /// Notes that this client was changed. It is called before the client is removed from memory: a request that puts it
    /// there afterwards sees the change.
    pub(super) fn note(&self, key: &[u8]) {
        let number = self.next();
        if let Some(last) = self.slot(key) {
            last.fetch_max(number, Ordering::SeqCst);
        }
    }

    /// Notes that any client may have been changed.
    pub(super) fn note_all(&self) {
        self.last_of_all.fetch_max(self.next(), Ordering::SeqCst);
    }

    /// True if the client with this key may have been changed since the ticket was taken.
    pub(super) fn are_since(&self, ticket: ReadTicket, key: &[u8]) -> bool {
        let is_later = |last: &AtomicU64| last.load(Ordering::SeqCst) > ticket.0;
        is_later(&self.last_of_all) || self.slot(key).is_none_or(is_later)
    }

    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn slot(&self, key: &[u8]) -> Option<&AtomicU64> {
        let hash = self.hasher.hash_one(key) as usize;
        self.last.get(hash % SLOTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_of_one_client_makes_its_reads_unusable_and_those_of_hardly_another_one() {
        let changes = ClientChanges::default();
        let ticket = changes.ticket();
        changes.note(b"changed");
        assert!(changes.are_since(ticket, b"changed"));
        let others = (0..1_000_u32).map(u32::to_be_bytes);
        let unusable = others.filter(|key| changes.are_since(ticket, key)).count();
        assert!(unusable < 20, "{unusable}");
        assert!(
            !changes.are_since(changes.ticket(), b"changed"),
            "a read after the change"
        );
    }

    #[test]
    fn change_of_all_clients_makes_every_read_unusable_that_began_before_it() {
        let changes = ClientChanges::default();
        let ticket = changes.ticket();
        changes.note_all();
        let later = changes.ticket();
        for key in (0..1_000_u32).map(u32::to_be_bytes) {
            assert!(changes.are_since(ticket, &key));
            assert!(!changes.are_since(later, &key));
        }
    }
}
