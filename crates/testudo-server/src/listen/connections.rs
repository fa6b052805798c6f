//! The open connections of a group of listeners that share their limits: in total, per address and per address prefix.
//! This module decides which connection is closed when a deadline is over or a limit is reached.
//!
//! The lock is taken when a connection is opened or closed, and a few times a second by `reap`. A request takes no
//! lock.

use super::connection_state::{CloseReason, ConnectionState, ticks};
use super::idle_order::{Group, IdleOrder};
use super::memory::{Budget, ConnectionMemory};
use super::memory_shortage::connections_to_close;
use super::shares::shares;
use crate::config::ConnectionRules;
use crate::state::metrics::{CloseReasonLabel, Metrics};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use testudo_protocol::limits::{ADMIN_REQUESTS_BYTES_MAX, REQUESTS_BYTES_MAX};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Sockets beyond `connections_max` that may still be closing.
const CLOSING_MAX: usize = 64;
/// Pause between two searches for connections to close while memory is short. Each search reads the state of every
/// connection.
const MEMORY_SEARCH_PAUSE: Duration = Duration::from_millis(50);

/// Whose memory the requests of a connection use: the admin API has a budget of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListenerKind {
    Public,
    Admin,
}

/// The open connections of a group of listeners, and their limits.
pub struct Connections {
    /// The limits in force for all groups of listeners; a reload replaces them.
    pub rules: Arc<ArcSwap<ConnectionRules>>,
    /// How many connections all listeners of this group together may have.
    connections_max: usize,
    table: Mutex<Table>,
    sockets: Arc<Semaphore>,
    is_empty: Notify,
    /// The memory of all requests in flight at the public listeners.
    memory: Arc<Budget>,
    /// The memory of all requests in flight at `admin.listen` or the admin socket.
    admin_memory: Arc<Budget>,
    memory_is_short: Notify,
    pub(super) counters: Counters,
}

/// The metrics of connections.
#[derive(Clone)]
pub(super) struct Counters {
    pub open: Gauge,
    pub closed: Family<CloseReasonLabel, Counter>,
    pub bodies_late: Counter,
    pub requests_shed: Counter,
    pub request_bytes: Gauge,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
    all: IdleOrder,
    groups: HashMap<IpNet, Group>,
    is_stopping: bool,
}

struct Entry {
    state: Arc<ConnectionState>,
    /// The address and the prefix under which the connection is counted; empty if it has no IP address.
    nets: Vec<IpNet>,
}

/// Counts one connection against the limits until it is dropped. The task of the connection drops it after the socket
/// is closed.
pub(super) struct ConnectionGuard {
    pub(super) state: Arc<ConnectionState>,
    pub(super) connections: Arc<Connections>,
    id: u64,
    _permit: OwnedSemaphorePermit,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.counters.open.dec();
        self.connections.leave(self.id);
    }
}

/// What was still open at the end of `server.drain`, and was closed then.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ClosedAtStop {
    /// The number of connections.
    pub connections: usize,
    /// The number of requests that ran on them.
    pub requests: u64,
}

impl Connections {
    /// No connections yet.
    pub fn new(
        rules: Arc<ArcSwap<ConnectionRules>>,
        connections_max: usize,
        metrics: &Metrics,
    ) -> Arc<Connections> {
        for reason in CloseReason::ALL {
            let label = CloseReasonLabel {
                reason: reason.name(),
            };
            drop(metrics.connections_closed.get_or_create(&label));
        }
        Arc::new(Connections {
            sockets: Arc::new(Semaphore::new(connections_max + CLOSING_MAX)),
            rules,
            connections_max,
            table: Mutex::default(),
            is_empty: Notify::new(),
            memory: Arc::new(Budget::of_all(REQUESTS_BYTES_MAX)),
            admin_memory: Arc::new(Budget::of_all(ADMIN_REQUESTS_BYTES_MAX)),
            memory_is_short: Notify::new(),
            counters: Counters {
                open: metrics.connections.clone(),
                closed: metrics.connections_closed.clone(),
                bodies_late: metrics.bodies_late.clone(),
                requests_shed: metrics.requests_shed.clone(),
                request_bytes: metrics.request_bytes.clone(),
            },
        })
    }

