//! The server of a bundle endpoint is verified by its X.509-SVID. [SPIFFE-FED §5.2.2]

use super::{BOOTSTRAP, Publisher, SERVER, refresh, served, state, world_with};
use crate::nodes::until;
use crate::world::domains;
use serde_json::{Value, json};
use testudo_server::{config, doctor};
use testudo_testkit::x509::{X509Issuer, web_certificate};

// Row FED-05.
#[tokio::test]
async fn self_serving_endpoint_is_verified_with_bootstrap_first_and_then_with_the_last_fetched_bundle_alone()
{
    let (old, new) = (X509Issuer::new("z.example"), X509Issuer::new("z.example"));
    let publisher = Publisher::start(&old.leaf(SERVER, |_| {})).await;
    let world = served(&publisher, &old).await;
    assert_eq!(state(&world).await, ("fresh".to_owned(), String::new()));

    // A key that is only in the bundle that was fetched last verifies the server.
    publisher.publishes(&[&old, &new]);
    refresh(&world).await.unwrap();
    publisher.server.shows(&new.leaf(SERVER, |_| {}));
    publisher.publishes(&[&new]);
    refresh(&world).await.unwrap();

    // The withdrawn key is still in `bootstrap`, and verifies nothing any more.
    publisher.server.shows(&old.leaf(SERVER, |_| {}));
    publisher.publishes(&[&old]);
    let why = refresh(&world).await.unwrap_err();
    assert!(why.contains("no valid path to an authority"), "{why}");
    assert_eq!(state(&world).await.0, "stale");
    assert_eq!(
        publisher.ask(&world).await.status,
        200,
        "the last good bundle is in force"
    );
    let stale = world.events("authority.bundle_stale").await;
    let stale = stale.last().unwrap();
    assert_eq!(stale["authority"], "spiffe://z.example");
    assert!(
        stale["detail"].as_str().unwrap().contains("no valid path"),
        "{stale}"
    );

    publisher.server.shows(&new.leaf(SERVER, |_| {}));
    publisher.publishes(&[&new]);
    refresh(&world).await.unwrap();
    assert_eq!(state(&world).await, ("fresh".to_owned(), String::new()));
}

