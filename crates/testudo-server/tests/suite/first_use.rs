//! Tests of first and later uses, trust domains and rules; a refused request registers no client. Rows RF-01 to RF-42
//! and RF-70 to RF-73.

use crate::world::{ISSUER, RULES, World, domains};
use serde_json::{Value, json};
use testudo_testkit::token::{Draft, claims, header};
use testudo_testkit::{generate_key, svid_form};

const PAY: &str = "/ns/pay/sa/api";
const PAY_ID: &str = "spiffe://a.example/ns/pay/sa/api";

// Rows RF-01, RF-11, RF-12.
#[tokio::test]
async fn first_use_registers_the_client_and_issues_a_token() {
    let world = World::start().await;
    let answer = world.ask(PAY, &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("Bearer"), &json!(300), &json!("r"))
    );
    let token = answer.access_token();
    assert_eq!(header(&token)["typ"], "at+jwt");
    assert_eq!(header(&token)["alg"], "ES256");
    let claims = claims(&token);
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["sub"], PAY_ID);
    assert_eq!(claims["client_id"], PAY_ID);
    assert_eq!(claims["aud"], "https://api.example/");
    assert_eq!(claims["scope"], "r");
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        300
    );
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);

    let clients = world.clients().await;
    assert_eq!(clients.len(), 1);
    let client = &clients[0];
    assert_eq!(client["client_id"], PAY_ID);
    assert_eq!(client["rule"], "R1");
    assert_eq!(client["trust_domain"], "a.example");
    assert_eq!(client["credential_kind"], "jwt_svid");
    assert_eq!(client["first_seen"], client["last_used"]);
    assert_eq!(client["metadata"]["client_name"], "api in pay");
    assert_eq!(
        client["metadata"]["redirect_uris"],
        json!(["https://api.pay.apps.example/cb"])
    );
    let events = world.events("client.registered").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["rule"], "R1");
    assert_eq!(events[0]["request_id"], answer.header("request-id").unwrap());
    assert!(!answer.body.windows(6).any(|window| window == b"secret"));
}

// Rows RF-02, RF-03.
#[tokio::test]
async fn second_use_finds_the_same_client_and_writes_nothing() {
    let world = World::start().await;
    world.ask(PAY, &[]).await;
    let written = world.running.app.store.batches_written();
    let mut connection = world.connect().await;
    let again = svid_form(&world.svid(PAY), &[]);
    for _ in 0..1000 {
        assert_eq!(connection.post("/token", again.clone()).await.status, 200);
    }
    for _ in 0..20 {
        assert_eq!(world.ask(PAY, &[]).await.status, 200);
    }
    assert_eq!(
        world.running.app.store.batches_written(),
        written,
        "a token for a known client must not write to the store"
    );
    assert_eq!(world.clients().await.len(), 1);
    assert_eq!(world.events("client.registered").await.len(), 1);
}

// Row RF-02.
#[tokio::test]
async fn last_used_is_updated_with_each_use_and_survives_a_restart() {
    let world = World::start().await;
    world.ask(PAY, &[]).await;
    world.running.app.clock.shift(120);
    let fresh = world.a.svid(PAY, ISSUER, world.now());
    assert_eq!(world.send(&svid_form(&fresh, &[])).await.status, 200);
    let client = &world.clients().await[0];
    assert_ne!(client["first_seen"], client["last_used"]);
    testudo_server::client_records::flush_last_used(&world.running.app).await;
    let flushed = world.clients().await[0]["last_used"].clone();
    let world = world.restart().await;
    assert_eq!(world.clients().await[0]["last_used"], flushed);
}

// Row RF-04.
#[tokio::test]
async fn svid_signed_by_a_rotated_key_is_the_same_client() {
    let mut world = World::start().await;
    world.ask(PAY, &[]).await;
    world.a.rotate();
    std::fs::write(world.folder.join("a.json"), world.a.bundle().to_string()).unwrap();
    // The `kid` is unknown, so the bundle is fetched once ahead of time.
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    assert_eq!(world.clients().await.len(), 1);
}

