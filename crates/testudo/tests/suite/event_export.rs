//! Tests with the events of a month: filters take a bounded time, the export a bounded amount of memory. `cargo xtask
//! soak events` has a million of them.

use crate::binary::{Server, Site, folder};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testudo_core::records::{Batch, Event, EventKind};
use testudo_protocol::{Seconds, Timestamp};
use testudo_store::Store;
use testudo_testkit::http::over_socket;
use testudo_testkit::postgres::Postgres;

const DAY: i64 = 86_400;
const MONTH_MILLIS: i64 = 30 * DAY * 1000;
/// Maximum growth of the memory of the command and of the server over all pages.
const GROWTH_BYTES_MAX: usize = 48 * 1024 * 1024;

/// Event `number` of `count`, spread over the 30 days before `end`.
fn event(number: i64, count: i64, end: Timestamp) -> Event {
    let millis = end.0 * 1000 - MONTH_MILLIS + number * MONTH_MILLIS / count;
    let time = Timestamp(millis / 1000);
    let kind = match number % 10 {
        0 => EventKind::ClientRegistered,
        _ => EventKind::ClientRefused,
    };
    let id = format!("{millis:016x}{number:08x}{:02x}000000", kind as u8);
    let mut event = Event::new(id, time, kind, time + Seconds(400 * DAY));
    event.request_id = Some(format!("{millis:012x}{number:016x}"));
    event.authority = Some("spiffe://prod.example".into());
    event.identity = Some(format!("spiffe://prod.example/ns/shop/sa/s{}", number % 5_000));
    event.client_id = event.identity.clone();
    event.rule = Some("payments".into());
    event.door = Some("jwt_svid".into());
    if kind == EventKind::ClientRefused {
        event.reason = Some(
            if number == count / 2 + 1 {
                "rare"
            } else {
                "no_rule"
            }
            .into(),
        );
        event.detail = Some("no rule governs this identity".into());
        event.hint = Some("write a rule whose pattern matches it, or run `testudo rule test`".into());
    }
    event
}

async fn fill(store: &Store, count: i64) {
    let end = Timestamp(crate::binary::now() - 60);
    for start in (0..count).step_by(1_000) {
        let mut batch = Batch::default();
        (start..count.min(start + 1_000)).for_each(|number| batch.insert(&event(number, count, end)));
        store.commit(batch).await.unwrap();
    }
}

fn peak_bytes(process: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Runs the export and reads its lines. Returns their number, and the largest measured memory of the command.
fn export(site: &Site, more: &[&str]) -> (i64, usize) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testudo"));
    command.args(["event", "export", "--config", site.config().to_str().unwrap()]);
    let mut child = command.args(more).stdout(Stdio::piped()).spawn().unwrap();
    let (mut lines, mut peak, mut last) = (0, 0, String::new());
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if lines % 1_000 == 0 {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            let id = event["id"].as_str().unwrap().to_owned();
            assert!(id > last, "events must be in order, the oldest first, each once");
            last = id;
            peak = peak.max(peak_bytes(child.id()).unwrap_or(0));
        }
        lines += 1;
    }
    assert!(child.wait().unwrap().success());
    (lines, peak)
}

/// Requests every page from the server, as the command line does; returns the sorted durations of the answers, and the
/// number of events.
async fn ask(site: &Site, query: &str) -> (Vec<Duration>, usize) {
    let socket = site.folder.join("testudo.sock");
    let (mut took, mut found, mut more) = (Vec::new(), 0, String::new());
    let cursor = match query.contains("order=oldest") {
        true => "after",
        false => "before",
    };
    loop {
        let path = format!("/admin/v1/events?limit=1000&{query}{more}");
        let started = Instant::now();
        let (status, page) = over_socket(&socket, "GET", &path, serde_json::Value::Null).await;
        took.push(started.elapsed());
        assert_eq!(status, 200, "{page}");
        found += page["events"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => more = format!("&{cursor}={next}"),
            None => {
                took.sort();
                return (took, found);
            }
        }
    }
}

