//! Tests of RFC 7592: a client that registered without evidence manages its registration.

use super::open::{joined, jwks, key, wide_open};
use super::*;
use testudo_core::records::Kind;

const CALLBACK: &str = "https://app.example/cb";

struct Managed<'w> {
    world: &'w World,
    body: Value,
}

impl Managed<'_> {
    async fn new(world: &World) -> Managed<'_> {
        let asked = json!({ "redirect_uris": [CALLBACK, "https://app.example/two"], "client_name": "App" });
        Managed {
            world,
            body: joined(world, asked).await,
        }
    }

    fn id(&self) -> &str {
        self.body["client_id"].as_str().unwrap()
    }

    fn token(&self) -> &str {
        self.body["registration_access_token"].as_str().unwrap()
    }

    async fn call(&self, method: &str, token: &str, body: &Value) -> Answer {
        call(
            self.world,
            method,
            &format!("/register/{}", self.id()),
            Some(token),
            body,
        )
        .await
    }

    async fn read(&self) -> Answer {
        self.call("GET", self.token(), &Value::Null).await
    }

    /// The body of a PUT with the values of the last GET.
    fn replacement(&self) -> Value {
        let mut body = self.body.clone();
        for member in [
            "registration_access_token",
            "registration_client_uri",
            "client_id_issued_at",
        ] {
            body.as_object_mut().unwrap().remove(member);
        }
        body
    }
}

async fn call(world: &World, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![JSON];
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = world.connect().await.send(method, path, &headers, body).await;
    if answer.status != 405 {
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "DR-140: {answer:?}"
        );
    }
    answer
}

fn is_401t(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
}

// Row DR-112.
#[tokio::test]
async fn registration_is_read_with_its_token() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    let answer = client.read().await;
    assert_eq!((answer.status, &answer.json()), (200, &client.body));
    assert!(answer.json()["software_statement"].is_null());
    assert_eq!(
        client.read().await.json(),
        client.body,
        "reading must not replace the token"
    );
}

// Row DR-113.
#[tokio::test]
async fn registration_access_token_is_accepted_only_in_the_authorization_header() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    let path = format!("/register/{}", client.id());
    let in_url = format!("{path}?access_token={}", client.token());
    for (path, token) in [
        (&path, None),
        (&in_url, None),
        (&path, Some("rat_wrong")),
        (&path, Some("a.b.c")),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = call(&world, method, path, token, &client.replacement()).await;
            is_401t(&answer);
            let challenge = answer.header("www-authenticate").unwrap();
            assert_eq!(
                challenge.contains("invalid_token"),
                token.is_some(),
                "[RFC6750 §3.1]"
            );
        }
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("access_token={}", client.token());
    is_401t(&world.connect().await.send("PUT", &path, &form, body).await);
    let basic = format!("Basic {}", client.token());
    let headers = [JSON, ("authorization", basic.as_str())];
    is_401t(&world.connect().await.send("GET", &path, &headers, "").await);
    assert_eq!(client.read().await.json(), client.body, "unchanged");
}

