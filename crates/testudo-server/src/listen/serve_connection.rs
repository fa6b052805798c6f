//! Serves one connection: TLS handshake, HTTP/1.1 or HTTP/2, and the close when the server stops.

use super::connections::ConnectionGuard;
use super::listener::Listener;
use super::observed::{Observed, Plaintext, Wire};
use super::request_in_flight::{AnswerBody, RequestBody, RequestInFlight};
use crate::peer::Peer;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use testudo_core::doors::PeerCertificates;
use tokio::io::{AsyncRead, AsyncWrite};

/// Pause between two checks of a connection while the server stops. A connection that is idle at two checks in a row is
/// closed; in between, its client can receive the GOAWAY frame of HTTP/2.
const GOAWAY_TIME: Duration = Duration::from_millis(100);

/// Serves a connection until the client or the server closes it. The socket is closed before `guard` is dropped, so the
/// limits count every open socket.
pub(super) async fn serve_connection<S>(
    stream: S,
    mut peer: Peer,
    listener: Arc<Listener>,
    guard: ConnectionGuard,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    {
        let stream = Observed {
            stream,
            observer: Wire(guard.state.clone()),
        };
        match &listener.tls {
            None => serve_http(stream, &listener, peer, &guard).await,
            Some(acceptor) => {
                // The deadline of the first request head ends a handshake that hangs. A stop does not wait for a handshake.
                let handshake = tokio::select! {
                    outcome = acceptor.accept(stream) => Some(outcome),
                    () = guard.state.woken() => None,
                };
                match handshake {
                    Some(Ok(stream)) => {
                        peer.certificates = certificates_of(&stream);
                        serve_http(stream, &listener, peer, &guard).await;
                    }
                    Some(Err(error)) => {
                        tracing::debug!(event = "connection.tls_failed", fault = %error, "TLS handshake failed");
                    }
                    None => {}
                }
            }
        }
    }
    if let Some(reason) = guard.state.close_reason() {
        tracing::debug!(
            event = "connection.ended",
            limit = reason.name(),
            "the server closed a connection"
        );
    }
    drop(guard);
}

/// The certificates that the client sent in the TLS handshake.
fn certificates_of<S>(stream: &tokio_rustls::server::TlsStream<S>) -> Option<Arc<PeerCertificates>> {
    let chain = stream.get_ref().1.peer_certificates()?;
    if chain.is_empty() {
        return None;
    }
    let chain = chain.iter().map(|der| der.to_vec()).collect();
    Some(Arc::new(PeerCertificates::new(chain)))
}

async fn serve_http<S>(stream: S, listener: &Arc<Listener>, peer: Peer, guard: &ConnectionGuard)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let state = &guard.state;
    let peer = Arc::new(peer);
    let stream = Observed {
        stream,
        observer: Plaintext(state.clone()),
    };
    let service = hyper::service::service_fn(|request| {
        let (in_flight, fits) = RequestInFlight::begin(state, &guard.connections, &request);
        let (listener, peer) = (listener.clone(), peer.clone());
        async move {
            let request = request.map(|incoming| RequestBody::new(incoming, in_flight.clone()));
            let response = listener.endpoints.answer(&peer, request, fits).await;
            Ok::<_, Infallible>(response.map(|body| AnswerBody::new(body, in_flight)))
        }
    });
    let mut connection = pin!(listener.http.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            biased;
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(event = "connection.failed", fault = %error, "connection ended with an error");
                }
                return;
            }
            () = state.woken() => {}
        }
        if state.close_reason().is_some() {
            return;
        }
        if state.is_stopping() {
            break;
        }
    }
    connection.as_mut().graceful_shutdown();
    let mut was_idle = false;
    loop {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = state.woken() => {}
            () = tokio::time::sleep(GOAWAY_TIME) => {
                let is_idle = state.is_idle();
                if is_idle && was_idle {
                    return;
                }
                was_idle = is_idle;
            }
        }
        if state.close_reason().is_some() {
            return;
        }
    }
}
