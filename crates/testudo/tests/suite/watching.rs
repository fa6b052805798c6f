//! The configuration file is watched.

use crate::administration::{Nodes, events};
use crate::binary::Site;
use serde_json::json;
use std::time::{Duration, Instant};
use testudo_testkit::svid_form;

/// Other suites may load the machine.
pub const SOON: Duration = Duration::from_secs(30);
/// More than two looks at the file.
const TWO_LOOKS: Duration = Duration::from_secs(6);

pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn generation(site: &Site) -> i64 {
    site.json(&["status"])["generation"].as_i64().unwrap()
}

fn text(site: &Site) -> String {
    std::fs::read_to_string(site.config()).unwrap()
}

pub fn rule(name: &str) -> String {
    format!("\n[[rules]]\nname = \"{name}\"\nidentities = [\"spiffe://prod.example/{name}/*\"]\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_file_that_changes_is_applied_without_a_reload_and_a_broken_one_is_refused_once() {
    let site = Site::new();
    let server = site.serve();
    let svid = svid_form(&site.svid("/late/1"), &[]);
    assert_ne!(server.token(svid.clone()).await.status, 200);
    let good = text(&site);
    site.write("testudo.toml", &(good.clone() + &rule("late")));
    until("the file was written", || generation(&site) == 2);
    assert_eq!(server.token(svid.clone()).await.status, 200);

    // What does not compile changes nothing, and is said once.
    site.write("testudo.toml", "issuer = 7\n");
    until("the file is broken", || {
        !events(&site, "configuration.refused").is_empty()
    });
    std::thread::sleep(TWO_LOOKS);
    let told = events(&site, "configuration.refused");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["detail"].as_str().unwrap().contains("issuer"), "{told:?}");
    assert_eq!(generation(&site), 2);
    assert_eq!(server.token(svid.clone()).await.status, 200);

    // A link that points elsewhere, as Kubernetes swaps it.
    site.write("second.toml", &good);
    std::os::unix::fs::symlink("second.toml", site.folder.join("link")).unwrap();
    std::fs::rename(site.folder.join("link"), site.config()).unwrap();
    until("the link was swapped", || generation(&site) == 3);
    assert_ne!(server.token(svid).await.status, 200);
    let changes = events(&site, "rule.changed");
    assert!(
        changes.iter().all(|event| event["reason"] == "the file changed"),
        "{changes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_one_nodes_file_reloads_that_node_once_and_no_other() {
    let nodes = Nodes::start();
    let [first, second] = [&nodes.sites[0], &nodes.sites[1]];
    first.write("testudo.toml", &(text(first) + &rule("late")));
    until("the first node's file changed", || generation(first) == 2);
    std::thread::sleep(TWO_LOOKS);
    assert_eq!((generation(first), generation(second)), (2, 1));
    second.write("testudo.toml", &(text(second) + &rule("late")));
    until("the second node's file changed", || generation(second) == 2);
    std::thread::sleep(TWO_LOOKS);
    assert_eq!((generation(first), generation(second)), (2, 2));
    // An order still reaches both, and no watcher adds one of its own.
    first.ok(&["reload"]);
    until("both were told", || {
        (generation(first), generation(second)) == (3, 3)
    });
    std::thread::sleep(TWO_LOOKS);
    assert_eq!((generation(first), generation(second)), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_file_is_left_alone_where_watching_is_off() {
    let site = Site::new();
    let watching_off = text(&site).replace("[server]\n", "[server]\nwatch = false\n");
    assert!(watching_off.contains("watch = false"));
    site.write("testudo.toml", &watching_off);
    let _server = site.serve();
    site.write("testudo.toml", &(watching_off + &rule("late")));
    std::thread::sleep(TWO_LOOKS);
    assert_eq!(site.json(&["status"])["generation"], json!(1));
    site.ok(&["reload"]);
    assert_eq!(generation(&site), 2);
}