// Row I-16.
#[tokio::test]
async fn endpoint_that_is_another_server_gives_no_bundle() {
    let (z, y) = (X509Issuer::new("z.example"), X509Issuer::new("y.example"));
    for (name, chain, refused) in [
        ("another path", z.svid("/spire/agent"), "endpoint_spiffe_id is"),
        (
            "another trust domain",
            y.svid("/spire/server"),
            "endpoint_spiffe_id is",
        ),
        ("another signer", y.leaf(SERVER, |_| {}), "no valid path"),
        (
            "web certificate of the right host",
            web_certificate("127.0.0.1").0,
            "is not an X.509-SVID",
        ),
    ] {
        let publisher = Publisher::start(&chain).await;
        publisher.publishes(&[&z]);
        let world = world_with(
            &publisher.domain(SERVER, BOOTSTRAP),
            &[("first.json", z.bundle())],
        )
        .await;
        let (state, why) = state(&world).await;
        assert_eq!(state, "none", "{name}");
        assert!(why.contains(refused), "{name}: {why}");
        assert_eq!(publisher.ask(&world).await.status, 503, "{name}");
        publisher.server.shows(&z.leaf(SERVER, |_| {}));
        refresh(&world).await.unwrap();
        assert_eq!(publisher.ask(&world).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn new_content_of_bootstrap_verifies_the_server_again_and_what_came_with_the_old_one_is_not_used() {
    let (lost, current) = (X509Issuer::new("z.example"), X509Issuer::new("z.example"));
    let publisher = Publisher::start(&lost.leaf(SERVER, |_| {})).await;
    let world = served(&publisher, &lost).await;
    // The trust domain lost all its keys, and begins anew with others.
    publisher.server.shows(&current.leaf(SERVER, |_| {}));
    publisher.publishes(&[&current]);
    let why = refresh(&world).await.unwrap_err();
    assert!(why.contains("no valid path"), "{why}");
    std::fs::write(world.folder.join("first.json"), current.bundle().to_string()).unwrap();
    let reloaded = world.admin("POST", "/admin/v1/reload", json!({})).await;
    let changed = &reloaded["configuration"]["trust_domains"]["changed"];
    assert_eq!(*changed, json!(["z.example"]), "{reloaded}");
    assert_eq!(state(&world).await, ("fresh".to_owned(), String::new()));
    assert_eq!(publisher.ask(&world).await.status, 200);
    let updated = world.events("authority.bundle_updated").await;
    let detail = updated.last().unwrap()["detail"].as_str().unwrap();
    assert!(
        detail.contains("from a server that `bootstrap` verified"),
        "{detail}"
    );

    // While the endpoint does not answer, neither memory nor the store give back what came with the old content.
    publisher.server.answers(503, None, "");
    std::fs::write(world.folder.join("first.json"), lost.bundle().to_string()).unwrap();
    world.admin("POST", "/admin/v1/reload", json!({})).await;
    assert_eq!(publisher.ask(&world).await.status, 503);
    let world = world.restart().await;
    assert_eq!(state(&world).await.0, "none");
    assert_eq!(publisher.ask(&world).await.status, 503);
}

// Row TDB-02.
#[tokio::test]
async fn empty_bundle_of_an_endpoint_refuses_every_workload_at_once() {
    let z = X509Issuer::new("z.example");
    let publisher = Publisher::start(&z.leaf(SERVER, |_| {})).await;
    let world = served(&publisher, &z).await;
    publisher.server.answers(200, None, "{\"keys\":[]}");
    refresh(&world).await.unwrap();
    assert_eq!(publisher.ask(&world).await.error(), "invalid_client");
    // The publisher withdrew the key that verified its own server.
    publisher.publishes(&[&z]);
    assert!(refresh(&world).await.unwrap_err().contains("no valid path"));
}

/// y.example with its bundle in a file.
const Y: &str = "[[trust_domains]]\nname = \"y.example\"\nbundle = { file = \"y.json\" }\n";
const SERVER_OF_Y: &str = "spiffe://y.example/federation";

// Row FED-05.
#[tokio::test]
async fn chained_endpoint_is_verified_with_the_bundle_of_the_other_trust_domain_while_that_is_trusted() {
    let (z, y) = (X509Issuer::new("z.example"), X509Issuer::new("y.example"));
    let publisher = Publisher::start(&y.leaf(SERVER_OF_Y, |_| {})).await;
    publisher.publishes(&[&z]);
    // Both are new in one reload, in either order.
    for more in [
        format!("{}{Y}", publisher.domain(SERVER_OF_Y, "")),
        format!("{Y}{}", publisher.domain(SERVER_OF_Y, "")),
    ] {
        let world = world_with(&more, &[("y.json", y.bundle())]).await;
        assert_eq!(state(&world).await, ("fresh".to_owned(), String::new()));
        assert_eq!(publisher.ask(&world).await.status, 200);

        // A certificate for the same SPIFFE ID that the bundle of z.example verifies.
        publisher.server.shows(&z.leaf(SERVER_OF_Y, |_| {}));
        let why = refresh(&world).await.unwrap_err();
        assert!(why.contains("no valid path"), "{why}");
        publisher.server.shows(&y.leaf(SERVER_OF_Y, |_| {}));
        refresh(&world).await.unwrap();

        let switch = async |to: &str| {
            let path = format!("/admin/v1/trust/y.example/{to}");
            world.admin("POST", &path, json!({})).await
        };
        switch("disable").await;
        let why = refresh(&world).await.unwrap_err();
        assert!(
            why.contains("y.example, which an administrator disabled"),
            "{why}"
        );
        switch("enable").await;
        refresh(&world).await.unwrap();

        // y.example withdraws the key of the server.
        let other = X509Issuer::new("y.example");
        std::fs::write(world.folder.join("y.json"), other.bundle().to_string()).unwrap();
        world
            .admin("POST", "/admin/v1/trust/y.example/refresh", json!({}))
            .await;
        let why = refresh(&world).await.unwrap_err();
        assert!(why.contains("no valid path"), "{why}");
    }
}

#[tokio::test]
async fn chained_endpoint_gives_no_bundle_while_the_other_trust_domain_has_none() {
    let (z, y) = (X509Issuer::new("z.example"), X509Issuer::new("y.example"));
    let publisher = Publisher::start(&y.leaf(SERVER_OF_Y, |_| {})).await;
    publisher.publishes(&[&z]);
    let all = format!("{}{Y}", publisher.domain(SERVER_OF_Y, ""));
    let world = world_with(&all, &[]).await;
    let (shown, why) = state(&world).await;
    assert_eq!(shown, "none");
    assert!(why.contains("`testudo trust show y.example`"), "{why}");
    assert_eq!(publisher.server.connections(), 0);
    std::fs::write(world.folder.join("y.json"), y.bundle().to_string()).unwrap();
    world
        .admin("POST", "/admin/v1/trust/y.example/refresh", json!({}))
        .await;
    refresh(&world).await.unwrap();
    assert_eq!(publisher.ask(&world).await.status, 200);
}

// Row FED-07.
#[tokio::test]
async fn trust_domain_that_is_removed_from_the_file_is_refused_at_once_and_fetched_no_more() {
    let z = X509Issuer::new("z.example");
    let publisher = Publisher::start(&z.leaf(SERVER, |_| {})).await;
    publisher.publishes(&[&z]);
    let more = publisher.domain(SERVER, &format!("{BOOTSTRAP}, max_staleness = \"1s\""));
    let world = world_with(&more, &[("first.json", z.bundle())]).await;
    assert_eq!(publisher.ask(&world).await.status, 200);
    // For comparison: while the source is configured, it is fetched again and again.
    let first = publisher.server.connections();
    until(async || publisher.server.connections() >= first + 2).await;
    world.reload_with(&domains(""), crate::world::RULES).await;
    let answer = publisher.ask(&world).await;
    assert_eq!(
        (answer.status, answer.error()),
        (400, "invalid_client".to_owned())
    );
    // The refresh of the removed source may be running.
    let shown = world.admin("GET", "/admin/v1/trust", Value::Null).await;
    assert!(!shown.to_string().contains("z.example"), "{shown}");
    let before = publisher.server.connections();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(
        publisher.server.connections() <= before + 1,
        "the removed source is still fetched"
    );
}

#[tokio::test]
async fn trust_show_names_the_spiffe_id_and_doctor_fetches_from_the_endpoint() {
    let (z, y) = (X509Issuer::new("z.example"), X509Issuer::new("y.example"));
    let own = Publisher::start(&z.leaf(SERVER, |_| {})).await;
    let chained = Publisher::start(&y.leaf(SERVER_OF_Y, |_| {})).await;
    for (publisher, more, spiffe_id) in [
        (&own, own.domain(SERVER, BOOTSTRAP), SERVER),
        (
            &chained,
            format!("{Y}{}", chained.domain(SERVER_OF_Y, "")),
            SERVER_OF_Y,
        ),
    ] {
        publisher.publishes(&[&z]);
        let files = [("first.json", z.bundle()), ("y.json", y.bundle())];
        let world = world_with(&more, &files).await;
        let shown = world.admin("GET", "/admin/v1/trust/z.example", Value::Null).await;
        let source = shown["source"].as_str().unwrap();
        assert!(
            source.starts_with("https://127.0.0.1:") && source.ends_with(&format!(" of {spiffe_id}")),
            "{source}"
        );
        let found = async |subject: &str| {
            let (configuration, _) = config::load(&world.folder.join("testudo.toml"), 1).unwrap();
            let findings = doctor::examine(&configuration).await;
            let found = findings.into_iter().find(|found| found.subject == subject);
            found.unwrap_or_else(|| panic!("{subject}"))
        };
        let good = found("jwt_svid of z.example").await;
        assert!(good.is_good && good.detail.contains(spiffe_id), "{good:?}");
        publisher.server.shows(&z.svid("/other"));
        let bad = found("keys of z.example").await;
        assert!(
            !bad.is_good && bad.detail.contains("endpoint_spiffe_id is"),
            "{bad:?}"
        );
        assert!(bad.hint.unwrap().contains("openssl s_client"));
    }
}
