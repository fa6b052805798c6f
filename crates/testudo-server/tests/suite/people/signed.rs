//! Signed authorization requests through HTTP: brought by a browser, and pushed. [RFC9101] [RFC9126 §3]

use super::world::{
    CHALLENGE, CLIENT, ISSUER, People, VERIFIER, WEB_RULE, asking, assert_refused_page, parameter, text_of,
};
use serde_json::{Value, json};
use testudo_core::records::PushedRequest;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::Draft;
use testudo_testkit::{assertion_form, form, generate_key};

const SIGNER: &str = "signer";
const CALLBACK: &str = "https://signer.example/cb";

/// A server with the client [`SIGNER`], beside those of the rule and those that register themselves.
struct World {
    people: People,
    key: SigningKey,
}

impl World {
    async fn start() -> World {
        let key = generate_key(Algorithm::EdDSA, Some("k"));
        let jwk = key.public_jwk("sig", true);
        let entry = format!(
            "[[clients]]\nclient_id = \"{SIGNER}\"\njwks = {{ keys = [{{ kty = \"OKP\", crv = \"Ed25519\", \
             kid = \"k\", x = {} }}] }}\ngrant_types = [\"authorization_code\"]\n\
             redirect_uris = [\"{CALLBACK}\"]\nscopes = [\"orders.read\", \"orders.write\"]\n\
             default_scopes = [\"orders.read\"]\nresources = [\"https://orders.example/\"]\n\
             [registration.open]\npushed_authorization = \"optional\"\nscopes = [\"orders.read\"]\n",
            jwk["x"]
        );
        World {
            people: People::start(&format!("{entry}{WEB_RULE}")).await,
            key,
        }
    }

    fn claims(&self, client_id: &str) -> Value {
        let now = self.people.running.app.now().0;
        json!({
            "iss": client_id, "client_id": client_id, "aud": ISSUER, "exp": now + 300,
            "response_type": "code", "redirect_uri": CALLBACK, "state": "signed", "scope": "orders.read",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        })
    }

    fn assertion(&self, jti: &str) -> String {
        Draft::assertion(&self.key, SIGNER, ISSUER, jti, self.people.running.app.now().0).sign()
    }

    /// [`SIGNER`] sends a form with its assertion.
    async fn post(&self, path: &str, jti: &str, fields: &[(&str, &str)]) -> Answer {
        let body = assertion_form(&self.assertion(jti), fields);
        let body = body.replace("grant_type=client_credentials&", "");
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "localhost:8080"),
        ];
        let mut connection = Connection::open(self.people.running.addresses[0]).await;
        connection.send("POST", path, &headers, body).await
    }
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    let body = claims.to_string();
    key.sign_jwt(Some("oauth-authz-req+jwt"), body.as_bytes())
        .unwrap()
}

fn url(client_id: &str, object: &str, more: &[(&str, &str)]) -> String {
    let own = [("client_id", client_id), ("request", object)];
    format!("/authorize?{}", form(&[&own, more].concat()))
}

// Row AZ-21.
#[tokio::test]
async fn browser_brings_a_signed_request_and_the_client_gets_what_it_signed() {
    let world = World::start().await;
    let object = sign(&world.key, &world.claims(SIGNER));
    let more = [
        ("scope", "orders.write"),
        ("redirect_uri", "https://evil.example/cb"),
        ("state", "x"),
    ];
    let url = world
        .people
        .person()
        .walk(&url(SIGNER, &object, &more))
        .await
        .unwrap();
    assert!(url.starts_with(&format!("{CALLBACK}?")), "{url}");
    assert_eq!(parameter(&url, "state").as_deref(), Some("signed"));
    let code = parameter(&url, "code").unwrap();
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let answer = world.post("/token", "t", &grant).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["scope"], "orders.read");
}

// Rows AZ-20, AZ-22, AZ-24.
#[tokio::test]
async fn object_that_the_client_did_not_sign_for_this_server_is_refused_on_a_page() {
    let world = World::start().await;
    let mut alice = world.people.signed_in("alice").await;
    let good = world.claims(SIGNER);
    let other = generate_key(Algorithm::EdDSA, Some("k"));
    let changed = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        sign(&world.key, &claims)
    };
    for (object, text) in [
        (sign(&other, &good), "signature"),
        (
            changed("aud", json!("https://other.example")),
            "aud in the request object",
        ),
        (
            changed("client_id", json!(CLIENT)),
            "client_id in the request object",
        ),
        (changed("exp", json!(1)), "exp of the request object"),
        (changed("sub", json!(SIGNER)), "sub must not be"),
        (world.assertion("1"), "typ must be"),
    ] {
        let page = alice.open(&url(SIGNER, &object, &[])).await;
        assert_refused_page(&page, 400, text);
    }
    let object = sign(&world.key, &good);
    let both = [("request_uri", "urn:ietf:params:oauth:request_uri:x")];
    assert_refused_page(
        &alice.open(&url(SIGNER, &object, &both)).await,
        400,
        "both present",
    );
    let reference = form(&[
        ("client_id", SIGNER),
        ("request_uri", "https://signer.example/object"),
    ]);
    let by_reference = alice.open(&format!("/authorize?{reference}")).await;
    assert_refused_page(&by_reference, 400, "request_uri must be the value");
    let page = alice.open(&url(SIGNER, &object, &[])).await;
    assert!(text_of(&page).contains("asks for access"), "{page:?}");
}

