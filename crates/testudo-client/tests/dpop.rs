//! DPoP in the token client, against a server that gives prepared answers. Tests with the real server are in the suite of
//! the binary. Rows of section G.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a failed assumption of a test panics"
)]

mod servers;

use serde_json::Value;
use servers::{Servers, field, now};
use testudo_client::{ApiAnswer, ClientError, Outgoing, PrivateKey, Svids, TokenClient};
use testudo_testkit::TestIssuer;
use testudo_testkit::token::{claims, header};
use testudo_testkit::web::answer_text;
use url::Url;

const BOUND: &str = r#"{"access_token":"t","token_type":"DPoP","expires_in":300}"#;
const BEARER: &str = r#"{"access_token":"t","token_type":"Bearer","expires_in":300}"#;
const USE_NONCE: &str = r#"{"error":"use_dpop_nonce"}"#;

/// The server, and a client that has an SVID in a file.
struct World {
    servers: Servers,
    svids: Svids,
}

impl World {
    async fn start() -> World {
        let servers = Servers::start("client-dpop", "").await;
        let file = servers.folder.join("svid.jwt");
        let svid = TestIssuer::new("prod.example").svid("/pay", &servers.url, now());
        std::fs::write(&file, svid).unwrap();
        World {
            servers,
            svids: Svids::File(file),
        }
    }

    fn client(&self) -> TokenClient {
        let client = TokenClient::new(&self.servers.url, self.svids.clone()).unwrap();
        client.dpop(PrivateKey::generate().unwrap())
    }

    /// The proofs of the requests since the last call.
    #[track_caller]
    fn proofs(&self) -> Vec<String> {
        let requests = self.servers.requests();
        let proof = |request: &String| {
            field(request, "dpop")
                .expect("a request without a proof")
                .to_owned()
        };
        requests.iter().map(proof).collect()
    }
}

fn demand(nonce: &str) -> String {
    answer_text("400 Bad Request", &format!("DPoP-Nonce: {nonce}\r\n"), USE_NONCE)
}

fn nonces(proofs: &[String]) -> Vec<Value> {
    proofs
        .iter()
        .map(|proof| claims(proof)["nonce"].clone())
        .collect()
}

#[tokio::test]
async fn token_request_has_a_new_proof_of_one_key() {
    let world = World::start().await;
    let servers = &world.servers;
    servers.prepare(&[answer_text("200 OK", "", BOUND)]);
    let token = world.client().token().await.unwrap();
    assert_eq!(token.token_type(), "DPoP");
    let url = Url::parse("https://api.example/orders?page=2#x").unwrap();
    let mut proofs = world.proofs();
    assert_eq!(claims(&proofs[0])["htu"], format!("{}/token", servers.url));
    assert!(claims(&proofs[0])["ath"].is_null());
    for _ in 0..2 {
        let headers = token.headers("GET", &url).unwrap();
        assert_eq!(headers.authorization, "DPoP t");
        let proof = headers.dpop.unwrap();
        let of_call = claims(&proof);
        assert_eq!(
            (&of_call["htm"], &of_call["htu"]),
            (&"GET".into(), &"https://api.example/orders".into())
        );
        // SHA-256 of "t".
        assert_eq!(of_call["ath"], "47mKTaMaEn1L3m5DAz9muidMqw636xxw7EFAK_YnPdg");
        proofs.push(proof);
    }
    let mut ids: Vec<String> = proofs
        .iter()
        .map(|proof| claims(proof)["jti"].to_string())
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each proof has its own jti");
    assert!(
        proofs
            .iter()
            .all(|proof| header(proof)["jwk"] == header(&proofs[0])["jwk"])
    );
    assert!(header(&proofs[0])["jwk"]["d"].is_null());
    assert!(!format!("{token:?}").contains("\"t\""));
}

