//! Clients without a credential whose tokens are bound to a certificate that they create. [RFC8705 §4] The whole way of
//! their codes and refresh tokens is in `matrix/flows`.

use super::*;
use crate::nodes::register;
use rcgen::date_time_ymd;
use testudo_server::Running;
use testudo_testkit::http::Connection;

const LOGIN: &str = "[login]\n[registration]\nopen = { scopes = [\"r\"] }";
const METHOD: &str = "token_endpoint_auth_method";
const BINDING: &str = "tls_client_certificate_bound_access_tokens";

/// A public client, whose tokens must be bound as `constraint` says.
fn app(constraint: &str) -> String {
    format!(
        "[[clients]]\nclient_id = \"app\"\ntoken_endpoint_auth_method = \"none\"\n\
         redirect_uris = [\"http://127.0.0.1/callback\"]\nsender_constraint = \"{constraint}\"\n"
    )
}

async fn start(server: &str, clients: &str) -> (World, MutualTls) {
    World::start_with_tls(&format!("{RULES}{clients}"), &format!("{server}\n{LOGIN}")).await
}

async fn metadata(connection: &mut Connection) -> Value {
    let answer = connection.get("/.well-known/oauth-authorization-server").await;
    answer.json()
}

/// A token request of the client with an invented code, which is refused after the client was recognised.
async fn redeem(world: &World, tls: &MutualTls, client: Option<&X509Chain>) -> Answer {
    let code = "A".repeat(43);
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", &code),
    ];
    let mut connection = tls.connect(world.address(), client).await.unwrap();
    let answer = connection.post("/token", form(&fields)).await;
    assert_answer_form(&answer);
    answer
}

#[tokio::test]
async fn certificate_of_a_public_client_must_be_valid_and_may_be_of_anyone() {
    let (world, tls) = start(TLS, &app("mtls")).await;
    for (case, certificate) in [
        ("self-signed", self_signed(|_| {})),
        ("of an authority of workloads", tls.a.svid("/x/1")),
        (
            "of an unknown authority",
            X509Issuer::new("unknown.example").svid("/x/1"),
        ),
    ] {
        let answer = redeem(&world, &tls, Some(&certificate)).await;
        assert_refused(&answer, "invalid_grant", case);
    }
    for (case, certificate) in invalid() {
        let answer = redeem(&world, &tls, Some(&certificate)).await;
        assert_refused(&answer, "invalid_request", case);
        assert_eq!(world.reason_of(&answer).await, "binding_missing", "{case}");
    }
    let answer = redeem(&world, &tls, None).await;
    assert_refused(&answer, "invalid_request", "no certificate");
    assert_eq!(world.reason_of(&answer).await, "binding_missing");
}

/// Certificates that cannot bind tokens now.
fn invalid() -> [(&'static str, X509Chain); 2] {
    let expired = self_signed(|own| own.not_after = date_time_ymd(2020, 1, 1));
    let future = self_signed(|own| own.not_before = date_time_ymd(2100, 1, 1));
    [("expired", expired), ("not yet valid", future)]
}

#[tokio::test]
async fn certificate_of_a_public_client_that_binds_no_tokens_has_no_effect_even_if_it_is_not_valid() {
    let (world, tls) = start(TLS, &app("none")).await;
    let answer = redeem(&world, &tls, None).await;
    assert_refused(&answer, "invalid_grant", "the client is recognised");
    let valid = ("valid", self_signed(|_| {}));
    for (case, certificate) in invalid().into_iter().chain([valid]) {
        let answer = redeem(&world, &tls, Some(&certificate)).await;
        assert_refused(&answer, "invalid_grant", case);
    }
}

/// A server where no trust domain accepts X.509-SVIDs.
async fn start_without_svids(server: &str, clients: &str) -> (Running, MutualTls) {
    let tls = MutualTls::new();
    let folder = testudo_testkit::scratch::folder("public");
    tls.write(&folder);
    let text = format!(
        "issuer = \"{ISSUER}\"\n[server]\nlisten = [\"127.0.0.1:0\"]\n{server}\n[store]\nurl = \"memory:\"\n\
         [admin]\nsocket = \"admin.sock\"\n[login]\n{clients}"
    );
    std::fs::write(folder.join("testudo.toml"), text).unwrap();
    let running = crate::world::run_in(&folder).await.unwrap();
    (running, tls)
}

/// What the metadata at this listener says about binding, and the answer to a token request with an invented code.
async fn bind(running: &Running, tls: &MutualTls, listener: usize) -> (Value, Answer) {
    let own = self_signed(|_| {});
    let address = running.addresses[listener];
    let mut connection = tls.connect(address, Some(&own)).await.unwrap();
    let shown = metadata(&mut connection).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", "x"),
    ];
    let answer = connection.post("/token", form(&fields)).await;
    (shown[BINDING].clone(), answer)
}

