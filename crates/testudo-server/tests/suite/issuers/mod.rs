//! Tests that all features of trust domains work for another kind of authority: first use, registration, blocks,
//! limits, disabling, reloads and explanations.

mod instances;
mod made_up;

use crate::registration::each_claim::check_each;
use crate::registration::post;
use made_up::{MadeUp, ci};
use serde_json::{Value, json};
use testudo_core::members::attestable;
use testudo_core::rules::FirstUse;
use testudo_core::velocity::Rate;
use testudo_testkit::http::Answer;
use testudo_testkit::svid_form;
use testudo_testkit::token::claims;

const JOB: &str = "ci:team-a/build";

fn access_token(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    claims(answer.json()["access_token"].as_str().unwrap())
}

#[tokio::test]
async fn job_of_an_issuer_is_registered_at_its_first_use_and_known_at_the_second() {
    let made_up = MadeUp::start().await;
    let first = access_token(&made_up.ask(JOB, &[]).await);
    assert_eq!(
        (&first["sub"], &first["client_id"], &first["scope"]),
        (&json!(JOB), &json!(JOB), &json!("r"))
    );
    assert!(first["spiffe_id"].is_null());
    assert_eq!(
        access_token(&made_up.ask(JOB, &[("client_id", JOB)]).await)["client_id"],
        JOB
    );
    assert_eq!(
        made_up.ask(JOB, &[("client_id", "ci:team-a/other")]).await.status,
        400
    );

    let clients = made_up.world.clients().await;
    let [client] = clients.as_slice() else {
        panic!("{clients:?}")
    };
    assert_eq!(
        (&client["authority"], &client["subject"]),
        (&json!("ci:"), &json!(JOB))
    );
    assert_eq!(
        (&client["trust_domain"], &client["rule"], &client["governed_by"]),
        (&Value::Null, &json!("ci"), &json!("ci"))
    );
    assert_eq!(client["metadata"]["client_name"], "build of team-a");
    let events = made_up.world.events("client.registered").await;
    assert_eq!(
        (&events[0]["authority"], &events[0]["identity"]),
        (&json!("ci:"), &json!(JOB))
    );
    let listed = made_up
        .world
        .admin("GET", "/admin/v1/clients?authority=ci", Value::Null)
        .await;
    assert_eq!(listed["clients"].as_array().unwrap().len(), 1);
    let shown = made_up
        .world
        .admin("POST", "/admin/v1/clients/show", json!({ "client_id": JOB }))
        .await;
    assert_eq!(shown["subject"], JOB);
    // Without a rule, no client is registered.
    assert_eq!(made_up.ask("ci:team-a", &[]).await.status, 400);
    assert!(made_up.refused_for("no_rule").await);
}

#[tokio::test]
async fn client_ids_of_an_issuer_can_be_templates_opaque_or_shared_by_instances() {
    let made_up = MadeUp::start().await;
    assert_eq!(
        access_token(&made_up.ask("ci:named/g/deploy", &[]).await)["client_id"],
        "ci/g/deploy"
    );
    let opaque = access_token(&made_up.ask("ci:opaque/g/x", &[]).await);
    assert_eq!(opaque["client_id"].as_str().unwrap().len(), 22);
    let one = access_token(&made_up.ask("ci:team-a/runners/1", &[]).await);
    let two = access_token(&made_up.ask("ci:team-a/runners/2", &[]).await);
    assert_eq!(
        (&one["client_id"], &two["client_id"]),
        (&json!("ci:team-a/runners/*"), &json!("ci:team-a/runners/*"))
    );
    assert_eq!((&one["instance"], &two["instance"]), (&json!("1"), &json!("2")));
    for id in ["ci/g/deploy", "ci:team-a/runners/*"] {
        let found = made_up
            .world
            .admin("POST", "/admin/v1/clients/show", json!({ "client_id": id }))
            .await;
        assert_eq!(
            (&found["client_id"], &found["is_orphaned"]),
            (&json!(id), &json!(false))
        );
    }
    assert_eq!(made_up.world.clients().await.len(), 3);
}

