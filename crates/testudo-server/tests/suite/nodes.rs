//! Tests of several nodes with one PostgreSQL. Rows RF-09, RF-39, RF-61, RF-66 across nodes, decisions 0009, 0010,
//! 0011, 0014.

use crate::world::{ISSUER, MutualTls, World};
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use testudo_server::Running;
use testudo_testkit::http::{Answer, Connection, over_socket};
use testudo_testkit::postgres::Postgres;
use testudo_testkit::scratch::folder;
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::{assertion_form, form, key_set, svid_form};

pub const PAY: &str = "/ns/pay/sa/api";
pub const PAY_ID: &str = "spiffe://a.example/ns/pay/sa/api";

pub fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| Postgres::start(&folder("postgres")).expect("PostgreSQL did not start"))
}

struct Cluster {
    first: World,
    tls: MutualTls,
    second: Running,
    second_folder: std::path::PathBuf,
}

impl Cluster {
    async fn start(name: &str) -> Cluster {
        let (first, tls) = World::start_over(&postgres().database(name).unwrap()).await;
        let (second, second_folder) = first.join().await;
        Cluster {
            first,
            tls,
            second,
            second_folder,
        }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        [self.first.address(), self.second.addresses[0]]
    }

    async fn connect(&self, node: usize) -> Connection {
        self.tls.connect(self.addresses()[node], None).await.unwrap()
    }

    async fn ask(&self, node: usize, path: &str) -> Answer {
        self.connect(node)
            .await
            .post("/token", svid_form(&self.first.svid(path), &[]))
            .await
    }

    async fn events(&self, kind: &str) -> usize {
        self.first.events(kind).await.len()
    }
}

pub async fn admin(folder: &Path, path: &str, body: serde_json::Value) -> serde_json::Value {
    over_socket(&folder.join("admin.sock"), "POST", path, body)
        .await
        .1
}

/// Waits for a condition; returns how long it took.
pub async fn until(mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so().await {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "the condition was not met within the deadline"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    started.elapsed()
}

// Row RF-39, decision 0009.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn switch_set_on_one_node_applies_on_the_other_within_a_second() {
    let cluster = Cluster::start("switches").await;
    assert_eq!(cluster.ask(0, PAY).await.status, 200);
    // The second node has a cached verification result, and an open mutual TLS connection.
    let remembered = svid_form(&cluster.first.svid(PAY), &[]);
    let mut kept = cluster.connect(1).await;
    assert_eq!(kept.post("/token", remembered.clone()).await.status, 200);
    let mut by_certificate = cluster
        .tls
        .connect(cluster.addresses()[1], Some(&cluster.tls.a.svid(PAY)))
        .await
        .unwrap();
    let body = form(&[("grant_type", "client_credentials"), ("client_id", PAY_ID)]);
    assert_eq!(by_certificate.post("/token", body.clone()).await.status, 200);

    let folder = cluster.first.folder.clone();
    let changes = [
        (
            "/admin/v1/trust/a.example/disable",
            json!({}),
            "/admin/v1/trust/a.example/enable",
            json!({}),
        ),
        (
            "/admin/v1/clients/freeze",
            json!({ "client_id": PAY_ID }),
            "/admin/v1/clients/thaw",
            json!({ "client_id": PAY_ID }),
        ),
        (
            "/admin/v1/blocks",
            json!({ "identity": PAY_ID }),
            "/admin/v1/blocks/remove",
            json!({ "identity": PAY_ID }),
        ),
    ];
    for (off, off_body, on, on_body) in changes {
        admin(&folder, off, off_body).await;
        let took = until(async || kept.post("/token", remembered.clone()).await.status == 400).await;
        let took_too = until(async || by_certificate.post("/token", body.clone()).await.status == 400).await;
        println!(
            "{off}: applied by the other node after {took:?} (cached assertion), {took_too:?} (open connection)"
        );
        assert!(
            took + took_too < Duration::from_secs(1),
            "{off}: {took:?} {took_too:?}"
        );
        admin(&folder, on, on_body).await;
        until(async || kept.post("/token", remembered.clone()).await.status == 200).await;
        until(async || by_certificate.post("/token", body.clone()).await.status == 200).await;
    }
}