#[tokio::test]
async fn listeners_ask_for_certificates_where_a_public_client_must_bind_its_tokens_and_the_metadata_says_so()
{
    for (constraint, is_asked, expected) in [
        ("mtls", true, "invalid_grant"),
        // It can send a DPoP proof: the browsers of people are asked for no certificate where they sign in.
        ("any", false, "invalid_request"),
        ("dpop", false, "invalid_dpop_proof"),
        ("none", false, "invalid_grant"),
    ] {
        let (running, tls) = start_without_svids(TLS, &app(constraint)).await;
        let (shown, answer) = bind(&running, &tls, 0).await;
        assert_eq!(shown, json!(is_asked), "{constraint}");
        assert_refused(&answer, expected, constraint);
    }
}

#[tokio::test]
async fn listener_for_certificates_takes_one_of_a_public_client_that_could_send_a_dpop_proof_instead() {
    let mtls = "mtls = { listen = [\"127.0.0.1:0\"], url = \"https://mtls.as.example\" }";
    let (running, tls) = start_without_svids(&format!("{TLS}\n{mtls}"), &app("any")).await;
    for (listener, expected) in [(0, "invalid_request"), (1, "invalid_grant")] {
        let (shown, answer) = bind(&running, &tls, listener).await;
        assert_eq!(shown, json!(true));
        assert_refused(&answer, expected, &format!("listener {listener}"));
    }
}

fn request(more: Value) -> Value {
    let mut body = json!({
        "redirect_uris": ["https://app.example/cb"], "grant_types": ["authorization_code"], BINDING: true,
    });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn public_client_registers_that_its_tokens_are_bound_where_certificates_arrive() {
    let (world, tls) = start(TLS, "").await;
    let mut connection = tls.connect(world.address(), None).await.unwrap();
    let public = request(json!({ METHOD: "none" }));
    let answer = register(&mut connection, &public).await;
    assert_eq!(
        (answer.status, &answer.json()[BINDING]),
        (201, &json!(true)),
        "{answer:?}"
    );
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k"));
    let keyed = request(json!({ "jwks": { "keys": [key.public_jwk("sig", true)] } }));
    let both = request(json!({ METHOD: "none", "dpop_bound_access_tokens": true }));
    for (case, body) in [("a client with a key", keyed), ("two bindings", both)] {
        let answer = register(&mut connection, &body).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_client_metadata".to_owned()),
            "{case}: {answer:?}"
        );
    }
    let plain = World::start_with_files(&format!("{LOGIN}\n{RULES}"), |_| {}).await;
    let answer = register(&mut plain.connect().await, &public).await;
    assert_eq!(answer.error(), "invalid_client_metadata", "{answer:?}");
    assert_eq!(plain.reason_of(&answer).await, "certificates_not_received");
    let without = json!({ METHOD: "none", BINDING: false });
    let answer = register(&mut plain.connect().await, &request(without)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}
