//! Very many authorities: start, memory, refresh traffic, and the latency of tokens, compared with one authority. The
//! tests have a hundred; `cargo xtask soak domains` and `cargo xtask soak clusters` have a thousand.

mod clusters;
mod domains;

use crate::binary::{Server, Site};
use std::time::{Duration, Instant};
use testudo_testkit::http::Connection;
use testudo_testkit::web::DocumentServer;

/// How long the publisher takes for each answer, so that fetches overlap.
const ANSWER_TIME: Duration = Duration::from_millis(20);
/// Longest time until all keys are in force.
const FRESH_MAX: Duration = Duration::from_secs(90);
/// No source is fetched again before this time.
const NEXT_FETCH_AFTER: Duration = Duration::from_secs(25);
/// Most fetches at the same time: a limit of the server.
const FETCHES_MAX: usize = 128;

/// What a test does, and what it requires.
struct Load {
    /// Number of authorities.
    authorities: usize,
    /// Rounds of requests to both servers, and requests of each round.
    rounds: usize,
    requests: usize,
    /// Most that the median latency with many authorities may be of that with one, as a ratio.
    median_max: f64,
    /// The same of the latency that 99 % of the requests do not exceed.
    p99_max: f64,
    /// Most memory for each authority, bytes.
    bytes_max: usize,
}

const IN_CI: Load = Load {
    authorities: 100,
    rounds: 3,
    requests: 60,
    // A debug build on a busy machine, and few requests. The soak tests measure it.
    median_max: 3.0,
    p99_max: f64::INFINITY,
    bytes_max: 128 * 1024,
};

const SOAK: Load = Load {
    authorities: 1_000,
    rounds: 25,
    requests: 400,
    median_max: 1.1,
    p99_max: 1.1,
    bytes_max: 128 * 1024,
};

/// A running server whose authorities have their keys at one publisher.
struct Crowd {
    site: Site,
    server: Server,
    memory: usize,
}

impl Crowd {
    /// Starts the server of this site, which has this number of authorities at the publisher, and waits until all keys are
    /// in force. `what`: what the authorities are.
    async fn start(site: Site, publisher: &DocumentServer, number: usize, what: &str) -> Crowd {
        let before = publisher.connections();
        let started = Instant::now();
        let server = Server::start(&site.config());
        let ready = started.elapsed();
        // The trust domain of the site has its bundle in a file.
        while fresh(&site) < number + 1 {
            let found = fresh(&site);
            assert!(started.elapsed() < FRESH_MAX, "{found} of {number} are fresh");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let all = started.elapsed();
        let fetched = publisher.connections() - before;
        // On a machine so busy that this took longer, the next fetches have begun.
        if all < NEXT_FETCH_AFTER {
            assert_eq!(fetched, number, "each source must be fetched once at the start");
        }
        let together = publisher.answering_max();
        assert!(together <= FETCHES_MAX, "{together} fetches at the same time");
        let memory = server.resident_bytes();
        println!(
            "{number} {what}: ready after {:.2} s, all keys in force after {:.2} s, at most {together} fetches at the same time, {} MiB",
            ready.as_secs_f64(),
            all.as_secs_f64(),
            memory / 1024 / 1024
        );
        Crowd { site, server, memory }
    }

    /// States and bounds the traffic: the fetches of each minute, at the interval of each source.
    fn check_traffic(&self, number: usize, seconds_min: f64) {
        let list = self.site.json(&["trust", "list"]);
        let intervals: Vec<f64> = list
            .as_array()
            .unwrap()
            .iter()
            .filter(|shown| shown["source"].as_str().unwrap().starts_with("https://"))
            .map(|shown| shown["refresh_interval_seconds"].as_f64().unwrap())
            .collect();
        assert_eq!(intervals.len(), number);
        let a_minute: f64 = intervals.iter().map(|seconds| 60.0 / seconds).sum();
        println!(
            "{a_minute:.0} fetches in a minute, {:.1} in a second",
            a_minute / 60.0
        );
        assert!(a_minute <= number as f64 * 60.0 / seconds_min, "{a_minute}");
    }
}

/// How many authorities have fresh keys.
fn fresh(site: &Site) -> usize {
    let list = site.json(&["trust", "list"]);
    let list = list.as_array().unwrap();
    list.iter().filter(|shown| shown["state"] == "fresh").count()
}

/// Most memory of each further authority.
fn check_memory(one: &Crowd, many: &Crowd, load: &Load) {
    let growth = many.memory.saturating_sub(one.memory) / load.authorities;
    println!("{growth} bytes for each");
    assert!(growth < load.bytes_max, "{growth} bytes for each");
}

/// Sends requests to both servers in turn, so that other work on the machine slows both down, and compares the latencies
/// of each round. The median of the rounds counts.
async fn check_latency(one: &Crowd, many: &Crowd, load: &Load, body: impl Fn(usize) -> String) {
    let servers = [&one.server, &many.server];
    let mut connections = Vec::new();
    for server in servers {
        connections.push(Connection::open(server.address).await);
    }
    let (mut number, mut medians, mut slowest) = (0, Vec::new(), Vec::new());
    // The first round makes caches and clients.
    for round in 0..=load.rounds {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..load.requests {
            for (connection, times) in connections.iter_mut().zip(&mut times) {
                number += 1;
                let body = body(number);
                let began = Instant::now();
                let answer = connection.post("/token", body).await;
                times.push(began.elapsed());
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        }
        if round > 0 {
            times.iter_mut().for_each(|times| times.sort_unstable());
            medians.push(times.clone().map(|times| times[load.requests / 2]));
            slowest.push(times.map(|times| times[load.requests * 99 / 100]));
        }
    }
    let middle = |name: &str, rounds: Vec<[Duration; 2]>| {
        let mut ratios: Vec<f64> = rounds
            .iter()
            .map(|[one, many]| many.as_secs_f64() / one.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        let of = |server: usize| {
            let mut times: Vec<f64> = rounds
                .iter()
                .map(|both| both[server].as_secs_f64() * 1e3)
                .collect();
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        let ratio = ratios[ratios.len() / 2];
        println!(
            "token {name}: {:.3} ms with one, {:.3} ms with {}: {ratio:.3} times",
            of(0),
            of(1),
            load.authorities
        );
        ratio
    };
    let median = middle("p50", medians);
    let p99 = middle("p99", slowest);
    assert!(median <= load.median_max, "p50: {median} times");
    assert!(p99 <= load.p99_max, "p99: {p99} times");
}
