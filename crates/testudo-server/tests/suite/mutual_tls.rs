//! Tests of X.509-SVIDs over mutual TLS that the server itself terminates. Rows RF-05, D-21 to D-25, decision 0009.

use crate::world::{ISSUER, MutualTls, RULES, TLS, World, assert_answer_form};
use serde_json::json;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::claims;
use testudo_testkit::x509::{X509Chain, X509Issuer};
use testudo_testkit::{form, svid_form};

const PAY: &str = "/ns/pay/sa/api";
const PAY_ID: &str = "spiffe://a.example/ns/pay/sa/api";

fn body(client_id: &str) -> String {
    form(&[("grant_type", "client_credentials"), ("client_id", client_id)])
}

async fn ask(world: &World, tls: &MutualTls, client: &X509Chain, client_id: &str) -> Answer {
    let mut connection = tls
        .connect(world.address(), Some(client))
        .await
        .expect("the TLS handshake failed");
    let answer = connection.post("/token", body(client_id)).await;
    assert_answer_form(&answer);
    answer
}

fn bound() -> String {
    RULES.replace("name = \"R1\"", "name = \"R1\"\nsender_constraint = \"mtls\"")
}

// Row RF-05.
#[tokio::test]
async fn jwt_svid_and_x509_svid_of_one_identity_are_one_client() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let answer = ask(&world, &tls, &tls.a.svid(PAY), PAY_ID).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(claims(&answer.access_token())["sub"], PAY_ID);
    assert!(
        claims(&answer.access_token())["cnf"].is_null(),
        "the rule does not require a binding"
    );
    assert_eq!(world.clients().await[0]["credential_kind"], "x509_svid");
    let mut plain = tls.connect(world.address(), None).await.unwrap();
    assert_eq!(
        plain
            .post("/token", svid_form(&world.svid(PAY), &[]))
            .await
            .status,
        200
    );
    assert_eq!(world.client_ids().await, [PAY_ID]);
    assert_eq!(world.events("client.registered").await.len(), 1);
}

#[tokio::test]
async fn known_client_with_certificate_causes_no_store_access() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let mut connection = tls
        .connect(world.address(), Some(&tls.a.svid(PAY)))
        .await
        .unwrap();
    connection.post("/token", body(PAY_ID)).await;
    let written = world.running.app.store.batches_written();
    let reads = world.reads_of(async || {
        for _ in 0..40 {
            assert_eq!(connection.post("/token", body(PAY_ID)).await.status, 200);
        }
    });
    assert_eq!(reads.await, 0);
    assert_eq!(world.running.app.store.batches_written(), written);
}

// Rows D-02, D-03, D-25.
#[tokio::test]
async fn client_certificate_needs_a_client_id_that_matches_and_no_second_mechanism() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let svid = tls.a.svid(PAY);
    let mut connection = tls.connect(world.address(), Some(&svid)).await.unwrap();
    let nameless = connection.post("/token", "grant_type=client_credentials").await;
    assert_eq!(
        (nameless.status, nameless.error().as_str()),
        (400, "invalid_request")
    );
    assert_eq!(
        connection
            .post("/token", body("spiffe://a.example/x/1"))
            .await
            .error(),
        "invalid_client"
    );
    let both = svid_form(&world.svid(PAY), &[("client_id", PAY_ID)]);
    assert_eq!(connection.post("/token", both).await.error(), "invalid_request");
    assert!(world.clients().await.is_empty());
}

// Row D-06.
#[tokio::test]
async fn certificate_chain_of_one_trust_domain_is_refused_for_another() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    assert_eq!(
        ask(&world, &tls, &tls.b.svid("/x/1"), "spiffe://b.example/x/1")
            .await
            .status,
        200
    );
    let crossed = tls.a.leaf("spiffe://b.example/x/2", |_| {});
    assert_eq!(
        ask(&world, &tls, &crossed, "spiffe://b.example/x/2")
            .await
            .error(),
        "invalid_client"
    );
    let unknown_issuer = X509Issuer::new("a.example");
    assert_eq!(
        ask(&world, &tls, &unknown_issuer.svid(PAY), PAY_ID).await.error(),
        "invalid_client"
    );
    let unconfigured = X509Issuer::new("c.example");
    assert_eq!(
        ask(&world, &tls, &unconfigured.svid("/x"), "spiffe://c.example/x")
            .await
            .error(),
        "invalid_client"
    );
    assert_eq!(world.client_ids().await, ["spiffe://b.example/x/1"]);
}

#[tokio::test]
async fn handshake_fails_for_a_certificate_without_its_private_key() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let stolen = X509Chain {
        chain: tls.a.svid(PAY).chain,
        key: tls.a.svid("/x/1").key,
    };
    let connection = tls.connect(world.address(), Some(&stolen)).await;
    // In TLS 1.3 the client may receive the refusal only with its first request.
    if let Some(mut connection) = connection {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        assert!(
            connection
                .try_send("POST", "/token", &headers, body(PAY_ID))
                .await
                .is_none()
        );
    }
}

