//! `cargo xtask bench compare OLD [NEW]`: two binaries alternating on one machine, nine pairs, the median of the
//! ratios. One run of each says little: neighbours and the machine's temperature move a figure by several percent.

use crate::mutual_tls::MutualTls;
use crate::place::{CONNECTIONS, Folder, Server, mint, svid};
use hyper::body::Bytes;
use std::path::Path;
use std::sync::Arc;
use testudo_testkit::load::drive;
use testudo_testkit::{TestIssuer, svid_form};

const PAIRS: usize = 9;

/// The largest median that passes: new over old.
const RATIO_MAX: f64 = 1.03;

const LINES: [&str; 7] = [
    "known client, fresh SVID, us",
    "known client, same SVID, us",
    "first use, durable, us",
    "X.509-SVID, kept, us",
    "X.509-SVID, handshake each, us",
    "resident memory at the end, MB",
    "ready after start, ms",
];

pub async fn run(old: &Path, new: &Path) {
    let issuer = Arc::new(TestIssuer::new("bench.example"));
    let requests = Requests::new(&issuer);
    let mut ratios = vec![Vec::new(); LINES.len()];
    let mut figures = vec![[Vec::new(), Vec::new()]; LINES.len()];
    for pair in 0..PAIRS {
        // Who goes first alternates too.
        let order = if pair % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut measured = [Vec::new(), Vec::new()];
        for side in order {
            measured[side] = one_round(if side == 0 { old } else { new }, &issuer, &requests).await;
        }
        for line in 0..LINES.len() {
            ratios[line].push(measured[1][line] / measured[0][line]);
            for side in [0, 1] {
                figures[line][side].push(measured[side][line]);
            }
        }
        eprint!("\rpair {} of {PAIRS}", pair + 1);
    }
    eprintln!();
    println!("median of {PAIRS} pairs, old and new binary alternating");
    let mut is_slower = false;
    for (line, name) in LINES.iter().enumerate() {
        let ratio = median(&mut ratios[line]);
        let [old, new] = [0, 1].map(|side| median(&mut figures[line][side]));
        println!("{name:<32} old {old:>7.1}, new {new:>7.1}, median of the ratios {ratio:.3}");
        // Memory and start have budgets of their own.
        is_slower |= ratio > RATIO_MAX && name.ends_with("us");
    }
    if is_slower {
        println!("a line is over {RATIO_MAX}");
        std::process::exit(1);
    }
}

struct Requests {
    warm: Arc<Vec<Bytes>>,
    fresh: Arc<Vec<Bytes>>,
    same: Arc<Vec<Bytes>>,
    first: Arc<Vec<Bytes>>,
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
        }
    }
}

async fn one_round(binary: &Path, issuer: &Arc<TestIssuer>, requests: &Requests) -> Vec<f64> {
    let folder = Folder::new(issuer);
    let server = Server::start_binary(binary, &folder.0);
    let warm = drive(server.address, CONNECTIONS, requests.warm.clone()).await;
    assert_eq!(warm.bad, 0);
    let mut figures = Vec::new();
    for bodies in [&requests.fresh, &requests.same, &requests.first] {
        figures.push(server.measure("", bodies.clone()).await);
    }
    let (resident, ready) = (server.resident_mb(), server.ready_after.as_secs_f64() * 1e3);
    drop(server);
    let place = MutualTls::new();
    let server = Server::start_binary(binary, &place.folder.0);
    for (is_kept, count) in [(true, 30_000), (false, 2_000)] {
        figures.push(place.measure(&server, "", is_kept, count).await);
    }
    figures.extend([resident, ready]);
    figures
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