// Row G-06.
#[tokio::test]
async fn rfc9449_8_token_request_is_repeated_once_with_the_nonce() {
    let world = World::start().await;
    let servers = &world.servers;
    servers.prepare(&[demand("one"), answer_text("200 OK", "DPoP-Nonce: two\r\n", BOUND)]);
    let token = world.client().token().await.unwrap();
    assert_eq!(nonces(&world.proofs()), [Value::Null, "one".into()]);
    let own = Url::parse(&servers.url).unwrap();
    let other = Url::parse("https://api.example/").unwrap();
    let nonce_for = |url| claims(&token.headers("GET", url).unwrap().dpop.unwrap())["nonce"].clone();
    assert_eq!(
        nonce_for(&own),
        "two",
        "the nonce of each answer is for the next proof"
    );
    assert_eq!(nonce_for(&other), Value::Null, "a nonce is for one origin");

    servers.prepare(&[demand("one"), demand("two")]);
    let error = world.client().token().await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Refused { error, .. } if error == "use_dpop_nonce"),
        "{error}"
    );
    assert_eq!(
        nonces(&world.proofs()),
        [Value::Null, "one".into()],
        "exactly one repetition"
    );

    servers.prepare(&[answer_text("400 Bad Request", "", USE_NONCE)]);
    assert!(world.client().token().await.is_err());
    assert_eq!(
        world.proofs().len(),
        1,
        "without a nonce, a repetition is useless"
    );
}

#[tokio::test]
async fn token_of_another_type_than_requested_is_not_used() {
    let world = World::start().await;
    let servers = &world.servers;
    servers.prepare(&[answer_text("200 OK", "", BEARER)]);
    let error = world.client().token().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("token_type must be DPoP and is \"Bearer\""),
        "{error}"
    );
    servers.prepare(&[answer_text("200 OK", "", BOUND)]);
    let plain = TokenClient::new(&servers.url, world.svids.clone()).unwrap();
    let error = plain.token().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("token_type must be Bearer and is \"DPoP\""),
        "{error}"
    );
}

#[tokio::test]
async fn rfc9449_9_call_of_an_api_is_repeated_once_with_its_nonce() {
    let world = World::start().await;
    let servers = &world.servers;
    let client = world.client();
    let refused = |nonce: &str| {
        let headers = format!(
            "WWW-Authenticate: Bearer\r\nWWW-Authenticate: DPoP error=\"use_dpop_nonce\"\r\nDPoP-Nonce: {nonce}\r\n"
        );
        answer_text("401 Unauthorized", &headers, "")
    };
    let url = Url::parse(&format!("{}/orders", servers.url)).unwrap();
    let request = Outgoing {
        method: "PUT",
        url: &url,
        headers: vec![("content-type", "text/plain")],
        body: b"order".to_vec(),
    };
    servers.prepare(&[
        answer_text("200 OK", "", BOUND),
        refused("one"),
        answer_text("200 OK", "DPoP-Nonce: two\r\n", "done"),
    ]);
    assert_eq!(client.call(&request).await.unwrap().body, b"done");
    let requests = servers.requests.lock().unwrap().clone();
    assert!(requests[2].starts_with("PUT /orders HTTP/1.1\r\n") && requests[2].ends_with("order"));
    assert!(
        requests[2].contains("authorization: DPoP t\r\n"),
        "{}",
        requests[2]
    );
    assert_eq!(nonces(&world.proofs()), [Value::Null, Value::Null, "one".into()]);

    servers.prepare(&[refused("three"), refused("four")]);
    assert_eq!(client.call(&request).await.unwrap().status, 401);
    assert_eq!(
        nonces(&world.proofs()),
        ["two", "three"],
        "exactly one repetition"
    );

    let invalid = "WWW-Authenticate: DPoP error=\"invalid_token\"\r\nDPoP-Nonce: five\r\n";
    servers.prepare(&[answer_text("401 Unauthorized", invalid, "")]);
    assert_eq!(client.call(&request).await.unwrap().status, 401);
    assert_eq!(world.proofs().len(), 1, "another error is not repeated");
}

#[tokio::test]
async fn unbound_token_is_sent_as_bearer_and_needs_no_proof() {
    let world = World::start().await;
    let servers = &world.servers;
    servers.prepare(&[answer_text("200 OK", "", BEARER)]);
    let client = TokenClient::new(&servers.url, world.svids.clone()).unwrap();
    let token = client.token().await.unwrap();
    let url = Url::parse("https://api.example/").unwrap();
    let headers = token.headers("GET", &url).unwrap();
    assert_eq!(
        (token.token_type(), headers.authorization.as_str()),
        ("Bearer", "Bearer t")
    );
    assert!(headers.dpop.is_none());
    let answer = ApiAnswer {
        status: 401,
        dpop_nonce: Some("n"),
        challenges: &["DPoP error=\"use_dpop_nonce\""],
    };
    assert!(!token.needs_new_proof(&url, answer));
}
