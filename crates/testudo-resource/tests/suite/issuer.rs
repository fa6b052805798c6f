//! A small issuer, which serves its metadata and its keys.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_resource::Verifier;
use testudo_testkit::generate_key;
use testudo_testkit::token::Draft;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub const AUDIENCE: &str = "https://api.example";

/// Serves metadata and keys, and counts the requests.
pub struct Issuer {
    pub url: String,
    pub keys: Arc<Mutex<Vec<SigningKey>>>,
    pub requests: Arc<AtomicUsize>,
    /// Accepts connections and never answers.
    pub is_silent: Arc<AtomicBool>,
}

impl Issuer {
    pub async fn start() -> Issuer {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(vec![generate_key(Algorithm::ES256, None)]));
        let requests = Arc::new(AtomicUsize::new(0));
        let is_silent = Arc::new(AtomicBool::new(false));
        let (shared, count, own) = (keys.clone(), requests.clone(), url.clone());
        let silent = is_silent.clone();
        tokio::spawn(async move {
            let mut kept_open = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                if silent.load(Ordering::SeqCst) {
                    kept_open.push(stream);
                    continue;
                }
                let body = if String::from_utf8_lossy(&buffer[..read]).contains("/jwks") {
                    let mut jwks: Vec<_> = shared
                        .lock()
                        .unwrap()
                        .iter()
                        .map(|key| key.public_jwk("sig", true))
                        .collect();
                    // The set also has a key of a type that is not supported.
                    jwks.push(
                        serde_json::json!({ "kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AA" }),
                    );
                    serde_json::json!({ "keys": jwks })
                } else {
                    serde_json::json!({ "issuer": own, "token_endpoint": format!("{own}/token"), "jwks_uri": format!("{own}/jwks") })
                };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Issuer {
            url,
            keys,
            requests,
            is_silent,
        }
    }

    pub fn sign(&self, change: impl FnOnce(Draft<'_>) -> Draft<'_>) -> String {
        let keys = self.keys.lock().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let draft = Draft::svid(&keys[0], "spiffe://a.example/w", AUDIENCE, now)
            .header("typ", "at+jwt")
            .claim("iss", self.url.as_str())
            .claim("client_id", "spiffe://a.example/w")
            .claim("jti", "1")
            .claim("scope", "r w");
        change(draft).sign()
    }

    pub fn verifier(&self) -> Arc<Verifier> {
        Arc::new(Verifier::new(&self.url, AUDIENCE).unwrap())
    }
}