// Rows RF-06, RF-07, C-08.
#[tokio::test]
async fn client_id_parameter_must_be_that_of_the_proven_identity() {
    let world = World::start().await;
    assert_eq!(world.ask("/x/1", &[]).await.status, 200);
    assert_eq!(world.ask(PAY, &[("client_id", PAY_ID)]).await.status, 200);
    for other in [
        "spiffe://a.example/x/1",
        "unknown",
        "spiffe://a.example/ns/pay/sa",
        "spiffe://a.example/ns/pay/sa/API",
        "spiffe://a.example/ns/pay/sa/api/",
        "SPIFFE://a.example/ns/pay/sa/api",
    ] {
        let answer = world.ask("/ns/pay/sa/new", &[("client_id", other)]).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_client"),
            "{other}"
        );
        assert_eq!(
            world.ask(PAY, &[("client_id", other)]).await.error(),
            "invalid_client",
            "{other}"
        );
    }
    assert_eq!(world.clients().await.len(), 2);
}

// Row RF-08.
#[tokio::test]
async fn same_path_in_two_trust_domains_makes_two_clients() {
    let world = World::start().await;
    assert_eq!(world.ask("/x/1", &[]).await.status, 200);
    let of_b = world.b.svid("/x/1", ISSUER, world.now());
    assert_eq!(world.send(&svid_form(&of_b, &[])).await.status, 200);
    assert_eq!(
        world.client_ids().await,
        ["spiffe://a.example/x/1", "spiffe://b.example/x/1"]
    );
}

// Row RF-09.
#[tokio::test]
async fn opaque_client_ids_are_the_same_after_a_restart() {
    let world = World::start().await;
    let id_of = |answer: testudo_testkit::http::Answer| {
        claims(&answer.access_token())["client_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = id_of(world.ask("/opaque/1", &[]).await);
    assert_eq!(first.len(), 22);
    assert_ne!(first, id_of(world.ask("/opaque/2", &[]).await));
    let token = claims(&world.ask("/opaque/1", &[]).await.access_token());
    assert_eq!(token["spiffe_id"], "spiffe://a.example/opaque/1");
    let world = world.restart().await;
    assert_eq!(first, id_of(world.ask("/opaque/1", &[]).await));
    assert_eq!(world.clients().await.len(), 2);
    let shown = world
        .admin("POST", "/admin/v1/clients/show", json!({ "client_id": first }))
        .await;
    assert_eq!(shown["subject"], "spiffe://a.example/opaque/1");
}

// Row RF-10.
#[tokio::test]
async fn identity_whose_template_gives_a_taken_client_id_is_refused() {
    let world = World::start().await;
    assert_eq!(world.ask("/t/1/cam", &[]).await.status, 200);
    let second = world.ask("/t/2/cam", &[]).await;
    assert_eq!(second.error(), "invalid_client");
    assert_eq!(world.client_ids().await, ["workload-cam"]);
    let events = world.events("client.refused").await;
    assert_eq!(events[0]["reason"], "client_id_clash");
    assert!(events[0]["detail"].as_str().unwrap().contains("workload-cam"));
    assert_eq!(world.ask("/t/1/cam", &[]).await.status, 200);
    // The id of a configured client stays reserved, even if the client never made a request.
    world
        .reload_with(&domains(""), &RULES.replace("workload-{name}", "{name}"))
        .await;
    assert_eq!(world.ask("/t/1/c6", &[]).await.error(), "invalid_client");
    assert_eq!(world.ask("/t/1/c7", &[]).await.status, 200);
}

// Rows RF-20 to RF-23.
#[tokio::test]
async fn refused_token_request_registers_no_client() {
    let world = World::start().await;
    for (more, code) in [
        (vec![("scope", "admin")], "invalid_scope"),
        (vec![("scope", "r admin")], "invalid_scope"),
        (vec![("scope", "r\"")], "invalid_scope"),
        (vec![("resource", "https://other/")], "invalid_target"),
        (vec![("resource", "https://api.example/#x")], "invalid_target"),
        (vec![("resource", "/relative")], "invalid_target"),
        (
            vec![
                ("resource", "https://api.example/"),
                ("resource", "https://other/"),
            ],
            "invalid_target",
        ),
        (vec![("audience", "https://other/")], "invalid_target"),
    ] {
        let answer = world.ask(PAY, &more).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, code), "{more:?}");
    }
    for grant in [
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "password",
        "authorization_code",
        "foo",
    ] {
        let body = svid_form(&world.svid(PAY), &[])
            .replace("grant_type=client_credentials", &format!("grant_type={grant}"));
        assert_eq!(
            world.send(&body).await.error(),
            "unsupported_grant_type",
            "{grant}"
        );
    }
    assert!(world.clients().await.is_empty());
    assert!(world.events("client.registered").await.is_empty());
    assert_eq!(
        world
            .ask(PAY, &[("resource", "https://api.example/"), ("scope", "w r")])
            .await
            .json()["scope"],
        "w r"
    );
}

