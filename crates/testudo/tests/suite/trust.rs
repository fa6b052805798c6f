//! Tests of the commands for trust domains.

use crate::binary::{Site, now, stderr};
use serde_json::json;
use testudo_testkit::svid_form;

#[tokio::test]
async fn lower_sequence_is_held_back_across_a_restart_until_it_is_accepted() {
    let mut site = Site::new();
    let old = site.issuer.bundle();
    site.issuer.rotate();
    site.write("bundle.json", &site.issuer.bundle().to_string());
    drop(site.serve());
    site.write("bundle.json", &old.to_string());
    // `doctor` reports what `serve` would do, before its start and while it runs.
    let doctor = || {
        let output = site.run(&["doctor"]);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
        (output.status.success(), printed)
    };
    let (is_good, printed) = doctor();
    assert!(
        !is_good && printed.contains("the source offers sequence 1, but sequence 2 was used before"),
        "{printed}"
    );
    let server = site.serve();
    let (is_good, printed) = doctor();
    assert!(
        !is_good && printed.contains("the source offers sequence 1, but sequence 2 was used before"),
        "{printed}"
    );
    let body = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    let answer = server.token(body).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("5")),
        "{answer:?}"
    );
    let shown = site.ok(&["trust", "show", "prod.example"]);
    assert!(
        shown.contains("the source offers sequence 1, but sequence 2 was used before"),
        "{shown}"
    );
    let refused = site.run(&["trust", "refresh", "prod.example"]);
    assert!(!refused.status.success());
    assert!(
        stderr(&refused).contains("testudo trust accept prod.example"),
        "{}",
        stderr(&refused)
    );
    let accepted = site.run(&["trust", "accept", "prod.example", "--reason", "moved"]);
    assert!(accepted.status.success(), "{}", stderr(&accepted));
    assert_eq!(site.json(&["trust", "show", "prod.example"])["sequence"], 1);
    assert!(!doctor().1.contains("the source offers"), "{}", doctor().1);
    let key = site.issuer.keys.last().unwrap();
    let svid = testudo_testkit::token::Draft::svid(
        key,
        "spiffe://prod.example/ns/shop/sa/pay",
        crate::binary::ISSUER,
        now(),
    );
    assert_eq!(server.token(svid_form(&svid.sign(), &[])).await.status, 200);
    let events = crate::administration::events(&site, "authority.bundle_accepted");
    assert!(
        events.len() == 1
            && events[0]["reason"] == "moved"
            && crate::actors::is_at_the_socket(&events[0]["actor"]),
        "{events:?}"
    );
}

#[tokio::test]
async fn trust_show_prints_the_maximum_age_that_applies() {
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let text = text.replace(
        "bundle = { file = \"bundle.json\" }",
        "bundle = { file = \"bundle.json\", max_staleness = \"4s\" }",
    );
    std::fs::write(site.config(), text).unwrap();
    let server = site.serve();
    let body = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    assert_eq!(server.token(body.clone()).await.status, 200);
    let shown = site.ok(&["trust", "show", "prod.example"]);
    let as_json = site.json(&["trust", "show", "prod.example"]);
    let first_seen = as_json["keys"][0]["first_seen"].as_str().unwrap();
    // The testkit uses the thumbprint as the key id.
    let kid = site.issuer.key().kid();
    for line in [
        "4 s",
        "every 2 s; the publisher hints 300 s, shortened by the maximum age",
        &format!("jwt key           {kid}\n"),
        &format!("thumbprint {kid}\n"),
        &format!("ES256, first seen {first_seen}\n"),
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    std::fs::remove_file(site.folder.join("bundle.json")).unwrap();
    let started = std::time::Instant::now();
    while site.json(&["trust", "show", "prod.example"])["state"] != json!("expired") {
        assert!(started.elapsed().as_secs() < 30, "never expired");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let answer = server.token(body).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (503, "temporarily_unavailable")
    );
}
