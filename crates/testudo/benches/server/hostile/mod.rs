//! `cargo xtask bench hostile`: measures the CPU time of refused requests, and compares it with that of valid requests.
//!
//! The rule: a request that is refused before a signature of a configured authority is verified must not need more CPU
//! time than the most expensive valid request. The limit of each row is the valid request with the same kind of credential
//! and algorithm. If this benchmark cannot make one, the limit is two raw verifications and one parsed request.

mod chains;
mod proofs;
mod registrations;
mod resets;
mod tokens;

use crate::fixture::Server;
use crate::raw::raw_cryptography;
use hyper::body::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use testudo_testkit::load::Connector;

/// Connections of the load driver: fewer than the limit per address.
const CONNECTIONS: usize = 16;
/// A row may exceed its limit by this factor, because measurements differ from run to run.
const TOLERANCE: f64 = 1.15;

/// One request.
#[derive(Clone)]
struct Request {
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Request {
    fn token(body: String) -> Request {
        Request {
            path: "/token",
            headers: vec![("content-type", "application/x-www-form-urlencoded".into())],
            body: body.into(),
        }
    }

    fn register(body: String) -> Request {
        Request {
            path: "/register",
            headers: vec![("content-type", "application/json".into())],
            body: body.into(),
        }
    }
}

/// One line of the output.
struct Row {
    name: String,
    us: f64,
    limit: f64,
}

/// The rows so far.
#[derive(Default)]
struct Table(Vec<Row>);

impl Table {
    fn heading(&self, text: &str) {
        println!("\n{text}");
    }

    fn row(&mut self, name: &str, us: f64, limit: f64) {
        println!(
            "{name:<58} {us:>9.1} us, {:>5.2} of the limit ({limit:.1} us)",
            us / limit
        );
        self.0.push(Row {
            name: name.to_owned(),
            us,
            limit,
        });
    }
}

pub async fn run(binary: &Path) {
    let raw = raw_cryptography();
    let mut table = Table::default();
    tokens::run(binary, &mut table).await;
    proofs::run(binary, &mut table).await;
    chains::run(binary, raw, &mut table).await;
    registrations::run(binary, &mut table).await;
    resets::run(binary, &mut table).await;
    let worst = table
        .0
        .iter()
        .filter(|row| !row.name.starts_with("good"))
        .max_by(|one, other| (one.us / one.limit).total_cmp(&(other.us / other.limit)))
        .unwrap();
    println!(
        "\nworst: {}, {:.2} of its limit",
        worst.name,
        worst.us / worst.limit
    );
    if worst.us > worst.limit * TOLERANCE {
        println!("a refused request needs more CPU time than a valid one");
        std::process::exit(1);
    }
}

/// Server CPU time per request, microseconds. Every answer must have one of these statuses; 0 means that the server closed
/// the connection without an answer.
async fn cost(server: &Server, connector: &Connector, requests: Vec<Request>, statuses: &[u16]) -> f64 {
    let count = requests.len();
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let before = server.cpu_seconds();
    let address = server.address;
    let workers: Vec<_> = (0..CONNECTIONS.min(count))
        .map(|_| {
            let (requests, next, connector) = (requests.clone(), next.clone(), connector.clone());
            tokio::spawn(async move {
                let mut connection = None;
                let mut seen = Vec::new();
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut open = match connection.take() {
                        Some(open) if connector.is_kept() => open,
                        _ => match connector.try_open(address).await {
                            Some(open) => open,
                            None => {
                                seen.push(0);
                                continue;
                            }
                        },
                    };
                    let headers: Vec<(&str, &str)> = request
                        .headers
                        .iter()
                        .map(|(name, value)| (*name, value.as_str()))
                        .collect();
                    let answer = open
                        .try_send("POST", request.path, &headers, request.body.clone())
                        .await;
                    seen.push(answer.as_ref().map_or(0, |answer| answer.status));
                    connection = answer.map(|_| open);
                }
                seen
            })
        })
        .collect();
    for worker in workers {
        for status in worker.await.unwrap() {
            assert!(
                statuses.contains(&status),
                "answered {status} instead of {statuses:?}"
            );
        }
    }
    (server.cpu_seconds() - before) * 1e6 / count as f64
}

/// The number of requests that take about two seconds of CPU, estimated from the first ones; at most `count`.
async fn enough(server: &Server, connector: &Connector, request: &Request, count: usize) -> usize {
    let us = cost(
        server,
        connector,
        vec![request.clone(); 2],
        &[0, 200, 400, 401, 431, 503],
    )
    .await;
    ((2e6 / us.max(1.0)) as usize).clamp(2, count)
}
