//! The token client against a small token endpoint.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a failed assumption of a test panics"
)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use testudo_client::{ClientError, Svids, TokenClient, TokenRequest};
use testudo_testkit::TestIssuer;
use testudo_testkit::web::{answer_text, authorization_server};

struct Endpoint {
    url: String,
    issued: Arc<AtomicUsize>,
    expires_in: Arc<AtomicU64>,
    answer: Arc<Mutex<Option<String>>>,
    last_body: Arc<Mutex<String>>,
    svid: PathBuf,
    /// What is in that file.
    token: String,
}

impl Endpoint {
    async fn start() -> Endpoint {
        let (issued, expires_in) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(300)));
        let answer = Arc::<Mutex<Option<String>>>::default();
        let last_body = Arc::<Mutex<String>>::default();
        let server = (
            issued.clone(),
            expires_in.clone(),
            answer.clone(),
            last_body.clone(),
        );
        let url = authorization_server(move |request| {
            let (issued, expires_in, answer, last_body) = server.clone();
            async move {
                // Long enough for all parallel callers to be waiting.
                tokio::time::sleep(Duration::from_millis(50)).await;
                *last_body.lock().unwrap() = request;
                let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
                answer.lock().unwrap().clone().unwrap_or_else(|| {
                    let life = expires_in.load(Ordering::SeqCst);
                    ok(&format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":{life},"scope":"r"}}"#))
                })
            }
        })
        .await;
        let endpoint = Endpoint {
            token: TestIssuer::new("prod.example").svid("/pay", &url, now()),
            svid: testudo_testkit::scratch::folder("client").join("svid.jwt"),
            url,
            issued,
            expires_in,
            answer,
            last_body,
        };
        endpoint.show(&endpoint.token);
        endpoint
    }

    fn show(&self, svid: &str) {
        std::fs::write(&self.svid, format!("{svid}\n")).unwrap();
    }

    fn client(&self) -> TokenClient {
        TokenClient::new(&self.url, Svids::File(self.svid.clone())).unwrap()
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

fn ok(body: &str) -> String {
    answer_text("200 OK", "", body)
}

#[tokio::test]
async fn parallel_callers_share_one_token_request() {
    let endpoint = Endpoint::start().await;
    let client = Arc::new(endpoint.client().request(TokenRequest {
        scope: Some("r".into()),
        ..TokenRequest::default()
    }));
    let asking: Vec<_> = (0..50)
        .map(|_| {
            tokio::spawn({
                let client = client.clone();
                async move { client.token().await.unwrap().secret().to_owned() }
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap(), "token-1");
    }
    assert_eq!(endpoint.issued.load(Ordering::SeqCst), 1);
    let body = endpoint.last_body.lock().unwrap().clone();
    for sent in [format!("client_assertion={}", endpoint.token), "scope=r".into()] {
        assert!(body.contains(&sent), "{body}");
    }
    assert!(
        !format!("{:?}", client.token().await.unwrap()).contains("token-1"),
        "Debug must not print the token"
    );
}

#[tokio::test]
async fn token_about_to_expire_is_replaced_and_expired_token_is_not_used() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    endpoint.expires_in.store(0, Ordering::SeqCst);
    assert_eq!(client.token().await.unwrap().secret(), "token-1");
    endpoint.expires_in.store(300, Ordering::SeqCst);
    assert_eq!(
        client.token().await.unwrap().secret(),
        "token-2",
        "the first token had expired"
    );
    assert_eq!(client.token().await.unwrap().secret(), "token-2");
}

#[tokio::test]
async fn refusals_and_malformed_answers_are_errors_with_a_hint() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let refusal = r#"{"error":"invalid_client","error_description":"client authentication failed"}"#;
    let refused = |more: &str| answer_text("400 Bad Request", more, refusal);
    *endpoint.answer.lock().unwrap() = Some(refused("request-id: 01a2b3\r\nretry-after: 7\r\n"));
    let error = client.token().await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Refused { error, .. } if error == "invalid_client"),
        "{error}"
    );
    assert_eq!(
        error.hint().unwrap(),
        "try again in 7 s; request 01a2b3: give it to the administrator of the server: testudo explain 01a2b3"
    );
    // An id that a terminal would obey, or that fills the screen, is not repeated.
    for id in ["\u{9b}31m".to_owned(), "x".repeat(129)] {
        *endpoint.answer.lock().unwrap() = Some(refused(&format!("request-id: {id}\r\n")));
        assert_eq!(client.token().await.unwrap_err().hint(), None, "{id:?}");
    }
    for nonsense in [
        "{}",
        "<html>",
        r#"{"access_token":"x","token_type":"N_A","expires_in":1}"#,
    ] {
        *endpoint.answer.lock().unwrap() = Some(ok(nonsense));
        assert!(
            matches!(client.token().await.unwrap_err(), ClientError::Answer(_)),
            "{nonsense}"
        );
    }
    *endpoint.answer.lock().unwrap() =
        Some("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".into());
    assert!(
        matches!(client.token().await.unwrap_err(), ClientError::Fetch(_)),
        "a redirect must not be followed with an SVID"
    );
}

// Row AZ-26.
#[tokio::test]
async fn metadata_of_another_issuer_is_not_used() {
    let endpoint = Endpoint::start().await;
    let other = endpoint.url.replace("127.0.0.1", "localhost");
    endpoint.show(&TestIssuer::new("prod.example").svid("/pay", &other, now()));
    let client = TokenClient::new(&other, Svids::File(endpoint.svid.clone())).unwrap();
    let error = client.token().await.unwrap_err();
    assert!(matches!(error, ClientError::Metadata(_)), "{error}");
    assert_eq!(endpoint.issued.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn missing_svid_file_is_an_error_before_any_request() {
    let endpoint = Endpoint::start().await;
    let client = TokenClient::new(&endpoint.url, Svids::File("/nowhere/svid".into())).unwrap();
    assert!(matches!(
        client.token().await.unwrap_err(),
        ClientError::Svid { .. }
    ));
    assert!(TokenClient::new("http://as.example", Svids::from_environment()).is_err());
}

#[tokio::test]
async fn svid_that_the_issuer_would_refuse_is_not_sent_and_the_error_names_why() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let svid = |audience: serde_json::Value, from: i64, until: i64| {
        let claims = serde_json::json!({
            "sub": "spiffe://prod.example/pay", "aud": audience, "iat": now() + from, "exp": now() + until,
        });
        TestIssuer::new("prod.example").sign(&claims)
    };
    let ours = || endpoint.url.as_str().into();
    let token_endpoint = format!("{}/token", endpoint.url);
    for (svid, expected) in [
        ("svid".to_owned(), "this is not a JWT-SVID"),
        (svid(ours(), -600, -60), "it expired at 20"),
        (svid(ours(), 120, 600), "it is not valid before 20"),
        (
            svid(token_endpoint.as_str().into(), 0, 60),
            "it is for the audience `http://127.0.0.1:",
        ),
        (
            svid(vec![endpoint.url.as_str(), "https://b"].into(), 0, 60),
            "`, `https://b`",
        ),
    ] {
        endpoint.show(&svid);
        let error = client.token().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(error.hint().is_some(), "{error}");
    }
    assert_eq!(endpoint.issued.load(Ordering::SeqCst), 0);
    // Within the leeway of clocks, the server decides; and the audience may be written as text or as array.
    for svid in [
        svid(ours(), -600, -5),
        svid(ours(), 20, 600),
        svid(vec![endpoint.url.as_str()].into(), 0, 60),
    ] {
        endpoint.show(&svid);
        assert!(endpoint.client().token().await.is_ok());
    }
}
