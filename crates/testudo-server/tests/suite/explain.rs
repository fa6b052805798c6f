//! Tests of `explain` for a request: first what its event recorded, then the result of the same request today.

use crate::world::{ISSUER, RULES, TLS, World, domains};
use serde_json::{Value, json};
use testudo_core::records::{Batch, Event, EventKind, RequestDetails};
use testudo_protocol::Timestamp;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::Draft;
use testudo_testkit::{TestIssuer, svid_form};

const PAY: &str = "/ns/pay/sa/api";
const PAY_ID: &str = "spiffe://a.example/ns/pay/sa/api";

/// The explanation of the request that received this answer.
pub async fn explained(world: &World, answer: &Answer) -> Value {
    let question = json!({ "request_id": answer.header("request-id").unwrap() });
    world.admin("POST", "/admin/v1/explain", question).await
}

/// The recorded result, or that of today: the outcome, or the reason of the refusal.
pub fn result<'v>(explained: &'v Value, when: &str) -> &'v str {
    let verdict = &explained[when];
    let result = verdict["rejection"].as_str().or(verdict["outcome"].as_str());
    result.unwrap_or("unknown")
}

/// Both results.
pub fn then_and_today(explained: &Value) -> (&str, &str) {
    (result(explained, "then"), result(explained, "today"))
}

async fn assert_explained(world: &World, answer: &Answer, expected: (&str, &str)) -> Value {
    let explained = explained(world, answer).await;
    assert_eq!(then_and_today(&explained), expected, "{explained:#}");
    explained
}

#[tokio::test]
async fn refusal_for_another_client_id_is_explained_with_the_client_id_that_was_sent() {
    let world = World::start().await;
    world.ask(PAY, &[]).await;
    let refused = world.ask(PAY, &[("client_id", "other")]).await;
    let explained = assert_explained(&world, &refused, ("client_id_mismatch", "client_id_mismatch")).await;
    assert_eq!(explained["event"]["request"]["client_id"], "other");
    assert_eq!(explained["event"]["request"]["grant_type"], "client_credentials");
    assert_eq!(
        (&explained["outcome"], &explained["error"]),
        (&json!("refused"), &json!("invalid_client"))
    );
    assert!(explained["hint"].as_str().unwrap().contains(PAY_ID));
}

#[tokio::test]
async fn request_is_decided_again_with_the_grant_of_its_event_and_one_of_another_grant_is_not() {
    let world = World::start().await;
    let explained_with = async |grant_type: Option<&'static str>, number: u8| {
        let now = world.now();
        let id = format!("{:016x}{number:016x}", now * 1000);
        let mut event = Event::new(
            id.clone(),
            Timestamp(now),
            EventKind::ClientRefused,
            Timestamp(now + 60),
        );
        event.request_id = Some(format!("request-{number}"));
        event.identity = Some(PAY_ID.to_owned());
        event.authority = Some("spiffe://a.example".to_owned());
        event.door = Some("jwt_svid".into());
        event.occasion = Some("token".into());
        event.request = grant_type.map(|name| {
            Box::new(RequestDetails {
                grant_type: Some(name.into()),
                ..RequestDetails::default()
            })
        });
        let mut batch = Batch::default();
        batch.insert(&event);
        world.running.app.store.commit(batch).await.unwrap();
        let question = json!({ "request_id": id });
        world.admin("POST", "/admin/v1/explain", question).await
    };
    // An event of an earlier version names no grant: it was client_credentials.
    for (number, grant_type) in [None, Some("client_credentials")].into_iter().enumerate() {
        let explained = explained_with(grant_type, number as u8).await;
        assert_eq!(explained["today"]["outcome"], "allowed", "{explained:#}");
    }
    let explained = explained_with(Some("urn:example:ticket"), 7).await;
    assert_eq!(
        (&explained["today"], &explained["outcome"]),
        (&Value::Null, &json!("refused")),
        "{explained:#}"
    );
    let note = explained["notes"][0].as_str().unwrap();
    assert!(
        note.contains("the grant `urn:example:ticket` is not decided again"),
        "{note}"
    );
}

