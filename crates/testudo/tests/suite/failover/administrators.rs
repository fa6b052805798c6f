//! Administrators who freeze, thaw, block and unblock on one node and the other, and withdraw signing keys; and when
//! each node applied it.

use super::outages::Outages;
use super::scene::{Load, id, kid};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Deadline for a change to apply.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(5);
const AGAIN: Duration = Duration::from_millis(50);
const KEYS_EVERY: Duration = Duration::from_secs(5);
/// Freezing and blocking go on beside one another, each on subjects of its own.
const EACH: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Freeze,
    Thaw,
    Block,
    Unblock,
    RotateKeys,
}

/// A change that a node acknowledged, and when the nodes applied it.
#[derive(Debug, Clone, Copy)]
pub struct Applied {
    pub act: Act,
    pub acknowledged_by: usize,
    pub acknowledged: Instant,
    /// For each node: when the last request began that was still answered as before, if any was.
    pub last_before: [Option<Instant>; 2],
    /// For each node: the first answer by the change.
    pub first_after: [Instant; 2],
}

impl Applied {
    /// How long nodes went on as before, though the database was there.
    pub fn delay(&self, outages: &Outages) -> Duration {
        let delays = self.last_before.iter().flatten().map(|last| {
            let due = outages.due(self.acknowledged, *last);
            last.saturating_duration_since(due)
        });
        delays.max().unwrap_or_default()
    }

    /// How long it took until the last node answered by the change.
    pub fn answered_after(&self, outages: &Outages) -> Duration {
        let last = self.first_after[0].max(self.first_after[1]);
        last.saturating_duration_since(outages.due(self.acknowledged, last))
    }
}

pub struct Administrators {
    pub applied: Mutex<Vec<Applied>>,
    /// Answered 503, and tried again.
    pub unavailable: AtomicUsize,
    load: Arc<Load>,
}

impl Administrators {
    pub async fn start(load: Arc<Load>) -> (Arc<Administrators>, Vec<JoinHandle<()>>) {
        let administrators = Arc::new(Administrators {
            applied: Mutex::default(),
            unavailable: AtomicUsize::new(0),
            load,
        });
        let mut tasks = Vec::new();
        for pair in [(Act::Freeze, Act::Thaw), (Act::Block, Act::Unblock)] {
            for number in 0..EACH {
                let path = format!("/ns/subject/sa/{:?}-{number}", pair.0).to_lowercase();
                administrators.make_known(&path).await;
                tasks.push(tokio::spawn(
                    administrators.clone().take_turns(pair, path, number),
                ));
            }
        }
        administrators.make_known(KEY_SUBJECT).await;
        tasks.push(tokio::spawn(administrators.clone().rotate_keys()));
        (administrators, tasks)
    }

