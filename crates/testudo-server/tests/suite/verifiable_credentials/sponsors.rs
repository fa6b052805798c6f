//! Clients that a client with a verifiable credential registered as their sponsor.

use super::clients::ask;
use super::{AGENTS, ISSUERS, RULES_OF_CREDENTIALS, Site, VCT};
use crate::world::{RULES, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::token::claims;
use testudo_testkit::{generate_key, key_set};

pub(super) const PORTAL: &str = "agents:portal/1";
pub(super) const ENDPOINT: &str = "https://as.example/register";
const SPONSORS: &str = r#"
[[rules]]
name = "portals"
identities = ["agents:portal/*"]
resources = ["https://as.example/register", "https://as.example"]
scopes = ["client.register", "r", "w", "admin.read"]
default_scopes = ["r"]
grant_types = ["client_credentials", "authorization_code"]
redirect_uri_hosts = ["app.example"]
"#;

async fn start() -> Site {
    let site = Site::start().await;
    configure(&site, "", ISSUERS).await;
    site
}

/// Puts these issuers in force, beside other sections.
async fn configure(site: &Site, outbound: &str, issuers: &str) {
    let registration = "[registration]\ninitial_access_tokens = true\n";
    let sections = format!("{outbound}{registration}{}{issuers}", domains(""));
    let rules = format!("{SPONSORS}{RULES_OF_CREDENTIALS}{RULES}");
    site.world.reload_with(&sections, &rules).await;
}

/// Registers the portal with these members in its credential.
async fn portal_with(site: &Site, members: Value) {
    let mut credential = site.of([AGENTS, VCT, "portal/1"]);
    for (name, value) in members.as_object().unwrap() {
        credential = credential.claim(name, value.clone());
    }
    let answer = site.register(&site.held(&credential, &[]).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// An access token of the portal.
pub(super) async fn token_of_portal(site: &Site, jti: &str, scope: &str, resource: &str) -> String {
    let fields = [("scope", scope), ("resource", resource)];
    let answer = ask(site, &site.holder, PORTAL, jti, &fields).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.access_token()
}

/// Registers the portal with a credential that ends after this number of seconds.
async fn portal_until(site: &Site, seconds: i64) -> Answer {
    let credential = site
        .of([AGENTS, VCT, "portal/1"])
        .claim("exp", site.now() + seconds);
    site.register(&site.held(&credential, &[]).await).await
}

/// Registers a client with an initial access token of the portal.
pub(super) async fn sponsored(site: &Site, key: &SigningKey, jti: &str) -> Value {
    let token = token_of_portal(site, jti, "client.register", ENDPOINT).await;
    let body = json!({ "jwks": key_set(&[key]), "grant_types": ["client_credentials"] });
    let answer = site.world.send_as(&token, "POST", "/register", &body).await;
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
    let shown = site.shown(id).await;
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

// Rows of registration by an initial access token: DR-109; the rule of the sponsor and what its issuer attests both limit.
#[tokio::test]
async fn sponsor_gives_no_more_than_the_issuer_of_its_credential_attests() {
    let site = start().await;
    let key = generate_key(Algorithm::ES256, Some("k"));
    let wide = json!({
        "jwks": key_set(&[&key]), "scope": "r w", "grant_types": ["authorization_code", "client_credentials"],
        "redirect_uris": ["https://app.example/cb"],
    });
    portal_with(&site, json!({})).await;
    let token = token_of_portal(&site, "1", "client.register", ENDPOINT).await;
    let free = site.world.send_as(&token, "POST", "/register", &wide).await;
    assert_eq!(
        (free.status, &free.json()["scope"]),
        (201, &json!("r w")),
        "{free:?}"
    );
    site.world.running.app.clock.shift(2);
    let attested = json!({ "scope": "client.register r", "grant_types": ["client_credentials"] });
    portal_with(&site, attested).await;
    let token = token_of_portal(&site, "2", "client.register", ENDPOINT).await;
    let refused = site.world.send_as(&token, "POST", "/register", &wide).await;
    assert_eq!(
        refused.status, 400,
        "a grant that the sponsor must not use: {refused:?}"
    );
    let machine = json!({ "jwks": key_set(&[&key]), "scope": "r w", "grant_types": ["client_credentials"] });
    let answer = site.world.send_as(&token, "POST", "/register", &machine).await;
    let client = answer.json();
    assert_eq!(
        (answer.status, &client["scope"]),
        (201, &json!("r")),
        "{answer:?}"
    );
    let id = client["client_id"].as_str().unwrap();
    let asked = ask(&site, &key, id, "3", &[("scope", "w")]).await;
    assert_eq!(asked.error(), "invalid_scope", "{asked:?}");
    // The client cannot change its registration to more, also when the sponsor may give more again.
    site.world.running.app.clock.shift(2);
    portal_with(&site, json!({})).await;
    let mut replaced = machine.clone();
    replaced["client_id"] = id.into();
    let own = client["registration_access_token"].as_str().unwrap();
    let path = format!("/register/{id}");
    let answer = site.world.send_as(own, "PUT", &path, &replaced).await;
    assert_eq!(
        (answer.status, &answer.json()["scope"]),
        (200, &json!("r")),
        "{answer:?}"
    );
    // A client with evidence of its own gets what both may give.
    site.world.running.app.clock.shift(2);
    portal_with(&site, json!({ "scope": "client.register r" })).await;
    let token = token_of_portal(&site, "4", "client.register", ENDPOINT).await;
    let evidence = json!({ "software_statement": site.held(&site.sd_jwt_vc(), &[]).await });
    let answer = site.world.send_as(&token, "POST", "/register", &evidence).await;
    assert_eq!(
        (answer.status, &answer.json()["scope"]),
        (201, &json!("r")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn demand_that_the_issuer_of_a_sponsor_attests_is_one_of_the_clients_that_it_registers() {
    let site = start().await;
    let demand = "require_pushed_authorization_requests";
    let listed = ISSUERS.replacen("\"grant_types\"", &format!("\"grant_types\", \"{demand}\""), 1);
    configure(&site, "", &listed).await;
    let key = generate_key(Algorithm::ES256, Some("k"));
    for (number, is_demanded) in [false, true].into_iter().enumerate() {
        portal_with(&site, json!({ demand: is_demanded })).await;
        let client = sponsored(&site, &key, &number.to_string()).await;
        let found = client.get(demand).cloned().unwrap_or_default() == json!(true);
        assert_eq!(found, is_demanded, "{client}");
        site.world.running.app.clock.shift(2);
    }
}

#[tokio::test]
async fn token_of_a_client_whose_issuer_withdrew_its_key_neither_registers_clients_nor_administrates() {
    let admin = "listen = \"127.0.0.1:0\"\nadministrators = [\"agents:portal/*\"]\n";
    let registration = "[registration]\ninitial_access_tokens = true\n";
    let sections = format!("{admin}{registration}{}{ISSUERS}", domains(""));
    let rules = format!("{SPONSORS}{RULES_OF_CREDENTIALS}{RULES}");
    let world = crate::world::World::start_with(&sections, &rules).await;
    let site = Site::of_world(world);
    site.world.publish_keys("agents", &[&site.issuer]).await;
    let key = generate_key(Algorithm::ES256, Some("k"));
    portal_with(&site, json!({})).await;
    let token = token_of_portal(&site, "1", "client.register", ENDPOINT).await;
    let of_admin = token_of_portal(&site, "2", "admin.read", "https://as.example").await;
    let body = json!({ "jwks": key_set(&[&key]), "grant_types": ["client_credentials"] });
    let other = generate_key(Algorithm::ES256, Some("k2"));
    for (case, keys, registered, listed) in [
        ("before", [&site.issuer], 201, 200),
        ("withdrawn", [&other], 401, 401),
        ("published again", [&site.issuer], 201, 200),
    ] {
        site.world.publish_keys("agents", &keys).await;
        let answer = site.world.send_as(&token, "POST", "/register", &body).await;
        assert_eq!(answer.status, registered, "{case}: {answer:?}");
        if registered == 401 {
            assert_eq!(answer.error(), "invalid_token");
            let reason = site.world.reason_of(&answer).await;
            assert_eq!(reason, "initial_access_token_refused");
        }
        let answer = site.world.clients_over_http(&of_admin).await;
        assert_eq!(answer.status, listed, "{case}: {answer:?}");
    }
}

#[tokio::test]
async fn initial_access_token_of_a_client_whose_credential_was_revoked_registers_nothing() {
    let lists = with_status("").await;
    let site = &lists.site;
    let token = token_of_portal(site, "1", "client.register", ENDPOINT).await;
    let key = generate_key(Algorithm::ES256, Some("k"));
    let body = json!({ "jwks": key_set(&[&key]), "grant_types": ["client_credentials"] });
    let answer = site.world.send_as(&token, "POST", "/register", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    lists.publish("/1", &[1]);
    lists.later(61);
    let answer = site.world.send_as(&token, "POST", "/register", &body).await;
    assert_eq!((answer.status, answer.error()), (401, "invalid_token".to_owned()));
    // An administrator learns why.
    let reason = site.world.reason_of(&answer).await;
    assert_eq!(reason, "initial_access_token_refused");
}

/// Registers a client with a key and a public one, and answers with their ids.
async fn both_sponsored(site: &Site, key: &SigningKey) -> (String, String) {
    let with_key = sponsored(site, key, "with-key").await;
    let token = token_of_portal(site, "public", "client.register", ENDPOINT).await;
    let body = json!({
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"],
        "redirect_uris": ["https://app.example/cb"],
    });
    let public = site.world.send_as(&token, "POST", "/register", &body).await;
    assert_eq!(public.status, 201, "{public:?}");
    let id = |client: Value| client["client_id"].as_str().unwrap().to_owned();
    (id(with_key), id(public.json()))
}

/// A request of a public client that needs no person: to revoke a token.
async fn revoke(site: &Site, client_id: &str) -> Answer {
    let body = format!("client_id={client_id}&token=x");
    site.world.connect().await.post("/revoke", body).await
}

/// Asks as both clients, and checks that both are served, or refused because of the sponsor.
async fn check_both(site: &Site, key: &SigningKey, ids: &(String, String), served: bool, case: &str) {
    let with_key = ask(site, key, &ids.0, case, &[]).await;
    let public = revoke(site, &ids.1).await;
    for (kind, answer) in [("key", with_key), ("public", public)] {
        if served {
            assert_eq!(answer.status, 200, "{case}, {kind}: {answer:?}");
            continue;
        }
        assert_eq!(answer.error(), "invalid_client", "{case}, {kind}: {answer:?}");
        let reason = site.world.reason_of(&answer).await;
        assert_eq!(reason, "sponsor_credential_refused", "{case}, {kind}");
    }
}

/// A server that checks the status of the credential of the portal, which is at index 0 of the list `/1`.
pub(super) async fn with_status(settings: &str) -> super::status::Lists {
    let lists = super::status::Lists::start("").await;
    configure(&lists.site, super::status::OUTBOUND, &lists.issuers(settings)).await;
    lists.publish("/1", &[0]);
    portal_with(&lists.site, json!({ "status": lists.status("/1", 0) })).await;
    lists
}

// Rows TSL-31, VC-34.
#[tokio::test]
async fn clients_of_a_sponsor_are_refused_and_frozen_when_the_credential_of_the_sponsor_is_revoked() {
    let lists = with_status("").await;
    let (site, key) = (&lists.site, generate_key(Algorithm::ES256, Some("k")));
    let ids = both_sponsored(site, &key).await;
    check_both(site, &key, &ids, true, "valid").await;
    lists.publish("/1", &[1]);
    lists.later(61);
    check_both(site, &key, &ids, false, "revoked").await;
    check_both(site, &key, &ids, false, "still revoked").await;
    let events = site.world.events("client.frozen").await;
    assert_eq!(events.len(), 2, "{events:?}");
    for id in [&ids.0, &ids.1] {
        let client = site.shown(id).await;
        assert_eq!(client["state"], "frozen", "{client}");
        let why = client["frozen_because"].as_str().unwrap();
        assert!(why.contains("revoked"), "{client}");
        assert_eq!(client["sponsor"]["subject"], PORTAL);
    }
    // A list that does not state it any more does not end the freeze: an administrator does.
    lists.publish("/1", &[0]);
    lists.later(61);
    let answer = ask(site, &key, &ids.0, "frozen", &[]).await;
    assert_eq!(site.world.reason_of(&answer).await, "client_frozen");
    for id in [&ids.0, &ids.1] {
        let client = json!({ "client_id": id });
        site.world.admin("POST", "/admin/v1/clients/thaw", client).await;
        assert!(
            site.shown(id)
                .await
                .get("frozen_because")
                .is_none_or(Value::is_null)
        );
    }
    check_both(site, &key, &ids, true, "thawed").await;
}

// Row VC-34.
#[tokio::test]
async fn clients_of_a_sponsor_are_refused_and_not_frozen_while_its_credential_is_suspended_or_its_list_is_away()
 {
    let lists = with_status("status_max_stale = \"100s\"").await;
    let (site, key) = (&lists.site, generate_key(Algorithm::ES256, Some("k")));
    let ids = both_sponsored(site, &key).await;
    lists.publish("/1", &[2]);
    lists.later(61);
    check_both(site, &key, &ids, false, "suspended").await;
    lists.publish("/1", &[0]);
    lists.later(61);
    check_both(site, &key, &ids, true, "not suspended any more").await;
    lists.web.answers_at("/1", 500, "");
    lists.later(70);
    check_both(site, &key, &ids, true, "within status_max_stale").await;
    lists.later(100);
    check_both(site, &key, &ids, false, "unknown").await;
    lists.publish("/1", &[0]);
    lists.later(31);
    check_both(site, &key, &ids, true, "published again").await;
    assert!(site.world.events("client.frozen").await.is_empty());
}

#[tokio::test]
async fn clients_of_a_sponsor_are_served_without_a_read_of_the_store_and_one_fetch_of_the_list() {
    let lists = with_status("").await;
    let (site, key) = (&lists.site, generate_key(Algorithm::ES256, Some("k")));
    let ids = both_sponsored(site, &key).await;
    check_both(site, &key, &ids, true, "first").await;
    let number = std::cell::Cell::new(0);
    let reads = site.world.reads_of(async || {
        number.set(number.get() + 1);
        let answer = ask(site, &key, &ids.0, &format!("n{}", number.get()), &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    });
    assert_eq!(reads.await, 0);
    assert_eq!(lists.web.take_requests().len(), 1);
}

#[tokio::test]
async fn clients_of_a_sponsor_are_refused_while_the_entry_of_its_issuer_would_not_accept_its_credential() {
    let site = start().await;
    portal_with(&site, json!({})).await;
    let key = generate_key(Algorithm::ES256, Some("k"));
    let ids = both_sponsored(&site, &key).await;
    check_both(&site, &key, &ids, true, "accepted").await;
    let other = generate_key(Algorithm::ES256, Some("k2"));
    site.world.publish_keys("agents", &[&other]).await;
    check_both(&site, &key, &ids, false, "key withdrawn").await;
    site.world.publish_keys("agents", &[&site.issuer]).await;
    check_both(&site, &key, &ids, true, "key published again").await;
    let types = format!("types = [\"{}\"]", super::TYPE);
    let listed = "types = [\"https://vct.example/oauth-client/1\", \"OAuthClientCredential\"]";
    assert!(ISSUERS.contains(listed));
    configure(&site, "", &ISSUERS.replacen(listed, &types, 1)).await;
    check_both(&site, &key, &ids, false, "type not accepted").await;
    configure(&site, "", ISSUERS).await;
    check_both(&site, &key, &ids, true, "type accepted again").await;
    assert!(site.world.events("client.frozen").await.is_empty());
    // Without the entry, no rule governs the sponsor.
    let registration = "[registration]\ninitial_access_tokens = true\n";
    let sections = format!("{registration}{}", domains(""));
    site.world.reload_with(&sections, RULES).await;
    let answer = ask(&site, &key, &ids.0, "removed", &[]).await;
    assert_eq!(answer.error(), "invalid_client", "{answer:?}");
}
