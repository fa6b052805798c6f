//! A load driver: many kept connections, bodies made beforehand, latencies measured per request.

use crate::http::Connection;
use crate::x509::X509Chain;
use hyper::body::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Requests answered 200.
    pub good: usize,
    /// Requests answered otherwise, or not at all.
    pub bad: usize,
    /// Wall time.
    pub elapsed: Duration,
    /// Latencies, ascending.
    pub latencies: Vec<Duration>,
}

impl Outcome {
    /// The latency below which this share of the requests stayed.
    pub fn percentile(&self, share: f64) -> Duration {
        let position = ((self.latencies.len() as f64 - 1.0) * share).round() as usize;
        self.latencies.get(position).copied().unwrap_or_default()
    }

    /// Good requests per second of wall time.
    pub fn per_second(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// How the driver connects.
#[derive(Clone)]
pub enum Connector {
    /// Plain TCP, connections kept.
    Plain,
    /// Mutual TLS with this chain, trusting these roots; with `is_kept` false, a handshake for each request.
    MutualTls {
        /// Trusted roots, DER.
        roots: Vec<Vec<u8>>,
        /// Shown to the server.
        client: X509Chain,
        /// One connection for all requests of a worker.
        is_kept: bool,
    },
}

impl Connector {
    /// A new connection; `None` where the server refuses it.
    pub async fn try_open(&self, address: SocketAddr) -> Option<Connection> {
        match self {
            Connector::Plain => Some(Connection::open(address).await),
            Connector::MutualTls { roots, client, .. } => {
                Connection::open_tls(address, roots, Some(client)).await
            }
        }
    }

    async fn open(&self, address: SocketAddr) -> Connection {
        self.try_open(address).await.expect("a connection")
    }

    /// True where one connection serves all requests of a worker.
    pub fn is_kept(&self) -> bool {
        match self {
            Connector::Plain => true,
            Connector::MutualTls { is_kept, .. } => *is_kept,
        }
    }
}

/// Sends each body once to `/token`, over `connections` plain connections.
pub async fn drive(address: SocketAddr, connections: usize, bodies: Arc<Vec<Bytes>>) -> Outcome {
    drive_over(&Connector::Plain, &[address], connections, bodies).await
}

/// The same over any kind of connection, and over several nodes in turn.
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
                    let headers = [("content-type", "application/x-www-form-urlencoded")];
                    match connection
                        .try_send("POST", "/token", &headers, body.clone())
                        .await
                    {
                        Some(answer) if answer.status == 200 => outcome.good += 1,
                        Some(_) => outcome.bad += 1,
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
        let outcome = worker.await.expect("a worker");
        all.good += outcome.good;
        all.bad += outcome.bad;
        all.latencies.extend(outcome.latencies);
    }
    all.elapsed = started.elapsed();
    all.latencies.sort();
    all
}
