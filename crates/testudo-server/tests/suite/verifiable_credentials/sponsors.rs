//! Clients that a client with a verifiable credential registered as their sponsor.

use super::clients::ask;
use super::{AGENTS, ISSUERS, RULES_OF_CREDENTIALS, Site, VCT};
use crate::world::{RULES, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::token::claims;
use testudo_testkit::{generate_key, key_set};

const PORTAL: &str = "agents:portal/1";
const ENDPOINT: &str = "https://as.example/register";
const SPONSORS: &str = r#"
[[rules]]
name = "portals"
identities = ["agents:portal/*"]
resources = ["https://as.example/register"]
scopes = ["client.register", "r", "w"]
default_scopes = ["r"]
"#;

async fn start() -> Site {
    let site = Site::start().await;
    let sections = format!(
        "[registration]\ninitial_access_tokens = true\n{}{ISSUERS}",
        domains("")
    );
    let rules = format!("{SPONSORS}{RULES_OF_CREDENTIALS}{RULES}");
    site.world.reload_with(&sections, &rules).await;
    site
}

/// Registers the portal with a credential that ends after this number of seconds.
async fn portal_until(site: &Site, seconds: i64) -> Answer {
    let credential = site
        .of([AGENTS, VCT, "portal/1"])
        .claim("exp", site.now() + seconds);
    site.register(&site.held(&credential, &[]).await).await
}

/// Registers a client with an initial access token of the portal.
async fn sponsored(site: &Site, key: &SigningKey, jti: &str) -> Value {
    let fields = [("scope", "client.register"), ("resource", ENDPOINT)];
    let answer = ask(site, &site.holder, PORTAL, jti, &fields).await;
    let authorization = format!("Bearer {}", answer.access_token());
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
    ];
    let body = json!({ "jwks": key_set(&[key]), "grant_types": ["client_credentials"] });
    let mut connection = site.world.connect().await;
    let answer = connection
        .send("POST", "/register", &headers, body.to_string())
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn client_ends_with_the_credential_that_its_sponsor_had_when_it_registered_the_client() {
    let (site, start) = (start().await, 600);
    assert_eq!(portal_until(&site, start).await.status, 201);
    let end = site.now() + start;
    let key = generate_key(Algorithm::ES256, Some("k"));
    let registered = sponsored(&site, &key, "1").await;
    let id = registered["client_id"].as_str().unwrap();
    let shown = site
        .world
        .admin("POST", "/admin/v1/clients/show", json!({ "client_id": id }))
        .await;
    assert_eq!(shown["expires"], shown["sponsor"]["ends"], "{shown}");
    // A new credential of the sponsor does not extend the client.
    site.world.running.app.clock.shift(500);
    assert_eq!(portal_until(&site, 3000).await.status, 201);
    let answer = ask(&site, &key, id, "2", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = claims(&answer.access_token());
    let until = token["exp"].as_i64().unwrap();
    assert!((end - 5..=end + 5).contains(&until), "{token}");
    site.world.running.app.clock.shift(101);
    let ended = ask(&site, &key, id, "3", &[]).await;
    assert_eq!((ended.status, ended.error()), (400, "invalid_client".to_owned()));
    // The sponsor registers it again.
    let again = sponsored(&site, &key, "4").await;
    let answer = ask(&site, &key, again["client_id"].as_str().unwrap(), "5", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
