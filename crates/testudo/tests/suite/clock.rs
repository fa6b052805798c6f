//! Tests of the built binary with the test clock: `cargo test -p testudo --features test-clock --test suite clock`.

use crate::binary::{ISSUER, RULES, Server, Site, now};
use serde_json::json;
use std::time::{Duration, Instant};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::svid_form;
use testudo_testkit::token::Draft;

const HOUR: i64 = 3_600;
const SLOW: &str = "client_idle_lifetime = \"30d\"\nregistrations_per_minute = 60\nregistrations_burst = 2";

/// A site whose server reads its clock's offset from a file.
fn site(more: &str) -> (Site, Server) {
    let site = Site::new();
    let rules = RULES.replace("client_idle_lifetime = \"30d\"", SLOW);
    site.configure("", &format!("{rules}\n{more}"));
    site.write("clock", "0");
    let clock = ("TESTUDO_TEST_CLOCK", site.folder.join("clock"));
    let server = Server::start_with(&site.config(), &[clock]);
    (site, server)
}

/// A token request of a service, with an SVID that is issued at the time of the server's clock.
async fn ask(site: &Site, server: &Server, service: usize, offset: i64) -> Answer {
    let path = format!("/ns/shop/sa/s{service}");
    let svid = site.issuer.svid(&path, ISSUER, now() + offset);
    server.token(svid_form(&svid, &[("scope", "orders.write")])).await
}

#[tokio::test]
async fn registration_continues_after_the_clock_was_ahead_for_a_moment() {
    let (site, server) = site("");
    assert_eq!(
        ask(&site, &server, 0, HOUR).await.error(),
        "invalid_client",
        "a credential that is not valid yet must be refused"
    );
    site.write("clock", &HOUR.to_string());
    for service in 0..2 {
        assert_eq!(ask(&site, &server, service, HOUR).await.status, 200);
    }
    site.write("clock", "0");
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut service = 2;
    while ask(&site, &server, service, 0).await.status != 200 {
        assert!(Instant::now() < deadline, "registration has stopped");
        service += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Two instances of a workload: one that existed before the attack, and one that starts later.
#[tokio::test]
async fn scope_narrowed_with_a_leaked_software_statement_is_restored_after_an_hour() {
    let (site, server) = site("[registration]");
    assert_eq!(ask(&site, &server, 0, 0).await.status, 200);
    let endpoint = format!("{ISSUER}/register");
    let leaked = Draft::svid(
        site.issuer.key(),
        "spiffe://prod.example/ns/shop/sa/s0",
        &endpoint,
        now(),
    )
    .sign();
    let body = json!({ "software_statement": leaked, "scope": "orders.read" }).to_string();
    let media = [("content-type", "application/json")];
    let mut attacker = Connection::open(server.address).await;
    let answer = attacker.send("POST", "/register", &media, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    for _instance in 0..2 {
        assert_eq!(ask(&site, &server, 0, 0).await.error(), "invalid_scope");
    }
    site.write("clock", &(HOUR + 60).to_string());
    for _instance in 0..2 {
        assert_eq!(ask(&site, &server, 0, HOUR + 60).await.status, 200);
    }
}

#[test]
fn key_that_is_removed_at_its_time_has_a_line_in_the_log() {
    let (site, server) = site("");
    site.ok(&["key", "rotate"]);
    site.write("clock", &(3 * HOUR).to_string());
    let deadline = Instant::now() + Duration::from_secs(30);
    while !server.log.lock().unwrap().contains("\"event\":\"key.retired\"") {
        assert!(Instant::now() < deadline, "{}", server.log.lock().unwrap());
        std::thread::sleep(Duration::from_millis(200));
    }
}