#[tokio::test]
async fn keys_of_one_authority_verify_no_identity_of_another() {
    let made_up = MadeUp::start().await;
    // The issuer signs for its own job; then for a workload of a trust domain; and a trust domain signs for a job.
    assert_eq!(made_up.ask(JOB, &[]).await.status, 200);
    let for_a_workload = made_up.token_by(&made_up.issuer, "spiffe://a.example/x/1");
    assert_eq!(made_up.show(&for_a_workload, &[]).await.status, 400);
    let for_a_job = made_up.token_by(&made_up.world.a, "ci:team-a/other");
    assert_eq!(made_up.show(&for_a_job, &[]).await.status, 400);
    // Sent as a credential of the other kind, each valid token is refused.
    let svid = made_up.token_by(&made_up.world.a, "spiffe://a.example/x/1");
    assert_eq!(made_up.world.send(&svid_form(&svid, &[])).await.status, 200);
    assert_eq!(made_up.show(&svid, &[]).await.status, 400);
    let job = svid_form(&made_up.token(JOB), &[]);
    assert_eq!(made_up.world.send(&job).await.status, 400);
    assert_eq!(made_up.world.client_ids().await, [JOB, "spiffe://a.example/x/1"]);
    // A trust domain with the same name as the issuer is another authority.
    let of_a_domain = svid_form(&made_up.token("spiffe://ci/team-a/build"), &[]);
    assert_eq!(made_up.world.send(&of_a_domain).await.status, 400);
    assert_eq!(made_up.ask("spiffe://ci/team-a/build", &[]).await.status, 400);
}

#[tokio::test]
async fn first_use_is_off_or_observed_if_the_policy_of_the_issuer_requires_it() {
    let made_up = MadeUp::start_with("", |policy| policy.first_use = FirstUse::Observe).await;
    assert_eq!(made_up.ask(JOB, &[]).await.status, 400);
    let would = made_up.world.events("client.would_register").await;
    assert_eq!(would[0]["client_id"], JOB);
    made_up.reload(|policy| policy.first_use = FirstUse::Off).await;
    assert_eq!(made_up.ask(JOB, &[]).await.status, 400);
    assert!(made_up.refused_for("first_use_off").await);
    assert!(made_up.world.client_ids().await.is_empty());
    made_up.reload(|_| {}).await;
    assert_eq!(made_up.ask(JOB, &[]).await.status, 200);
}

#[tokio::test]
async fn rate_limits_of_an_issuer_are_separate_from_those_of_trust_domains() {
    let made_up = MadeUp::start_with("", |policy| {
        policy.registrations = Rate::new(1, Some(3));
        policy.registrations_per_prefix = Some(Rate::new(1, Some(2)));
    })
    .await;
    for (job, has_room) in [
        ("ci:a/1", true),
        ("ci:a/2", true),
        ("ci:a/3", false),
        ("ci:b/1", true),
        ("ci:c/1", false),
    ] {
        let answer = made_up.ask(job, &[]).await;
        assert_eq!(
            answer.status,
            if has_room { 200 } else { 429 },
            "{job}: {answer:?}"
        );
        assert_eq!(
            answer.header("retry-after").is_some(),
            !has_room,
            "{job}: {answer:?}"
        );
    }
    let events = made_up.world.events("velocity.limited").await;
    let details: Vec<&str> = events
        .iter()
        .filter_map(|event| event["detail"].as_str())
        .collect();
    assert!(
        details
            .iter()
            .any(|detail| detail.contains("prefix `/a` of issuer `ci`")),
        "{details:?}"
    );
    assert!(
        details
            .iter()
            .any(|detail| detail.contains("issuer `ci`") && !detail.contains("prefix")),
        "{details:?}"
    );
    assert_eq!(made_up.world.ask("/x/1", &[]).await.status, 200);
    // Known clients do not count against the rate limits.
    assert_eq!(made_up.ask("ci:a/1", &[]).await.status, 200);
}

