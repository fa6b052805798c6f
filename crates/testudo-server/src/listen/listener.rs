//! A listener: its endpoints, TLS, connections, and the limits of HTTP/1.1 and HTTP/2.

use super::connections::Connections;
use super::endpoints::Endpoints;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::sync::Arc;
use testudo_protocol::limits::HEADER_BYTES_MAX;
use tokio_rustls::TlsAcceptor;

/// Bytes that a client may send on one HTTP/2 connection, and on one stream, before the server has read them. The
/// largest request body fits. With a larger window, a client could fill more memory of the server.
const WINDOW_BYTES: u32 = 65_535;
/// Bytes that may wait to be sent on one HTTP/2 stream.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// How many streams a client may open and reset before the server has accepted them; with more, the connection is
/// closed. Without this limit a client can make the server work for requests that the client resets at once (rapid
/// reset).
const RESETS_PENDING_MAX: usize = 20;
/// How many streams the server resets because of protocol errors of the client; with more, the connection is closed.
const ERROR_RESETS_MAX: usize = 128;

/// What the connections of one listener have in common.
pub struct Listener {
    /// The endpoints that the listener serves.
    pub endpoints: Endpoints,
    /// TLS; `None` for cleartext.
    pub tls: Option<TlsAcceptor>,
    /// The limits, and all connections that are counted against them.
    pub connections: Arc<Connections>,
    pub(super) http: Builder<TokioExecutor>,
}

impl Listener {
    /// A listener with these endpoints, TLS and limits.
    pub fn new(endpoints: Endpoints, tls: Option<TlsAcceptor>, connections: Arc<Connections>) -> Listener {
        Listener {
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
    // hyper counts idle time as part of its deadline for a head; the deadline of `ConnectionState` is used instead.
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
