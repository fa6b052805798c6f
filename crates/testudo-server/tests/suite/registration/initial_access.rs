//! Tests of initial access tokens. They are ordinary access tokens of this server; clients are registered under the
//! rule of the holder.

use super::open::{jwks, key};
use super::*;
use testudo_protocol::jose::SigningKey;

const CI: &str = "/ci/deployer";
const CALLBACK: &str = "https://app.example/cb";

fn rules() -> String {
    format!(
        "{RULES}\n[[rules]]\nname = \"ci\"\nidentities = [\"spiffe://a.example/ci/{{job}}\"]\n\
         scopes = [\"client.register\", \"r\", \"w\"]\ndefault_scopes = [\"r\"]\n\
         resources = [\"{ENDPOINT}\", \"https://api.example/\"]\n\
         grant_types = [\"client_credentials\", \"authorization_code\"]\n\
         redirect_uri_hosts = [\"app.example\"]\nclients_max = 4\n"
    )
}

async fn world() -> World {
    world_with(&rules()).await
}

async fn world_with(rules: &str) -> World {
    let registration = format!("[registration]\ninitial_access_tokens = true\n{}", domains(""));
    World::start_with(&registration, rules).await
}

async fn token(world: &World, scope: &str, resource: &str) -> String {
    let answer = world.ask(CI, &[("scope", scope), ("resource", resource)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.access_token()
}

async fn initial(world: &World) -> String {
    token(world, "client.register", ENDPOINT).await
}

async fn send_as(world: &World, token: &str, body: &Value) -> Answer {
    world.send_as(token, "POST", "/register", body).await
}

fn machine(key: &SigningKey) -> Value {
    json!({ "jwks": jwks(key), "grant_types": ["client_credentials"] })
}

// Row DR-109.
#[tokio::test]
async fn initial_access_token_needs_scope_audience_signature_and_lifetime() {
    let world = world().await;
    let good = initial(&world).await;
    let no_scope = token(&world, "r", ENDPOINT).await;
    let wrong_audience = token(&world, "client.register", "https://api.example/").await;
    let (head, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", "A".repeat(86));
    let own = machine(&key());
    let cases: [(&str, u16, &str); 5] = [
        (&no_scope, 403, "insufficient_scope"),
        (&wrong_audience, 401, "invalid_token"),
        (&forged, 401, "invalid_token"),
        (&world.svid(CI), 401, "invalid_token"),
        ("rat_x", 401, "invalid_token"),
    ];
    for (token, status, error) in cases {
        let answer = send_as(&world, token, &own).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (status, error),
            "{answer:?}"
        );
        assert!(answer.header("www-authenticate").unwrap().contains(error));
    }
    assert_eq!(
        world.client_ids().await.len(),
        1,
        "only the holder of the token may be registered"
    );
    let answer = send_as(&world, &good, &own).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    world.running.app.clock.shift(301);
    assert_eq!(send_as(&world, &good, &own).await.status, 401, "expired");
    // Two tokens, and a token with another scheme, are refused.
    for headers in [
        vec![JSON, ("authorization", "Basic eDp5")],
        vec![JSON, ("authorization", "Bearer a"), ("authorization", "Bearer b")],
    ] {
        let answer = world
            .connect()
            .await
            .send("POST", "/register", &headers, own.to_string())
            .await;
        assert_eq!(answer.status, 401);
    }
    let off = format!("[registration]\nopen = true\n{}", domains(""));
    world.reload_with(&off, &rules()).await;
    assert_eq!(
        send_as(&world, &initial(&world).await, &own).await.status,
        401,
        "does not accept initial access tokens"
    );
}

#[tokio::test]
async fn rule_of_the_sponsor_limits_what_it_registers() {
    let world = world().await;
    let (good, own) = (initial(&world).await, key());
    let mut asked = machine(&own);
    asked["scope"] = json!("client.register w admin");
    let answer = send_as(&world, &good, &asked).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = answer.json();
    assert_eq!(
        body["scope"], "w",
        "a registered client must not get `client.register`"
    );
    assert!(body["registration_access_token"].is_string());
    let id = body["client_id"].as_str().unwrap();
    let ask = async |jti: &str, more: &[(&str, &str)]| {
        world
            .ask_with(Draft::assertion(&own, id, ISSUER, jti, world.now()), more)
            .await
    };
    let api = [("scope", "w"), ("resource", "https://api.example/")];
    assert_eq!(ask("1", &api).await.status, 200);
    assert_eq!(
        ask("2", &[("scope", "client.register")]).await.error(),
        "invalid_scope"
    );
    let shown = world.clients().await;
    let shown = shown.iter().find(|client| client["client_id"] == id).unwrap();
    assert_eq!(shown["sponsor"]["subject"], "spiffe://a.example/ci/deployer");
    assert_eq!(shown["governed_by"], "ci");
    assert_eq!(
        shown["idle_lifetime_seconds"],
        30 * 86_400,
        "the default lifetime applies if the rule has none"
    );
    assert!(shown["expires"].is_string());
    let events = world.events("client.registered").await;
    let event = events.iter().find(|event| event["client_id"] == id).unwrap();
    assert_eq!(event["actor"], "spiffe://a.example/ci/deployer");
    // Redirect URIs must have a host of the rule.
    let redirecting = |uri: &str| json!({ "redirect_uris": [uri], "grant_types": ["authorization_code"] });
    assert_eq!(
        send_as(&world, &good, &redirecting("https://evil.example/cb"))
            .await
            .error(),
        "invalid_redirect_uri"
    );
    assert_eq!(send_as(&world, &good, &redirecting(CALLBACK)).await.status, 201);
    // The quota of the rule counts the holder and the clients.
    assert_eq!(send_as(&world, &good, &machine(&key())).await.status, 201);
    assert_eq!(send_as(&world, &good, &machine(&key())).await.status, 429);
    // A sponsor whose trust domain is disabled registers no client, and those it registered are refused.
    world
        .admin("POST", "/admin/v1/trust/a.example/disable", json!({}))
        .await;
    assert_eq!(ask("3", &api).await.error(), "invalid_client");
    assert_eq!(send_as(&world, &good, &machine(&key())).await.status, 401);
    world
        .admin("POST", "/admin/v1/trust/a.example/enable", json!({}))
        .await;
    assert_eq!(ask("4", &api).await.status, 200);
    world
        .admin(
            "POST",
            "/admin/v1/blocks",
            json!({ "identity": "spiffe://a.example/ci/*" }),
        )
        .await;
    let token = body["registration_access_token"].as_str().unwrap();
    let path = format!("/register/{id}");
    let managed = world.send_as(token, "GET", &path, &Value::Null).await;
    assert_eq!(
        managed.status, 401,
        "the answer must be that for an unknown client"
    );
    assert_eq!(ask("5", &api).await.error(), "invalid_client");
    assert_eq!(send_as(&world, &good, &machine(&key())).await.status, 401);
}

#[tokio::test]
async fn frozen_or_deleted_sponsor_or_one_without_the_scope_registers_no_client() {
    let world = world().await;
    let good = initial(&world).await;
    let registration = format!("[registration]\ninitial_access_tokens = true\n{}", domains(""));
    let without = rules().replace("\"client.register\", \"r\"", "\"r\"");
    world.reload_with(&registration, &without).await;
    assert_eq!(send_as(&world, &good, &machine(&key())).await.status, 403);
    world.reload_with(&registration, &rules()).await;
    let holder = json!({ "client_id": "spiffe://a.example/ci/deployer" });
    world
        .admin("POST", "/admin/v1/clients/freeze", holder.clone())
        .await;
    assert_eq!(send_as(&world, &good, &machine(&key())).await.status, 401);
    world
        .admin("POST", "/admin/v1/clients/thaw", holder.clone())
        .await;
    assert_eq!(send_as(&world, &good, &machine(&key())).await.status, 201);
    world.admin("POST", "/admin/v1/clients/delete", holder).await;
    assert_eq!(send_as(&world, &good, &machine(&key())).await.status, 401);
}

#[tokio::test]
async fn statement_and_initial_access_token_both_limit_a_registration() {
    let world = world().await;
    let good = initial(&world).await;
    let body = json!({ "software_statement": statement(&world, PAY_ID), "scope": "w" });
    let answer = send_as(&world, &good, &body).await;
    assert_eq!((answer.status, &answer.json()["scope"]), (201, &json!("w")));
    assert!(
        answer.json()["registration_access_token"].is_null(),
        "an attested client needs no registration access token"
    );
    let wide = json!({ "software_statement": statement(&world, PAY_ID) });
    assert_eq!(
        send_as(&world, &good, &wide).await.json()["grant_types"],
        json!(["client_credentials"])
    );
    let bad = json!({ "software_statement": statement(&world, PAY_ID) });
    assert_eq!(send_as(&world, "rat_x", &bad).await.status, 401);
    let broken = json!({ "software_statement": "a.b.c" });
    assert_eq!(
        send_as(&world, &good, &broken).await.error(),
        "invalid_software_statement"
    );
}

#[tokio::test]
async fn explanation_of_a_registration_with_a_statement_has_the_limits_of_its_sponsor() {
    let narrow = rules().replace("\"client.register\", \"r\", \"w\"", "\"client.register\", \"r\"");
    let world = world_with(&narrow).await;
    let good = initial(&world).await;
    let body = json!({ "software_statement": statement(&world, PAY_ID) });
    let answer = send_as(&world, &good, &body).await;
    let scope = answer.json()["scope"].as_str().unwrap().to_owned();
    let explained = async || {
        let question = json!({ "request_id": answer.header("request-id").unwrap() });
        world.admin("POST", "/admin/v1/explain", question).await
    };
    let now = explained().await;
    assert_eq!(
        now["event"]["request"]["sponsor"]["subject"], "spiffe://a.example/ci/deployer",
        "{now:#}"
    );
    let detail = now["today"]["detail"].as_str().unwrap();
    assert_eq!(
        detail,
        format!("a known client is registered for scope `{scope}`")
    );
    // The scope of the workload's own rule alone is wider.
    let alone = post(&world, &body).await.json();
    assert_ne!(alone["scope"], json!(scope));
    let sponsor = json!({ "identity": "spiffe://a.example/ci/*" });
    world.admin("POST", "/admin/v1/blocks", sponsor).await;
    let now = explained().await;
    assert_eq!(
        now["today"]["rejection"], "initial_access_token_refused",
        "{now:#}"
    );
}

// Row DR-110.
#[tokio::test]
async fn bound_initial_access_token_is_refused_without_its_certificate() {
    let rules = rules().replace("name = \"ci\"", "name = \"ci\"\nsender_constraint = \"mtls\"");
    let server = format!("{TLS}\n[registration]\ninitial_access_tokens = true");
    let (world, tls) = World::start_with_tls(&rules, &server).await;
    let (svid, other) = (tls.a.svid(CI), tls.a.svid(PAY));
    let form = testudo_testkit::form(&[
        ("grant_type", "client_credentials"),
        ("client_id", "spiffe://a.example/ci/deployer"),
        ("scope", "client.register"),
        ("resource", ENDPOINT),
    ]);
    let mut holder = tls.connect(world.address(), Some(&svid)).await.unwrap();
    let token = holder.post("/token", form).await.access_token();
    let authorization = format!("Bearer {token}");
    let headers = [JSON, ("authorization", authorization.as_str())];
    // The registered client need not bind its tokens, since it has no certificate.
    let body = json!({ "redirect_uris": [CALLBACK], "grant_types": ["authorization_code"] }).to_string();
    for certificate in [None, Some(&other)] {
        let mut attacker = tls.connect(world.address(), certificate).await.unwrap();
        assert_eq!(
            attacker
                .send("POST", "/register", &headers, body.clone())
                .await
                .status,
            401
        );
    }
    let answer = holder.send("POST", "/register", &headers, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}
