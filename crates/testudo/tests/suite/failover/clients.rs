//! The load of the failover tests: requests of known clients, which must never be refused, and first uses, whose clients
//! must exist after they were acknowledged.

use super::deployment::{Load, id, kid};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testudo_testkit::http::{Answer, Connection};
use tokio::task::JoinHandle;

/// Known clients of one worker.
const CLIENTS: usize = 5;
const WORKERS: usize = 2;
const PAUSE: Duration = Duration::from_millis(10);
const FIRST_USE_PAUSE: Duration = Duration::from_millis(50);
/// How long an assertion is used again, as with SVIDs that SPIRE's agents cache.
const REPEATED_FOR: Duration = Duration::from_secs(100);

/// The results of known clients since they were last read.
#[derive(Default)]
pub struct Known {
    pub latencies: Vec<Duration>,
    pub longest_pause: Duration,
    /// Answers without a token, and their times.
    pub refused: Vec<String>,
}

/// The results of first uses.
#[derive(Default)]
pub struct FirstUses {
    /// Client ids.
    pub acknowledged: Mutex<Vec<String>>,
    /// Number of requests that were answered 503 and repeated.
    pub unavailable: AtomicUsize,
    /// Answers with another status than 200 and 503.
    pub odd: Mutex<Vec<String>>,
}

pub struct Clients {
    pub known: [Mutex<Known>; 2],
    pub first_uses: FirstUses,
    /// Keys that signed tokens of each node, and keys that each node has published.
    pub signed_with: [Mutex<BTreeSet<String>>; 2],
    pub published: [Mutex<BTreeSet<String>>; 2],
    load: Arc<Load>,
}

impl Clients {
    /// Registers the known clients, then starts everything.
    pub async fn start(load: Arc<Load>) -> (Arc<Clients>, Vec<JoinHandle<()>>) {
        let clients = Arc::new(Clients {
            known: Default::default(),
            first_uses: FirstUses::default(),
            signed_with: Default::default(),
            published: Default::default(),
            load,
        });
        let mut tasks = Vec::new();
        for node in 0..2 {
            for worker in 0..WORKERS {
                let ready = clients.clone().make_known(node, worker).await;
                tasks.push(tokio::spawn(clients.clone().use_known(node, worker, ready)));
                tasks.push(tokio::spawn(clients.clone().first_uses(node, worker)));
            }
            tasks.push(tokio::spawn(clients.clone().watch_keys(node)));
        }
        tasks.push(tokio::spawn(clients.clone().same_identity_on_both_nodes()));
        (clients, tasks)
    }

    fn known_path(node: usize, worker: usize, client: usize) -> String {
        format!("/ns/known/sa/n{node}-w{worker}-c{client}")
    }