// Row RF-61.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn new_identity_on_two_nodes_at_once_makes_one_client_and_one_event() {
    let cluster = Cluster::start("race").await;
    let gate = Arc::new(tokio::sync::Barrier::new(64));
    let mut racers = Vec::new();
    for number in 0..64 {
        let mut connection = cluster.connect(number % 2).await;
        let draft = Draft::svid(
            cluster.first.a.key(),
            "spiffe://a.example/x/race",
            ISSUER,
            cluster.first.now(),
        );
        let (body, gate) = (svid_form(&draft.claim("n", number).sign(), &[]), gate.clone());
        racers.push(tokio::spawn(async move {
            gate.wait().await;
            connection.post("/token", body).await.status
        }));
    }
    for racer in racers {
        assert_eq!(racer.await.unwrap(), 200);
    }
    assert_eq!(cluster.first.client_ids().await, ["spiffe://a.example/x/race"]);
    assert_eq!(cluster.events("client.registered").await, 1);
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends the metadata of a client.
pub async fn register(connection: &mut Connection, body: &serde_json::Value) -> Answer {
    connection
        .send("POST", "/register", &[JSON], body.to_string())
        .await
}

// Row DR-104.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundred_registrations_on_two_nodes_make_one_client_and_one_event() {
    let cluster = Arc::new(Cluster::start("registrations").await);
    let world = &cluster.first;
    let statement = Draft::svid(world.a.key(), PAY_ID, "https://as.example/register", world.now()).sign();
    let racers: Vec<_> = (0..100)
        .map(|number| {
            let (cluster, body) = (
                cluster.clone(),
                json!({ "software_statement": statement, "scope": "r" }),
            );
            tokio::spawn(async move { register(&mut cluster.connect(number % 2).await, &body).await })
        })
        .collect();
    for racer in racers {
        let answer = racer.await.unwrap();
        assert_eq!(
            (answer.status, &answer.json()["client_id"]),
            (201, &json!(PAY_ID)),
            "{answer:?}"
        );
    }
    assert_eq!(cluster.first.client_ids().await, [PAY_ID]);
    assert_eq!(cluster.events("client.registered").await, 1);
    // A registration at one node applies at the other.
    let wide = svid_form(&world.svid(PAY), &[("scope", "w")]);
    for node in [0, 1] {
        let answer = cluster.connect(node).await.post("/token", wide.clone()).await;
        assert_eq!(answer.error(), "invalid_scope");
    }
}

// [RFC7592 §2.3]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn client_deleted_by_rfc7592_on_one_node_is_refused_on_every_node() {
    let cluster = Cluster::start("managed").await;
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k"));
    let asked = json!({ "jwks": { "keys": [key.public_jwk("sig", true)] } });
    let answer = register(&mut cluster.connect(0).await, &asked).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let (id, token) = (
        answer.json()["client_id"].clone(),
        answer.json()["registration_access_token"].clone(),
    );
    let (id, token) = (id.as_str().unwrap(), token.as_str().unwrap());
    let ask = async |node: usize, jti: &str| {
        let assertion = Draft::assertion(&key, id, ISSUER, jti, cluster.first.now()).sign();
        let body = assertion_form(&assertion, &[]);
        cluster.connect(node).await.post("/token", body).await
    };
    assert_eq!(ask(0, "1").await.status, 200);
    assert_eq!(
        ask(1, "2").await.status,
        200,
        "a client id of one node must be known on the other"
    );
    assert_eq!(
        ask(1, "1").await.error(),
        "invalid_client",
        "an assertion must be accepted once by all nodes together"
    );
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    let path = format!("/register/{id}");
    let deleted = cluster.connect(1).await.send("DELETE", &path, &headers, "").await;
    assert_eq!(deleted.status, 204);
    assert_eq!(ask(1, "3").await.error(), "invalid_client");
    let mut tries = 0;
    let waited = until(async || {
        tries += 1;
        ask(0, &format!("after {tries}")).await.status != 200
    })
    .await;
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    println!("deleted on one node, refused on the other after {waited:?}");
}

/// Replaces a part of the configuration file of a node.
#[track_caller]
pub fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in\n{text}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reload_on_one_node_reloads_all_nodes() {
    let cluster = Cluster::start("reloads").await;
    let (first, second) = (&cluster.first.folder, &cluster.second_folder);
    let wide = svid_form(&cluster.first.svid(PAY), &[("scope", "w")]);
    let may_write = async |node: usize| {
        let answer = cluster.connect(node).await.post("/token", wide.clone()).await;
        answer.status == 200
    };
    assert!(may_write(0).await && may_write(1).await);
    // The file is changed on every node, and one of them receives the order.
    for folder in [first, second] {
        edit(folder, "name = \"R1\"", "name = \"R1\"\nenabled = false");
    }
    admin(second, "/admin/v1/reload", json!({})).await;
    assert!(!may_write(1).await);
    let waited = until(async || !may_write(0).await).await;
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    println!("a rule disabled by a reload on one node: applied by the other after {waited:?}");
    let generations =
        || [&cluster.first.running, &cluster.second].map(|node| node.app.in_force.load().policy.generation);
    assert_eq!(generations(), [2, 2], "each node must read the file once");
    // A node whose file cannot be used keeps its configuration and continues to serve.
    for folder in [first, second] {
        edit(folder, "enabled = false", "enabled = true");
    }
    edit(first, "[[trust_domains]]", "[[trust_domain]]");
    admin(second, "/admin/v1/reload", json!({})).await;
    assert!(may_write(1).await);
    let has_followed = async || {
        cluster
            .first
            .running
            .app
            .file
            .order_followed
            .load(Ordering::SeqCst)
            == 2
    };
    until(has_followed).await;
    assert!(!may_write(0).await, "the previous configuration must stay in use");
    assert_eq!(generations(), [2, 3]);
    // After the file is corrected, the next order applies it.
    edit(first, "[[trust_domain]]", "[[trust_domains]]");
    admin(second, "/admin/v1/reload", json!({})).await;
    until(async || may_write(0).await).await;
}