// Rows DR-114, DR-126.
#[tokio::test]
async fn token_of_another_client_gets_the_same_401_for_existing_and_unknown_clients() {
    let world = wide_open().await;
    let (one, two) = (Managed::new(&world).await, Managed::new(&world).await);
    register(&world, PAY_ID, json!({})).await;
    let ids = [
        two.id(),
        "c_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "c6",
        "",
        "spiffe%3A%2F%2Fa.example%2Fns%2Fpay%2Fsa%2Fapi",
    ];
    let mut bodies = Vec::new();
    for id in ids {
        for method in ["GET", "DELETE", "PUT"] {
            let path = format!("/register/{id}");
            let answer = call(&world, method, &path, Some(one.token()), &two.replacement()).await;
            is_401t(&answer);
            bodies.push(answer.body);
        }
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(two.read().await.json(), two.body);
    assert_eq!(world.client_ids().await.len(), 3);
}

// Row DR-115.
#[tokio::test]
async fn registration_access_token_is_refused_at_other_endpoints() {
    let entries = format!(
        "listen = \"127.0.0.1:0\"\n[registration]\nopen = true\n{}",
        domains("")
    );
    let world = World::start_with(&entries, RULES).await;
    let client = Managed::new(&world).await;
    let mut admin = testudo_testkit::http::Connection::open(world.running.admin_address.unwrap()).await;
    let authorization = format!("Bearer {}", client.token());
    for (method, path) in [("GET", "/admin/v1/clients"), ("POST", "/admin/v1/clients/sweep")] {
        let headers = [JSON, ("authorization", authorization.as_str())];
        let answer = admin.send(method, path, &headers, "{}").await;
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
    }
    let answer = call(
        &world,
        "POST",
        "/register",
        Some(client.token()),
        &json!({ "redirect_uris": [CALLBACK] }),
    )
    .await;
    is_401t(&answer);
    let at_token = call(&world, "POST", "/token", Some(client.token()), &Value::Null).await;
    assert_ne!(at_token.status, 200);
    assert_eq!(world.client_ids().await.len(), 1);
}

// Row DR-116.
#[tokio::test]
async fn replacement_with_wrong_client_id_or_server_members_is_refused() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    let mut wrong = vec![client.replacement(), client.replacement(), client.replacement()];
    wrong[0].as_object_mut().unwrap().remove("client_id");
    wrong[1]["client_id"] = json!("c_other");
    wrong[2]["client_id"] = json!(7);
    for member in [
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
        "client_secret",
    ] {
        let mut body = client.replacement();
        body[member] = json!("x");
        wrong.push(body);
    }
    for body in &wrong {
        let answer = client.call("PUT", client.token(), body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "invalid_request"),
            "{body}"
        );
    }
    assert_eq!(client.read().await.json(), client.body, "unchanged");
}

// Rows DR-117, DR-118.
#[tokio::test]
async fn replacement_deletes_omitted_members_and_rotates_the_token() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    let replacement = json!({ "client_id": client.id(), "redirect_uris": [CALLBACK] });
    let answer = client.call("PUT", client.token(), &replacement).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!(
        (&body["client_id"], &body["redirect_uris"]),
        (&json!(client.id()), &json!([CALLBACK]))
    );
    assert!(body["client_name"].is_null(), "an omitted member must be deleted");
    assert_eq!(body["client_id_issued_at"], client.body["client_id_issued_at"]);
    let next = body["registration_access_token"].as_str().unwrap();
    assert_ne!(next, client.token());
    // The answer may have been lost, so the old token is accepted until the new one is used.
    assert_eq!(client.read().await.status, 200);
    assert_eq!(client.call("GET", next, &Value::Null).await.json(), body);
    is_401t(&client.read().await);
    let events = world.events("client.refused").await;
    assert!(
        events
            .iter()
            .any(|event| event["reason"] == "registration_token_superseded")
    );
    assert_eq!(world.events("client.updated").await.len(), 1);
    // The old token is accepted for at most one minute.
    let answer = client.call("PUT", next, &replacement).await;
    assert_eq!(answer.status, 200);
    world.running.app.clock.shift(61);
    is_401t(&client.call("GET", next, &Value::Null).await);
    let latest = answer.json()["registration_access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(client.call("GET", &latest, &Value::Null).await.status, 200);
}

// Row DR-119.
#[tokio::test]
async fn deleted_client_gets_no_tokens_and_leaves_no_record() {
    let world = wide_open().await;
    let own = key();
    let body = joined(
        &world,
        json!({ "jwks": jwks(&own), "grant_types": ["client_credentials"] }),
    )
    .await;
    let client = Managed { world: &world, body };
    let ask = async |jti: &str| {
        world
            .ask_with(Draft::assertion(&own, client.id(), ISSUER, jti, world.now()), &[])
            .await
    };
    assert_eq!(ask("1").await.status, 200);
    let answer = client.call("DELETE", client.token(), &Value::Null).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    is_401t(&client.read().await);
    is_401t(&client.call("DELETE", client.token(), &Value::Null).await);
    assert_eq!(ask("2").await.error(), "invalid_client");
    let history = world
        .running
        .app
        .store
        .list(Kind::Removed, &[], 10)
        .await
        .unwrap();
    assert!(
        history.is_empty(),
        "a client id of this server is never used again, so only its events are kept"
    );
    assert!(world.client_ids().await.is_empty());
    let event = world.events("client.removed").await.remove(0);
    assert_eq!(
        (&event["actor"], &event["reason"]),
        (&json!("client"), &json!("deregistered"))
    );
}

