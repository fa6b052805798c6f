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
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let endpoint = Endpoint {
            url: url.clone(),
            issued: Arc::default(),
            expires_in: Arc::new(AtomicU64::new(300)),
            answer: Arc::default(),
            last_body: Arc::default(),
            svid: testudo_testkit::scratch::folder("client").join("svid.jwt"),
            token: TestIssuer::new("prod.example").svid("/pay", &url, now()),
        };
        endpoint.show(&endpoint.token);
        let (issued, expires_in) = (endpoint.issued.clone(), endpoint.expires_in.clone());
        let (answer, last_body) = (endpoint.answer.clone(), endpoint.last_body.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = vec![0; 8192];
                let read = stream.read(&mut buffer).await.unwrap();
                let request = String::from_utf8_lossy(&buffer[..read]).into_owned();
                let text = if request.starts_with("POST") {
                    // Long enough for all parallel callers to be waiting.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    *last_body.lock().unwrap() = request;
                    let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
                    answer.lock().unwrap().clone().unwrap_or_else(|| {
                        let life = expires_in.load(Ordering::SeqCst);
                        ok(&format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":{life},"scope":"r"}}"#))
                    })
                } else {
                    ok(&format!(
                        r#"{{"issuer":"{url}","token_endpoint":"{url}/token","jwks_uri":"{url}/jwks"}}"#
                    ))
                };
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
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
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
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
    let sent = format!("client_assertion={}&scope=r", endpoint.token);
    assert!(body.contains(&sent), "{body}");
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
    let refused = |more: &str| {
        format!(
            "HTTP/1.1 400 Bad Request\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{refusal}",
            refusal.len()
        )
    };
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