/// Prints the measurements, and fails if an answer takes longer than `within`.
async fn a_month_of(count: i64, site: &Site, server: &Server, within: Duration) {
    for (query, expected) in [
        ("reason=rare", Some(1)),
        ("reason=rare&order=oldest", Some(1)),
        ("client=spiffe://prod.example/ns/shop/sa/s0", None),
        ("identity=spiffe://prod.example/ns/shop/sa/s1*", None),
        ("rule=none", Some(0)),
        ("actor=uid:0*", Some(0)),
        ("request=0123", Some(0)),
        ("type=client.removed", Some(0)),
        ("since=24h&type=client.refused", None),
        (
            "since=10d&until=9d&client=spiffe://prod.example/ns/shop/sa/s0",
            None,
        ),
    ] {
        let (took, found) = ask(site, query).await;
        let (answers, whole) = (took.len(), took.iter().sum::<Duration>());
        let (median, longest) = (took[answers / 2], took[answers - 1]);
        let p99 = took[(answers * 99).div_ceil(100) - 1];
        eprintln!(
            "{count} events, {query}: {found} found; {answers} answers in {whole:?}, each median {median:?}, \
             p99 {p99:?}, longest {longest:?}"
        );
        assert!(longest < within, "{query}: {longest:?}");
        expected
            .into_iter()
            .for_each(|expected| assert_eq!(found, expected, "{query}"));
    }
    let before = server.resident_bytes();
    let started = Instant::now();
    let (lines, peak) = export(
        site,
        &[
            "--since",
            "31d",
            "--type",
            "client.registered",
            "--type",
            "client.refused",
        ],
    );
    let grown = server.resident_bytes().saturating_sub(before);
    eprintln!(
        "{lines} events exported in {:?}; peak of the command {} KiB, the server grew by {} KiB",
        started.elapsed(),
        peak / 1024,
        grown / 1024
    );
    assert_eq!(lines, count);
    assert!(
        peak < GROWTH_BYTES_MAX && grown < GROWTH_BYTES_MAX,
        "{peak} {grown}"
    );
}

async fn over_sqlite(count: i64, within: Duration) {
    let site = Site::new();
    let store = Store::sqlite(&site.folder.join("testudo.db")).unwrap();
    fill(&store, count).await;
    drop(store);
    let server = site.serve();
    a_month_of(count, &site, &server, within).await;
}

async fn over_postgres(count: i64, within: Duration) {
    let database = Postgres::start(&folder()).unwrap();
    let url = database.database("events").unwrap();
    let store = Store::postgres(&url, None).await.unwrap();
    fill(&store, count).await;
    drop(store);
    let site = Site::new().over_postgres(&url);
    let server = site.serve();
    a_month_of(count, &site, &server, within).await;
}

/// Debug builds on a busy machine are slow. CI checks only that answers are bounded; the soak test measures their
/// speed.
const IN_CI: Duration = Duration::from_secs(10);

#[tokio::test]
async fn export_has_every_event_once_and_keeps_one_page_in_memory() {
    over_sqlite(5_000, IN_CI).await;
}

#[tokio::test]
async fn export_over_postgresql_has_every_event_once() {
    over_postgres(3_000, IN_CI).await;
}

const SOAK: i64 = 1_000_000;
const FAST: Duration = Duration::from_millis(100);

#[tokio::test]
#[ignore = "a million events; `cargo xtask soak events`"]
async fn soak_sqlite() {
    over_sqlite(SOAK, FAST).await;
}

#[tokio::test]
#[ignore = "a million events; `cargo xtask soak events`"]
async fn soak_postgres() {
    over_postgres(SOAK, FAST).await;
}

#[test]
fn list_that_leaves_events_out_prints_how_to_get_the_others() {
    let site = Site::new();
    let server = site.serve();
    for number in 0..4 {
        let pattern = format!("spiffe://prod.example/x/{number}");
        site.ok(&["identity", "block", &pattern, "--reason", "incident 7"]);
    }
    let list = |more: &[&str]| {
        let output = site.run(&[&["event", "list", "--json", "--reason", "incident*"], more].concat());
        assert!(output.status.success(), "{}", crate::binary::stderr(&output));
        let events = crate::binary::json_lines(&String::from_utf8(output.stdout.clone()).unwrap());
        let identities = events.iter().map(|event| event["identity"].as_str().unwrap());
        let last = identities.map(|identity| identity.chars().last().unwrap());
        (last.collect::<String>(), crate::binary::stderr(&output))
    };
    assert_eq!(list(&[]), ("3210".into(), String::new()));
    assert_eq!(list(&["--oldest-first"]).0, "0123");
    assert_eq!(list(&["--limit", "4"]), ("3210".into(), String::new()));
    for (more, flag, pages) in [
        (&[][..], "--before", ["32", "10"]),
        (&["--oldest-first"], "--after", ["01", "23"]),
    ] {
        let (first, printed) = list(&[&["--limit", "2"], more].concat());
        assert_eq!(first, pages[0]);
        let mut words = printed.split_whitespace().skip_while(|word| *word != flag);
        let cursor = words
            .nth(1)
            .unwrap_or_else(|| panic!("{flag} in {printed}"))
            .trim_matches(',');
        assert_eq!(
            list(&[&["--limit", "2", flag, cursor], more].concat()).0,
            pages[1]
        );
    }
    drop(server);
}
