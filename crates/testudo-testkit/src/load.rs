//! A load driver with many connections. The bodies are prepared before the run, and the latency of each request is
//! measured.

use crate::http::Connection;
use crate::x509::X509Chain;
use hyper::body::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The result of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Requests that were answered with 200, registrations with 201.
    pub good: usize,
    /// Requests that were answered with another status, or not answered.
    pub bad: usize,
    /// The number of answers with each other status.
    pub refused: BTreeMap<u16, usize>,
    /// Duration of the run.
    pub elapsed: Duration,
    /// Latencies, ascending.
    pub latencies: Vec<Duration>,
}

impl Outcome {
    /// The latency that this share of the requests did not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        let position = ((self.latencies.len() as f64 - 1.0) * share).round() as usize;
        self.latencies.get(position).copied().unwrap_or_default()
    }

    /// Adds the requests of another run; the durations are added, too.
    pub fn add(&mut self, other: Outcome) {
        self.good += other.good;
        self.bad += other.bad;
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self.elapsed += other.elapsed;
        self.latencies.extend(other.latencies);
        self.latencies.sort();
    }

    /// Requests per second that were answered with 200.
    pub fn per_second(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Header fields of one request: names and values.
pub type Fields = Vec<(&'static str, String)>;

/// How the driver connects.
#[derive(Clone)]
pub enum Connector {
    /// Plain TCP; connections stay open between requests.
    Plain,
    /// The same, with more header fields in each request: those at the position of its body.
    PlainWithFields(Arc<Vec<Fields>>),
    /// As `Plain`, but the bodies are JSON for the registration endpoint.
    Registrations,
    /// Mutual TLS with this chain, trusting these roots; without `is_kept`, each request needs a handshake.
    MutualTls {
        /// Trusted roots, DER.
        roots: Vec<Vec<u8>>,
        /// The certificate chain that is sent to the server.
        client: X509Chain,
        /// One connection for all requests of a worker.
        is_kept: bool,
    },
}

impl Connector {
    /// A new connection; `None` if the server refuses it.
    pub async fn try_open(&self, address: SocketAddr) -> Option<Connection> {
        match self {
            Connector::Plain | Connector::PlainWithFields(_) | Connector::Registrations => {
                Some(Connection::open(address).await)
            }
            Connector::MutualTls { roots, client, .. } => {
                Connection::open_tls(address, roots, Some(client)).await
            }
        }
    }

    fn fields(&self, position: usize) -> &[(&'static str, String)] {
        match self {
            Connector::PlainWithFields(fields) => fields.get(position).map_or(&[], Vec::as_slice),
            Connector::Plain | Connector::Registrations | Connector::MutualTls { .. } => &[],
        }
    }

    /// Path and media type of the requests, and the status of success.
    fn endpoint(&self) -> (&'static str, &'static str, u16) {
        match self {
            Connector::Registrations => ("/register", "application/json", 201),
            Connector::Plain | Connector::PlainWithFields(_) | Connector::MutualTls { .. } => {
                ("/token", "application/x-www-form-urlencoded", 200)
            }
        }
    }

    async fn open(&self, address: SocketAddr) -> Connection {
        self.try_open(address).await.expect("a connection")
    }

    /// True if a worker sends all its requests on one connection.
    pub fn is_kept(&self) -> bool {
        match self {
            Connector::Plain | Connector::PlainWithFields(_) | Connector::Registrations => true,
            Connector::MutualTls { is_kept, .. } => *is_kept,
        }
    }
}

/// Sends each body once to `/token`, over `connections` plain connections.
pub async fn drive(address: SocketAddr, connections: usize, bodies: Arc<Vec<Bytes>>) -> Outcome {
    drive_over(&Connector::Plain, &[address], connections, bodies).await
}

/// As [`drive`], with any kind of connection, and to several nodes alternately.
pub async fn drive_over(
    connector: &Connector,
    addresses: &[SocketAddr],
    connections: usize,
    bodies: Arc<Vec<Bytes>>,
) -> Outcome {
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let workers: Vec<_> = (0..connections)
        .map(|worker| {
            let (bodies, next, connector) = (bodies.clone(), next.clone(), connector.clone());
            let address = addresses[worker % addresses.len()];
            tokio::spawn(async move {
                let mut connection = connector.open(address).await;
                let mut outcome = Outcome::default();
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(body) = bodies.get(position) else {
                        return outcome;
                    };
                    let sent = Instant::now();
                    if !connector.is_kept() {
                        connection = connector.open(address).await;
                    }
                    let (path, media_type, success) = connector.endpoint();
                    let mut headers = vec![("content-type", media_type)];
                    let fields = connector.fields(position);
                    headers.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
                    match connection.try_send("POST", path, &headers, body.clone()).await {
                        Some(answer) if answer.status == success => outcome.good += 1,
                        Some(answer) => {
                            outcome.bad += 1;
                            *outcome.refused.entry(answer.status).or_default() += 1;
                        }
                        None => {
                            outcome.bad += 1;
                            connection = connector.open(address).await;
                        }
                    }
                    outcome.latencies.push(sent.elapsed());
                }
            })
        })
        .collect();
    let mut all = Outcome::default();
    for worker in workers {
        all.add(worker.await.expect("a worker"));
    }
    all.elapsed = started.elapsed();
    all
}
