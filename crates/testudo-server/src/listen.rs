//! Listeners: accept loop, TLS, deadlines, limits, graceful drain.
//!
//! All rustls server types stay in this file.

use crate::app::App;
use crate::client_certificates::AskForCertificate;
use crate::config::TlsFiles;
use crate::http::Peer;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use testudo_core::doors::PeerCertificates;
use testudo_protocol::limits::HEADER_BYTES_MAX;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// Streams at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;

/// What a listener needs.
#[derive(Clone)]
pub struct Listening {
    /// Shared state.
    pub app: Arc<App>,
    /// TLS, where it is on.
    pub tls: Option<TlsAcceptor>,
    /// Connections at once, over all listeners.
    pub connections: Arc<Semaphore>,
    /// Turns true on shutdown.
    pub stop: watch::Receiver<bool>,
    /// How long running requests may finish.
    pub drain: Duration,
}

/// Reads certificate and key. TLS 1.3 and 1.2, HTTP/2 and 1.1.
pub fn tls_acceptor(files: &TlsFiles, asks_for_certificates: bool) -> Result<TlsAcceptor, String> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{}: {error}", files.certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(&files.private_key)
        .map_err(|error| format!("{}: {error}", files.private_key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match asks_for_certificates {
        true => builder.with_client_cert_verifier(Arc::new(AskForCertificate::new(provider))),
        false => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| format!("certificate and key do not fit together: {error}"))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts until told to stop, then lets running requests finish.
pub async fn accept(listener: TcpListener, mut listening: Listening) {
    let graceful = GracefulShutdown::new();
    let connections = listening.connections.clone();
    loop {
        let permit = tokio::select! {
            permit = connections.clone().acquire_owned() => permit,
            _ = listening.stop.changed() => break,
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = listening.stop.changed() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: wait for some to come back instead of spinning.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (listening, watcher) = (listening.clone(), graceful.watcher());
        tokio::spawn(async move {
            listening.app.metrics.connections.inc();
            converse(stream, address.ip(), &listening, watcher).await;
            listening.app.metrics.connections.dec();
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(listening.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
}

async fn converse(
    stream: TcpStream,
    address: IpAddr,
    listening: &Listening,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let _ = stream.set_nodelay(true);
    let mut peer = Peer {
        address: Some(address),
        certificates: None,
    };
    match &listening.tls {
        None => serve_connection(TokioIo::new(stream), &listening.app, peer, watcher).await,
        Some(acceptor) => {
            // A handshake that hangs holds a connection, and nothing else.
            match tokio::time::timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let shown = stream
                        .get_ref()
                        .1
                        .peer_certificates()
                        .filter(|chain| !chain.is_empty());
                    let chain = shown.map(|chain| chain.iter().map(|der| der.to_vec()).collect());
                    peer.certificates = chain.map(|chain| Arc::new(PeerCertificates::new(chain)));
                    serve_connection(TokioIo::new(stream), &listening.app, peer, watcher).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
        }
    }
}

async fn serve_connection<S>(
    io: TokioIo<S>,
    app: &Arc<App>,
    peer: Peer,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    let peer = Arc::new(peer);
    let service = hyper::service::service_fn(|request| {
        let (app, peer) = (app.clone(), peer.clone());
        async move { Ok::<_, std::convert::Infallible>(crate::http::dispatch(app, &peer, request).await) }
    });
    let connection = builder.serve_connection(io, service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended with an error");
    }
}