    /// Waits until another socket may be opened: only while [`CLOSING_MAX`] sockets are closing.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.sockets.clone().acquire_owned().await.ok()
    }

    /// Counts a new connection. If a limit is reached, the connection that has been idle longest is closed: of the same
    /// address, of the same prefix or of all, depending on the limit. If none is idle, the new connection is refused.
    pub(super) fn admit(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        kind: ListenerKind,
        permit: OwnedSemaphorePermit,
    ) -> Result<ConnectionGuard, CloseReason> {
        let mut table = self.lock();
        let rules = self.rules.load();
        let shares = shares(self.connections_max, &rules, address);
        for share in &shares {
            while table
                .groups
                .get(&share.net)
                .is_some_and(|group| group.idle_order.len() >= share.connections_max)
            {
                self.close_oldest_idle(&mut table, Some(&share.net), share.reason)?;
            }
        }
        while table.all.len() >= self.connections_max {
            self.close_oldest_idle(&mut table, None, CloseReason::Connections)?;
        }
        let groups = shares.iter().map(|share| {
            let group = table.groups.entry(share.net).or_insert_with(|| Group::new(share));
            match kind {
                ListenerKind::Public => group.memory.clone(),
                ListenerKind::Admin => group.admin_memory.clone(),
            }
        });
        let groups = groups.collect();
        let all = match kind {
            ListenerKind::Public => &self.memory,
            ListenerKind::Admin => &self.admin_memory,
        };
        let memory = ConnectionMemory::new(all.clone(), groups);
        let state = Arc::new(ConnectionState::new(&rules.limits, memory));
        let nets: Vec<IpNet> = shares.iter().map(|share| share.net).collect();
        if table.is_stopping {
            state.stop();
        }
        let id = table.next;
        table.next += 1;
        let since = state.idle_since().unwrap_or_default();
        table.all.put(id, since);
        for net in &nets {
            if let Some(group) = table.groups.get_mut(net) {
                group.idle_order.put(id, since);
            }
        }
        let entry = Entry {
            state: state.clone(),
            nets,
        };
        table.open.insert(id, entry);
        drop(table);
        self.counters.open.inc();
        Ok(ConnectionGuard {
            state,
            connections: self.clone(),
            id,
            _permit: permit,
        })
    }

    /// Closes the connection that has been idle longest, because the process has no file descriptor for another one.
    pub(super) fn close_one_to_free_a_file(&self) {
        // If none is idle, the caller waits before it accepts again.
        let _ = self.close_oldest_idle(&mut self.lock(), None, CloseReason::OpenFiles);
    }

    /// Closes connections whose deadline is over, and connections whose requests use too much memory. The pause between
    /// two checks is an eighth of the shortest deadline, at least 50 ms and at most 500 ms. Runs until it is cancelled.
    pub async fn reap(self: Arc<Self>) {
        let mut shown = 0;
        loop {
            let pause = self.rules.load().limits.pause_between_checks();
            let is_crowded = tokio::select! {
                () = tokio::time::sleep(pause) => false,
                () = self.memory_is_short.notified() => true,
            };
            self.close_expired();
            if is_crowded {
                self.close_for_memory();
                tokio::time::sleep(MEMORY_SEARCH_PAUSE).await;
            }
            // Several groups of listeners share the gauge, so each adds only its own change.
            let used = (self.memory.used() + self.admin_memory.used()) as i64;
            self.counters.request_bytes.inc_by(used - shown);
            shown = used;
        }
    }

    fn close_expired(&self) {
        let now = ticks();
        let rules = self.rules.load();
        let mut table = self.lock();
        let over: Vec<(u64, CloseReason)> = table
            .open
            .iter()
            .filter_map(|(id, entry)| Some((*id, entry.state.reason_to_close(now, &rules.limits)?)))
            .collect();
        for (id, reason) in over {
            self.close(&mut table, id, reason);
        }
    }

    /// Called when a memory budget is nearly full: [`Connections::reap`] closes the connections that use most of it while
    /// the server waits for their client.
    pub(super) fn report_memory_shortage(&self) {
        self.memory_is_short.notify_one();
    }

    fn close_for_memory(&self) {
        let mut table = self.lock();
        let open = table.open.iter().map(|(id, entry)| (*id, &entry.state));
        for id in connections_to_close(open, ticks()) {
            self.close(&mut table, id, CloseReason::Memory);
        }
    }

    /// Waits until the running requests are done, at most for the time `within`, and then closes the connections that are
    /// still open.
    pub async fn drain(&self, within: Duration) -> ClosedAtStop {
        {
            let mut table = self.lock();
            table.is_stopping = true;
            for entry in table.open.values() {
                entry.state.stop();
            }
        }
        let all_gone = async {
            loop {
                let mut emptied = std::pin::pin!(self.is_empty.notified());
                emptied.as_mut().enable();
                if self.lock().open.is_empty() {
                    return;
                }
                emptied.await;
            }
        };
        if tokio::time::timeout(within, all_gone).await.is_ok() {
            return ClosedAtStop::default();
        }
        let mut table = self.lock();
        let left: Vec<u64> = table.open.keys().copied().collect();
        let running = |entry: &Entry| u64::from(entry.state.running());
        let closed = ClosedAtStop {
            connections: left.len(),
            requests: table.open.values().map(running).sum(),
        };
        for id in left {
            self.close(&mut table, id, CloseReason::Drain);
        }
        closed
    }

    fn close_oldest_idle(
        &self,
        table: &mut Table,
        net: Option<&IpNet>,
        reason: CloseReason,
    ) -> Result<(), CloseReason> {
        let Table {
            open, all, groups, ..
        } = table;
        let idle_order = match net {
            None => Some(all),
            Some(net) => groups.get_mut(net).map(|group| &mut group.idle_order),
        };
        let idle_since = |id| open.get(&id).and_then(|entry| entry.state.idle_since());
        match idle_order.and_then(|idle_order| idle_order.oldest_idle(ticks(), idle_since)) {
            Some(id) => {
                self.close(table, id, reason);
                Ok(())
            }
            None => {
                self.count(reason);
                Err(reason)
            }
        }
    }

    /// Removes a connection from the table and signals its task to close it.
    fn close(&self, table: &mut Table, id: u64, reason: CloseReason) {
        if let Some(entry) = table.remove(id) {
            self.count(reason);
            entry.state.close(reason);
        }
    }

    fn leave(&self, id: u64) {
        let mut table = self.lock();
        table.remove(id);
        if table.open.is_empty() {
            self.is_empty.notify_waiters();
        }
    }

    fn count(&self, reason: CloseReason) {
        let label = CloseReasonLabel {
            reason: reason.name(),
        };
        self.counters.closed.get_or_create(&label).inc();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.open.remove(&id)?;
        self.all.take(id);
        for net in &entry.nets {
            if let Some(group) = self.groups.get_mut(net) {
                group.idle_order.take(id);
                if group.idle_order.len() == 0 {
                    self.groups.remove(net);
                }
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
