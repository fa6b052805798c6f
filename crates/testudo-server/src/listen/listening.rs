//! What a listener needs, and how it speaks HTTP.

use super::connections::Connections;
use super::door::Door;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::sync::Arc;
use testudo_protocol::limits::HEADER_BYTES_MAX;
use tokio_rustls::TlsAcceptor;

/// What a client may send on one HTTP/2 connection before we have read it, bytes; and on one stream. A whole body
/// fits. Larger windows only let a sender fill our memory.
const WINDOW_BYTES: u32 = 65_535;
/// What waits to be sent on one HTTP/2 stream, bytes. Our answers are smaller.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// Streams that a client opened and reset before we saw them; then the connection ends. The attack is to make us
/// begin work and throw it away.
const RESETS_PENDING_MAX: usize = 20;
/// Streams that we reset for the client's errors; then the connection ends.
const ERROR_RESETS_MAX: usize = 128;

/// What a listener needs.
pub struct Listening {
    /// What answers.
    pub door: Door,
    /// TLS, where it is on.
    pub tls: Option<TlsAcceptor>,
    /// The limits, and all connections under them.
    pub connections: Arc<Connections>,
    pub(super) http: Builder<TokioExecutor>,
}

impl Listening {
    /// Puts it together.
    pub fn new(door: Door, tls: Option<TlsAcceptor>, connections: Arc<Connections>) -> Listening {
        Listening {
            http: builder(connections.limits.streams_max),
            door,
            tls,
            connections,
        }
    }
}

/// How this listener speaks HTTP.
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
