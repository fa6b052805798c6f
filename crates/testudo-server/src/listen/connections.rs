//! The connections of all listeners that share limits: how many in total, of one address and of one address prefix;
//! which one is closed at a deadline, and which one when a limit is reached.
//!
//! A lock is taken when a connection comes, when it goes, and a few times a second by the reaper. A request
//! takes none.

use super::conversation::{Conversation, Ending, ticks};
use super::idle_order::{Group, IdleOrder};
use super::memory::{Budget, ConnectionMemory};
use super::memory_shortage::connections_to_end;
use super::shares::shares;
use crate::config::ConnectionRules;
use crate::state::metrics::{EndingLabel, Metrics};
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

/// Sockets beyond `connections_max` that may still be closing after their connection was ended.
const CLOSING_MAX: usize = 64;
/// Pause between two searches for connections to end when memory is short. Each search looks at every connection.
const MEMORY_SEARCH_PAUSE: Duration = Duration::from_millis(50);

/// Which memory a connection's requests use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListenerKind {
    Public,
    Admin,
}

/// The open connections of a group of listeners, and their limits.
pub struct Connections {
    /// The limits in force for all groups of listeners; a reload replaces them.
    pub rules: Arc<ArcSwap<ConnectionRules>>,
    /// Connections at once of this group, over all its listeners.
    connections_max: usize,
    table: Mutex<Table>,
    sockets: Arc<Semaphore>,
    is_empty: Notify,
    /// Memory of all requests in flight at the public listeners.
    memory: Arc<Budget>,
    /// The same at `admin.listen`, or at the admin socket.
    admin_memory: Arc<Budget>,
    memory_is_short: Notify,
    pub(super) counters: Counters,
}

/// Handles on the metrics of connections.
#[derive(Clone)]
pub(super) struct Counters {
    pub open: Gauge,
    pub closed: Family<EndingLabel, Counter>,
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
    conversation: Arc<Conversation>,
    /// Address and prefix, where they count.
    nets: Vec<IpNet>,
}

/// Counts one connection against the limits. Held by its task until the socket is closed.
pub(super) struct Seat {
    pub(super) conversation: Arc<Conversation>,
    pub(super) connections: Arc<Connections>,
    id: u64,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.counters.open.dec();
        self.connections.leave(self.id);
    }
}

/// What was still open, and was closed, when the time to finish was over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Connections that were still open.
    pub connections: usize,
    /// Requests that ran on them.
    pub requests: u64,
}

