//! What a reload writes.

use crate::records::{Batch, Event, ReloadOrder};

/// The order to the other nodes, where nodes share the store, and the event of this node, where the reload changed
/// something on it.
///
/// The order is written also where nothing changed here, and then without an event: the file of another node may still
/// have changed. The order changes no record that decisions depend on, and each node that carries it out writes the event
/// of what changed there, with the administrator who gave the order.
#[derive(Debug, Clone)]
pub struct ReloadWrites {
    /// The order, with the version of the last one, which it replaces.
    pub order: Option<(ReloadOrder, Option<u64>)>,
    /// The event.
    pub event: Option<Event>,
}

impl ReloadWrites {
    /// All changes, including the event.
    pub fn batch(&self) -> Batch {
        let mut batch = Batch::default();
        match &self.order {
            Some((order, Some(version))) => batch.replace(order, *version),
            Some((order, None)) => batch.insert(order),
            None => {}
        }
        if let Some(event) = &self.event {
            batch.insert_event(event.clone());
        }
        batch
    }
}