#[tokio::test]
async fn workload_with_an_svid_must_push_instead() {
    let world = World::start().await;
    let mut alice = world.people.signed_in("alice").await;
    let object = sign(&world.key, &world.claims(CLIENT));
    let page = alice.open(&url(CLIENT, &object, &[])).await;
    assert_refused_page(&page, 400, "this client must push its requests");
    let pushed = world
        .people
        .post("/par", "/web/shop", &[("request", &object)])
        .await;
    assert_eq!(pushed.error(), "request_not_supported", "{pushed:?}");
    assert_eq!(world.people.push(&[]).await.status, 201);
}

// Row AZ-23. [RFC9126 §3]
#[tokio::test]
async fn client_pushes_what_it_signed_and_no_other_parameters() {
    let world = World::start().await;
    let object = sign(&world.key, &world.claims(SIGNER));
    let beside = [
        ("request", object.as_str()),
        ("scope", "orders.write"),
        ("state", "x"),
    ];
    let answer = world.post("/par", "1", &beside).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let [pushed] = world.people.records::<PushedRequest>().await.try_into().unwrap();
    assert_eq!(pushed.request.scope.unwrap().to_string(), "orders.read");
    assert_eq!(pushed.request.state.as_deref(), Some("signed"));
    let of_another = sign(&world.key, &world.claims(CLIENT));
    let other = generate_key(Algorithm::EdDSA, Some("k"));
    let foreign = sign(&other, &world.claims(SIGNER));
    for (jti, object) in [("2", of_another.as_str()), ("3", &foreign), ("4", "e30")] {
        let refused = world.post("/par", jti, &[("request", object)]).await;
        assert_eq!(refused.error(), "invalid_request_object", "{jti}: {refused:?}");
    }
    let with_uri = [("request", object.as_str()), ("request_uri", "urn:x")];
    assert_eq!(
        world.post("/par", "5", &with_uri).await.error(),
        "invalid_request"
    );
    assert_eq!(world.people.records::<PushedRequest>().await.len(), 1);
}

// Row AZ-22. [RFC9101 §10.5]
#[tokio::test]
async fn client_that_registered_that_it_signs_is_served_only_with_a_signature() {
    let world = World::start().await;
    let key = generate_key(Algorithm::ES256, Some("r"));
    let asked = json!({
        "redirect_uris": [CALLBACK], "jwks": { "keys": [key.public_jwk("sig", true)] },
        "require_signed_request_object": true,
    });
    let mut connection = Connection::open(world.people.running.addresses[0]).await;
    let headers = [("content-type", "application/json"), ("host", "localhost:8080")];
    let answer = connection
        .send("POST", "/register", &headers, asked.to_string())
        .await;
    let id = answer.json()["client_id"].as_str().unwrap().to_owned();
    let mut alice = world.people.signed_in("alice").await;
    let plain = asking(&[("client_id", &id), ("redirect_uri", CALLBACK), ("scope", "")]);
    let refused = alice.walk(&plain).await.unwrap();
    assert_eq!(
        parameter(&refused, "error").as_deref(),
        Some("invalid_request"),
        "{refused}"
    );
    let object = sign(&key, &world.claims(&id));
    let url = alice.walk(&url(&id, &object, &[])).await.unwrap();
    assert!(parameter(&url, "code").is_some(), "{url}");
}

#[tokio::test]
async fn metadata_says_that_signed_requests_are_taken_where_a_client_can_have_keys() {
    for (entries, is_taken) in [("[registration.open]\n", true), (WEB_RULE, false)] {
        let people = People::start(entries).await;
        let mut connection = Connection::open(people.running.addresses[0]).await;
        let metadata = connection
            .get("/.well-known/oauth-authorization-server")
            .await
            .json();
        assert_eq!(metadata["request_parameter_supported"], is_taken, "{entries}");
        assert_eq!(metadata["request_uri_parameter_supported"], false);
        let algorithms = &metadata["request_object_signing_alg_values_supported"];
        assert_eq!(algorithms.is_array(), is_taken, "{algorithms}");
        assert!(!algorithms.to_string().contains("none") && !algorithms.to_string().contains("HS"));
    }
}
