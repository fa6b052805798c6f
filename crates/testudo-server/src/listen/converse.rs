//! One connection from its first byte to its end: TLS handshake, HTTP/1.1 or HTTP/2, and the orderly stop.

use super::connections::Seat;
use super::listening::Listening;
use super::observed::{Observed, Text, Wire};
use super::request_in_flight::{AnswerBody, RequestBody, RequestInFlight};
use crate::peer::Peer;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use testudo_core::doors::PeerCertificates;
use tokio::io::{AsyncRead, AsyncWrite};

/// Pause between two checks after a stop began. A connection that is idle at two checks in a row is closed; until then
/// its client can receive HTTP/2's GOAWAY.
const GOAWAY_TIME: Duration = Duration::from_millis(100);

/// Runs a connection until one side ends it. The socket is closed before the connection stops counting.
pub(super) async fn converse<S>(stream: S, mut peer: Peer, listening: Arc<Listening>, seat: Seat)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    {
        let stream = Observed {
            stream,
            observer: Wire(seat.conversation.clone()),
        };
        match &listening.tls {
            None => serve(stream, &listening, peer, &seat).await,
            Some(acceptor) => {
                // A handshake that hangs is ended by the deadline of the first head; a stop does not wait for it.
                let handshake = tokio::select! {
                    outcome = acceptor.accept(stream) => Some(outcome),
                    () = seat.conversation.woken() => None,
                };
                match handshake {
                    Some(Ok(stream)) => {
                        peer.certificates = certificates_of(&stream);
                        serve(stream, &listening, peer, &seat).await;
                    }
                    Some(Err(error)) => {
                        tracing::debug!(event = "connection.tls_failed", fault = %error, "TLS handshake failed");
                    }
                    None => {}
                }
            }
        }
    }
    if let Some(ending) = seat.conversation.ending() {
        tracing::debug!(
            event = "connection.ended",
            limit = ending.name(),
            "the server ended a connection"
        );
    }
    drop(seat);
}

/// The certificates that the client showed in the handshake.
fn certificates_of<S>(stream: &tokio_rustls::server::TlsStream<S>) -> Option<Arc<PeerCertificates>> {
    let chain = stream.get_ref().1.peer_certificates()?;
    if chain.is_empty() {
        return None;
    }
    let chain = chain.iter().map(|der| der.to_vec()).collect();
    Some(Arc::new(PeerCertificates::new(chain)))
}

async fn serve<S>(stream: S, listening: &Arc<Listening>, peer: Peer, seat: &Seat)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let conversation = &seat.conversation;
    let peer = Arc::new(peer);
    let stream = Observed {
        stream,
        observer: Text(conversation.clone()),
    };
    let service = hyper::service::service_fn(|request| {
        let (in_flight, fits) = RequestInFlight::begin(conversation, &seat.connections, &request);
        let (listening, peer) = (listening.clone(), peer.clone());
        async move {
            let request = request.map(|incoming| RequestBody::new(incoming, in_flight.clone()));
            let response = listening.endpoints.answer(&peer, request, fits).await;
            Ok::<_, Infallible>(response.map(|body| AnswerBody::new(body, in_flight)))
        }
    });
    let mut connection = pin!(listening.http.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            biased;
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(event = "connection.failed", fault = %error, "connection ended with an error");
                }
                return;
            }
            () = conversation.woken() => {}
        }
        if conversation.ending().is_some() {
            return;
        }
        if conversation.is_stopping() {
            break;
        }
    }
    connection.as_mut().graceful_shutdown();
    let mut was_idle = false;
    loop {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = conversation.woken() => {}
            () = tokio::time::sleep(GOAWAY_TIME) => {
                let is_idle = conversation.is_idle();
                if is_idle && was_idle {
                    return;
                }
                was_idle = is_idle;
            }
        }
        if conversation.ending().is_some() {
            return;
        }
    }
}