#[tokio::test]
async fn refusal_by_a_disabled_authority_is_still_explained_after_it_is_enabled() {
    let world = World::start().await;
    world
        .admin("POST", "/admin/v1/trust/a.example/disable", json!({}))
        .await;
    let disabled = world.ask(PAY, &[]).await;
    assert_explained(&world, &disabled, ("authority_disabled", "authority_disabled")).await;
    world
        .admin("POST", "/admin/v1/trust/a.example/enable", json!({}))
        .await;
    let explained = assert_explained(&world, &disabled, ("authority_disabled", "allowed")).await;
    assert!(
        explained["then"]["detail"]
            .as_str()
            .unwrap()
            .contains("the trust domain `a.example` is disabled")
    );
    assert_eq!(
        explained["outcome"], "refused",
        "the recorded reason must be shown first"
    );

    world.ask(PAY, &[]).await;
    let client = json!({ "client_id": PAY_ID });
    world
        .admin("POST", "/admin/v1/clients/freeze", client.clone())
        .await;
    let frozen = world.ask(PAY, &[]).await;
    assert_explained(&world, &frozen, ("client_frozen", "client_frozen")).await;
    world
        .admin("POST", "/admin/v1/clients/thaw", client.clone())
        .await;
    assert_explained(&world, &frozen, ("client_frozen", "allowed")).await;
}

#[tokio::test]
async fn first_use_is_explained_as_a_first_use_and_today_as_a_known_client() {
    let world = World::start().await;
    let first = world.ask(PAY, &[("scope", "w")]).await;
    let explained = assert_explained(&world, &first, ("allowed", "allowed")).await;
    assert!(
        explained["then"]["detail"]
            .as_str()
            .unwrap()
            .starts_with("client.registered")
    );
    assert!(
        explained["today"]["detail"]
            .as_str()
            .unwrap()
            .starts_with("a known client gets")
    );
    let observed = world
        .send(&svid_form(&world.o.svid("/ns/x/sa/y", ISSUER, world.now()), &[]))
        .await;
    assert_explained(&world, &observed, ("first_use_observed", "first_use_observed")).await;
}

#[tokio::test]
async fn exceeded_limits_are_named_for_the_recorded_request_and_for_today() {
    let rules = r#"
[[rules]]
name = "one"
identities = ["spiffe://a.example/one/*"]
clients_max = 1
[[rules]]
name = "slow"
identities = ["spiffe://a.example/slow/*"]
registrations_per_minute = 1
"#;
    let world = World::start_with(&domains(""), rules).await;
    assert_eq!(world.ask("/one/1", &[]).await.status, 200);
    let full = world.ask("/one/2", &[]).await;
    assert_explained(&world, &full, ("too_many_clients", "too_many_clients")).await;
    assert_eq!(world.ask("/slow/1", &[]).await.status, 200);
    let fast = world.ask("/slow/2", &[]).await;
    let explained = assert_explained(&world, &fast, ("too_fast", "too_fast")).await;
    let steps = explained["steps"].as_array().unwrap();
    let is_velocity = |step: &&Value| step["check"] == "velocity has room";
    assert!(
        !steps.iter().any(|step| is_velocity(&step)),
        "the check failed: {steps:?}"
    );
    let last = steps.last().unwrap();
    assert_eq!(
        (&last["check"], &last["outcome"], &last["detail"]),
        (
            &json!("too_fast"),
            &json!("failed"),
            &explained["today"]["detail"]
        )
    );
    world.running.app.clock.shift(61);
    let explained = assert_explained(&world, &fast, ("too_fast", "allowed")).await;
    let steps = explained["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["outcome"] == "passed"), "{steps:?}");
    assert!(
        steps.iter().any(|step| step["check"] == "velocity has room"),
        "{steps:?}"
    );
    assert_eq!(world.clients().await.len(), 2, "explain registers no client");
    assert_eq!(
        world.ask("/slow/2", &[]).await.status,
        200,
        "explain must not count against the rate limit"
    );
}

#[tokio::test]
async fn replay_of_a_single_use_credential_is_a_replay_today_as_well() {
    let world = World::start_with(&domains("single_use = true"), RULES).await;
    let token = Draft::svid(world.a.key(), PAY_ID, ISSUER, world.now())
        .claim("jti", "once")
        .sign();
    let form = svid_form(&token, &[]);
    assert_eq!(world.send(&form).await.status, 200);
    let replay = world.send(&form).await;
    assert_explained(&world, &replay, ("assertion_replayed", "assertion_replayed")).await;
}

#[tokio::test]
async fn refused_registration_is_explained_with_the_metadata_that_it_asked_for() {
    let server = format!("{TLS}\n[registration]\nstatements = true");
    let (world, tls) = World::start_with_tls(RULES, &server).await;
    let endpoint = format!("{ISSUER}/register");
    let statement = world.a.svid(PAY, &endpoint, world.now());
    let body = json!({
        "software_statement": statement,
        "grant_types": ["authorization_code"],
        "redirect_uris": ["https://elsewhere.example/cb"],
        "client_name": "Orders",
    });
    let json_type = [("content-type", "application/json")];
    let mut connection = tls.connect(world.address(), None).await.unwrap();
    let refused = connection
        .send("POST", "/register", &json_type, body.to_string())
        .await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let first = explained(&world, &refused).await;
    let (then, today) = then_and_today(&first);
    assert_eq!(then, today, "{first:#}");
    let kept = &first["event"]["request"]["metadata"];
    assert_eq!(kept["redirect_uris"], json!(["https://elsewhere.example/cb"]));
    assert!(
        kept["software_statement"].is_null(),
        "the event must not contain a credential: {kept}"
    );
}

#[tokio::test]
async fn request_without_a_proven_identity_is_explained_only_by_its_event() {
    let world = World::start().await;
    let svid = world.svid(PAY);
    let (signed, signature) = svid.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    let refused = world.send(&svid_form(&forged, &[])).await;
    let explained = explained(&world, &refused).await;
    assert_eq!(explained["outcome"], "refused");
    assert!(explained["today"].is_null(), "{explained:#}");
    assert!(
        explained["hint"].as_str().is_some_and(|hint| hint.len() > 20),
        "{explained:#}"
    );
}

/// Replaces the configuration and reloads it.
async fn configure(world: &World, change: impl FnOnce(String) -> String) {
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, change(text)).unwrap();
    world.admin("POST", "/admin/v1/reload", json!({})).await;
}