// Rows RF-30 to RF-32.
#[tokio::test]
async fn unknown_trust_domain_and_identity_without_rule_get_the_same_answer() {
    let world = World::start().await;
    let unknown_key = generate_key(testudo_protocol::jose::Algorithm::ES256, None);
    let unknown_domain = Draft::svid(&unknown_key, "spiffe://c.example/x", ISSUER, world.now()).sign();
    let crossed = Draft::svid(world.b.key(), "spiffe://a.example/x/1", ISSUER, world.now()).sign();
    let answers = [
        world.send(&svid_form(&unknown_domain, &[])).await,
        world.send(&svid_form(&crossed, &[])).await,
        world.ask("/none", &[]).await,
    ];
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (400, &answers[0].body));
    }
    let reasons: Vec<Value> = world
        .events("client.refused")
        .await
        .iter()
        .map(|event| event["reason"].clone())
        .collect();
    assert!(reasons.contains(&json!("no_rule")), "{reasons:?}");
    assert!(world.clients().await.is_empty());
}

// Row RF-34.
#[tokio::test]
async fn rule_pattern_matches_whole_path_segments_only() {
    let world = World::start().await;
    for outside in [
        "/ns/pay/sa/api/extra",
        "/ns//sa/api",
        "/ns/pay/sa",
        "/NS/pay/sa/api",
    ] {
        assert_eq!(
            world.ask(outside, &[]).await.error(),
            "invalid_client",
            "{outside}"
        );
    }
    assert!(world.clients().await.is_empty());
}

// Rows RF-36 to RF-38.
#[tokio::test]
async fn changed_rules_apply_to_known_clients_at_the_next_request() {
    let world = World::start().await;
    assert_eq!(world.ask(PAY, &[("scope", "w")]).await.status, 200);
    world
        .reload_with(
            &domains(""),
            &RULES.replace("scopes = [\"r\", \"w\"]", "scopes = [\"r\"]"),
        )
        .await;
    assert_eq!(world.ask(PAY, &[]).await.json()["scope"], "r");
    assert_eq!(world.ask(PAY, &[("scope", "w")]).await.error(), "invalid_scope");
    world
        .reload_with(
            &domains(""),
            &RULES.replace("scopes = [\"r\", \"w\"]", "scopes = [\"r\", \"w\", \"x\"]"),
        )
        .await;
    assert_eq!(world.ask(PAY, &[("scope", "x")]).await.status, 200);
    world
        .reload_with(
            &domains(""),
            &RULES.replace("/ns/{namespace}", "/other/{namespace}"),
        )
        .await;
    assert_eq!(world.ask(PAY, &[]).await.error(), "invalid_client");
    let client = &world.clients().await[0];
    assert_eq!(
        (&client["is_orphaned"], &client["rule"]),
        (&json!(true), &json!("R1"))
    );
    let orphans = world
        .admin("GET", "/admin/v1/clients?orphaned=true", Value::Null)
        .await;
    assert_eq!(orphans["clients"].as_array().unwrap().len(), 1);
}

// Row RF-39.
#[tokio::test]
async fn disabled_trust_domain_is_refused_at_the_next_request() {
    let world = World::start().await;
    let mut kept = world.connect().await;
    let remembered = svid_form(&world.svid(PAY), &[]);
    assert_eq!(kept.post("/token", remembered.clone()).await.status, 200);
    world
        .admin("POST", "/admin/v1/trust/a.example/disable", json!({}))
        .await;
    assert_eq!(
        kept.post("/token", remembered.clone()).await.error(),
        "invalid_client"
    );
    assert_eq!(world.ask(PAY, &[]).await.error(), "invalid_client");
    let of_b = world.b.svid("/x/1", ISSUER, world.now());
    assert_eq!(world.send(&svid_form(&of_b, &[])).await.status, 200);
    let world = world.restart().await;
    assert_eq!(
        world.ask(PAY, &[]).await.error(),
        "invalid_client",
        "the disabled state must survive a restart"
    );
    world
        .admin("POST", "/admin/v1/trust/a.example/enable", json!({}))
        .await;
    assert_eq!(world.ask(PAY, &[]).await.status, 200);
    assert_eq!(world.events("authority.disabled").await.len(), 1);
    assert_eq!(world.events("authority.enabled").await.len(), 1);
}

