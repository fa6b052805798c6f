//! The built binary with the test clock: `cargo test -p testudo --features test-clock --test suite clock`.

use crate::binary::{RULES, Server, Site, now};
use std::time::{Duration, Instant};
use testudo_testkit::http::Answer;
use testudo_testkit::svid_form;

const HOUR: i64 = 3_600;
const SLOW: &str = "client_idle_lifetime = \"30d\"\nregistrations_per_minute = 60\nregistrations_burst = 2";

fn site() -> Site {
    let site = Site::new();
    site.configure("", &RULES.replace("client_idle_lifetime = \"30d\"", SLOW));
    site.write("clock", "0");
    site
}

async fn ask(site: &Site, server: &Server, service: usize, offset: i64) -> Answer {
    let path = format!("/ns/shop/sa/s{service}");
    let svid = site.issuer.svid(&path, crate::binary::ISSUER, now() + offset);
    server.token(svid_form(&svid, &[])).await
}

#[tokio::test]
async fn registration_goes_on_after_the_clock_was_ahead_for_a_moment() {
    let site = site();
    let server = Server::start_with(
        &site.config(),
        &[("TESTUDO_TEST_CLOCK", site.folder.join("clock"))],
    );
    assert_eq!(
        ask(&site, &server, 0, HOUR).await.error(),
        "invalid_client",
        "a credential of the future"
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