#[tokio::test]
async fn refusal_without_a_proven_identity_is_explained_by_what_is_configured_today() {
    let world = World::start().await;
    let audience = "https://other.example";
    let send = |svid: String| {
        let world = &world;
        async move { world.send(&svid_form(&svid, &[])).await }
    };
    let elsewhere = send(world.a.svid(PAY, audience, world.now())).await;
    let foreign = TestIssuer::new("z.example");
    let unknown = send(foreign.svid(PAY, ISSUER, world.now())).await;
    let expired = send(world.a.svid(PAY, ISSUER, world.now() - 3600)).await;
    for (answer, reason) in [
        (&elsewhere, "audience_mismatch"),
        (&unknown, "unknown_trust_domain"),
        (&expired, "assertion_expired"),
    ] {
        assert_explained(&world, answer, (reason, reason)).await;
    }

    configure(&world, |text| {
        let accepting = format!("name = \"a.example\"\naccept_audiences = [\"{audience}\"]");
        text.replacen("name = \"a.example\"", &accepting, 1)
            + "[[trust_domains]]\nname = \"z.example\"\nbundle = { file = \"z.json\" }\n"
    })
    .await;
    for (answer, reason, note) in [
        (
            &elsewhere,
            "audience_mismatch",
            "the audience \"https://other.example\" is accepted now",
        ),
        (
            &unknown,
            "unknown_trust_domain",
            "the trust domain `z.example` is configured now",
        ),
    ] {
        let explained = assert_explained(&world, answer, (reason, "unknown")).await;
        let printed = explained["notes"][0].as_str().unwrap();
        assert!(printed.starts_with(note), "{printed}");
    }

    let unavailable = send(foreign.svid(PAY, ISSUER, world.now())).await;
    assert_explained(&world, &unavailable, ("bundle_unavailable", "bundle_unavailable")).await;
    std::fs::write(world.folder.join("z.json"), foreign.bundle().to_string()).unwrap();
    world
        .admin("POST", "/admin/v1/trust/z.example/refresh", json!({}))
        .await;
    let explained = assert_explained(&world, &unavailable, ("bundle_unavailable", "unknown")).await;
    let printed = explained["notes"][0].as_str().unwrap();
    assert!(
        printed.starts_with("there is a usable bundle of the trust domain `z.example` now"),
        "{printed}"
    );
}

