//! Instances that a claim of the credential names, such as the uid of a pod.

use super::access_token;
use super::made_up::MadeUp;
use serde_json::{Value, json};
use testudo_testkit::http::Answer;

const JOB: &str = "ci:team-a/build";
const EACH: &str = "ci:pods/each/web";

impl MadeUp {
    async fn blocks(&self, path: &str, identity: &str, instance: Option<&str>) -> (u16, Value) {
        let body = json!({ "identity": identity, "instance": instance, "reason": "incident 7" });
        self.world.try_admin("POST", path, body).await
    }

    async fn block(&self, identity: &str, instance: &str) {
        let (status, answer) = self.blocks("/admin/v1/blocks", identity, Some(instance)).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn unblock(&self, identity: &str, instance: &str) {
        let (status, answer) = self
            .blocks("/admin/v1/blocks/remove", identity, Some(instance))
            .await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn last_event(&self, kind: &str) -> Value {
        self.world.events(kind).await.last().cloned().unwrap()
    }

    /// The explanation of the request with this answer, as it would be decided today.
    async fn today(&self, answer: &Answer) -> Value {
        let asked = json!({ "request_id": answer.header("request-id").unwrap() });
        self.world.admin("POST", "/admin/v1/explain", asked).await["today"].clone()
    }
}

// Row RF-70.
#[tokio::test]
async fn instances_that_a_claim_names_share_one_client_and_tokens_and_events_name_them() {
    let made_up = MadeUp::start().await;
    for instance in ["uid-1", "uid-2"] {
        let token = access_token(&made_up.ask_as(JOB, instance, &[]).await);
        assert_eq!(
            (&token["client_id"], &token["sub"], &token["instance"]),
            (&json!(JOB), &json!(JOB), &json!(instance))
        );
    }
    assert_eq!(made_up.world.client_ids().await, [JOB]);
    let registered = made_up.last_event("client.registered").await;
    assert_eq!(
        (&registered["identity"], &registered["instance"]),
        (&json!(JOB), &json!("uid-1"))
    );
    // A refused request is recorded with its instance as well, and is decided again for it.
    let refused = made_up.ask_as(JOB, "uid-2", &[("scope", "other")]).await;
    assert_eq!(refused.status, 400);
    let event = made_up.last_event("client.refused").await;
    assert_eq!(event["instance"], "uid-2", "{event}");
    assert_eq!(made_up.today(&refused).await["rejection"], "scope_not_allowed");
    // A token without the claim has no instance.
    assert!(access_token(&made_up.ask(JOB, &[]).await)["instance"].is_null());
}

// Row RF-71.
#[tokio::test]
async fn each_instance_that_a_claim_names_is_a_client_with_an_opaque_id() {
    let made_up = MadeUp::start().await;
    let mut ids = Vec::new();
    for instance in ["uid-1", "uid-2", "uid-1"] {
        let token = access_token(&made_up.ask_as(EACH, instance, &[]).await);
        assert_eq!(
            (&token["sub"], &token["instance"]),
            (&token["client_id"], &json!(instance))
        );
        ids.push(token["client_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids[0], ids[2], "the same instance is the same client");
    assert_ne!(ids[0], ids[1]);
    assert!(ids.iter().all(|id| id.len() == 22), "{ids:?}");
    let clients = made_up.world.clients().await;
    let subjects: Vec<&Value> = clients.iter().map(|client| &client["subject"]).collect();
    assert_eq!(subjects, ["ci:pods/each/web{uid-1}", "ci:pods/each/web{uid-2}"]);
    for (client, instance) in clients.iter().zip(["uid-1", "uid-2"]) {
        assert_eq!(
            (&client["workload"], &client["instance"], &client["is_orphaned"]),
            (&json!(EACH), &json!(instance), &json!(false))
        );
    }
    // `rule test` names the client of an instance.
    for (instance, client_id) in [(None, EACH), (Some("uid-1"), ids[0].as_str())] {
        let asked = json!({ "identities": [EACH], "instance": instance });
        let tested = made_up.world.admin("POST", "/admin/v1/rules/test", asked).await;
        assert_eq!(
            (&tested[0]["client_id"], &tested[0]["is_per_instance"]),
            (&json!(client_id), &json!(true)),
            "{tested}"
        );
    }
    // The event of the registration is decided again for the same client.
    let events = made_up.world.events("client.registered").await;
    for event in &events {
        assert_eq!(event["identity"], EACH);
        let asked = json!({ "request_id": event["request_id"] });
        let explained = made_up.world.admin("POST", "/admin/v1/explain", asked).await;
        let detail = explained["today"]["detail"].as_str().unwrap();
        assert!(detail.starts_with("a known client"), "{explained:#}");
    }
    // The request may name the client by the identity that all instances have, or by its own id.
    for (client_id, status) in [(EACH, 200), (ids[0].as_str(), 200), (ids[1].as_str(), 400)] {
        let answer = made_up.ask_as(EACH, "uid-1", &[("client_id", client_id)]).await;
        assert_eq!(answer.status, status, "{client_id}");
    }
    // Without the claim, the identity is a client of its own.
    assert_eq!(access_token(&made_up.ask(EACH, &[]).await)["client_id"], EACH);
}

#[tokio::test]
async fn each_new_instance_counts_against_the_rate_limit_of_the_rule() {
    let made_up = MadeUp::start().await;
    let mut statuses = Vec::new();
    for number in 0..6 {
        let answer = made_up.ask_as(EACH, &format!("uid-{number}"), &[]).await;
        statuses.push(answer.status);
    }
    let granted = statuses.iter().filter(|status| **status == 200).count();
    assert!((3..6).contains(&granted), "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
    let limited = made_up.last_event("velocity.limited").await;
    assert!(
        limited["instance"].as_str().unwrap().starts_with("uid-"),
        "{limited}"
    );
    // The instances of a client that they share are one registration.
    for number in 0..6 {
        let answer = made_up.ask_as(JOB, &format!("uid-{number}"), &[]).await;
        assert_eq!(answer.status, 200, "{number}");
    }
}

// Row RF-73.
#[tokio::test]
async fn blocked_instance_is_refused_and_the_others_are_served() {
    let made_up = MadeUp::start().await;
    for identity in [JOB, EACH] {
        access_token(&made_up.ask_as(identity, "uid-1", &[]).await);
        made_up.block(identity, "uid-1").await;
        let refused = made_up.ask_as(identity, "uid-1", &[]).await;
        assert_eq!(refused.json()["error"], "invalid_client", "{identity}");
        let event = made_up.last_event("client.refused").await;
        assert_eq!(
            (&event["reason"], &event["identity"], &event["instance"]),
            (&json!("identity_blocked"), &json!(identity), &json!("uid-1"))
        );
        assert_eq!(made_up.today(&refused).await["rejection"], "identity_blocked");
        for other in ["uid-2", "uid-11", "UID-1"] {
            assert_eq!(made_up.ask_as(identity, other, &[]).await.status, 200, "{other}");
            made_up.world.running.app.clock.shift(10);
        }
        assert_eq!(
            made_up.ask(identity, &[]).await.status,
            200,
            "without an instance"
        );
        made_up.unblock(identity, "uid-1").await;
        access_token(&made_up.ask_as(identity, "uid-1", &[]).await);
        assert_eq!(made_up.today(&refused).await["outcome"], "allowed");
    }
    let events = made_up.world.events("identity.blocked").await;
    assert_eq!(
        (
            &events[0]["identity"],
            &events[0]["instance"],
            &events[0]["reason"]
        ),
        (&json!(JOB), &json!("uid-1"), &json!("incident 7"))
    );
}

#[tokio::test]
async fn instance_can_be_blocked_before_it_is_seen_and_stays_blocked_after_a_restart() {
    let made_up = MadeUp::start().await;
    made_up.block(JOB, "uid-1").await;
    assert_eq!(made_up.ask_as(JOB, "uid-1", &[]).await.status, 400);
    assert!(made_up.world.client_ids().await.is_empty());
    let listed = made_up.world.admin("GET", "/admin/v1/blocks", Value::Null).await;
    assert_eq!(
        (&listed[0]["identity"], &listed[0]["instance"]),
        (&json!(JOB), &json!("uid-1")),
        "{listed}"
    );
    let made_up = made_up.restart().await;
    assert_eq!(made_up.ask_as(JOB, "uid-1", &[]).await.status, 400);
    assert_eq!(made_up.ask_as(JOB, "uid-2", &[]).await.status, 200);
}

#[tokio::test]
async fn block_of_an_instance_that_no_request_can_have_is_refused() {
    let made_up = MadeUp::start().await;
    for (identity, instance, words) in [
        ("ci:team-a/runners/*", "1", None),
        (JOB, "uid-1", None),
        ("spiffe://a.example/fleet/cam/*", "1", None),
        (JOB, "", Some("is not an instance")),
        (JOB, "a{b}", Some("is not an instance")),
        (JOB, "*", Some("is not an instance")),
        (JOB, "a b", Some("is not an instance")),
        ("ci:**", "uid-1", Some("neither an identity nor")),
        ("ci", "uid-1", Some("neither an identity nor")),
        ("c6", "uid-1", Some("neither an identity nor")),
        ("ci:*/build", "uid-1", Some("neither an identity nor")),
        ("ci:team-a/runners/*", "a/b", Some("no rule with {instance}")),
        ("ci:team-a/*", "build", Some("no rule with {instance}")),
        ("ci:team-a/runners/1", "uid-1", Some("is one instance already")),
        ("other:app", "uid-1", Some("not configured")),
        (
            "spiffe://a.example/x/1",
            "uid-1",
            Some("no credential of the trust domain"),
        ),
    ] {
        let (status, answer) = made_up.blocks("/admin/v1/blocks", identity, Some(instance)).await;
        let Some(words) = words else {
            assert_eq!(status, 200, "{identity} {instance}: {answer}");
            continue;
        };
        assert!((400..500).contains(&status), "{identity} {instance}: {answer}");
        let error = answer["error_description"].as_str().unwrap();
        assert!(error.contains(words), "{identity} {instance}: {answer}");
    }
    // What was blocked by the id of a shared client is the identity of the instance.
    let listed = made_up.world.admin("GET", "/admin/v1/blocks", Value::Null).await;
    let texts: Vec<&Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|block| &block["identity"])
        .collect();
    assert_eq!(
        texts,
        [
            "ci:team-a/build",
            "ci:team-a/runners/1",
            "spiffe://a.example/fleet/cam/1"
        ]
    );
    let (status, _) = made_up
        .blocks("/admin/v1/blocks/remove", JOB, Some("uid-9"))
        .await;
    assert_eq!(status, 404, "an instance that is not blocked");
}

#[tokio::test]
async fn blocked_instance_that_is_a_sponsor_can_register_no_client() {
    let made_up = MadeUp::start_with("[registration]\ninitial_access_tokens = true", |_| {}).await;
    let wanted = [
        ("scope", "client.register"),
        ("resource", "https://as.example/register"),
    ];
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k1"));
    let body =
        json!({ "jwks": { "keys": [key.public_jwk("sig", true)] }, "grant_types": ["client_credentials"] });
    for (identity, instance, named_by, blocked) in [
        (JOB, Some("uid-1"), JOB, "uid-1"),
        // The pattern of the rule names this one.
        ("ci:team-a/runners/1", None, "ci:team-a/runners/*", "1"),
    ] {
        let answer = match instance {
            Some(instance) => made_up.ask_as(identity, instance, &wanted).await,
            None => made_up.ask(identity, &wanted).await,
        };
        assert_eq!(answer.status, 200, "{answer:?}");
        let bearer = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
        let register = async || {
            let headers = [
                ("content-type", "application/json"),
                ("authorization", bearer.as_str()),
            ];
            let connection = made_up.world.connect();
            connection
                .await
                .send("POST", "/register", &headers, body.to_string())
                .await
        };
        let registered = register().await;
        assert_eq!(registered.status, 201, "{identity}: {registered:?}");
        let named = json!({ "client_id": registered.json()["client_id"] });
        let shown = made_up.world.admin("POST", "/admin/v1/clients/show", named).await;
        assert_eq!(shown["sponsor"]["subject"], identity, "{shown}");
        made_up.block(named_by, blocked).await;
        assert_eq!(register().await.status, 401, "{identity}");
    }
}
