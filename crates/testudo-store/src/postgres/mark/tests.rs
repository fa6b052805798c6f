//! A model of a database that is changed, pruned, restarted, restored and dumped, and of a node that reads from it. The
//! test runs every order of up to seven events; one poll after them must leave nothing out of date in the node's
//! memory.

use super::*;
use std::time::Duration;

const FIRST_STEPS: [Event; 2] = [Event::Connect, Event::Change];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// An administrator changes the record that nodes keep in memory.
    Change,
    /// A client registers at this node, which adds no row to the table of changes; the node keeps the client in memory.
    Register,
    /// Time passes, and old rows are pruned.
    Prune,
    /// A copy of the database is made.
    Backup,
    /// The server is restored from the copy and restarts.
    Restore,
    /// A dump of the copy is restored into the running server, which creates the tables again.
    Reload,
    /// The last change is undone without a restart that the node could detect; its number is used again.
    LoseTail,
    /// The node polls, or connects and then polls.
    Look,
    Connect,
    /// The node's connection ends: the server closed it, or an answer came too late.
    Break,
    Late,
}

const EVENTS: [Event; 11] = [
    Event::Change,
    Event::Register,
    Event::Prune,
    Event::Backup,
    Event::Restore,
    Event::Reload,
    Event::LoseTail,
    Event::Look,
    Event::Connect,
    Event::Break,
    Event::Late,
];

/// The content of the database, which a restore replaces.
#[derive(Debug, Clone, Default)]
struct Tables {
    number: u32,
    rows: Vec<Row>,
    next_id: i64,
    /// The row that the last pruning kept.
    pruned_to: i64,
    /// The states of the record that administrators change, in order, and the clients that are registered.
    states: Vec<u64>,
    clients: Vec<u64>,
}

impl Tables {
    fn state(&self) -> u64 {
        self.states.last().copied().unwrap_or(0)
    }
}

#[derive(Default)]
struct World {
    tables: Tables,
    backup: Option<Tables>,
    starts: u32,
    tables_made: u32,
    clock: u64,
    // The node.
    mark: Option<Mark>,
    is_connected: bool,
    remembered_state: u64,
    remembered_clients: Vec<u64>,
    full_loads: usize,
}

impl World {
    fn epoch(&self) -> String {
        self.starts.to_string()
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn play(&mut self, event: Event) {
        match event {
            Event::Change => {
                let state = self.tick();
                self.tables.states.push(state);
                self.add_row();
            }
            Event::Register => {
                let client = self.tick();
                self.tables.clients.push(client);
                self.remembered_clients.push(client);
            }
            // As in PRUNE_CHANGES, the last of the old rows is kept.
            Event::Prune => {
                let kept = self.tables.rows.len().saturating_sub(1);
                self.tables.rows.drain(..kept);
                self.tables.pruned_to = self.tables.next_id;
            }
            Event::Backup => self.backup = Some(self.tables.clone()),
            Event::Restore => {
                if let Some(backup) = self.backup.clone() {
                    self.tables = backup;
                    self.starts += 1;
                    self.is_connected = false;
                }
            }
            Event::Reload => {
                if let Some(mut backup) = self.backup.clone() {
                    self.tables_made += 1;
                    backup.number = self.tables_made;
                    backup.rows.iter_mut().for_each(|row| row.table = backup.number);
                    self.tables = backup;
                }
            }
            Event::LoseTail => {
                // Rows that were pruned after the lost change was written are there again, because their deletion is
                // lost too.
                let pruned_to = self.tables.pruned_to;
                if let Some(lost) = self.tables.rows.pop_if(|last| last.id > pruned_to) {
                    self.tables.next_id = lost.id - 1;
                    self.tables.states.pop();
                }
            }
            Event::Look => self.look(),
            Event::Connect => self.connect(),
            Event::Break => {
                self.is_connected = false;
                self.mark = None;
            }
            Event::Late => self.is_connected = false,
        }
    }

    fn add_row(&mut self) {
        let now = self.tick();
        self.tables.next_id += 1;
        self.tables.rows.push(Row {
            table: self.tables.number,
            id: self.tables.next_id,
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(now),
            kind: 1,
            key: Vec::new(),
        });
    }

    /// As the listener's `last_row`.
    fn last_row(&mut self) -> Row {
        if self.tables.rows.is_empty() {
            self.add_row();
        }
        self.tables
            .rows
            .last()
            .cloned()
            .expect("the row was inserted above")
    }

    /// As the listener's `Subscription::begin`.
    fn connect(&mut self) {
        let epoch = self.epoch();
        self.is_connected = true;
        if self.mark.as_ref().is_none_or(|mark| !mark.is_of(&epoch)) {
            let last = self.last_row();
            self.mark = Some(Mark::new(epoch, last));
            self.load_everything();
        }
    }

    /// As the listener's `Subscription::look`.
    fn look(&mut self) {
        if !self.is_connected {
            return;
        }
        let mark = self.mark.as_mut().expect("the node is connected");
        let mut rows = self.tables.rows.clone();
        rows.retain(|row| row.id >= mark.from());
        match mark.advance(&rows) {
            Ok([]) => {}
            Ok(_) => self.remembered_state = self.tables.state(),
            Err(Gap) => {
                let last = self.last_row();
                self.mark.as_mut().expect("the node is connected").restart(last);
                self.load_everything();
            }
        }
    }

    fn load_everything(&mut self) {
        self.remembered_state = self.tables.state();
        self.remembered_clients.clear();
        self.full_loads += 1;
    }

    fn check(&mut self, played: &[Event]) {
        if !self.is_connected {
            self.connect();
        }
        self.look();
        assert_eq!(self.remembered_state, self.tables.state(), "after {played:?}");
        let lost = self
            .remembered_clients
            .iter()
            .find(|client| !self.tables.clients.contains(client));
        assert_eq!(
            lost, None,
            "the node has a client in memory that is not in the database after {played:?}"
        );
    }
}

#[test]
fn after_any_order_of_faults_one_poll_leaves_nothing_out_of_date_in_memory() {
    const EVENTS_AFTER_THE_FIRST: u32 = 5;
    for number in 0..EVENTS.len().pow(EVENTS_AFTER_THE_FIRST) {
        let mut rest = number;
        let mut played = FIRST_STEPS.to_vec();
        for _ in 0..EVENTS_AFTER_THE_FIRST {
            played.push(EVENTS[rest % EVENTS.len()]);
            rest /= EVENTS.len();
        }
        let mut world = World::default();
        played.iter().for_each(|event| world.play(*event));
        world.check(&played);
    }
}

#[test]
fn pruning_of_a_table_without_changes_does_not_load_all_records_again() {
    let mut world = World::default();
    for event in [Event::Change, Event::Connect, Event::Prune, Event::Look] {
        world.play(event);
    }
    for _ in 0..10 {
        for event in [
            Event::Prune,
            Event::Change,
            Event::Look,
            Event::Late,
            Event::Connect,
        ] {
            world.play(event);
        }
    }
    assert_eq!(world.full_loads, 1, "only the first connection loads all records");
    world.check(&[]);
}
