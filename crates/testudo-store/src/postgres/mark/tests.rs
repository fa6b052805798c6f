//! A model: a database that is changed, pruned, restarted, set back and dumped, and a node that reads from it. Every
//! order of up to seven events is played; after it, one look must leave nothing wrong in the node's memory.

use super::*;
use std::time::Duration;

const FIRST_STEPS: [Event; 2] = [Event::Connect, Event::Change];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// An administrator changes the record that nodes remember.
    Change,
    /// A client registers here, which leaves no row in the table of changes; the node remembers it.
    Register,
    /// Time passes, and what is old is pruned.
    Prune,
    /// The database is kept as it is.
    Backup,
    /// The server falls back to that, and starts anew.
    Restore,
    /// A dump of that is read into the running server, by tables made anew.
    Reload,
    /// The last change is undone without a restart that the node would see; its number is given again.
    LoseTail,
    /// The node looks, or connects and then looks.
    Look,
    Connect,
    /// The node's connection dies by itself: the other side ended it, or an answer came too late.
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

/// What is in the database and would be lost with it.
#[derive(Debug, Clone, Default)]
struct Tables {
    number: u32,
    rows: Vec<Row>,
    next_id: i64,
    /// The row that the last pruning left.
    pruned_to: i64,
    /// The record that administrators change, through time, and the clients that are registered.
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
    times_anew: usize,
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
            // As PRUNE_CHANGES: the last of the old rows stays.
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
                // What was pruned after it was written would be lost with it, and so be there again.
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
        self.tables.rows.last().cloned().expect("it was put there")
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
        let mark = self.mark.as_mut().expect("it is connected");
        let mut rows = self.tables.rows.clone();
        rows.retain(|row| row.id >= mark.from());
        match mark.advance(&rows) {
            Ok([]) => {}
            Ok(_) => self.remembered_state = self.tables.state(),
            Err(Gap) => {
                let last = self.last_row();
                self.mark.as_mut().expect("it is connected").restart(last);
                self.load_everything();
            }
        }
    }

    fn load_everything(&mut self) {
        self.remembered_state = self.tables.state();
        self.remembered_clients.clear();
        self.times_anew += 1;
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
            "a client that is not there is remembered after {played:?}"
        );
    }
}

#[test]
fn after_any_order_of_faults_one_look_leaves_nothing_wrong_in_memory() {
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
fn a_quiet_table_that_is_pruned_is_no_reason_to_load_everything() {
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
    assert_eq!(world.times_anew, 1, "the first time only");
    world.check(&[]);
}