// Row DR-120.
#[tokio::test]
async fn frozen_client_cannot_read_change_or_delete_its_registration() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    let change = async |verb: &str| {
        world
            .admin(
                "POST",
                &format!("/admin/v1/clients/{verb}"),
                json!({ "client_id": client.id() }),
            )
            .await
    };
    change("freeze").await;
    for method in ["GET", "PUT", "DELETE"] {
        let answer = client.call(method, client.token(), &client.replacement()).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (403, "access_denied"),
            "{method}"
        );
        is_401t(&client.call(method, "rat_wrong", &client.replacement()).await);
    }
    assert_eq!(
        world.clients().await.remove(0)["state"],
        "frozen",
        "the client must stay frozen"
    );
    change("thaw").await;
    assert_eq!(client.read().await.status, 200);
}

// Rows DR-121 to DR-125.
#[tokio::test]
async fn replacement_is_validated_as_a_whole_and_cannot_change_the_kind_of_client() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    let put = async |more: Value| {
        let mut body = client.replacement();
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        client.call("PUT", client.token(), &body).await
    };
    // DR-121: the authentication method cannot be changed.
    assert_eq!(
        put(json!({ "token_endpoint_auth_method": "private_key_jwt" }))
            .await
            .error(),
        "invalid_client_metadata"
    );
    let with_keys = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks(&key()) });
    assert_eq!(put(with_keys).await.error(), "invalid_client_metadata");
    let machine = json!({ "jwks": jwks(&key()), "grant_types": ["client_credentials"] });
    let machine = Managed {
        world: &world,
        body: joined(&world, machine).await,
    };
    let mut weaker = machine.replacement();
    weaker["token_endpoint_auth_method"] = json!("none");
    assert_eq!(
        machine.call("PUT", machine.token(), &weaker).await.error(),
        "invalid_client_metadata"
    );
    let native = json!({ "redirect_uris": ["http://127.0.0.1/cb"], "application_type": "native" });
    assert_eq!(put(native).await.error(), "invalid_client_metadata");
    // A statement is for another kind of registration.
    let statement = json!({ "software_statement": statement(&world, PAY_ID) });
    assert_eq!(put(statement).await.error(), "invalid_client_metadata");
    // DR-124: a refused replacement changes nothing, also not the token.
    let mixed = json!({ "client_name": "New", "redirect_uris": [CALLBACK, "javascript:alert(1)"] });
    assert_eq!(put(mixed).await.error(), "invalid_redirect_uri");
    assert_eq!(
        client.read().await.json(),
        client.body,
        "the registration and the token must be unchanged"
    );
    // DR-125: members that a client must not set.
    let before = world.clients().await;
    let names = [
        "state",
        "rule",
        "authority",
        "subject",
        "enabled",
        "trusted",
        "resources",
        "attributes",
        "protocol",
        "roles",
    ];
    let mut privileged = json!({});
    for name in names {
        privileged[name] = json!("admin");
    }
    let answer = put(privileged).await;
    assert_eq!(answer.status, 200);
    assert!(names.iter().all(|name| answer.json()[name].is_null()));
    let without_time = |mut clients: Vec<Value>| {
        for client in &mut clients {
            client["registration"]["issued"] = json!(null);
        }
        clients
    };
    assert_eq!(without_time(world.clients().await), without_time(before));
    // DR-123: the minimum requirements are computed and not copied from the request.
    let token = answer.json()["registration_access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let bare = json!({ "client_id": client.id(), "redirect_uris": [CALLBACK], "require_pushed_authorization_requests": false });
    let answer = client.call("PUT", &token, &bare).await;
    assert_eq!(answer.json()["require_pushed_authorization_requests"], true);
}

