//! Tests of the watch of the configuration file.

use crate::administration::{Nodes, events};
use crate::binary::Site;
use serde_json::json;
use std::time::{Duration, Instant};
use testudo_testkit::svid_form;

/// Other suites may load the machine.
pub const SOON: Duration = Duration::from_secs(30);
/// More than twice the interval in which the server checks the file.
const TWO_CHECKS: Duration = Duration::from_secs(6);

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
async fn changed_configuration_file_is_applied_without_a_reload_and_one_with_an_error_is_refused_once() {
    let site = Site::new();
    let server = site.serve();
    let svid = svid_form(&site.svid("/late/1"), &[]);
    assert_ne!(server.token(svid.clone()).await.status, 200);
    let good = text(&site);
    site.write("testudo.toml", &(good.clone() + &rule("late")));
    until("the changed file is applied", || generation(&site) == 2);
    assert_eq!(server.token(svid.clone()).await.status, 200);

    // A file with an error is not applied, and one event records it.
    site.write("testudo.toml", "issuer = 7\n");
    until("the file with an error is refused", || {
        !events(&site, "configuration.refused").is_empty()
    });
    std::thread::sleep(TWO_CHECKS);
    let recorded = events(&site, "configuration.refused");
    assert_eq!(recorded.len(), 1, "{recorded:?}");
    assert!(
        recorded[0]["detail"].as_str().unwrap().contains("issuer"),
        "{recorded:?}"
    );
    assert_eq!(generation(&site), 2);
    assert_eq!(server.token(svid.clone()).await.status, 200);

    // The file is replaced by a link to another file, as Kubernetes does.
    site.write("second.toml", &good);
    std::os::unix::fs::symlink("second.toml", site.folder.join("link")).unwrap();
    std::fs::rename(site.folder.join("link"), site.config()).unwrap();
    until("the file behind the link is applied", || generation(&site) == 3);
    assert_ne!(server.token(svid).await.status, 200);
    let changes = events(&site, "rule.changed");
    assert!(
        changes.iter().all(|event| event["reason"] == "the file changed"),
        "{changes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_the_file_of_one_node_reloads_only_that_node_and_only_once() {
    let nodes = Nodes::start();
    let [first, second] = [&nodes.sites[0], &nodes.sites[1]];
    first.write("testudo.toml", &(text(first) + &rule("late")));
    until("the file of the first node is applied", || generation(first) == 2);
    std::thread::sleep(TWO_CHECKS);
    assert_eq!((generation(first), generation(second)), (2, 1));
    second.write("testudo.toml", &(text(second) + &rule("late")));
    until("the file of the second node is applied", || {
        generation(second) == 2
    });
    std::thread::sleep(TWO_CHECKS);
    assert_eq!((generation(first), generation(second)), (2, 2));
    // An ordered reload still applies to both nodes, and the watches add no further reload.
    first.ok(&["reload"]);
    until("both nodes have reloaded", || {
        (generation(first), generation(second)) == (3, 3)
    });
    std::thread::sleep(TWO_CHECKS);
    assert_eq!((generation(first), generation(second)), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_configuration_file_is_not_applied_where_watching_is_off() {
    let site = Site::new();
    site.unwatch();
    let _server = site.serve();
    site.append(&rule("late"));
    std::thread::sleep(TWO_CHECKS);
    assert_eq!(site.json(&["status"])["generation"], json!(1));
    site.ok(&["reload"]);
    assert_eq!(generation(&site), 2);
}