#[tokio::test]
async fn clients_beyond_the_quota_of_an_issuer_are_refused_until_one_is_deleted() {
    let made_up = MadeUp::start_with("", |policy| policy.clients_max = Some(2)).await;
    for (job, status) in [("ci:a/1", 200), ("ci:a/2", 200), ("ci:a/3", 429)] {
        assert_eq!(made_up.ask(job, &[]).await.status, status, "{job}");
    }
    let events = made_up.world.events("quota.reached").await;
    let detail = events[0]["detail"].as_str().unwrap();
    assert!(detail.contains("issuer `ci`"), "{detail}");
    let shown = made_up
        .world
        .admin("GET", "/admin/v1/trust/ci", Value::Null)
        .await;
    assert_eq!(shown["clients"], 2);
    let gone = json!({ "client_id": "ci:a/1" });
    made_up
        .world
        .admin("POST", "/admin/v1/clients/delete", gone)
        .await;
    assert_eq!(made_up.ask("ci:a/3", &[]).await.status, 200);
}

#[tokio::test]
async fn job_can_be_blocked_by_its_identity_a_pattern_or_the_name_of_its_issuer() {
    let made_up = MadeUp::start().await;
    let block = async |identity: &str| {
        made_up
            .world
            .try_admin("POST", "/admin/v1/blocks", json!({ "identity": identity }))
            .await
    };
    let unblock = async |identity: &str| {
        made_up
            .world
            .admin("POST", "/admin/v1/blocks/remove", json!({ "identity": identity }))
            .await
    };
    assert_eq!(made_up.ask(JOB, &[]).await.status, 200);
    for text in [JOB, "ci:team-a/*", "ci:*/build", "ci:team-a/**", "ci:", "ci"] {
        assert_eq!(block(text).await.0, 200, "{text}");
        assert_eq!(made_up.ask(JOB, &[]).await.status, 400, "{text}");
        assert_eq!(made_up.world.ask("/x/1", &[]).await.status, 200, "{text}");
        unblock(text).await;
        assert_eq!(made_up.ask(JOB, &[]).await.status, 200, "{text}");
    }
    assert!(made_up.refused_for("identity_blocked").await);
    assert_eq!(block("ci:team-b/*").await.0, 200);
    assert_eq!(made_up.ask(JOB, &[]).await.status, 200);
    assert_eq!(made_up.ask("ci:team-b/build", &[]).await.status, 400);
    for malformed in ["ci:team-a//x", "ci:caf\u{e9}/x"] {
        assert_eq!(block(malformed).await.0, 400, "{malformed}");
    }
    for unknown in ["cj:team-a/build", "cj:*/x", "cj"] {
        assert_eq!(
            block(unknown).await.0,
            404,
            "{unknown} is of no configured issuer"
        );
    }
}

