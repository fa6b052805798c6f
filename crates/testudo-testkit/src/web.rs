//! A web server with one document, over TLS, that counts its connections.

use crate::x509::web_certificate;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// The server. It ends with the runtime on which it was started.
pub struct DocumentServer {
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The root of its certificate, PEM.
    pub root_pem: String,
    state: Arc<State>,
}

struct State {
    answer: Mutex<(u16, Option<String>, String)>,
    connections: AtomicUsize,
}

impl DocumentServer {
    /// Starts a server with the name `host` that answers 404.
    pub async fn start(host: &str) -> DocumentServer {
        let (leaf, root) = web_certificate(host);
        let chain = leaf
            .chain
            .iter()
            .map(|der| CertificateDer::from(der.clone()))
            .collect();
        let key = PrivatePkcs8KeyDer::from(leaf.key.clone()).into();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answer: Mutex::new((404, None, String::new())),
            connections: AtomicUsize::new(0),
        });
        tokio::spawn(accept(listener, acceptor, state.clone()));
        DocumentServer {
            address,
            root_pem: root.chain_pem(),
            state,
        }
    }

    /// Sets the answer from now on: status, `Location`, body.
    pub fn answers(&self, status: u16, location: Option<&str>, body: &str) {
        let answer = (status, location.map(str::to_owned), body.to_owned());
        *self.state.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, acceptor: tokio_rustls::TlsAcceptor, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, state) = (acceptor.clone(), state.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |_: Request<hyper::body::Incoming>| {
                let (status, location, body) = state
                    .answer
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                async move {
                    let mut builder = Response::builder().status(status);
                    if let Some(location) = location {
                        builder = builder.header("location", location);
                    }
                    builder.body(Full::new(Bytes::from(body)))
                }
            });
            // The client may have closed the connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