    async fn make_known(&self, path: &str) {
        for node in 0..2 {
            let answer = self.load.connect(node).await;
            let answer = { answer }.post("/token", self.load.body(path)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }

    /// Off on one node and on again on the other, until the load ends; what is off is put on before.
    async fn take_turns(self: Arc<Administrators>, (off, on): (Act, Act), path: String, first: usize) {
        for turn in first.. {
            if !self.load.goes_on() {
                return;
            }
            let node = turn % 2;
            self.change(off, node, &path).await;
            self.change(on, 1 - node, &path).await;
        }
    }

    /// One change: made until it is acknowledged, then watched until every node has applied it.
    async fn change(&self, act: Act, node: usize, path: &str) {
        let (acknowledged, answer) = self.make(act, node, path).await;
        let change = Change {
            act,
            path,
            body: self.load.body(path),
            kid: made_kid(&answer),
        };
        let (first, second) = tokio::join!(
            self.wait_until_applied(&change, 0),
            self.wait_until_applied(&change, 1)
        );
        self.note(act, node, acknowledged, [first, second]);
    }

    async fn rotate_keys(self: Arc<Administrators>) {
        for turn in 0.. {
            self.change(Act::RotateKeys, turn % 2, KEY_SUBJECT).await;
            let rotated = Instant::now();
            while rotated.elapsed() < KEYS_EVERY {
                if !self.load.goes_on() {
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    fn note(&self, act: Act, by: usize, acknowledged: Instant, nodes: [(Option<Instant>, Instant); 2]) {
        self.applied.lock().unwrap().push(Applied {
            act,
            acknowledged_by: by,
            acknowledged,
            last_before: nodes.map(|node| node.0),
            first_after: nodes.map(|node| node.1),
        });
    }

    /// Makes a change on a node until it is acknowledged; when that was, and the answer.
    async fn make(&self, act: Act, node: usize, path: &str) -> (Instant, Value) {
        let (operation, body) = match act {
            Act::Freeze => ("/admin/v1/clients/freeze", json!({ "client_id": id(path) })),
            Act::Thaw => ("/admin/v1/clients/thaw", json!({ "client_id": id(path) })),
            Act::Block => ("/admin/v1/blocks", json!({ "identity": id(path) })),
            Act::Unblock => ("/admin/v1/blocks/remove", json!({ "identity": id(path) })),
            Act::RotateKeys => ("/admin/v1/keys/rotate", json!({ "now": true })),
        };
        let started = Instant::now();
        loop {
            let (status, answer) = self.load.admin(node, ("POST", operation), body.clone()).await;
            match (status, act) {
                // Of a block, "not there" after a try whose answer was lost says that it is removed.
                (200, _) | (404, Act::Unblock) => return (Instant::now(), answer),
                (503 | 409, _) => drop(self.unavailable.fetch_add(1, Ordering::SeqCst)),
                _ => panic!("{act:?} of {path:?} on node {node}: {status} {answer}"),
            }
            assert!(started.elapsed() < PATIENCE, "{act:?} of {path:?}: {answer}");
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Asks a node until it answers by the change: when the last request began that was answered as before, and when
    /// the first answer by the change came.
    async fn wait_until_applied(&self, change: &Change<'_>, node: usize) -> (Option<Instant>, Instant) {
        let (started, mut last_before) = (Instant::now(), None);
        loop {
            let asked = Instant::now();
            match self.is_applied(change, node).await {
                Some(true) => return (last_before, Instant::now()),
                Some(false) => last_before = Some(asked),
                None => {}
            }
            let (act, path) = (change.act, change.path);
            assert!(
                started.elapsed() < PATIENCE,
                "{act:?} of {path} is not applied by node {node}"
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether a node answers by a change; `None` where it does not serve.
    async fn is_applied(&self, change: &Change<'_>, node: usize) -> Option<bool> {
        let mut connection = self.load.connect(node).await;
        let answer = connection.post("/token", change.body.clone()).await;
        let is_served = match answer.status {
            200 => true,
            400 => false,
            503 => return None,
            _ => panic!("{:?} of {}, node {node}: {answer:?}", change.act, change.path),
        };
        match change.act {
            Act::Freeze | Act::Block => Some(!is_served),
            Act::Thaw | Act::Unblock => Some(is_served),
            Act::RotateKeys => {
                assert!(is_served, "{}, node {node}: {answer:?}", change.path);
                let published = self.load.published(node).await;
                Some(kid(&answer) == change.kid && published == [change.kid.as_str()])
            }
        }
    }
}

/// A change that was acknowledged, and the request that shows whether a node applied it.
struct Change<'a> {
    act: Act,
    path: &'a str,
    body: String,
    /// The key that signs from now on, where the keys were changed.
    kid: String,
}

/// `withdrawn: …; KID signs from now on`.
fn made_kid(answer: &Value) -> String {
    let text = answer["done"].as_str().unwrap_or_default();
    let made = text.strip_suffix(" signs from now on").unwrap_or_default();
    made.rsplit(' ').next().unwrap_or_default().to_owned()
}

/// The client whose tokens show which key signs.
const KEY_SUBJECT: &str = "/ns/subject/sa/keys";
