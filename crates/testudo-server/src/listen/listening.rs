//! What a listener needs, and the limits of its HTTP/1.1 and HTTP/2.

use super::connections::Connections;
use super::endpoints::Endpoints;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::sync::Arc;
use testudo_protocol::limits::HEADER_BYTES_MAX;
use tokio_rustls::TlsAcceptor;

/// Bytes that a client may send on one HTTP/2 connection, and on one stream, before the server has read them. A whole
/// request body fits. Larger windows would only let a sender fill the memory of the server.
const WINDOW_BYTES: u32 = 65_535;
/// Bytes that may wait to be sent on one HTTP/2 stream.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// Streams that a client may open and reset before the server has accepted them; with more, the connection ends.
/// Without this limit a client can make the server begin work for requests that it resets at once (rapid reset).
const RESETS_PENDING_MAX: usize = 20;
/// Streams that the server resets because of a client's protocol errors; with more, the connection ends.
const ERROR_RESETS_MAX: usize = 128;

/// What a listener needs.
pub struct Listening {
    /// The endpoints that it serves.
    pub endpoints: Endpoints,
    /// TLS; `None` for cleartext.
    pub tls: Option<TlsAcceptor>,
    /// The limits, and all connections that count against them.
    pub connections: Arc<Connections>,
    pub(super) http: Builder<TokioExecutor>,
}

impl Listening {
    /// A listener with these endpoints, TLS and limits.
    pub fn new(endpoints: Endpoints, tls: Option<TlsAcceptor>, connections: Arc<Connections>) -> Listening {
        Listening {
            http: builder(connections.rules.load().limits.streams_max),
            endpoints,
            tls,
            connections,
        }
    }
}

/// The HTTP settings of a listener.
fn builder(streams_max: u32) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // hyper's own deadline for a head counts idle time as well: the conversation's is used instead.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams_max)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX);
    builder
}
