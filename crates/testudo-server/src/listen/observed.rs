//! A stream that notifies an observer of the bytes that are read and of blocked writes.

use super::connection_state::ConnectionState;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Is notified of the reads and writes of a stream.
pub(super) trait Observer: Unpin {
    /// At least one byte was read.
    fn read(&self, bytes: &[u8]);

    /// A write was tried; if `is_blocked`, the socket accepted no bytes.
    fn write(&self, is_blocked: bool);
}

/// The observer below TLS: it records when bytes arrive and when a write is blocked.
pub(super) struct Wire(pub(super) Arc<ConnectionState>);

impl Observer for Wire {
    fn read(&self, _bytes: &[u8]) {
        self.0.bytes_arrive();
    }

    fn write(&self, is_blocked: bool) {
        self.0.write_is_blocked(is_blocked);
    }
}

/// The observer above TLS: it records the last decrypted bytes that arrived.
pub(super) struct Plaintext(pub(super) Arc<ConnectionState>);

impl Observer for Plaintext {
    fn read(&self, bytes: &[u8]) {
        self.0.plaintext_arrives(bytes);
    }

    fn write(&self, _is_blocked: bool) {}
}

/// A stream with its observer.
pub(super) struct Observed<S, O> {
    pub(super) stream: S,
    pub(super) observer: O,
}

impl<S: AsyncRead + Unpin, O: Observer> AsyncRead for Observed<S, O> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if let Some(bytes) = buffer.filled().get(before..)
            && !bytes.is_empty()
        {
            this.observer.read(bytes);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin, O: Observer> AsyncWrite for Observed<S, O> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.observer.write(outcome.is_pending());
        outcome
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.observer.write(outcome.is_pending());
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
