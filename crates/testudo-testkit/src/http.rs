//! A small HTTP client on one connection, for tests that check every byte of an answer.

use crate::x509::X509Chain;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;

/// One connection.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// `error` of the body.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// The access token of the body.
    pub fn access_token(&self) -> String {
        self.json()["access_token"]
            .as_str()
            .expect("an access token")
            .to_owned()
    }

    /// The refresh token of the body.
    #[track_caller]
    pub fn refresh_token(&self) -> String {
        let token = self.json()["refresh_token"].as_str().map(str::to_owned);
        assert!(token.is_some(), "no refresh token: {self:?}");
        token.unwrap_or_default()
    }
}

/// A client that resumes its TLS sessions.
#[derive(Debug)]
pub struct TlsClient {
    config: Arc<rustls::ClientConfig>,
}

impl TlsClient {
    /// Trusts `roots` (DER) for `as.example`, and sends the client's chain if there is one.
    pub fn new(roots: &[Vec<u8>], client: Option<&X509Chain>) -> TlsClient {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut store = rustls::RootCertStore::empty();
        for root in roots {
            store.add(root.clone().into()).expect("a root");
        }
        let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(store);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                // Built without the check of the library that the key belongs to the certificate: tests use the
                // certificate of another client, as an attacker would.
                let chain = client.chain.iter().map(|der| der.clone().into()).collect();
                let key = rustls_pki_types::PrivatePkcs8KeyDer::from(client.key.clone()).into();
                let key = provider.key_provider.load_private_key(key).expect("a usable key");
                let pair = rustls::sign::CertifiedKey::new(chain, key);
                builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair)))
            }
        };
        TlsClient {
            config: Arc::new(config),
        }
    }

    /// The stream after a handshake, for tests that write HTTP as bytes. `None` if the server closes the connection.
    pub async fn open(
        &self,
        address: SocketAddr,
        name: &'static str,
    ) -> Option<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await.ok()?;
        let name = name.try_into().expect("a name");
        tokio_rustls::TlsConnector::from(self.config.clone())
            .connect(name, stream)
            .await
            .ok()
    }

    /// A connection, and whether it resumed a session. `None` if the server closes the connection.
    pub async fn connect(&self, address: SocketAddr) -> Option<(Connection, bool)> {
        let stream = self.open(address, "as.example").await?;
        let is_resumed = stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .ok()?;
        tokio::spawn(connection);
        Some((Connection { sender }, is_resumed))
    }
}

impl Connection {
    /// Connects over plain TCP.
    pub async fn open(address: SocketAddr) -> Connection {
        Connection::try_open(address).await.expect("the server listens")
    }

    /// Connects over plain TCP to a server that may be stopping.
    pub async fn try_open(address: SocketAddr) -> Option<Connection> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .ok()?;
        tokio::spawn(connection);
        Some(Connection { sender })
    }

    /// Connects over TLS, trusting `roots` (DER) for `as.example`, and sends the client's chain if there is one.
    pub async fn open_tls(
        address: SocketAddr,
        roots: &[Vec<u8>],
        client: Option<&X509Chain>,
    ) -> Option<Connection> {
        let (connection, _) = TlsClient::new(roots, client).connect(address).await?;
        Some(connection)
    }

    /// Posts a form to a path.
    pub async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &headers, body).await
    }

    /// Gets a path.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Sends a request.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, path, headers, body)
            .await
            .expect("an answer")
    }

    /// Sends a request; `None` if the server closes the connection.
    pub async fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "as.example");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        self.sender.ready().await.ok()?;
        let response = self.sender.send_request(request).await.ok()?;
        let status: StatusCode = response.status();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let body = response.into_body().collect().await.ok()?.to_bytes().to_vec();
        Some(Answer {
            status: status.as_u16(),
            headers,
            body,
        })
    }
}

/// One JSON request over a Unix socket, for the admin API.
pub async fn over_socket(socket: &std::path::Path, method: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = answer_over_socket(socket, method, path, body).await;
    (answer.status, answer.json())
}

/// The same, where the answer may not be JSON.
pub async fn answer_over_socket(socket: &std::path::Path, method: &str, path: &str, body: Value) -> Answer {
    let stream = tokio::net::UnixStream::connect(socket)
        .await
        .expect("the admin socket can be opened");
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/1.1");
    tokio::spawn(connection);
    let mut connection = Connection { sender };
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    connection
        .send(method, path, &[("content-type", "application/json")], body)
        .await
}
