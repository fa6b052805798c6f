//! Tests of client certificate chains: which are refused, which results are cached, and which evidence is accepted at
//! `/register`.

use crate::world::{ISSUER, MutualTls, RULES, TLS, World, assert_answer_form};
use serde_json::json;
use testudo_core::Actor;
use testudo_server::Note;
use testudo_testkit::form;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::Draft;
use testudo_testkit::x509::{X509Chain, X509Issuer};

const PAY: &str = "/ns/pay/sa/api";
const PAY_ID: &str = "spiffe://a.example/ns/pay/sa/api";

fn body() -> String {
    form(&[("grant_type", "client_credentials"), ("client_id", PAY_ID)])
}

async fn connect(world: &World, tls: &MutualTls, chain: &X509Chain) -> Connection {
    tls.connect(world.address(), Some(chain))
        .await
        .expect("the TLS handshake failed")
}

fn verified(world: &World) -> u64 {
    world.running.app.metrics.certificate_chains_verified.get()
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_answer_form(answer);
    assert_eq!(answer.error(), "invalid_client");
}

#[tokio::test]
async fn certificate_chain_of_more_than_five_is_refused_with_an_http_answer() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let ladder = |intermediates: usize| {
        let mut line: Vec<X509Issuer> = Vec::new();
        for number in 0..intermediates {
            let above = line.last().unwrap_or(&tls.a);
            let name = format!("intermediate {number}");
            line.push(above.intermediate(|p| p.distinguished_name.push(rcgen::DnType::CommonName, name)));
        }
        let leaf = line.last().unwrap_or(&tls.a).svid(PAY);
        line.iter()
            .rev()
            .fold(leaf, |chain, above| chain.followed_by(above))
    };
    for (intermediates, expected) in [(2, 200), (4, 200), (5, 400), (9, 400)] {
        let mut connection = connect(&world, &tls, &ladder(intermediates)).await;
        let answer = connection.post("/token", body()).await;
        assert_answer_form(&answer);
        assert_eq!(answer.status, expected, "{intermediates}: {answer:?}");
    }
    let eleven = ladder(10);
    // In TLS 1.3 the client may receive the refusal only with its first request.
    if let Some(mut connection) = tls.connect(world.address(), Some(&eleven)).await {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        assert!(
            connection
                .try_send("POST", "/token", &headers, body())
                .await
                .is_none()
        );
    }
}

#[tokio::test]
async fn certificates_with_every_kind_of_key_pass_the_handshake_and_the_verification() {
    use rcgen::{KeyPair, RsaKeySize};
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let keys = [
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(),
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap(),
        KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
        KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
        KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_4096).unwrap(),
    ];
    for key in keys {
        let what = format!("{:?}", key.algorithm());
        let chain = tls.a.leaf_with(PAY_ID, key, |_| {});
        let answer = connect(&world, &tls, &chain).await.post("/token", body()).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn refused_chain_is_verified_once_for_its_connection() {
    let (world, tls) = World::start_with_tls(RULES, TLS).await;
    let unknown_chain = X509Issuer::new("a.example").svid(PAY);
    let mut kept = connect(&world, &tls, &unknown_chain).await;
    for _ in 0..5 {
        assert_refused(&kept.post("/token", body()).await);
    }
    assert_eq!(verified(&world), 1);
    // For another connection the chain is verified again.
    assert_refused(
        &connect(&world, &tls, &unknown_chain)
            .await
            .post("/token", body())
            .await,
    );
    assert_eq!(verified(&world), 2);
    // With another bundle the chain may be valid, so it is verified again.
    world.publish(&tls).await;
    let mut good = connect(&world, &tls, &tls.a.svid(PAY)).await;
    for _ in 0..5 {
        assert_eq!(good.post("/token", body()).await.status, 200);
    }
    assert_eq!(verified(&world), 3, "the result for a valid chain is cached too");
}

#[tokio::test]
async fn refused_chain_is_accepted_once_its_authority_is_published() {
    let (world, mut tls) = World::start_with_tls(RULES, TLS).await;
    let next = X509Issuer::new("a.example");
    let mut kept = connect(&world, &tls, &next.svid(PAY)).await;
    assert_refused(&kept.post("/token", body()).await);
    tls.a = next;
    world.publish(&tls).await;
    assert_eq!(kept.post("/token", body()).await.status, 200);
}

// A certificate authority is used only within its own validity period. [RFC5280 §6.1.3]
#[tokio::test]
async fn x509_authority_past_its_validity_is_refused() {
    let (world, mut tls) = World::start_with_tls(RULES, TLS).await;
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(900);
    tls.a = X509Issuer::root("a.example", rcgen::KeyPair::generate().unwrap(), |parameters| {
        parameters.not_after = soon.into();
    });
    world.publish(&tls).await;
    let mut kept = connect(&world, &tls, &tls.a.svid(PAY)).await;
    assert_eq!(kept.post("/token", body()).await.status, 200);
    // The leaf is valid for an hour, but the cached result ends with the authority.
    world.running.app.clock.shift(1_000);
    world.publish(&tls).await;
    assert_refused(&kept.post("/token", body()).await);
}

#[tokio::test]
async fn certificate_at_register_is_refused_if_the_trust_domain_accepts_no_x509_svids() {
    let server = format!("{TLS}\n[registration]");
    let (world, tls) = World::start_with_tls(RULES, &server).await;
    let json = [("content-type", "application/json")];
    let register = async || {
        let endpoint = format!("{ISSUER}/register");
        let statement = Draft::svid(world.a.key(), PAY_ID, &endpoint, world.now()).sign();
        let request = json!({
            "software_statement": statement,
            "tls_client_certificate_bound_access_tokens": true,
        });
        let mut connection = connect(&world, &tls, &tls.a.svid(PAY)).await;
        connection
            .send("POST", "/register", &json, request.to_string())
            .await
    };
    let path = world.folder.join("testudo.toml");
    let both = std::fs::read_to_string(&path).unwrap();
    let one = both.replacen("\"jwt_svid\", \"x509_svid\"", "\"jwt_svid\"", 1);
    assert_ne!(one, both);
    std::fs::write(&path, one).unwrap();
    testudo_server::reload::reload(&world.running.app, Note::by(&Actor::Signal))
        .await
        .unwrap();
    let answer = register().await;
    assert_eq!(answer.error(), "unapproved_software_statement", "{answer:?}");
    assert!(world.clients().await.is_empty());
    std::fs::write(&path, both).unwrap();
    testudo_server::reload::reload(&world.running.app, Note::by(&Actor::Signal))
        .await
        .unwrap();
    assert_eq!(
        register().await.status,
        201,
        "the registration is accepted if the trust domain accepts both kinds"
    );
}