impl Connections {
    /// No connections yet.
    pub fn new(
        rules: Arc<ArcSwap<ConnectionRules>>,
        connections_max: usize,
        metrics: &Metrics,
    ) -> Arc<Connections> {
        for ending in Ending::ALL {
            let label = EndingLabel {
                reason: ending.name(),
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

    /// Waits until a socket may be opened. It waits only while [`CLOSING_MAX`] connections that were ended are closing.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.sockets.clone().acquire_owned().await.ok()
    }

    /// Counts a new connection. Where a limit is reached, the connection is closed that has been idle longest: of the
    /// same address, of the same prefix, or of all, as the limit counts. Where none is idle, the new one is refused.
    pub(super) fn admit(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        kind: ListenerKind,
        permit: OwnedSemaphorePermit,
    ) -> Result<Seat, Ending> {
        let mut table = self.lock();
        let rules = self.rules.load();
        let shares = shares(self.connections_max, &rules, address);
        for share in &shares {
            while table
                .groups
                .get(&share.net)
                .is_some_and(|group| group.idle_order.len() >= share.connections_max)
            {
                self.make_room(&mut table, Some(&share.net), share.ending)?;
            }
        }
        while table.all.len() >= self.connections_max {
            self.make_room(&mut table, None, Ending::Connections)?;
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
        let conversation = Arc::new(Conversation::new(&rules.limits, memory));
        let nets: Vec<IpNet> = shares.iter().map(|share| share.net).collect();
        if table.is_stopping {
            conversation.stop();
        }
        let id = table.next;
        table.next += 1;
        let since = conversation.idle_since().unwrap_or_default();
        table.all.put(id, since);
        for net in &nets {
            if let Some(group) = table.groups.get_mut(net) {
                group.idle_order.put(id, since);
            }
        }
        let entry = Entry {
            conversation: conversation.clone(),
            nets,
        };
        table.open.insert(id, entry);
        drop(table);
        self.counters.open.inc();
        Ok(Seat {
            conversation,
            connections: self.clone(),
            id,
            _permit: permit,
        })
    }

    /// The operating system has no file descriptor for another connection: the one that is idle longest is closed.
    pub(super) fn give_up_a_file(&self) {
        // Where none is idle, accepting waits.
        let _ = self.make_room(&mut self.lock(), None, Ending::OpenFiles);
    }

    /// Ends connections that are over a deadline, and those that hold too much memory. It looks every eighth of the
    /// shortest deadline, at least 50 ms and at most 500 ms apart. Runs until it is cancelled.
    pub async fn reap(self: Arc<Self>) {
        let mut shown = 0;
        loop {
            let pause = self.rules.load().limits.pause_between_looks();
            let is_crowded = tokio::select! {
                () = tokio::time::sleep(pause) => false,
                () = self.memory_is_short.notified() => true,
            };
            self.end_what_is_over();
            if is_crowded {
                self.end_for_memory();
                tokio::time::sleep(MEMORY_SEARCH_PAUSE).await;
            }
            // Several groups of listeners share the gauge, so each adds its own difference.
            let used = (self.memory.used() + self.admin_memory.used()) as i64;
            self.counters.request_bytes.inc_by(used - shown);
            shown = used;
        }
    }

    fn end_what_is_over(&self) {
        let now = ticks();
        let rules = self.rules.load();
        let mut table = self.lock();
        let over: Vec<(u64, Ending)> = table
            .open
            .iter()
            .filter_map(|(id, entry)| Some((*id, entry.conversation.judge(now, &rules.limits)?)))
            .collect();
        for (id, ending) in over {
            self.end(&mut table, id, ending);
        }
    }

    /// A budget of memory is nearly full: [`Connections::reap`] ends the connections that hold most of it for longest.
    pub(super) fn report_memory_shortage(&self) {
        self.memory_is_short.notify_one();
    }

    fn end_for_memory(&self) {
        let mut table = self.lock();
        let open = table.open.iter().map(|(id, entry)| (*id, &entry.conversation));
        for id in connections_to_end(open, ticks()) {
            self.end(&mut table, id, Ending::Memory);
        }
    }

    /// Lets running requests finish for the time `within`, and closes the connections that are left then.
    pub async fn drain(&self, within: Duration) -> Cut {
        {
            let mut table = self.lock();
            table.is_stopping = true;
            for entry in table.open.values() {
                entry.conversation.stop();
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
            return Cut::default();
        }
        let mut table = self.lock();
        let left: Vec<u64> = table.open.keys().copied().collect();
        let running = |entry: &Entry| u64::from(entry.conversation.running());
        let cut = Cut {
            connections: left.len(),
            requests: table.open.values().map(running).sum(),
        };
        for id in left {
            self.end(&mut table, id, Ending::Drain);
        }
        cut
    }

    fn make_room(&self, table: &mut Table, net: Option<&IpNet>, ending: Ending) -> Result<(), Ending> {
        let Table {
            open, all, groups, ..
        } = table;
        let idle_order = match net {
            None => Some(all),
            Some(net) => groups.get_mut(net).map(|group| &mut group.idle_order),
        };
        let idle_since = |id| open.get(&id).and_then(|entry| entry.conversation.idle_since());
        match idle_order.and_then(|idle_order| idle_order.oldest_idle(ticks(), idle_since)) {
            Some(id) => {
                self.end(table, id, ending);
                Ok(())
            }
            None => {
                self.count(ending);
                Err(ending)
            }
        }
    }

    /// Removes a connection from the table and tells its task to close it.
    fn end(&self, table: &mut Table, id: u64, ending: Ending) {
        if let Some(entry) = table.remove(id) {
            entry.conversation.end(ending);
            self.count(ending);
        }
    }

    fn leave(&self, id: u64) {
        let mut table = self.lock();
        table.remove(id);
        if table.open.is_empty() {
            self.is_empty.notify_waiters();
        }
    }

    fn count(&self, ending: Ending) {
        let label = EndingLabel {
            reason: ending.name(),
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
mod tests {
    use super::*;
    use crate::config::ConnectionLimits;

    fn connections(limits: ConnectionLimits) -> Arc<Connections> {
        let trusted = vec!["10.9.0.0/16".parse().unwrap()];
        let connections_max = limits.connections_max;
        let rules = ArcSwap::from_pointee(ConnectionRules { limits, trusted });
        Connections::new(Arc::new(rules), connections_max, &Metrics::default())
    }

    fn small() -> ConnectionLimits {
        ConnectionLimits {
            connections_max: 6,
            connections_max_per_address: 2,
            connections_max_per_prefix: 3,
            ..ConnectionLimits::default()
        }
    }

    async fn come(connections: &Arc<Connections>, address: &str) -> Result<Seat, Ending> {
        let permit = connections.permit().await.unwrap();
        connections.admit(Some(address.parse().unwrap()), ListenerKind::Public, permit)
    }

    fn ended(seat: &Seat) -> Option<Ending> {
        seat.conversation.ending()
    }

    #[tokio::test]
    async fn the_oldest_idle_connection_of_the_address_makes_room() {
        let connections = connections(small());
        let first = come(&connections, "192.0.2.1").await.unwrap();
        first.conversation.request_begins(false);
        let second = come(&connections, "192.0.2.1").await.unwrap();
        let third = come(&connections, "192.0.2.1").await.unwrap();
        assert_eq!((ended(&first), ended(&second)), (None, Some(Ending::Address)));
        third.conversation.request_begins(false);
        assert_eq!(come(&connections, "192.0.2.1").await.err(), Some(Ending::Address));
        assert_eq!(ended(&third), None, "a request runs on it");
        drop(third);
        assert!(come(&connections, "192.0.2.1").await.is_ok());
    }

    #[tokio::test]
    async fn a_prefix_has_a_share_and_ipv6_is_counted_by_networks() {
        let connections = connections(small());
        let mut seats = Vec::new();
        for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] {
            seats.push(come(&connections, address).await.unwrap());
        }
        assert_eq!(ended(&seats[0]), Some(Ending::Prefix));
        for address in ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::3"] {
            seats.push(come(&connections, address).await.unwrap());
        }
        assert_eq!(ended(&seats[4]), Some(Ending::Address), "one /64");
    }

    #[tokio::test]
    async fn oldest_idle_connection_is_closed_when_all_are_in_use_and_the_count_holds() {
        let connections = connections(small());
        let mut seats = Vec::new();
        for number in 0..7 {
            seats.push(come(&connections, &format!("10.0.{number}.1")).await.unwrap());
        }
        assert_eq!(ended(&seats[0]), Some(Ending::Connections));
        assert_eq!(connections.lock().open.len(), 6);
        for seat in &seats[1..] {
            seat.conversation.request_begins(true);
        }
        assert_eq!(
            come(&connections, "10.0.99.1").await.err(),
            Some(Ending::Connections)
        );
        drop(seats);
        let table = connections.lock();
        assert_eq!(
            (table.all.len(), table.groups.len()),
            (0, 0),
            "nothing is left behind"
        );
    }

    #[tokio::test]
    async fn a_trusted_proxy_has_no_share() {
        let connections = connections(small());
        let mut seats = Vec::new();
        for _ in 0..6 {
            seats.push(come(&connections, "10.9.1.1").await.unwrap());
        }
        assert!(seats.iter().all(|seat| ended(seat).is_none()));
    }

    #[tokio::test]
    async fn connections_past_their_deadline_are_closed() {
        let limits = ConnectionLimits {
            first_request_timeout: Duration::from_millis(50),
            ..small()
        };
        let connections = connections(limits);
        let seat = come(&connections, "192.0.2.1").await.unwrap();
        let reaper = tokio::spawn(connections.clone().reap());
        tokio::time::timeout(Duration::from_secs(30), seat.conversation.woken())
            .await
            .expect("the connection is told to end");
        assert_eq!(ended(&seat), Some(Ending::FirstRequest));
        reaper.abort();
    }

    #[tokio::test]
    async fn drain_waits_for_running_requests_and_cuts_those_left_at_its_end() {
        let connections = connections(small());
        let seat = come(&connections, "192.0.2.1").await.unwrap();
        seat.conversation.request_begins(false);
        let cut = connections.drain(Duration::from_millis(10)).await;
        assert_eq!(
            cut,
            Cut {
                connections: 1,
                requests: 1
            }
        );
        assert!(seat.conversation.is_stopping());
        assert_eq!(ended(&seat), Some(Ending::Drain));
        drop(seat);
        let seat = come(&connections, "192.0.2.1").await.unwrap();
        assert!(
            seat.conversation.is_stopping(),
            "who comes during the drain is told too"
        );
        let leaves = async {
            tokio::task::yield_now().await;
            drop(seat);
        };
        let (cut, ()) = tokio::join!(connections.drain(Duration::from_secs(600)), leaves);
        assert_eq!(cut, Cut::default());
    }
}