#[tokio::test]
async fn request_is_found_by_its_id_after_more_than_a_thousand_later_events() {
    let world = World::start().await;
    let refused = world.ask(PAY, &[("scope", "admin")]).await;
    let mut connection = world.connect().await;
    for number in 0..1_100 {
        let form = svid_form(&world.svid(&format!("/x/{number}")), &[]);
        assert_eq!(connection.post("/token", form).await.status, 200);
    }
    assert_explained(&world, &refused, ("scope_not_allowed", "scope_not_allowed")).await;
    let (status, answer) = world
        .try_admin(
            "POST",
            "/admin/v1/explain",
            json!({ "request_id": "0".repeat(28) }),
        )
        .await;
    assert_eq!(status, 404, "{answer}");
    assert!(
        answer["hint"].as_str().unwrap().contains("--credential"),
        "{answer}"
    );
}

#[tokio::test]
async fn request_is_found_by_the_id_of_a_trusted_proxy_and_by_its_own_id() {
    let server = format!(
        "{TLS}\nproxy = {{ trusted = [\"127.0.0.0/8\"], client_address_header = \"x-forwarded-for\" }}"
    );
    let (world, tls) = World::start_with_tls(RULES, &server).await;
    let mut proxy = tls.connect(world.address(), None).await.unwrap();
    let form = svid_form(&world.svid(PAY), &[("scope", "admin")]);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-request-id", "edge-17"),
        ("traceparent", TRACEPARENT),
    ];
    let refused = proxy.send("POST", "/token", &headers, form).await;
    assert_eq!(refused.error(), "invalid_scope");
    // Events without such an id, more than one page of the store.
    for round in 0..3 {
        let mut batch = Batch::default();
        for number in 0..500 {
            let id = format!("{:016x}{round:08x}{number:08x}", (world.now() + 1) * 1000);
            let kept = Timestamp(world.now() + 1_000);
            let event = Event::new(id, Timestamp(world.now()), EventKind::ClientRegistered, kept);
            batch.insert(&event);
        }
        world.running.app.store.commit(batch).await.unwrap();
    }
    for id in ["edge-17", TRACEPARENT, TRACE_ID] {
        let by_proxy = world
            .admin("POST", "/admin/v1/explain", json!({ "request_id": id }))
            .await;
        assert_eq!(
            by_proxy["event"]["request_id"],
            refused.header("request-id").unwrap(),
            "{id}"
        );
        assert_eq!(by_proxy["event"]["request"]["proxy_request_id"], "edge-17");
        assert_eq!(by_proxy["event"]["request"]["traceparent"], TRACEPARENT);
        let listed = world.events_with(&format!("request={id}")).await;
        assert_eq!(listed[0]["id"], by_proxy["event"]["id"], "{id}");
    }
    for other in ["edge-*", "4bf92f3577b34da6a3ce929d0e0e4737", "edge"] {
        let (status, answer) = world
            .try_admin("POST", "/admin/v1/explain", json!({ "request_id": other }))
            .await;
        assert_eq!(status, 404, "{other}: {answer}");
    }
}

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Registers a client without evidence; returns the answer.
async fn registered_without_evidence(quota: &str) -> (World, Connection, Answer) {
    let server = format!("{TLS}\n[registration]\nopen = {{ grant_types = [\"client_credentials\"]{quota} }}");
    let (world, tls) = World::start_with_tls(RULES, &server).await;
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k1"));
    let body = json!({ "jwks": { "keys": [key.public_jwk("sig", true)] } });
    let mut connection = tls.connect(world.address(), None).await.unwrap();
    let json_type = [("content-type", "application/json")];
    let registered = connection
        .send("POST", "/register", &json_type, body.to_string())
        .await;
    assert_eq!(registered.status, 201, "{registered:?}");
    (world, connection, registered)
}