// Row C-23.
#[tokio::test]
async fn trust_domain_removed_from_the_configuration_is_refused_after_the_reload() {
    let world = World::start().await;
    let remembered = svid_form(&world.svid(PAY), &[]);
    assert_eq!(world.send(&remembered).await.status, 200);
    let without_a = domains("").replacen("name = \"a.example\"", "name = \"gone.example\"", 1);
    world.reload_with(&without_a, RULES).await;
    assert_eq!(world.send(&remembered).await.error(), "invalid_client");
}

// Row RF-40.
#[tokio::test]
async fn observe_records_an_event_and_registers_no_client() {
    let world = World::start().await;
    let svid = world.o.svid(PAY, ISSUER, world.now());
    let answer = world.send(&svid_form(&svid, &[("scope", "w")])).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "invalid_client"));
    let events = world.events("client.would_register").await;
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&events[0]["rule"], &events[0]["scope"]),
        (&json!("R5"), &json!("w"))
    );
    assert!(
        events[0]["detail"].is_string(),
        "the event must contain the metadata"
    );
    assert!(world.clients().await.is_empty());
    world
        .send(&svid_form(
            &world.o.svid("/ns/p/sa/q", ISSUER, world.now()),
            &[("scope", "admin")],
        ))
        .await;
    assert_eq!(
        world.events("client.would_register").await[1]["reason"],
        "scope_not_allowed"
    );
}

// Row RF-41.
#[tokio::test]
async fn first_use_off_refuses_unknown_identities_and_serves_known_clients() {
    let world = World::start().await;
    let off = svid_form(&world.f.svid(PAY, ISSUER, world.now()), &[]);
    assert_eq!(world.send(&off).await.error(), "invalid_client");
    world
        .reload_with(&domains("").replace("\"off\"", "\"on\""), RULES)
        .await;
    assert_eq!(world.send(&off).await.status, 200);
    world.reload_with(&domains(""), RULES).await;
    assert_eq!(world.send(&off).await.status, 200);
    let world = world.restart().await;
    let again = svid_form(&world.f.svid(PAY, ISSUER, world.now()), &[]);
    assert_eq!(
        world.send(&again).await.status,
        200,
        "the client must be known from the store, not only from memory"
    );
}

#[tokio::test]
async fn rule_can_turn_first_use_off_but_not_on_if_its_trust_domain_has_it_off() {
    let strict = RULES.replace("name = \"R1\"", "name = \"R1\"\nfirst_use = \"off\"");
    let world = World::start_with(&domains(""), &strict).await;
    assert_eq!(world.ask(PAY, &[]).await.error(), "invalid_client");
    let lax = RULES.replace("name = \"R5\"", "name = \"R5\"\nfirst_use = \"on\"");
    world.reload_with(&domains(""), &lax).await;
    let off = svid_form(&world.f.svid(PAY, ISSUER, world.now()), &[]);
    assert_eq!(world.send(&off).await.error(), "invalid_client");
}

// Row RF-42.
#[tokio::test]
async fn credential_kind_that_the_trust_domain_does_not_accept_is_refused() {
    let world = World::start_with(&domains("credentials = [\"x509_svid\"]"), RULES).await;
    assert_eq!(world.ask(PAY, &[]).await.error(), "invalid_client");
    assert_eq!(
        world.events("client.refused").await[0]["reason"],
        "credential_not_accepted"
    );
}

