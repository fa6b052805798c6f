//! Administrators who freeze, thaw, block and unblock clients and withdraw signing keys, on both nodes in turn. Records
//! when each node applied each change.

use super::deployment::{Load, id, kid};
use super::outages::Outages;
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
/// Number of clients that are frozen, and of clients that are blocked, at the same time.
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
    /// For each node: the start of the last request that was answered as before the change; none if there was none.
    pub last_before: [Option<Instant>; 2],
    /// For each node: the time of the first answer according to the change.
    pub first_after: [Instant; 2],
}

impl Applied {
    /// How long a node answered as before the change, although the database was available.
    pub fn delay(&self, outages: &Outages) -> Duration {
        let delays = self.last_before.iter().flatten().map(|last| {
            let due = outages.due(self.acknowledged, *last);
            last.saturating_duration_since(due)
        });
        delays.max().unwrap_or_default()
    }

    /// How long it took until both nodes answered according to the change.
    pub fn answered_after(&self, outages: &Outages) -> Duration {
        let last = self.first_after[0].max(self.first_after[1]);
        last.saturating_duration_since(outages.due(self.acknowledged, last))
    }
}

pub struct Administrators {
    pub applied: Mutex<Vec<Applied>>,
    /// Number of requests that were answered 503 and repeated.
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

    /// Makes a change on one node and undoes it on the other, again and again until the load ends.
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

    /// Makes one change, repeated until it is acknowledged, and waits until every node has applied it.
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

    /// Makes a change on a node, repeated until it is acknowledged. Returns the time of the acknowledgement, and the
    /// answer.
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
                // 404 for a block means that an earlier request, whose answer was lost, removed it.
                (200, _) | (404, Act::Unblock) => return (Instant::now(), answer),
                (503 | 409, _) => drop(self.unavailable.fetch_add(1, Ordering::SeqCst)),
                _ => panic!("{act:?} of {path:?} on node {node}: {status} {answer}"),
            }
            assert!(started.elapsed() < PATIENCE, "{act:?} of {path:?}: {answer}");
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Sends requests to a node until it answers according to the change. Returns the start of the last request that was
    /// answered as before the change, and the time of the first answer according to the change.
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

    /// Whether a node answers according to the change; `None` if it answers 503.
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
    /// The id of the new signing key, if the change is one of keys.
    kid: String,
}

/// The key id in an answer `withdrawn: …; KID signs from now on`.
fn made_kid(answer: &Value) -> String {
    let text = answer["done"].as_str().unwrap_or_default();
    let made = text.strip_suffix(" signs from now on").unwrap_or_default();
    made.rsplit(' ').next().unwrap_or_default().to_owned()
}

/// The client whose tokens are used to find the signing key.
const KEY_SUBJECT: &str = "/ns/subject/sa/keys";