// Row DR-122.
#[tokio::test]
async fn unchanged_replacement_is_validated_by_the_current_configuration() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    assert_eq!(client.body["scope"], "open.read open.write");
    let tighter = format!(
        "[registration]\nopen = {{ scopes = [\"open.read\"] }}\n{}",
        domains("")
    );
    world.reload_with(&tighter, RULES).await;
    let answer = client.call("PUT", client.token(), &client.replacement()).await;
    assert_eq!(
        (answer.status, &answer.json()["scope"]),
        (200, &json!("open.read"))
    );
    let token = answer.json()["registration_access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let none = format!(
        "[registration]\nopen = {{ scopes = [\"other\"] }}\n{}",
        domains("")
    );
    world.reload_with(&none, RULES).await;
    let answer = client.call("PUT", &token, &client.replacement()).await;
    assert_eq!(answer.error(), "invalid_client_metadata");
    // Registration without evidence is disabled, so these registrations cannot be managed.
    world
        .reload_with(&format!("[registration]\n{}", domains("")), RULES)
        .await;
    assert_eq!(client.call("GET", &token, &Value::Null).await.status, 403);
}

// Row DR-127.
#[tokio::test]
async fn other_http_methods_are_answered_405_with_allow() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    for method in ["PATCH", "POST"] {
        let answer = client.call(method, client.token(), &client.replacement()).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, PUT, DELETE")),
            "{method}"
        );
    }
}