// Row RF-66.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quota_applies_to_all_nodes_together() {
    let cluster = Cluster::start("quota").await;
    let mut good = 0;
    for number in 0..20 {
        good += usize::from(cluster.ask(number % 2, &format!("/ten/{number}")).await.status == 200);
    }
    assert_eq!(good, 10);
    assert_eq!(cluster.first.clients().await.len(), 10);
}

// Row RF-63.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn registration_rate_applies_to_all_nodes_together() {
    let cluster = Cluster::start("velocity").await;
    // Rate 60 per minute, burst 5: each node alone would admit 5 clients at once and one more each second.
    let mut good = 0;
    let started_in = cluster.first.now() / 60;
    let mut refused = None;
    for number in 0..200 {
        let answer = cluster.ask(number % 2, &format!("/slow/{number}")).await;
        match answer.status {
            200 => good += 1,
            429 => refused = Some(answer),
            other => panic!("{other}"),
        }
        // Refills every bucket, so that only the shared counter can refuse.
        for node in [&cluster.first.running, &cluster.second] {
            *node.app.first_uses.buckets.lock().unwrap() = Default::default();
        }
    }
    let minutes = cluster.first.now() / 60 - started_in + 1;
    assert!(good <= 60 * minutes, "{good} in {minutes} minutes");
    assert!(good >= 60);
    let wait: i64 = refused
        .expect("some registrations must be refused")
        .header("retry-after")
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait));
}

// Row RF-09.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_and_opaque_ids_are_the_same_on_every_node_and_rotate_together() {
    let cluster = Cluster::start("keys").await;
    let jwks = async |node: usize| cluster.connect(node).await.get("/jwks").await.json();
    assert_eq!(jwks(0).await, jwks(1).await);
    let id =
        async |node: usize| claims(&cluster.ask(node, "/opaque/1").await.access_token())["client_id"].clone();
    assert_eq!(id(0).await, id(1).await);

    admin(&cluster.second_folder, "/admin/v1/keys/rotate", json!({})).await;
    until(async || jwks(0).await["keys"].as_array().unwrap().len() == 2).await;
    let kid = async |node: usize| {
        testudo_testkit::token::header(&cluster.ask(node, PAY).await.access_token())["kid"].clone()
    };
    let before = kid(0).await;
    assert_eq!(
        before,
        kid(1).await,
        "the next key must be published before it signs"
    );
    for node in [&cluster.first.running, &cluster.second] {
        node.app.clock.shift(601);
        testudo_server::read_again::signing_keys(&node.app).await.unwrap();
    }
    // The SVIDs of the test use the clock of the first node.
    let after = kid(0).await;
    assert_ne!(before, after);
    assert_eq!(after, kid(1).await);
    assert_eq!(jwks(0).await["keys"].as_array().unwrap().len(), 2, "overlap");
}

