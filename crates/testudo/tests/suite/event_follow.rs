//! Tests of `testudo event follow` across restarts of the server.

use crate::binary::Site;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than a restart of a debug build on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

struct Follower {
    child: Child,
    events: Receiver<Value>,
    said: Receiver<String>,
}

impl Follower {
    fn start(site: &Site) -> Follower {
        let mut child = Command::new(env!("CARGO_BIN_EXE_testudo"))
            .args(["event", "follow", "--json"])
            .env("TESTUDO_CONFIG", site.config())
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
        let (send, said) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Follower { child, events, said }
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
    fn says(&self, words: &str) {
        while !self.said.recv_timeout(DEADLINE).unwrap().contains(words) {}
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
    let follower = Follower::start(&site);
    // The command shows only events after its start, so events are made until it shows the first one.
    let mut first = block("first-0");
    for number in 1.. {
        if let Ok(event) = follower.events.recv_timeout(Duration::from_millis(500)) {
            assert!(event["identity"].as_str().unwrap().contains("first-"), "{event}");
            break;
        }
        first = block(&format!("first-{number}"));
    }
    let unseen = block("unseen");
    // The restart follows at once, so the last events can be read only after it.
    server.kill_9();
    follower.says("waiting for the server");
    let server = site.serve();
    let later = block("later");
    let mut shown = follower.blocked();
    if shown == first {
        shown = follower.blocked();
    }
    assert_eq!([shown, follower.blocked()], [unseen, later.clone()]);
    follower.says("the server answers again");
    let last = block("last");
    assert_eq!(follower.blocked(), last, "no event may be shown twice");
    drop(server);
}

#[test]
fn follow_without_a_server_fails_at_its_start() {
    let site = Site::new();
    let output = site.run(&["event", "follow"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(crate::binary::stderr(&output).contains("no server answers at "));
}
