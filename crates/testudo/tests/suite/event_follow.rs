//! Tests of `testudo event follow` across restarts of the server.

use crate::binary::Site;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than a restart of a debug build on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A running `testudo event follow --json`.
pub struct Follower {
    pub child: Child,
    pub events: Receiver<Value>,
    messages: Receiver<String>,
}

impl Follower {
    fn start(site: &Site, more: &[&str]) -> Follower {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testudo"));
        command
            .args(["event", "follow", "--json"])
            .args(more)
            .env("TESTUDO_CONFIG", site.config());
        Follower::spawn(command)
    }

    pub fn spawn(mut command: Command) -> Follower {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, events) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = send.send(serde_json::from_str(&line).unwrap());
            }
        });
        let (send, messages) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Follower {
            child,
            events,
            messages,
        }
    }

    /// The identity in the next event of a block.
    #[track_caller]
    fn blocked(&self) -> String {
        loop {
            let event = self.events.recv_timeout(DEADLINE).unwrap();
            if event["event"] == "identity.blocked" {
                return event["identity"].as_str().unwrap().to_owned();
            }
        }
    }

    #[track_caller]
    fn wait_for_message(&self, words: &str) {
        while !self.messages.recv_timeout(DEADLINE).unwrap().contains(words) {}
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn follow_continues_after_a_restart_and_shows_each_event_once() {
    let site = Site::new();
    let server = site.serve();
    let block = |name: &str| {
        let identity = format!("spiffe://prod.example/{name}");
        site.ok(&["identity", "block", &identity]);
        identity
    };
    block("before");
    let follower = Follower::start(&site, &[]);
    // The command shows only events after its start, so events are made until it shows the first one.
    let mut early = Vec::new();
    for number in 0.. {
        block(&format!("first-{number}"));
        if let Ok(event) = follower.events.recv_timeout(Duration::from_millis(500)) {
            early.push(event["identity"].as_str().unwrap().to_owned());
            break;
        }
    }
    assert!(early[0].contains("first-"), "{early:?}");
    let unseen = block("unseen");
    // The restart follows at once, so the last events can be read only after it.
    server.kill_9();
    follower.wait_for_message("waiting for the server");
    let server = site.serve();
    let later = block("later");
    let mut shown = follower.blocked();
    // On a busy machine, several of the first events follow.
    while shown.contains("first-") {
        assert!(!early.contains(&shown), "{shown} is shown twice");
        early.push(shown);
        shown = follower.blocked();
    }
    assert_eq!([shown, follower.blocked()], [unseen, later.clone()]);
    follower.wait_for_message("the server answers again");
    let last = block("last");
    assert_eq!(follower.blocked(), last, "no event may be shown twice");
    drop(server);
}

#[test]
fn follow_shows_only_events_that_match_all_filters() {
    let site = Site::new();
    let _server = site.serve();
    let change = |verb: &str, name: &str, reason: &str| {
        let identity = format!("spiffe://prod.example/{name}");
        site.ok(&["identity", verb, &identity, "--reason", reason]);
    };
    change("block", "early", "INC-1");
    change("block", "a/1", "INC-2");
    // With `--since`, events before the start of the command are shown too.
    for filters in [
        &["--since", "1h", "--identity", "spiffe://prod.example/a/*"][..],
        &["--since", "2020-01-01", "--reason", "INC-2"],
        &["--since", "1h", "--type", "identity.blocked", "--reason", "*-2"],
        &["--since", "1h", "--actor", "uid:*", "--identity", "*/a/1"],
    ] {
        let follower = Follower::start(&site, filters);
        assert_eq!(follower.blocked(), "spiffe://prod.example/a/1", "{filters:?}");
    }
    let filters = [
        "--since",
        "1h",
        "--type",
        "identity.unblocked",
        "--reason",
        "INC-3",
    ];
    let follower = Follower::start(&site, &filters);
    change("unblock", "early", "INC-1");
    change("block", "a/2", "INC-3");
    change("unblock", "a/1", "INC-3");
    let event = follower.events.recv_timeout(DEADLINE).unwrap();
    assert_eq!(event["event"], "identity.unblocked", "{event}");
    assert_eq!(event["identity"], "spiffe://prod.example/a/1", "{event}");
    // A malformed time or an unknown type is an error, not a search without a result.
    for filters in [["--since", "yesterday"], ["--type", "client.refuzed"]] {
        let output = site.run(&[&["event", "follow"], &filters[..]].concat());
        let printed = crate::binary::stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(
            printed.contains(filters[1]) && printed.contains("hint: write "),
            "{printed}"
        );
    }
}

#[test]
fn follow_without_a_server_fails_at_its_start() {
    let site = Site::new();
    let output = site.run(&["event", "follow"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(crate::binary::stderr(&output).contains("no server answers at "));
}