// Decision 0011.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn known_clients_are_served_while_the_store_does_not_answer() {
    // A separate PostgreSQL, because pausing it affects every test that uses it.
    let server = Postgres::start(&folder("postgres")).unwrap();
    let (world, tls) = World::start_over(&server.database("away").unwrap()).await;
    let ask = async |path: &str| {
        let mut connection = tls.connect(world.address(), None).await.unwrap();
        connection.post("/token", svid_form(&world.svid(path), &[])).await
    };
    assert_eq!(ask("/x/known").await.status, 200);
    let app = world.running.app.clone();
    let reads = world.reads_of(async || assert_eq!(ask("/x/known").await.status, 200));
    assert_eq!(reads.await, 0, "a known client must cause no query");

    // On a busy machine the last poll of the database may be some seconds ago.
    until_slowly(async || app.applied_changes.unsure_for() < Duration::from_secs(2)).await;
    let (unsure_before, looked) = (app.applied_changes.unsure_for(), Instant::now());
    server.signal("STOP").unwrap();
    let started = Instant::now();
    assert_eq!(ask("/x/known").await.status, 200);
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "known clients must not wait for the store"
    );
    let refused = ask("/x/new").await;
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (503, "temporarily_unavailable")
    );
    assert!(refused.header("retry-after").is_some());
    // DR-148: a registration that was not committed must not be confirmed.
    let id = "spiffe://a.example/x/registered";
    let statement = Draft::svid(world.a.key(), id, "https://as.example/register", world.now()).sign();
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k"));
    let jwks = key_set(&[&key]);
    let is_refused = async |body: serde_json::Value| {
        let mut connection = tls.connect(world.address(), None).await.unwrap();
        let refused = register(&mut connection, &body).await;
        assert_eq!(
            (refused.status, refused.error().as_str()),
            (503, "temporarily_unavailable")
        );
        assert!(refused.header("retry-after").is_some());
    };
    // At the same time, since each waits for the store for some seconds.
    tokio::join!(
        is_refused(json!({ "software_statement": statement })),
        is_refused(json!({ "jwks": jwks })),
    );
    let ready = async || {
        let mut connection = tls.connect(world.address(), None).await.unwrap();
        connection.get("/readyz").await.status
    };
    assert_eq!(
        ready().await,
        200,
        "the node is ready while known clients are served"
    );
    // serve_without_store is 20 s here.
    until_slowly(async || ask("/x/known").await.status == 503).await;
    let served_for = unsure_before + looked.elapsed();
    let about_20_s = Duration::from_secs(20)..Duration::from_secs(27);
    assert!(about_20_s.contains(&served_for), "{served_for:?}");
    assert_eq!(
        ready().await,
        503,
        "the node is not ready once known clients are not served"
    );
    server.signal("CONT").unwrap();
    until_slowly(async || ready().await == 200).await;
    until_slowly(async || ask("/x/new").await.status == 200).await;
    until_slowly(async || ask("/x/known").await.status == 200).await;
    assert_eq!(
        world.client_ids().await.len(),
        2,
        "the refused registration must not create a client"
    );
    let mut connection = tls.connect(world.address(), None).await.unwrap();
    let body = json!({ "software_statement": Draft::svid(world.a.key(), id, "https://as.example/register", world.now()).sign() });
    assert_eq!(register(&mut connection, &body).await.status, 201);
}

// Row I-06.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bundle_sequence_used_by_one_node_applies_to_the_others() {
    let mut cluster = Cluster::start("sequences").await;
    let folders = [cluster.first.folder.clone(), cluster.second_folder.clone()];
    let publish = |folder: &Path, bundle: &serde_json::Value| {
        std::fs::write(folder.join("a.json"), bundle.to_string()).unwrap();
    };
    let shown = async |node: usize| {
        let socket = folders[node].join("admin.sock");
        over_socket(
            &socket,
            "GET",
            "/admin/v1/trust/a.example",
            serde_json::Value::Null,
        )
        .await
        .1
    };
    // The source of the second node still has the earlier bundle.
    let before: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folders[1].join("a.json")).unwrap()).unwrap();
    cluster.first.a.rotate();
    let mut after = before.clone();
    after["spiffe_sequence"] = json!(2);
    publish(&folders[0], &after);
    admin(&folders[0], "/admin/v1/trust/a.example/refresh", json!({})).await;
    assert_eq!(shown(0).await["sequence"], 2);
    until_slowly(async || shown(1).await["held_back"].is_string()).await;
    let held_back = shown(1).await;
    assert_eq!(
        (&held_back["state"], &held_back["sequence"]),
        (&json!("stale"), &json!(1))
    );
    // The event is written after the new state applies.
    until(async || cluster.events("authority.bundle_rolled_back").await >= 1).await;
    // A bundle that an administrator accepts on one node is accepted on the other.
    publish(&folders[0], &before);
    let answer = admin(&folders[0], "/admin/v1/trust/a.example/accept", json!({})).await;
    assert!(answer["done"].as_str().unwrap().contains("accepted"), "{answer}");
    until_slowly(async || shown(1).await["held_back"].is_null()).await;
    assert_eq!(shown(1).await["state"], "fresh");
    // A node that starts afterwards accepts it too.
    let (third, folder) = cluster.first.join().await;
    let (_, now) = over_socket(
        &folder.join("admin.sock"),
        "GET",
        "/admin/v1/trust/a.example",
        serde_json::Value::Null,
    )
    .await;
    assert_eq!((&now["state"], &now["sequence"]), (&json!("fresh"), &json!(1)));
    third.stop().await;
}

pub async fn until_slowly(mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the condition was not met within the deadline"
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