// Row D-23, decision 0009.
#[tokio::test]
async fn open_connection_is_refused_once_its_domain_authority_or_certificate_is_not_valid() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let mut kept = tls
        .connect(world.address(), Some(&tls.a.svid(PAY)))
        .await
        .unwrap();
    let ask = async |kept: &mut Connection| kept.post("/token", body(PAY_ID)).await.status;
    assert_eq!(ask(&mut kept).await, 200);
    world
        .admin("POST", "/admin/v1/trust/a.example/disable", json!({}))
        .await;
    assert_eq!(ask(&mut kept).await, 400, "disabled");
    world
        .admin("POST", "/admin/v1/trust/a.example/enable", json!({}))
        .await;
    assert_eq!(ask(&mut kept).await, 200);
    // The certificate authority is removed from the bundle.
    publish_other_authority(&world).await;
    assert_eq!(
        ask(&mut kept).await,
        400,
        "the authority is no longer in the bundle"
    );
    world.publish(&tls).await;
    assert_eq!(ask(&mut kept).await, 200);
    // The certificate expires after an hour; the bundle file is read again meanwhile.
    world.running.app.clock.shift(3700);
    world.publish(&tls).await;
    assert_eq!(ask(&mut kept).await, 400, "the certificate has expired");
}

// Row D-22.
#[tokio::test]
async fn resumed_tls_session_is_checked_like_a_new_one() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let client = tls.client(&tls.a.svid(PAY));
    let connect = async || client.connect(world.address()).await.unwrap();
    let (mut first, is_resumed) = connect().await;
    assert!(!is_resumed);
    assert_eq!(first.post("/token", body(PAY_ID)).await.status, 200);
    let (mut second, is_resumed) = connect().await;
    assert!(
        is_resumed,
        "the session must be resumed, or this test shows nothing"
    );
    assert_eq!(
        second
            .post("/token", body("spiffe://a.example/x/1"))
            .await
            .error(),
        "invalid_client",
        "the client is identified by the certificate of the session"
    );
    assert_eq!(second.post("/token", body(PAY_ID)).await.status, 200);
    // A disabled trust domain and a removed authority also apply to a resumed session.
    let trust = async |verb: &str| {
        world
            .admin("POST", &format!("/admin/v1/trust/a.example/{verb}"), json!({}))
            .await
    };
    trust("disable").await;
    let (mut third, is_resumed) = connect().await;
    assert!(is_resumed);
    assert_eq!(third.post("/token", body(PAY_ID)).await.error(), "invalid_client");
    trust("enable").await;
    assert_eq!(third.post("/token", body(PAY_ID)).await.status, 200);
    publish_other_authority(&world).await;
    let (mut fourth, is_resumed) = connect().await;
    assert!(is_resumed);
    assert_eq!(
        fourth.post("/token", body(PAY_ID)).await.error(),
        "invalid_client"
    );
    // A resumed session is refused after the certificate expires.
    world.publish(&tls).await;
    assert_eq!(fourth.post("/token", body(PAY_ID)).await.status, 200);
    world.running.app.clock.shift(3700);
    world.publish(&tls).await;
    let (mut fifth, _) = connect().await;
    assert_eq!(fifth.post("/token", body(PAY_ID)).await.error(), "invalid_client");
}

/// Replaces the authorities of `a.example` by another one.
async fn publish_other_authority(world: &World) {
    let mut bundle = world.a.bundle();
    bundle["keys"]
        .as_array_mut()
        .unwrap()
        .push(X509Issuer::new("a.example").jwk());
    std::fs::write(world.folder.join("a.json"), bundle.to_string()).unwrap();
    world
        .admin("POST", "/admin/v1/trust/a.example/refresh", json!({}))
        .await;
}

// Row D-24.
#[tokio::test]
async fn bound_token_is_refused_without_its_certificate() {
    let (world, tls) = World::start_with_tls(&bound(), TLS).await;
    let svid = tls.a.svid(PAY);
    let answer = ask(&world, &tls, &svid, PAY_ID).await;
    let token = answer.access_token();
    let thumbprint = claims(&token)["cnf"]["x5t#S256"].as_str().unwrap().to_owned();
    let mut expected = String::new();
    testudo_protocol::jose::encode_segment(&testudo_protocol::jose::sha256(&svid.chain[0]), &mut expected);
    assert_eq!(thumbprint, expected);

    let jwks = tls
        .connect(world.address(), None)
        .await
        .unwrap()
        .get("/jwks")
        .await;
    let keys = testudo_protocol::jose::KeySet::from_jwks(&jwks.body).unwrap();
    let check = |certificate: Option<&[u8]>| {
        use testudo_protocol::oauth::access_token::{Expectation, verify};
        let thumbprint = certificate.map(testudo_protocol::jose::sha256);
        let expected = Expectation {
            issuer: ISSUER,
            audience: "https://api.example/",
            leeway: testudo_protocol::Seconds(5),
            certificate_thumbprint: thumbprint.as_ref(),
            dpop_key: None,
        };
        verify(&token, &keys, expected, testudo_protocol::Timestamp(world.now())).is_ok()
    };
    assert!(check(Some(&svid.chain[0])));
    assert!(!check(None), "the token must be refused without its certificate");
    assert!(
        !check(Some(&tls.a.svid(PAY).chain[0])),
        "the token must be refused with the next certificate of the same workload"
    );

    let mut plain = tls.connect(world.address(), None).await.unwrap();
    let bearer = plain.post("/token", svid_form(&world.svid(PAY), &[])).await;
    assert_eq!(
        (bearer.status, bearer.error().as_str()),
        (400, "invalid_request"),
        "a rule that requires binding must give no bearer tokens"
    );
}