    async fn make_known(self: Arc<Clients>, node: usize, worker: usize) -> Connection {
        let mut connection = self.load.connect(node).await;
        for client in 0..CLIENTS {
            let path = Clients::known_path(node, worker, client);
            let answer = connection.post("/token", self.load.body(&path)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            self.first_uses.acknowledged.lock().unwrap().push(id(&path));
        }
        connection
    }

    /// Half of the requests repeat an assertion, the other half have a new one.
    async fn use_known(self: Arc<Clients>, node: usize, worker: usize, mut connection: Connection) {
        let mut repeated: Vec<(Instant, String)> = Vec::new();
        let mut last_good = Instant::now();
        for number in 0.. {
            if !self.load.goes_on() {
                return;
            }
            let client = number / 2 % CLIENTS;
            let path = Clients::known_path(node, worker, client);
            let body = if number % 2 == 0 {
                self.load.body(&path)
            } else {
                match repeated.get_mut(client) {
                    None => repeated.push((Instant::now(), self.load.body(&path))),
                    Some(held) if held.0.elapsed() > REPEATED_FOR => {
                        *held = (Instant::now(), self.load.body(&path));
                    }
                    Some(_) => {}
                }
                repeated[client].1.clone()
            };
            let sent = Instant::now();
            let answer = post(&mut connection, body).await;
            let at = self.load.began.elapsed();
            match answer {
                Some(answer) if answer.status == 200 => {
                    self.signed_with[node].lock().unwrap().insert(kid(&answer));
                    let mut known = self.known[node].lock().unwrap();
                    known.latencies.push(sent.elapsed());
                    known.longest_pause = known.longest_pause.max(last_good.elapsed());
                    last_good = Instant::now();
                }
                Some(answer) => self.refused(
                    node,
                    format!(
                        "{at:?} {path}: {} {}, request {}",
                        answer.status,
                        answer.error(),
                        answer.header("request-id").unwrap_or("without an id")
                    ),
                ),
                None => {
                    self.refused(node, format!("{at:?} {path}: the node closed the connection"));
                    connection = self.load.connect(node).await;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn refused(&self, node: usize, what: String) {
        self.known[node].lock().unwrap().refused.push(what);
    }

    /// Sends first uses, each of a new identity and repeated until it is acknowledged. If an answer is lost, the repeated
    /// request must not register a second client.
    async fn first_uses(self: Arc<Clients>, node: usize, worker: usize) {
        for number in 0.. {
            let path = format!("/ns/first/sa/n{node}-w{worker}-{number}");
            if !self.use_first(&[node], &path).await {
                return;
            }
            tokio::time::sleep(FIRST_USE_PAUSE).await;
        }
    }

    /// Sends first uses of the same new identity to both nodes at once.
    async fn same_identity_on_both_nodes(self: Arc<Clients>) {
        for number in 0.. {
            if !self.use_first(&[0, 1], &format!("/ns/both/sa/{number}")).await {
                return;
            }
            tokio::time::sleep(FIRST_USE_PAUSE).await;
        }
    }

    /// False if the load ended before the first use was acknowledged.
    async fn use_first(&self, nodes: &[usize], path: &str) -> bool {
        while self.load.goes_on() {
            let ask = async |node: usize| {
                let mut connection = self.load.connect(node).await;
                post(&mut connection, self.load.body(path)).await
            };
            let (first, last) = (nodes[0], nodes[nodes.len() - 1]);
            let answers = match nodes.len() {
                1 => vec![(first, ask(first).await)],
                _ => {
                    let (one, other) = tokio::join!(ask(first), ask(last));
                    vec![(first, one), (last, other)]
                }
            };
            let mut is_acknowledged = false;
            for (node, answer) in answers {
                match answer {
                    Some(answer) if answer.status == 200 => {
                        is_acknowledged = true;
                        self.signed_with[node].lock().unwrap().insert(kid(&answer));
                    }
                    Some(answer) if answer.status == 503 => {
                        self.first_uses.unavailable.fetch_add(1, Ordering::SeqCst);
                    }
                    odd => {
                        let what = format!("{:?} {path} at {node}: {odd:?}", self.load.began.elapsed());
                        self.first_uses.odd.lock().unwrap().push(what);
                    }
                }
            }
            if is_acknowledged {
                self.first_uses.acknowledged.lock().unwrap().push(id(path));
                return true;
            }
            tokio::time::sleep(FIRST_USE_PAUSE).await;
        }
        false
    }

    async fn watch_keys(self: Arc<Clients>, node: usize) {
        while self.load.goes_on() {
            let kids = self.load.published(node).await;
            self.published[node].lock().unwrap().extend(kids);
            tokio::time::sleep(FIRST_USE_PAUSE).await;
        }
    }

    pub fn acknowledged(&self) -> Vec<String> {
        self.first_uses.acknowledged.lock().unwrap().clone()
    }

    /// The results of the known clients of all nodes since the last call.
    pub fn take_known(&self) -> Known {
        let mut all = Known::default();
        for known in &self.known {
            let one = std::mem::take(&mut *known.lock().unwrap());
            all.latencies.extend(one.latencies);
            all.longest_pause = all.longest_pause.max(one.longest_pause);
            all.refused.extend(one.refused);
        }
        all.latencies.sort();
        all
    }
}

impl Known {
    pub fn p99(&self) -> Duration {
        let place = (self.latencies.len() * 99 / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).copied().unwrap_or_default()
    }
}

async fn post(connection: &mut Connection, body: String) -> Option<Answer> {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    connection.try_send("POST", "/token", &headers, body).await
}