// Rows RF-70 to RF-73.
#[tokio::test]
async fn instances_share_one_client_and_are_blocked_one_by_one() {
    let world = World::start().await;
    let first = claims(&world.ask("/fleet/cam/1", &[]).await.access_token());
    assert_eq!(first["client_id"], "spiffe://a.example/fleet/cam/*");
    assert_eq!(first["sub"], "spiffe://a.example/fleet/cam/*");
    assert_eq!(
        (&first["spiffe_id"], &first["instance"]),
        (&json!("spiffe://a.example/fleet/cam/1"), &json!("1"))
    );
    assert_eq!(world.ask("/fleet/cam/2", &[]).await.status, 200);
    assert_eq!(world.ask("/each/cam/1", &[]).await.status, 200);
    assert_eq!(world.ask("/each/cam/2", &[]).await.status, 200);
    assert_eq!(
        world.client_ids().await,
        [
            "spiffe://a.example/each/cam/1",
            "spiffe://a.example/each/cam/2",
            "spiffe://a.example/fleet/cam/*"
        ]
    );
    assert_eq!(world.ask("/fleet/cam/*", &[]).await.error(), "invalid_client");
    world
        .admin(
            "POST",
            "/admin/v1/blocks",
            json!({ "identity": "spiffe://a.example/fleet/cam/1" }),
        )
        .await;
    assert_eq!(world.ask("/fleet/cam/1", &[]).await.error(), "invalid_client");
    assert_eq!(world.ask("/fleet/cam/2", &[]).await.status, 200);
    // By the id of the client that they share, the block is the same.
    let second = json!({ "identity": "spiffe://a.example/fleet/cam/*", "instance": "2" });
    world.admin("POST", "/admin/v1/blocks", second.clone()).await;
    assert_eq!(world.ask("/fleet/cam/2", &[]).await.error(), "invalid_client");
    assert_eq!(world.ask("/fleet/cam/22", &[]).await.status, 200);
    world.admin("POST", "/admin/v1/blocks/remove", second).await;
    assert_eq!(world.ask("/fleet/cam/2", &[]).await.status, 200);
    // The list names the workload of each instance that is a client of its own.
    let listed: Vec<_> = world
        .clients()
        .await
        .iter()
        .map(|client| (client["workload"].clone(), client["instance"].clone()))
        .collect();
    let each = json!("spiffe://a.example/each/cam/*");
    assert_eq!(
        listed,
        [
            (each.clone(), json!("1")),
            (each, json!("2")),
            (json!(null), json!(null))
        ]
    );
    // Events name the instance, whether or not it is a client of its own.
    let registered = world.events("client.registered").await;
    let instances: Vec<_> = registered
        .iter()
        .map(|event| (&event["identity"], &event["instance"]))
        .collect();
    for (identity, instance) in [
        ("spiffe://a.example/fleet/cam/1", "1"),
        ("spiffe://a.example/each/cam/2", "2"),
    ] {
        assert!(
            instances.contains(&(&json!(identity), &json!(instance))),
            "{instances:?}"
        );
    }
}

// Rows RF-95 to RF-98.
#[tokio::test]
async fn attested_claims_set_metadata_within_the_rule_and_malformed_ones_are_refused() {
    let trusting = domains("attested_metadata = [\"client_name\", \"scope\", \"redirect_uris\"]");
    let world = World::start_with(&trusting, RULES).await;
    let ask = async |path: &str, extra: Value| {
        let id = format!("spiffe://a.example{path}");
        let svid = Draft::svid(world.a.key(), &id, ISSUER, world.now()).more_claims(&extra);
        world.send(&svid_form(&svid.sign(), &[])).await
    };
    ask(
        "/x/named",
        json!({ "client_name": "Attested", "grant_types": ["nothing"] }),
    )
    .await;
    assert_eq!(world.clients().await[0]["metadata"]["client_name"], "Attested");
    ask(
        PAY,
        json!({ "client_name": "Attested", "redirect_uris": ["https://evil.example/"] }),
    )
    .await;
    let metadata = world.clients().await[0]["metadata"].clone();
    assert_eq!(
        metadata["client_name"], "api in pay",
        "the configured name takes precedence over the attested one"
    );
    assert_eq!(
        metadata["redirect_uris"],
        json!(["https://api.pay.apps.example/cb"])
    );
    let widened = ask("/ns/pay/sa/wide", json!({ "scope": "r admin" })).await;
    assert_eq!(
        widened.json()["scope"],
        "r",
        "the scope must not exceed that of the rule"
    );
    let narrowed = ask("/ns/pay/sa/none", json!({ "scope": "w" })).await;
    assert!(
        narrowed.json()["scope"].is_null(),
        "the attested scope must reduce the default scope"
    );
    for wrong in [
        json!({ "client_name": 7 }),
        json!({ "scope": ["r"] }),
        json!({ "redirect_uris": [7] }),
        json!({ "redirect_uris": "x" }),
    ] {
        let answer = ask("/x/wrong", wrong.clone()).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_client"),
            "{wrong}"
        );
    }
}
