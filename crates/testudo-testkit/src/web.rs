//! A web server with documents, over TLS, that counts its connections; and an authorization server with prepared
//! answers.

use crate::x509::{X509Chain, web_certificate};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The server. It ends with the runtime on which it was started.
pub struct DocumentServer {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The root of its certificate, PEM.
    pub root_pem: String,
    state: Arc<State>,
}

/// An answer.
#[derive(Clone, Default)]
struct Document {
    status: u16,
    location: Option<String>,
    content_type: Option<String>,
    body: String,
    /// Bytes that follow the body, which are made while they are sent. Then the answer does not state its length.
    more_bytes: u64,
}

/// Zeros of an answer that is made while it is sent.
const ZEROS: &[u8] = &[b'0'; 64 * 1024];

/// The body of an answer while it is sent.
struct Sent {
    text: Option<Bytes>,
    more_bytes: u64,
    state: Arc<State>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let sent = self.get_mut();
        if let Some(text) = sent.text.take() {
            return Poll::Ready(Some(Ok(Frame::data(text))));
        }
        let length = ZEROS
            .len()
            .min(usize::try_from(sent.more_bytes).unwrap_or(usize::MAX));
        if length == 0 {
            return Poll::Ready(None);
        }
        sent.more_bytes -= length as u64;
        sent.state.made.fetch_add(length as u64, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&ZEROS[..length])))))
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_none() && self.more_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        match self.more_bytes {
            0 => SizeHint::with_exact(self.text.as_ref().map_or(0, Bytes::len) as u64),
            _ => SizeHint::default(),
        }
    }
}

struct State {
    tls: Mutex<tokio_rustls::TlsAcceptor>,
    answer: Mutex<Document>,
    /// Answers of single paths, instead of that of all.
    at: Mutex<HashMap<String, Document>>,
    requests: Mutex<Vec<SeenRequest>>,
    connections: AtomicUsize,
    /// Bytes of answers that were made while they were sent.
    made: AtomicU64,
    /// How long each answer takes.
    delay: Mutex<Duration>,
    /// `Cache-Control` of each answer.
    cache_control: Mutex<Option<String>>,
    /// Requests that are being answered now, and the most at one moment.
    answering: AtomicUsize,
    answering_max: AtomicUsize,
}

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// The path.
    pub path: String,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
}

impl State {
    fn answer(&self, request: &Request<hyper::body::Incoming>) -> Document {
        let path = request.uri().path().to_owned();
        let authorization = request.headers().get("authorization");
        let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
        let at = locked(&self.at).get(&path).cloned();
        locked(&self.requests).push(SeenRequest { path, authorization });
        at.unwrap_or_else(|| locked(&self.answer).clone())
    }
}

impl State {
    /// The time that an answer takes.
    async fn wait(&self) {
        let delay = *locked(&self.delay);
        let now = self.answering.fetch_add(1, Ordering::SeqCst) + 1;
        self.answering_max.fetch_max(now, Ordering::SeqCst);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        self.answering.fetch_sub(1, Ordering::SeqCst);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DocumentServer {
    /// Starts a server with the name `host` that answers 404.
    pub async fn start(host: &str) -> DocumentServer {
        let (leaf, root) = web_certificate(host);
        DocumentServer {
            root_pem: root.chain_pem(),
            ..DocumentServer::start_as(&leaf).await
        }
    }

    /// The same at this address, for URLs without a port.
    pub async fn start_at(host: &str, address: &str) -> DocumentServer {
        let (leaf, root) = web_certificate(host);
        DocumentServer {
            root_pem: root.chain_pem(),
            ..DocumentServer::start_as_at(&leaf, address).await
        }
    }

    /// Starts a server with this certificate that answers 404. It has no root in PEM.
    pub async fn start_as(leaf: &X509Chain) -> DocumentServer {
        DocumentServer::start_as_at(leaf, "127.0.0.1:0").await
    }

    async fn start_as_at(leaf: &X509Chain, address: &str) -> DocumentServer {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            tls: Mutex::new(acceptor(leaf)),
            answer: Mutex::new(Document {
                status: 404,
                ..Document::default()
            }),
            at: Mutex::default(),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            made: AtomicU64::new(0),
            delay: Mutex::default(),
            cache_control: Mutex::default(),
            answering: AtomicUsize::new(0),
            answering_max: AtomicUsize::new(0),
        });
        tokio::spawn(accept(listener, state.clone()));
        DocumentServer {
            address,
            root_pem: String::new(),
            state,
        }
    }

    /// Sets the certificate of later connections.
    pub fn shows(&self, leaf: &X509Chain) {
        *locked(&self.state.tls) = acceptor(leaf);
    }

    /// Sets the answer from now on: status, `Location`, body.
    pub fn answers(&self, status: u16, location: Option<&str>, body: &str) {
        *locked(&self.state.answer) = Document {
            status,
            location: location.map(str::to_owned),
            body: body.to_owned(),
            ..Document::default()
        };
    }

    /// Sets the answer at one path from now on.
    pub fn answers_at(&self, path: &str, status: u16, body: &str) {
        let answer = Document {
            status,
            body: body.to_owned(),
            ..Document::default()
        };
        locked(&self.state.at).insert(path.to_owned(), answer);
    }