// Row D-24.
#[tokio::test]
async fn bound_token_expires_with_its_certificate() {
    let (world, tls) = World::start_with_tls(&bound(), TLS).await;
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    let short = tls
        .a
        .leaf(PAY_ID, |parameters| parameters.not_after = soon.into());
    let lifetime = ask(&world, &tls, &short, PAY_ID).await.json()["expires_in"]
        .as_i64()
        .unwrap();
    assert!((50..=60).contains(&lifetime), "{lifetime}");
}

// Row D-21.
#[tokio::test]
async fn certificate_header_is_accepted_from_a_trusted_proxy_only() {
    let svid = X509Issuer::new("a.example").svid(PAY);
    let field = format!(":{}:", base64(&svid.chain[0]));
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("client-cert", field.as_str()),
    ];
    let send = async |world: &World| {
        let answer = world
            .connect()
            .await
            .send("POST", "/token", &headers, body(PAY_ID))
            .await;
        assert_answer_form(&answer);
        answer
    };
    let world = World::start().await;
    assert_eq!(
        send(&world).await.error(),
        "invalid_client",
        "no proxy is configured"
    );

    let elsewhere = "proxy = { trusted = [\"10.0.0.0/8\"], client_certificate_header = \"client-cert\" }";
    let (world, _) = World::start_with_tls_off(elsewhere).await;
    assert_eq!(
        send(&world).await.error(),
        "invalid_client",
        "the header is not accepted from another address"
    );

    let here = "proxy = { trusted = [\"127.0.0.0/8\"], client_certificate_header = \"client-cert\" }";
    let (world, tls) = World::start_with_tls_off(here).await;
    assert_eq!(
        send(&world).await.error(),
        "invalid_client",
        "the header is from the proxy, but the certificate is of an unknown authority"
    );
    let field = format!(":{}:", base64(&tls.a.svid(PAY).chain[0]));
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("client-cert", field.as_str()),
    ];
    let good = world
        .connect()
        .await
        .send("POST", "/token", &headers, body(PAY_ID))
        .await;
    assert_eq!(good.status, 200, "{good:?}");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test]
async fn metadata_lists_spiffe_x509_and_the_second_listener() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let path = "/.well-known/oauth-authorization-server";
    let metadata = tls
        .connect(world.address(), None)
        .await
        .unwrap()
        .get(path)
        .await
        .json();
    let methods = metadata["token_endpoint_auth_methods_supported"]
        .as_array()
        .unwrap();
    assert!(methods.contains(&json!("spiffe_x509")), "{metadata}");
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
    assert!(metadata["mtls_endpoint_aliases"].is_null());

    let second = format!(
        "{TLS}\nmtls = {{ listen = [\"127.0.0.1:0\"], url = \"https://mtls.as.example\" }}\n[registration]"
    );
    let (world, tls) = World::start_with_tls(RULES, &second).await;
    let metadata = tls
        .connect(world.address(), None)
        .await
        .unwrap()
        .get(path)
        .await
        .json();
    assert_eq!(
        metadata["mtls_endpoint_aliases"]["token_endpoint"],
        "https://mtls.as.example/token"
    );
    assert_eq!(
        metadata["mtls_endpoint_aliases"]["registration_endpoint"],
        "https://mtls.as.example/register"
    );
    let svid = tls.a.svid(PAY);
    let mut first = tls
        .connect(world.running.addresses[0], Some(&svid))
        .await
        .unwrap();
    assert_eq!(
        first.post("/token", body(PAY_ID)).await.error(),
        "invalid_client",
        "the first listener does not request a client certificate"
    );
    let mut second = tls
        .connect(world.running.addresses[1], Some(&svid))
        .await
        .unwrap();
    assert_eq!(second.post("/token", body(PAY_ID)).await.status, 200);
    let json = [("content-type", "application/json")];
    assert_eq!(second.send("POST", "/register", &json, "{}").await.status, 201);
    assert_eq!(first.send("POST", "/register", &json, "{}").await.status, 401);
}

#[tokio::test]
async fn handshakes_that_hang_do_not_delay_other_clients() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let mut hanging = Vec::new();
    for _ in 0..50 {
        hanging.push(tokio::net::TcpStream::connect(world.address()).await.unwrap());
    }
    assert_eq!(ask(&world, &tls, &tls.a.svid(PAY), PAY_ID).await.status, 200);
}
