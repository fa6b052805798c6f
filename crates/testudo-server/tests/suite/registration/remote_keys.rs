//! `jwks_uri`: keys that a client publishes itself, at a place that a stranger named.

use super::open::{joined, jwks, key};
use super::*;
use testudo_protocol::jose::SigningKey;
use testudo_testkit::web::DocumentServer;

struct Remote {
    world: World,
    server: DocumentServer,
    key: SigningKey,
    id: String,
}

impl Remote {
    /// A client whose keys are at `keys.example`, which only the operator's own name map leads to.
    async fn start() -> Remote {
        let server = DocumentServer::start("keys.example").await;
        let root = std::env::temp_dir().join(format!(
            "testudo-keys-{}-{}.pem",
            std::process::id(),
            server.address.port()
        ));
        std::fs::write(&root, &server.root_pem).unwrap();
        let outbound = format!(
            "[outbound]\nca = \"{}\"\nresolve = {{ \"keys.example\" = \"127.0.0.1\" }}\n[registration]\n\
             open = {{ jwks_uri = true, scopes = [\"open.read\"], grant_types = [\"client_credentials\"] }}\n",
            root.display()
        );
        let world = World::start_with(&format!("{outbound}{}", domains("")), RULES).await;
        let uri = format!("https://keys.example:{}/jwks", server.address.port());
        let body = joined(&world, json!({ "jwks_uri": uri })).await;
        assert_eq!(
            (&body["jwks_uri"], &body["token_endpoint_auth_method"]),
            (&json!(uri), &json!("private_key_jwt"))
        );
        assert!(body["jwks"].is_null(), "never both");
        Remote {
            world,
            server,
            key: key(),
            id: body["client_id"].as_str().unwrap().to_owned(),
        }
    }

    async fn ask(&self, key: &SigningKey, jti: &str) -> Answer {
        let assertion = Draft::assertion(key, &self.id, ISSUER, jti, self.world.now());
        self.world.ask_with(assertion, &[]).await
    }

    fn publish(&self, key: &SigningKey) {
        self.server.answers(200, None, &jwks(key).to_string());
    }
}

#[tokio::test]
async fn keys_are_fetched_when_they_are_needed_and_then_remembered() {
    let remote = Remote::start().await;
    assert_eq!(
        remote.server.connections(),
        0,
        "nothing is fetched at registration"
    );
    remote.publish(&remote.key);
    assert_eq!(remote.ask(&remote.key, "1").await.status, 200);
    assert_eq!(remote.ask(&remote.key, "2").await.status, 200);
    assert_eq!(remote.server.connections(), 1);
    // A key that is new is fetched, but not more often than every 30 s.
    let next = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k2"));
    remote.publish(&next);
    assert_eq!(remote.ask(&next, "3").await.error(), "invalid_client");
    assert_eq!(remote.server.connections(), 1);
    remote.world.running.app.clock.shift(31);
    assert_eq!(remote.ask(&next, "4").await.status, 200);
    assert_eq!(
        remote.ask(&remote.key, "5").await.error(),
        "invalid_client",
        "the old key is gone"
    );
    assert_eq!(remote.server.connections(), 2);
    // A place that is away keeps its last keys for an hour.
    remote.server.answers(500, None, "");
    remote.world.running.app.clock.shift(1800);
    assert_eq!(remote.ask(&next, "6").await.status, 200);
    remote.world.running.app.clock.shift(1801);
    assert_eq!(remote.ask(&next, "7").await.error(), "invalid_client");
}

#[tokio::test]
async fn dr_69_a_key_url_that_redirects_is_not_followed() {
    let remote = Remote::start().await;
    let elsewhere = DocumentServer::start("keys.example").await;
    elsewhere.answers(200, None, &jwks(&remote.key).to_string());
    let location = format!("https://keys.example:{}/jwks", elsewhere.address.port());
    remote.server.answers(302, Some(&location), "");
    assert_eq!(remote.ask(&remote.key, "1").await.error(), "invalid_client");
    assert_eq!((remote.server.connections(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn what_comes_from_a_key_url_is_judged_like_what_is_registered() {
    let remote = Remote::start().await;
    let mut private = jwks(&remote.key);
    private["keys"][0]["d"] = json!("c2VjcmV0");
    let large = json!({ "keys": [], "x": "a".repeat(20_000) });
    for body in [
        "<html>",
        "[]",
        "{\"keys\":[]}",
        &private.to_string(),
        &large.to_string(),
    ] {
        remote.server.answers(200, None, body);
        remote.world.running.app.clock.shift(31);
        let before = remote.server.connections();
        assert_eq!(
            remote.ask(&remote.key, &format!("{before}")).await.error(),
            "invalid_client"
        );
        assert_eq!(remote.server.connections(), before + 1);
    }
}

#[tokio::test]
async fn dr_68_a_name_that_leads_inwards_is_not_followed() {
    let remote = Remote::start().await;
    // The machine's own name leads to an address that is not public, or nowhere at all.
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = match name.trim() {
        "" | "localhost" => "ip6-localhost",
        name => name,
    };
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = joined(
        &remote.world,
        json!({ "jwks_uri": format!("https://{name}:{port}/jwks") }),
    )
    .await;
    let id = body["client_id"].as_str().unwrap();
    let assertion = Draft::assertion(&remote.key, id, ISSUER, "1", remote.world.now());
    let inward = remote.world.ask_with(assertion, &[]).await;
    // The same answer as for a key that is not among those registered.
    remote.publish(&key());
    let unknown = remote.ask(&remote.key, "2").await;
    assert_eq!((inward.status, inward.body), (unknown.status, unknown.body));
    let came = tokio::time::timeout(std::time::Duration::from_millis(200), listener.accept()).await;
    assert!(came.is_err(), "0 connections");
}

#[tokio::test]
async fn whoever_may_not_come_in_makes_us_fetch_nothing() {
    let remote = Remote::start().await;
    remote.publish(&remote.key);
    remote
        .world
        .admin(
            "POST",
            "/admin/v1/clients/freeze",
            json!({ "client_id": remote.id }),
        )
        .await;
    assert_eq!(remote.ask(&remote.key, "1").await.error(), "invalid_client");
    assert_eq!(remote.server.connections(), 0);
}

#[tokio::test]
async fn dr_67_places_that_are_refused_at_once() {
    let remote = Remote::start().await;
    for uri in [
        "http://keys.example/jwks",
        "file:///etc/passwd",
        "https://169.254.169.254/",
        "https://[::1]/",
        "https://localhost/",
        "https://as.example/jwks",
    ] {
        let answer = super::open::join(&remote.world, json!({ "jwks_uri": uri })).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_client_metadata"),
            "{uri}"
        );
    }
    assert_eq!(remote.world.client_ids().await.len(), 1);
}