#[tokio::test]
async fn disabled_issuer_is_refused_at_the_next_request_and_shown_by_name() {
    let made_up = MadeUp::start().await;
    let token = made_up.token(JOB);
    assert_eq!(made_up.show(&token, &[]).await.status, 200);
    for name in ["ci", "ci:"] {
        made_up
            .world
            .admin("POST", &format!("/admin/v1/trust/{name}/disable"), json!({}))
            .await;
        // The result for exactly this token is cached.
        assert_eq!(made_up.show(&token, &[]).await.status, 400);
        assert_eq!(made_up.world.ask("/x/1", &[]).await.status, 200);
        let shown = made_up
            .world
            .admin("GET", "/admin/v1/trust/ci", Value::Null)
            .await;
        assert_eq!(
            (&shown["authority"], &shown["trust_domain"], &shown["is_enabled"]),
            (&json!("ci:"), &Value::Null, &json!(false))
        );
        let kid = made_up.issuer.key().kid();
        assert_eq!(
            (&shown["jwt_keys"], &shown["x509_authorities"], &shown["sequence"]),
            (&json!([kid]), &json!(0), &Value::Null)
        );
        made_up
            .world
            .admin("POST", &format!("/admin/v1/trust/{name}/enable"), json!({}))
            .await;
        assert_eq!(made_up.show(&token, &[]).await.status, 200);
    }
    assert!(made_up.refused_for("authority_disabled").await);
    let switched = made_up.world.events("authority.disabled").await;
    assert!(switched.iter().all(|event| event["authority"] == "ci:"));
    let listed = made_up.world.admin("GET", "/admin/v1/trust", Value::Null).await;
    let names: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|view| view["authority"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "spiffe://a.example",
            "spiffe://b.example",
            "spiffe://f.example",
            "spiffe://o.example",
            "ci:"
        ]
    );
    assert_eq!(
        made_up
            .world
            .try_admin("POST", "/admin/v1/trust/cj/disable", json!({}))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn new_keys_of_an_issuer_drop_cached_results_of_the_old_keys() {
    let mut made_up = MadeUp::start().await;
    let token = made_up.token(JOB);
    assert_eq!(made_up.show(&token, &[]).await.status, 200);
    made_up.issuer = testudo_testkit::TestIssuer::new("ci");
    made_up.publish();
    made_up
        .world
        .admin("POST", "/admin/v1/trust/ci/refresh", json!({}))
        .await;
    assert_eq!(made_up.show(&token, &[]).await.status, 400);
    assert_eq!(made_up.ask(JOB, &[]).await.status, 200);
    let events = made_up.world.events("authority.bundle_updated").await;
    assert!(events.iter().any(|event| event["authority"] == "ci:"));
}

#[tokio::test]
async fn reload_changes_an_issuer_keeps_its_keys_and_can_remove_it() {
    let made_up = MadeUp::start().await;
    let token = made_up.token(JOB);
    assert_eq!(made_up.show(&token, &[]).await.status, 200);
    // The source does not answer for a while: the fetched keys stay in use.
    std::fs::remove_file(made_up.world.folder.join("ci.json")).unwrap();
    made_up.reload(|_| {}).await;
    assert_eq!(made_up.show(&token, &[]).await.status, 200);
    made_up.reload(|policy| policy.credentials.clear()).await;
    assert_eq!(made_up.show(&token, &[]).await.status, 400);
    assert!(made_up.refused_for("credential_not_accepted").await);
    made_up.reload(|_| {}).await;
    assert_eq!(made_up.show(&token, &[]).await.status, 200);
    // An issuer that is not in the file is removed by the next reload.
    made_up
        .world
        .reload_with(&crate::world::domains(""), &made_up::rules())
        .await;
    assert_eq!(made_up.show(&token, &[]).await.status, 400);
    assert!(made_up.world.authority_keys(&ci()).is_none());
    let orphans = made_up
        .world
        .admin("GET", "/admin/v1/clients?orphaned=true", Value::Null)
        .await;
    assert_eq!(orphans["clients"][0]["client_id"], JOB);
    assert_eq!(
        made_up
            .world
            .try_admin("GET", "/admin/v1/trust/ci", Value::Null)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn rules_and_decisions_about_an_issuer_are_explained_then_and_today() {
    let made_up = MadeUp::start().await;
    let answer = made_up.ask(JOB, &[]).await;
    let request = answer.header("request-id").unwrap().to_owned();
    let explain = async || {
        made_up
            .world
            .admin("POST", "/admin/v1/explain", json!({ "request_id": request }))
            .await
    };
    let explained = explain().await;
    assert_eq!(
        (&explained["outcome"], &explained["event"]["authority"]),
        (&json!("allowed"), &json!("ci:"))
    );
    let steps: Vec<&str> = explained["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| step["check"].as_str())
        .collect();
    assert!(steps.contains(&"a rule governs"), "{explained}");
    made_up
        .world
        .admin("POST", "/admin/v1/trust/ci/disable", json!({}))
        .await;
    let explained = explain().await;
    assert_eq!(
        (&explained["today"]["outcome"], &explained["today"]["rejection"]),
        (&json!("refused"), &json!("authority_disabled"))
    );
    assert_eq!(explained["outcome"], "allowed", "the recorded outcome");

    made_up
        .world
        .admin("POST", "/admin/v1/trust/ci/enable", json!({}))
        .await;
    let ids = json!({ "identities": [JOB, "ci:named/g/deploy", "ci:x", "cj:x/y", "ci:a//b"] });
    let tested = made_up.world.admin("POST", "/admin/v1/rules/test", ids).await;
    assert_eq!(
        (&tested[0]["rule"], &tested[0]["captures"]),
        (&json!("ci"), &json!({ "job": "build", "team": "team-a" }))
    );
    assert_eq!(tested[1]["client_id"], "ci/g/deploy");
    assert_eq!(tested[2]["problem"], "no rule governs this identity");
    assert_eq!(tested[3]["problem"], "the issuer `cj` is not configured");
    assert!(
        tested[4]["problem"].as_str().unwrap().contains("empty segment"),
        "{tested}"
    );
}

#[tokio::test]
async fn job_of_an_issuer_can_be_the_sponsor_of_clients() {
    let made_up = MadeUp::start_with("[registration]\ninitial_access_tokens = true", |policy| {
        policy.clients_max = Some(2);
    })
    .await;
    let wanted = [
        ("scope", "client.register"),
        ("resource", "https://as.example/register"),
    ];
    let answer = made_up.ask(JOB, &wanted).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let bearer = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k1"));
    let body =
        json!({ "jwks": { "keys": [key.public_jwk("sig", true)] }, "grant_types": ["client_credentials"] });
    let register = async || {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
        ];
        made_up
            .world
            .connect()
            .await
            .send("POST", "/register", &headers, body.to_string())
            .await
    };
    let registered = register().await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let id = registered.json()["client_id"].clone();
    let client = made_up
        .world
        .admin("POST", "/admin/v1/clients/show", json!({ "client_id": id }))
        .await;
    assert_eq!(
        (&client["sponsor"]["authority"], &client["sponsor"]["subject"]),
        (&json!("ci:"), &json!(JOB))
    );
    assert_eq!(
        (&client["trust_domain"], &client["rule"]),
        (&Value::Null, &json!("ci"))
    );
    // The client counts against the quota of its sponsor's authority, and is refused when that authority is disabled.
    assert_ne!(register().await.status, 201);
    made_up
        .world
        .admin("POST", "/admin/v1/trust/ci/disable", json!({}))
        .await;
    assert_eq!(register().await.status, 401);
}

#[tokio::test]
async fn job_is_registered_by_a_software_statement_of_its_issuer_like_a_workload() {
    let made_up = MadeUp::start_with("[registration]\nstatements = true", |_| {}).await;
    let world = &made_up.world;
    let register = async |statement: String, scope: &str| {
        let body = json!({ "software_statement": statement, "scope": scope });
        post(world, &body).await
    };
    let explain = async |answer: &Answer| {
        let asked = json!({ "request_id": answer.header("request-id").unwrap() });
        let explained = world.admin("POST", "/admin/v1/explain", asked).await;
        (explained["event"]["door"].clone(), explained["today"].clone())
    };
    let registered = register(made_up.statement(&made_up.issuer, JOB), "w").await;
    assert_eq!(registered.status, 201, "{registered:?}");
    assert_eq!(
        (&registered.json()["client_id"], &registered.json()["scope"]),
        (&json!(JOB), &json!("w"))
    );
    let (door, today) = explain(&registered).await;
    assert_eq!(door, "test_token");
    assert_eq!(today["detail"], "a known client is registered for scope `w`");

    // A refused registration of another job is allowed today: it would make a new client.
    let other = "ci:team-a/other";
    let block = async |path: &str| world.admin("POST", path, json!({ "identity": other })).await;
    block("/admin/v1/blocks").await;
    let refused = register(made_up.statement(&made_up.issuer, other), "w").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    block("/admin/v1/blocks/remove").await;
    let (_, today) = explain(&refused).await;
    assert_eq!(today["detail"], "a new client is registered for scope `w`");

    // Refused: a scope that the rule does not have, keys of another authority, and a credential that is not accepted.
    let refused = register(made_up.statement(&made_up.issuer, other), "other").await;
    assert_eq!(refused.status, 400);
    let (_, today) = explain(&refused).await;
    assert_eq!(today["outcome"], "refused", "{today}");
    let of_a_domain = made_up.statement(&world.a, JOB);
    let refused = register(of_a_domain, "w").await;
    assert_eq!(
        refused.json()["error"],
        "invalid_software_statement",
        "{refused:?}"
    );
    made_up.reload(|policy| policy.credentials.clear()).await;
    let refused = register(made_up.statement(&made_up.issuer, JOB), "w").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let (_, today) = explain(&refused).await;
    assert_eq!(today["rejection"], "credential_not_accepted");
    assert_eq!(world.client_ids().await, [JOB]);
}

#[tokio::test]
async fn credential_is_explained_by_the_door_of_its_kind() {
    let made_up = MadeUp::start().await;
    let explained = async |credential: &str| {
        let asked = json!({ "credential": credential });
        made_up.world.admin("POST", "/admin/v1/explain", asked).await
    };
    assert_eq!(explained(&made_up.token(JOB)).await["outcome"], "allowed");
    let svid = made_up.token_by(&made_up.world.a, "spiffe://a.example/x/1");
    assert_eq!(explained(&svid).await["outcome"], "allowed");
    let of_a_domain = made_up.token_by(&made_up.world.a, JOB);
    assert_eq!(explained(&of_a_domain).await["outcome"], "refused");
    assert_eq!(explained("no token").await["outcome"], "refused");
}

#[tokio::test]
async fn unusable_key_of_an_issuer_is_shown_with_the_reason() {
    let made_up = MadeUp::start().await;
    let world = &made_up.world;
    let path = world.folder.join("ci.json");
    let mut document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let keys = document["keys"].as_array_mut().unwrap();
    keys.insert(
        0,
        json!({ "kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AA" }),
    );
    std::fs::write(&path, document.to_string()).unwrap();
    world
        .admin("POST", "/admin/v1/trust/ci:/refresh", json!({}))
        .await;
    let shown = world.admin("GET", "/admin/v1/trust/ci:", Value::Null).await;
    let ignored = shown["ignored"].as_array().unwrap();
    assert_eq!(ignored.len(), 1, "{shown}");
    assert!(ignored[0].as_str().unwrap().starts_with("key 0: "), "{shown}");
    access_token(&made_up.ask(JOB, &[]).await);
}

#[tokio::test]
async fn trust_domain_and_issuer_with_the_same_name_are_different_authorities() {
    let domain =
        "[[trust_domains]]\nname = \"ci\"\nbundle = { file = \"absent.json\" }\n[[issuers]]\nname = \"ci\"\n";
    let made_up = MadeUp::start_with(domain, |_| {}).await;
    let world = &made_up.world;
    access_token(&made_up.ask(JOB, &[]).await);

    let of = |view: &Value| {
        (
            view["authority"].clone(),
            view["trust_domain"].clone(),
            view["state"].clone(),
        )
    };
    let issuer = world.admin("GET", "/admin/v1/trust/ci:", Value::Null).await;
    assert_eq!(of(&issuer), (json!("ci:"), Value::Null, json!("fresh")));
    for name in ["ci", "spiffe://ci"] {
        let path = format!("/admin/v1/trust/{}", name.replace('/', "%2F"));
        let domain = world.admin("GET", &path, Value::Null).await;
        assert_eq!(of(&domain), (json!("spiffe://ci"), json!("ci"), json!("none")));
    }
    // A fetch of the trust domain's bundle fails; the issuer has a separate time series in the metrics.
    let (status, _) = world
        .try_admin("POST", "/admin/v1/trust/ci/refresh", json!({}))
        .await;
    assert!(status >= 400, "{status}");
    let metrics = world.metrics().await;
    let failures = |authority: &str| {
        let series = format!("testudo_bundle_failures_total{{authority=\"{authority}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&series));
        count.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    assert!(failures("spiffe://ci") > 0, "{metrics}");
    assert_eq!(failures("ci:"), 0, "{metrics}");
    // Clients are selected by the key of the authority, or by its name with the precedence of `testudo trust`.
    for (name, count) in [("ci:", 1), ("ci", 0), ("spiffe:%2F%2Fci", 0)] {
        for parameter in ["authority", "trust_domain"] {
            let path = format!("/admin/v1/clients?{parameter}={name}");
            let listed = world.admin("GET", &path, Value::Null).await;
            assert_eq!(
                listed["clients"].as_array().unwrap().len(),
                count,
                "{parameter}={name}"
            );
        }
    }
    // A client is listed if it matches every filter that is sent.
    for (query, count) in [
        ("authority=ci:&trust_domain=ci:", 1),
        ("authority=ci:&trust_domain=spiffe://ci", 0),
    ] {
        let path = format!("/admin/v1/clients?{query}");
        let listed = world.admin("GET", &path, Value::Null).await;
        assert_eq!(listed["clients"].as_array().unwrap().len(), count, "{query}");
    }
    // A reload counts trust domains and issuers separately.
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(domain, "")).unwrap();
    let reloaded = world.admin("POST", "/admin/v1/reload", json!({})).await;
    let done = reloaded["done"].as_str().unwrap();
    assert!(done.contains("-1 trust domain (ci), -1 issuer (ci)"), "{done}");
}

// Rows RF-95 to RF-98.
#[tokio::test]
async fn each_claim_of_an_issuer_has_its_effect_if_it_is_listed_and_none_otherwise() {
    for is_listed in [true, false] {
        let made_up = MadeUp::start_with("[registration]\nstatements = true", |policy| {
            if is_listed {
                policy.attested_metadata = attestable().map(str::to_owned).collect();
            }
        })
        .await;
        check_each(is_listed, async |claims, mut body| {
            body["software_statement"] = json!(made_up.statement_with("ci:claimed/build", &claims));
            post(&made_up.world, &body).await
        })
        .await;
    }
}

#[tokio::test]
async fn rule_test_shows_what_an_identity_gets_with_the_claims_that_its_issuer_may_state() {
    let listed = [
        "client_name",
        "scope",
        "redirect_uris",
        "dpop_bound_access_tokens",
    ];
    let made_up = MadeUp::start_with("", |policy| {
        policy.attested_metadata = listed.map(str::to_owned).to_vec();
    })
    .await;
    let test = async |claims: Value| {
        let asked = json!({ "identities": ["ci:claimed/build"], "claims": claims });
        made_up.world.admin("POST", "/admin/v1/rules/test", asked).await[0].clone()
    };
    let without = test(json!({ "contacts": ["not listed"] })).await;
    assert_eq!(
        (&without["scopes"], &without["client_name"], &without["condition"]),
        (&json!(["r", "w"]), &Value::Null, &Value::Null)
    );
    let stated = json!({
        "scope": "r admin", "client_name": "Build", "dpop_bound_access_tokens": true,
        "redirect_uris": ["https://app.example/cb", "https://evil.example/cb"],
    });
    let with = test(stated).await;
    assert_eq!(
        (&with["scopes"], &with["client_name"], &with["condition"]),
        (&json!(["r"]), &json!("Build"), &json!("needs a DPoP proof"))
    );
    assert_eq!(
        with["redirect_uris"],
        json!(["https://ci.example/cb", "https://app.example/cb"])
    );
    let malformed = test(json!({ "scope": 7 })).await;
    assert_eq!(malformed["rejection"], "attested_claim_malformed", "{malformed}");
}