    /// Redirects requests for one path from now on.
    pub fn redirects_at(&self, path: &str, status: u16, location: &str) {
        let answer = Document {
            status,
            location: Some(location.to_owned()),
            ..Document::default()
        };
        locked(&self.state.at).insert(path.to_owned(), answer);
    }

    /// Sets the document of this media type at one path from now on.
    pub fn publishes(&self, path: &str, media_type: &str, body: &str) {
        let answer = Document {
            status: 200,
            content_type: Some(media_type.to_owned()),
            body: body.to_owned(),
            ..Document::default()
        };
        locked(&self.state.at).insert(path.to_owned(), answer);
    }

    /// Sets the document of this media type at one path from now on: this many bytes, which are made while they are sent.
    pub fn streams(&self, path: &str, media_type: &str, bytes: u64) {
        let answer = Document {
            status: 200,
            content_type: Some(media_type.to_owned()),
            more_bytes: bytes,
            ..Document::default()
        };
        locked(&self.state.at).insert(path.to_owned(), answer);
    }

    /// Bytes of [`DocumentServer::streams`] that were made so far: those that a client read, and those that the buffers
    /// between both hold.
    pub fn made(&self) -> u64 {
        self.state.made.load(Ordering::SeqCst)
    }

    /// Sets how long each answer takes from now on.
    pub fn takes(&self, delay: Duration) {
        *locked(&self.state.delay) = delay;
    }

    /// Sets `Cache-Control` of each answer from now on.
    pub fn states_cache_control(&self, value: &str) {
        *locked(&self.state.cache_control) = Some(value.to_owned());
    }

    /// The most requests that were being answered at one moment.
    pub fn answering_max(&self) -> usize {
        self.state.answering_max.load(Ordering::SeqCst)
    }

    /// Takes the requests since the last call.
    pub fn take_requests(&self) -> Vec<SeenRequest> {
        std::mem::take(&mut *locked(&self.state.requests))
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

fn acceptor(leaf: &X509Chain) -> tokio_rustls::TlsAcceptor {
    let chain = leaf.chain.iter().cloned().map(CertificateDer::from).collect();
    let key = PrivatePkcs8KeyDer::from(leaf.key.clone()).into();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = provider.key_provider.load_private_key(key).unwrap();
    // The key is not compared with the certificate: an impostor has the certificate and another key.
    let certified = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certified));
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, state) = (locked(&state.tls).clone(), state.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let answer = state.answer(&request);
                let state = state.clone();
                async move {
                    state.wait().await;
                    let mut builder = Response::builder().status(answer.status);
                    if let Some(location) = answer.location {
                        builder = builder.header("location", location);
                    }
                    if let Some(content_type) = answer.content_type {
                        builder = builder.header("content-type", content_type);
                    }
                    if let Some(value) = locked(&state.cache_control).clone() {
                        builder = builder.header("cache-control", value);
                    }
                    let text = Some(answer.body).filter(|text| !text.is_empty());
                    builder.body(Sent {
                        text: text.map(Bytes::from),
                        more_bytes: answer.more_bytes,
                        state,
                    })
                }
            });
            // The client may have closed the connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// As [`authorization_server_with`], with the members of the metadata that each server has.
pub async fn authorization_server<A>(answer: impl FnMut(String) -> A + Send + 'static) -> String
where
    A: Future<Output = String> + Send,
{
    authorization_server_with("", answer).await
}

/// Starts an authorization server on loopback, and returns its issuer URL. It publishes its metadata, and answers every
/// other request with the text that `answer` makes of the text of the request. It closes each connection after one answer,
/// and handles one request at a time. It ends with the runtime on which it was started.
///
/// `members`: more members of the metadata, each after a comma. `URL` in them is the issuer URL.
pub async fn authorization_server_with<A>(
    members: &str,
    mut answer: impl FnMut(String) -> A + Send + 'static,
) -> String
where
    A: Future<Output = String> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let more = members.replace("URL", &url);
    let metadata =
        format!(r#"{{"issuer":"{url}","token_endpoint":"{url}/token","jwks_uri":"{url}/jwks"{more}}}"#);
    answer_requests(listener, move |request| {
        let prepared = request
            .contains("/.well-known/")
            .then(|| answer_text("200 OK", "", &metadata));
        let answer = prepared.is_none().then(|| answer(request));
        async move {
            match answer {
                Some(answer) => answer.await,
                None => prepared.unwrap_or_default(),
            }
        }
    });
    url
}

/// Answers each request on a connection of its own, one after the other, with the whole text of an answer. It ends with the
/// runtime on which it was started.
pub fn answer_requests<A>(listener: TcpListener, mut answer: impl FnMut(String) -> A + Send + 'static)
where
    A: Future<Output = String> + Send,
{
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let Some(request) = request(&mut stream).await else {
                continue;
            };
            let text = answer(request).await;
            // The client may have closed the connection.
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
}

/// An answer of HTTP/1.1; each line of `headers` ends with CR LF.
pub fn answer_text(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one request with its body; `None` if the client closes the connection before.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}
