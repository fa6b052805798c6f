//! A load driver: many kept connections, bodies made beforehand, latencies measured per request.

use crate::http::Connection;
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

/// Sends each body once to `/token`, over `connections` connections.
pub async fn drive(address: SocketAddr, connections: usize, bodies: Arc<Vec<Bytes>>) -> Outcome {
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let workers: Vec<_> = (0..connections)
        .map(|_| {
            let (bodies, next) = (bodies.clone(), next.clone());
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                let mut outcome = Outcome::default();
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(body) = bodies.get(position) else {
                        return outcome;
                    };
                    let sent = Instant::now();
                    let headers = [("content-type", "application/x-www-form-urlencoded")];
                    match connection
                        .try_send("POST", "/token", &headers, body.clone())
                        .await
                    {
                        Some(answer) if answer.status == 200 => outcome.good += 1,
                        Some(_) => outcome.bad += 1,
                        None => {
                            outcome.bad += 1;
                            connection = Connection::open(address).await;
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
