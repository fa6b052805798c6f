//! Tests of a proxy in front of the server that authenticates itself by mutual TLS. [RFC9440 §4]

use crate::world::{MutualTls, RULES, TLS, World, assert_answer_form};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testudo_testkit::http::Connection;
use testudo_testkit::x509::X509Chain;
use testudo_testkit::{form, svid_form};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// The identity of the proxy itself, which a rule also admits.
const PROXY: &str = "/ns/edge/sa/proxy";
const PAY: &str = "/ns/pay/sa/api";

/// A server that trusts a proxy on loopback, and the connection of that proxy.
async fn behind_a_proxy(more: &str) -> (World, MutualTls, Connection) {
    let server = format!(
        "{TLS}\nproxy = {{ trusted = [\"127.0.0.0/8\"], {more} }}\n[registration]\nstatements = true"
    );
    let (world, tls) = World::start_with_tls(RULES, &server).await;
    let connection = tls.connect(world.address(), Some(&tls.a.svid(PROXY))).await;
    (world, tls, connection.expect("the TLS handshake failed"))
}

fn body(path: &str) -> String {
    let client_id = format!("spiffe://a.example{path}");
    form(&[("grant_type", "client_credentials"), ("client_id", &client_id)])
}

fn field(chain: &X509Chain) -> String {
    format!(":{}:", STANDARD.encode(&chain.chain[0]))
}

#[tokio::test]
async fn client_without_a_certificate_does_not_get_the_identity_of_the_proxy() {
    for more in [
        "client_certificate_header = \"client-cert\"",
        "client_address_header = \"x-forwarded-for\"",
    ] {
        let (world, _, mut proxy) = behind_a_proxy(more).await;
        let answer = proxy.post("/token", body(PROXY)).await;
        assert_answer_form(&answer);
        assert_eq!(answer.error(), "invalid_client", "{more}");
        let json = [("content-type", "application/json")];
        let answer = proxy.send("POST", "/register", &json, "{}").await;
        assert_eq!(answer.status, 401, "the request has no credential: {answer:?}");
        assert!(world.clients().await.is_empty(), "{more}");
    }
}

#[tokio::test]
async fn through_the_proxy_each_client_is_identified_by_its_own_certificate() {
    let (world, tls, mut proxy) = behind_a_proxy("client_certificate_header = \"client-cert\"").await;
    let field = field(&tls.a.svid(PAY));
    let headers = [FORM, ("client-cert", field.as_str())];
    assert_eq!(
        proxy.send("POST", "/token", &headers, body(PAY)).await.status,
        200
    );
    let other = proxy.send("POST", "/token", &headers, body(PROXY)).await;
    assert_eq!(
        other.error(),
        "invalid_client",
        "the certificate of the client determines the identity"
    );
    let registered = [("content-type", "application/json"), headers[1]];
    let answer = proxy.send("POST", "/register", &registered, "{}").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.json()["client_id"], format!("spiffe://a.example{PAY}"));
    // The next client on the same connection has no certificate, so it is not authenticated.
    assert_eq!(proxy.post("/token", body(PAY)).await.error(), "invalid_client");
    assert_eq!(world.client_ids().await, [format!("spiffe://a.example{PAY}")]);
}

#[tokio::test]
async fn without_a_trusted_proxy_the_certificate_of_the_connection_is_that_of_the_client() {
    let server = format!(
        "{TLS}\nproxy = {{ trusted = [\"10.0.0.0/8\"], client_certificate_header = \"client-cert\" }}"
    );
    let (world, tls) = World::start_with_tls(RULES, &server).await;
    let mut direct = tls
        .connect(world.address(), Some(&tls.a.svid(PAY)))
        .await
        .unwrap();
    assert_eq!(direct.post("/token", body(PAY)).await.status, 200);
}

#[tokio::test]
async fn assertion_is_accepted_with_empty_certificate_fields() {
    let (world, tls, mut proxy) = behind_a_proxy("client_certificate_header = \"client-cert\"").await;
    let headers = [FORM, ("client-cert", ""), ("client-cert-chain", "")];
    let request = svid_form(&world.svid(PAY), &[]);
    let answer = proxy.send("POST", "/token", &headers, request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // The chain field may be empty beside a leaf, but the leaf field must not be empty beside a chain.
    let field = field(&tls.a.svid(PAY));
    let leaf_alone = [FORM, ("client-cert", field.as_str()), ("client-cert-chain", "")];
    assert_eq!(
        proxy.send("POST", "/token", &leaf_alone, body(PAY)).await.status,
        200
    );
    let chain_alone = [FORM, ("client-cert", ""), ("client-cert-chain", field.as_str())];
    let answer = proxy.send("POST", "/token", &chain_alone, body(PAY)).await;
    assert_eq!(answer.error(), "invalid_client");
}

#[tokio::test]
async fn certificate_header_that_is_not_the_configured_one_is_named_by_event_and_explain_at_both_endpoints() {
    let (world, tls, mut proxy) = behind_a_proxy("client_certificate_header = \"client-cert\"").await;
    let field = field(&tls.a.svid(PAY));
    let json = ("content-type", "application/json");
    for (endpoint, form, body) in [("/token", FORM, body(PAY)), ("/register", json, "{}".to_owned())] {
        let without = proxy.send("POST", endpoint, &[form], body.clone()).await;
        let headers = [form, ("ssl-client-cert", field.as_str())];
        let answer = proxy.send("POST", endpoint, &headers, body).await;
        // The caller gets the same answer with and without the header.
        assert_eq!(answer.status, without.status, "{endpoint}");
        assert_eq!(answer.json(), without.json(), "{endpoint}");
        let challenge = "www-authenticate";
        assert_eq!(answer.header(challenge), without.header(challenge), "{endpoint}");
        let events = world.events("client.refused").await;
        let id = answer.header("request-id").unwrap();
        let event = events.iter().find(|event| event["request_id"] == id);
        let event = event.unwrap_or_else(|| panic!("{endpoint}: {events:?}"));
        assert_eq!(
            event["reason"], "certificate_header_not_read",
            "{endpoint}: {event}"
        );
        let detail = event["detail"].as_str().unwrap();
        let words = "the header ssl-client-cert, and the configured one is client-cert";
        assert!(detail.contains(words), "{endpoint}: {event}");
        let question = serde_json::json!({ "request_id": id });
        let explained = world.admin("POST", "/admin/v1/explain", question).await;
        let text = explained.to_string();
        let remedy = "into client-cert in the form of RFC 9440, and not into ssl-client-cert";
        assert!(
            text.contains(words) && text.contains(remedy),
            "{endpoint}: {text}"
        );
    }
}