#[tokio::test]
async fn replacement_of_a_registration_is_explained_only_by_its_event() {
    let (world, mut connection, registered) = registered_without_evidence("").await;
    let client = registered.json();
    let path = format!("/register/{}", client["client_id"].as_str().unwrap());
    let bearer = format!("Bearer {}", client["registration_access_token"].as_str().unwrap());
    let body = json!({ "client_id": client["client_id"], "jwks": client["jwks"] });
    let headers = [
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    let replaced = connection.send("PUT", &path, &headers, body.to_string()).await;
    assert_eq!(replaced.status, 200, "{replaced:?}");
    let explained = explained(&world, &replaced).await;
    assert_eq!(explained["outcome"], "allowed");
    assert!(explained["today"].is_null(), "{explained:#}");
}

#[tokio::test]
async fn path_of_a_registration_that_does_not_exist_is_not_kept_in_the_event() {
    let (world, mut connection, _) = registered_without_evidence("").await;
    let path = format!("/register/{}", "x".repeat(20_000));
    let headers = [("authorization", "Bearer wrong")];
    let refused = connection.send("GET", &path, &headers, "").await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let explained = explained(&world, &refused).await;
    let size = explained["event"].to_string().len();
    assert!(size < 2_000, "the event has {size} bytes");
}

#[tokio::test]
async fn quota_that_the_explained_registration_filled_is_named_today() {
    let (world, _, registered) = registered_without_evidence(", clients_max = 1").await;
    assert_explained(&world, &registered, ("allowed", "too_many_clients")).await;
}

#[tokio::test]
async fn event_that_is_not_of_a_request_is_not_explained_as_a_refusal() {
    let world = World::start().await;
    world
        .admin(
            "POST",
            "/admin/v1/trust/a.example/disable",
            json!({ "reason": "test" }),
        )
        .await;
    let event = world.events("authority.disabled").await.remove(0);
    let question = json!({ "request_id": event["id"] });
    let (status, answer) = world.try_admin("POST", "/admin/v1/explain", question).await;
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer["error_description"]
            .as_str()
            .unwrap()
            .contains("authority.disabled"),
        "{answer}"
    );
}

#[tokio::test]
async fn certificate_chain_in_pem_is_explained_and_other_texts_get_a_fitting_error() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let issuer = &tls.a;
    let ask = async |credential: &str| {
        world
            .try_admin("POST", "/admin/v1/explain", json!({ "credential": credential }))
            .await
            .1
    };
    let explained = ask(&issuer.svid("/x/1").chain_pem()).await;
    assert_eq!(explained["outcome"], "allowed", "{explained:#}");
    let form = explained["steps"][0]["detail"].as_str().unwrap();
    assert!(form.contains("whether the client has the private key"), "{form}");
    for (credential, problem, hint) in [
        (" ", "is empty", "JWT-SVID"),
        ("Bearer eyJ.eyJ.x", "begins with `Bearer`", "without `Bearer`"),
        (
            &issuer.svid("/x/1").key_pem(),
            "it contains a private key",
            "BEGIN CERTIFICATE",
        ),
    ] {
        let answer = ask(credential).await;
        let found =
            [&answer["error_description"], &answer["hint"]].map(|text| text.as_str().unwrap_or_default());
        assert!(found[0].contains(problem) && found[1].contains(hint), "{answer}");
    }
}

#[tokio::test]
async fn refusal_at_the_admin_listener_is_explained_by_its_request_id() {
    let listen = format!("listen = \"127.0.0.1:0\"\n{}", domains(""));
    let world = World::start_with(&listen, RULES).await;
    let granted = world.ask(PAY, &[]).await.json();
    let of_client = format!("Bearer {}", granted["access_token"].as_str().unwrap());
    let mut admin = Connection::open(world.running.admin_address.unwrap()).await;
    for (authorization, status, reason) in [
        (None, 401, "admin_token_missing"),
        (Some("Bearer x.y.z"), 401, "admin_token_refused"),
        (Some(of_client.as_str()), 401, "admin_token_refused"),
    ] {
        let header = authorization.map(|value| ("authorization", value));
        let headers: Vec<_> = header.into_iter().collect();
        let refused = admin.send("GET", "/admin/v1/status", &headers, "").await;
        assert_eq!(refused.status, status, "{refused:?}");
        let explained = explained(&world, &refused).await;
        assert_eq!(explained["rejection"], reason, "{explained:#}");
        assert_eq!(explained["event"]["event"], "admin.refused");
        assert_eq!(explained["error"], refused.error());
        let said = explained["detail"].as_str().unwrap();
        assert!(said.starts_with("/admin/v1/status: "), "{said}");
        assert!(
            explained["hint"].as_str().is_some_and(|hint| hint.len() > 20),
            "{explained:#}"
        );
    }
}

/// A rule for each of these values of `sender_constraint`, for the identities of `a.example` and `b.example` whose path
/// begins with the value.
pub fn constrained_rules(values: &[&str]) -> String {
    let rule = |value: &&str| {
        format!(
            "[[rules]]\nname = \"{value}\"\nsender_constraint = \"{value}\"\n\
            identities = [\"spiffe://a.example/{value}/*\", \"spiffe://b.example/{value}/*\"]\n"
        )
    };
    values.iter().map(rule).collect()
}

