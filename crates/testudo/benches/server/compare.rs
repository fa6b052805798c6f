//! `cargo xtask bench compare OLD [NEW]`: measures two binaries in turn on one machine, in nine pairs of runs, and prints
//! the median of the ratios. One run of each is not enough: other load and the temperature of the machine change a figure
//! by several percent. With `--postgres`, the store is PostgreSQL instead of a SQLite file.

use crate::fixture::{CONNECTIONS, Folder, Server, mint, svid};
use crate::mutual_tls::MutualTls;
use hyper::body::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use testudo_testkit::load::drive;
use testudo_testkit::postgres::Postgres;
use testudo_testkit::scratch;
use testudo_testkit::{TestIssuer, svid_form};

const PAIRS: usize = 9;

/// Encrypts the signing keys of a database that is deleted after the benchmark.
const KEY: &str = "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0";

/// The largest median that passes: new over old.
const RATIO_MAX: f64 = 1.03;

/// The limit applies to lines that end in `us`. Memory and start time have other limits, and the elapsed time of first
/// uses with PostgreSQL depends mostly on the database.
const SQLITE: &[&str] = &[
    "known client, fresh SVID, us",
    "known client, same SVID, us",
    "first use, durable, us",
    "X.509-SVID, kept connection, us",
    "X.509-SVID, handshake each, us",
    "resident memory at the end, MB",
    "ready after start, ms",
];
const POSTGRES: &[&str] = &[
    "known client, fresh SVID, us",
    "known client, same SVID, us",
    "first use, durable, us",
    "first uses, ms of elapsed time for 10,000",
    "resident memory at the end, MB",
    "ready after start, ms",
];

pub async fn over_sqlite(old: &Path, new: &Path) {
    let issuer = Arc::new(TestIssuer::new("bench.example"));
    let requests = Requests::new(&issuer);
    let mut table = Table::new(SQLITE);
    for pair in 0..PAIRS {
        for side in order(pair) {
            let binary = [old, new][side];
            let folder = Folder::new(&issuer);
            let server = Server::start_binary(binary, &folder.0);
            let mut figures = token_requests(&server, &requests).await;
            let end = [server.resident_mb(), server.ready_after.as_secs_f64() * 1e3];
            drop(server);
            let fixture = MutualTls::new();
            let server = Server::start_binary(binary, &fixture.folder.0);
            for (is_kept, count) in [(true, 30_000), (false, 2_000)] {
                figures.push(fixture.measure(&server, "", is_kept, count).await);
            }
            figures.extend(end);
            table.note(side, figures);
        }
        table.note_pair(pair);
    }
    table.print();
}

pub async fn over_postgres(old: &Path, new: &Path) {
    let issuer = Arc::new(TestIssuer::new("bench.example"));
    let requests = Requests::new(&issuer);
    let postgres = Postgres::start(&scratch::folder("postgres")).unwrap();
    let mut table = Table::new(POSTGRES);
    for pair in 0..PAIRS {
        for side in order(pair) {
            let folder = Folder::new(&issuer);
            // Each round has a new database, because later rounds would otherwise write into larger tables.
            let url = postgres.database(&format!("pair_{pair}_{side}")).unwrap();
            folder.edit(
                "url = \"sqlite:bench.db\"",
                &format!("url = \"{url}\"\nkey_encryption_key = \"{KEY}\""),
            );
            let server = Server::start_binary([old, new][side], &folder.0);
            let mut figures = token_requests(&server, &requests).await;
            let started = Instant::now();
            server.measure("", requests.more_first.clone()).await;
            figures.extend([
                started.elapsed().as_secs_f64() * 1e3,
                server.resident_mb(),
                server.ready_after.as_secs_f64() * 1e3,
            ]);
            table.note(side, figures);
        }
        table.note_pair(pair);
    }
    table.print();
}

/// The order of old and new in a pair; in every second pair, new is first.
fn order(pair: usize) -> [usize; 2] {
    if pair.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

/// The measured figures, by line and side (old, new).
struct Table {
    lines: &'static [&'static str],
    /// Old and new figures of the current pair.
    pair: [Vec<f64>; 2],
    ratios: Vec<Vec<f64>>,
    figures: Vec<[Vec<f64>; 2]>,
}

impl Table {
    fn new(lines: &'static [&'static str]) -> Table {
        Table {
            lines,
            pair: Default::default(),
            ratios: vec![Vec::new(); lines.len()],
            figures: vec![Default::default(); lines.len()],
        }
    }

    fn note(&mut self, side: usize, figures: Vec<f64>) {
        assert_eq!(figures.len(), self.lines.len());
        self.pair[side] = figures;
    }

    fn note_pair(&mut self, pair: usize) {
        for line in 0..self.lines.len() {
            self.ratios[line].push(self.pair[1][line] / self.pair[0][line]);
            for side in [0, 1] {
                self.figures[line][side].push(self.pair[side][line]);
            }
        }
        eprint!("\rpair {} of {PAIRS}", pair + 1);
    }

    /// Prints the medians. Ends the program with status 1 if one exceeds the limit.
    fn print(mut self) {
        eprintln!();
        println!("median of {PAIRS} pairs of runs, old and new binary in turn");
        let mut is_slower = false;
        for (line, name) in self.lines.iter().enumerate() {
            let ratio = median(&mut self.ratios[line]);
            let [old, new] = [0, 1].map(|side| median(&mut self.figures[line][side]));
            println!("{name:<34} old {old:>7.1}, new {new:>7.1}, median of the ratios {ratio:.3}");
            is_slower |= ratio > RATIO_MAX && name.ends_with("us");
        }
        if is_slower {
            println!("the ratio of a line is over the limit {RATIO_MAX}");
            std::process::exit(1);
        }
    }
}

struct Requests {
    warm: Arc<Vec<Bytes>>,
    fresh: Arc<Vec<Bytes>>,
    same: Arc<Vec<Bytes>>,
    first: Arc<Vec<Bytes>>,
    more_first: Arc<Vec<Bytes>>,
}

impl Requests {
    fn new(issuer: &Arc<TestIssuer>) -> Requests {
        let known = |number: usize| format!("/ns/known/sa/s{}", number % 100);
        let same = Bytes::from(svid_form(&svid(issuer, &known(0)), &[]));
        Requests {
            warm: mint(issuer, 4_000, known),
            fresh: mint(issuer, 30_000, known),
            same: Arc::new(vec![same; 80_000]),
            first: mint(issuer, 20_000, |number| {
                format!("/ns/n{}/sa/s{number}", number % 50)
            }),
            more_first: mint(issuer, 10_000, |number| {
                format!("/ns/m{}/sa/s{number}", number % 50)
            }),
        }
    }
}

/// Server CPU time per request: known clients with a fresh SVID, with a repeated SVID, and first uses.
async fn token_requests(server: &Server, requests: &Requests) -> Vec<f64> {
    let warm = drive(server.address, CONNECTIONS, requests.warm.clone()).await;
    assert_eq!(warm.bad, 0);
    let mut figures = Vec::new();
    for bodies in [&requests.fresh, &requests.same, &requests.first] {
        figures.push(server.measure("", bodies.clone()).await);
    }
    figures
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