// Row DR-128.
#[tokio::test]
async fn parallel_replacements_never_mix_their_members() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    let (address, path) = (world.address(), format!("/register/{}", client.id()));
    let racers: Vec<_> = (0..50)
        .map(|number| {
            let body = json!({ "client_id": client.id(), "client_name": format!("name {number}"),
                "redirect_uris": [format!("https://app.example/{number}")] });
            let (path, authorization) = (path.clone(), format!("Bearer {}", client.token()));
            tokio::spawn(async move {
                let headers = [JSON, ("authorization", authorization.as_str())];
                let mut connection = testudo_testkit::http::Connection::open(address).await;
                connection.send("PUT", &path, &headers, body.to_string()).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for racer in racers {
        answers.push(racer.await.unwrap());
    }
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let shown = world.clients().await.remove(0);
    let name = shown["metadata"]["client_name"].as_str().unwrap();
    let uri = name.replace("name ", "https://app.example/");
    assert_eq!(
        shown["metadata"]["redirect_uris"],
        json!([uri]),
        "the result must be exactly one of the replacements"
    );
    assert_eq!(world.events("client.updated").await.len(), 50);
}

#[tokio::test]
async fn replacement_counts_as_a_new_registration() {
    let world = super::open::open_door("{ registrations_per_minute_per_address = 3 }").await;
    let client = Managed::new(&world).await;
    let mut token = client.token().to_owned();
    for _ in 0..2 {
        let answer = client.call("PUT", &token, &client.replacement()).await;
        assert_eq!(answer.status, 200);
        token = answer.json()["registration_access_token"]
            .as_str()
            .unwrap()
            .to_owned();
    }
    let mut bad = client.replacement();
    bad["redirect_uris"] = json!(["x:y"]);
    assert_eq!(
        client.call("PUT", &token, &bad).await.status,
        400,
        "refused requests must not count against the rate limit"
    );
    let answer = client.call("PUT", &token, &client.replacement()).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(
        client.call("GET", &token, &Value::Null).await.status,
        200,
        "the token must be unchanged"
    );
}

/// An attacker uses a stolen previous token within its last minute. The unused successor, which the client has, must
/// stay valid.
#[tokio::test]
async fn previous_management_token_does_not_revoke_its_unused_successor() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    let of = |answer: &testudo_testkit::http::Answer| {
        let token = answer.json()["registration_access_token"].clone();
        token.as_str().unwrap().to_owned()
    };
    let old = client.token().to_owned();
    let successor = of(&client.call("PUT", &old, &client.replacement()).await);
    assert_eq!(
        client.call("DELETE", &old, &Value::Null).await.status,
        401,
        "a previous token must not delete the client"
    );
    let stolen = of(&client.call("PUT", &old, &client.replacement()).await);
    // Further requests of the attacker do not remove the successor from the list.
    let stolen = of(&client.call("PUT", &stolen, &client.replacement()).await);
    assert_eq!(client.call("GET", &stolen, &Value::Null).await.status, 200);
    let answer = client.call("PUT", &successor, &client.replacement()).await;
    assert_eq!(answer.status, 200, "the successor must be accepted: {answer:?}");
    for beaten in [&old, &stolen] {
        assert_eq!(client.call("GET", beaten, &Value::Null).await.status, 401);
    }
    assert_eq!(client.call("GET", &of(&answer), &Value::Null).await.status, 200);
    assert_eq!(
        client.call("DELETE", &of(&answer), &Value::Null).await.status,
        204
    );
}

#[tokio::test]
async fn unknown_members_of_a_registered_key_set_are_neither_stored_nor_returned() {
    let world = wide_open().await;
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k"));
    let public = key.public_jwk("sig", true);
    let mut odd = serde_json::to_value(&public).unwrap();
    odd["x-note"] = json!("\u{1b}[2J");
    odd["x5u"] = json!("https://evil.example/");
    let body = json!({
        "jwks": { "keys": [odd], "note": "\u{202e}" },
        "grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
    });
    let mut connection = world.connect().await;
    let answer = connection
        .send("POST", "/register", &[JSON], body.to_string())
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let kept = json!({ "keys": [public] });
    assert_eq!(answer.json()["jwks"], kept);
    assert_eq!(world.clients().await.remove(0)["metadata"]["jwks"], kept);
    let mut hostile = serde_json::to_value(&public).unwrap();
    hostile["kid"] = json!("a\u{9b}b");
    let mut refused = body.clone();
    refused["jwks"] = json!({ "keys": [hostile] });
    let answer = connection
        .send("POST", "/register", &[JSON], refused.to_string())
        .await;
    assert_eq!(answer.error(), "invalid_client_metadata", "{answer:?}");
}

#[tokio::test]
async fn management_request_reads_its_client_once() {
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    let store = &world.running.app.store;
    let reads = store.reads();
    assert_eq!(client.read().await.status, 200);
    assert_eq!(store.reads() - reads, 1, "GET");
    let reads = store.reads();
    let replaced = client.call("PUT", client.token(), &client.replacement()).await;
    assert_eq!(replaced.status, 200, "{replaced:?}");
    assert_eq!(store.reads() - reads, 1, "PUT");
    let token = replaced.json()["registration_access_token"].clone();
    let reads = store.reads();
    let deleted = client.call("DELETE", token.as_str().unwrap(), &Value::Null).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
    assert_eq!(store.reads() - reads, 1, "DELETE");
}

/// The client is read before the body arrives; a freeze by an administrator in between must still apply.
#[tokio::test]
async fn replacement_is_refused_if_the_client_is_frozen_while_the_body_arrives() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = wide_open().await;
    let client = Managed::new(&world).await;
    let body = client.replacement().to_string();
    let head = format!(
        "PUT /register/{} HTTP/1.1\r\nhost: as.example\r\ncontent-type: application/json\r\nconnection: close\r\n\
         authorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        client.id(),
        client.token(),
        body.len()
    );
    let reads = world.running.app.store.reads();
    let mut stream = tokio::net::TcpStream::connect(world.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let is_read = async {
        while world.running.app.store.reads() == reads {
            tokio::task::yield_now().await;
        }
    };
    let within = std::time::Duration::from_secs(20);
    tokio::time::timeout(within, is_read)
        .await
        .expect("the client is read");
    let frozen = json!({ "client_id": client.id() });
    world.admin("POST", "/admin/v1/clients/freeze", frozen).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}