#[tokio::test]
async fn refusal_of_a_proof_that_is_not_recorded_is_not_decided_again() {
    let constraints = ["none", "dpop", "any"];
    let world = World::start_with(&domains(""), &constrained_rules(&constraints)).await;
    for constraint in constraints {
        let form = svid_form(&world.svid(&format!("/{constraint}/x")), &[]);
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("DPoP", "x"),
        ];
        let refused = world
            .connect()
            .await
            .send("POST", "/token", &headers, form.clone())
            .await;
        let explained = assert_explained(&world, &refused, ("dpop_refused", "unknown")).await;
        assert_eq!(
            explained["event"]["identity"],
            format!("spiffe://a.example/{constraint}/x")
        );
        let notes = json!(["the proof of the request was not recorded"]);
        assert_eq!(explained["notes"], notes, "{constraint}");
    }
    // That a request has no proof is recorded.
    let without = world.ask("/dpop/x", &[]).await;
    assert_explained(&world, &without, ("binding_missing", "binding_missing")).await;
}

#[tokio::test]
async fn refusal_of_the_parameters_of_a_request_is_the_same_today_without_a_recorded_identity() {
    let world = World::start().await;
    let svid = world.svid(PAY);
    let parameters = |grant_type: &str, more: &str| {
        format!(
            "{}{more}",
            svid_form(&svid, &[]).replace("grant_type=client_credentials", grant_type)
        )
    };
    let service = "grant_type=client_credentials";
    for (form, reason) in [
        (
            parameters("grant_type=authorization_code", ""),
            "unsupported_grant_type",
        ),
        (parameters("a=b", ""), "missing_grant_type"),
        (parameters(service, "&scope=r&scope=w"), "malformed_form"),
        (parameters(service, "&scope=%22"), "malformed_scope"),
        (parameters(service, "&resource=x"), "malformed_resource"),
        (parameters(service, "&client_id=%C3%A9"), "malformed_client_id"),
    ] {
        let refused = world.send(&form).await;
        let explained = assert_explained(&world, &refused, (reason, reason)).await;
        assert_eq!(explained["today"], explained["then"], "{reason}");
        assert!(explained["notes"].is_null(), "{explained:#}");
    }
    let events = world.events("client.refused").await;
    let recorded = |event: &&Value| event["request"]["grant_type"] == "authorization_code";
    assert!(events.iter().any(|event| recorded(&event)), "{events:#?}");
    let long = parameters(&format!("grant_type={}", "x".repeat(3_000)), "");
    let refused = world.send(&long).await;
    let reason = "unsupported_grant_type";
    let explained = assert_explained(&world, &refused, (reason, reason)).await;
    assert_eq!(explained["event"]["request"]["grant_type"], "x".repeat(80));
}

#[tokio::test]
async fn credential_is_explained_with_the_dpop_proof_that_its_request_needs() {
    let (world, tls) = World::start_with_tls(&constrained_rules(&["none", "dpop", "mtls", "any"]), TLS).await;
    let needs = "; the request needs a DPoP proof";
    for (constraint, kind, outcome, needs_proof) in [
        ("none", "jwt", "allowed", false),
        ("dpop", "jwt", "allowed", true),
        ("any", "jwt", "allowed", true),
        ("mtls", "jwt", "binding_missing", false),
        ("none", "x509", "allowed", false),
        ("dpop", "x509", "allowed", true),
        ("any", "x509", "allowed", false),
        ("mtls", "x509", "allowed", false),
    ] {
        let path = format!("/{constraint}/x");
        let credential = match kind {
            "jwt" => world.svid(&path),
            _ => tls.a.svid(&path).chain_pem(),
        };
        let question = json!({ "credential": credential });
        let explained = world.admin("POST", "/admin/v1/explain", question).await;
        let verdict = &explained["today"];
        let found = verdict["rejection"].as_str().or(verdict["outcome"].as_str());
        assert_eq!(found, Some(outcome), "{constraint} {kind}: {explained:#}");
        let detail = verdict["detail"].as_str().unwrap();
        assert_eq!(
            detail.ends_with(needs),
            needs_proof,
            "{constraint} {kind}: {detail}"
        );
    }
}
