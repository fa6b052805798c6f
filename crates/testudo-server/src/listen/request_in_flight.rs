//! A request in flight, from its head to the last byte of its answer: the memory that it uses, the deadline of its body,
//! and its end.
//!
//! The end is when the transport has sent or dropped the answer, and not when the handler has made it: an answer that
//! the client has not read is counted as memory, its connection is not idle, and a stop of the server waits for it.

use super::connection_state::ConnectionState;
use super::connections::Connections;
use super::last_bytes::BodyEnd;
use super::memory::Taken;
use super::waiting::Part;
use crate::http::BodyError;
use axum::body::Body as AdminBody;
use http_body_util::Full;
use hyper::Request;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use testudo_protocol::limits::REQUEST_BYTES;
use tokio::time::Sleep;

/// An answer is sent in pieces of this size, in bytes, so that the server notices when a slow client reads a part.
const PIECE_BYTES: usize = 16 * 1024;
/// Memory is counted in steps of this size, in bytes. A usual request with its answer fits into the first step, so it
/// changes the budgets, which all connections share, only once.
const STEP_BYTES: usize = 4 * 1024;
/// Bytes that are counted for every request when it begins.
const FIRST_BYTES: usize = REQUEST_BYTES + STEP_BYTES;
/// The value of [`RequestInFlight::answered`] before the handler has answered.
const NOT_ANSWERED: u8 = u8::MAX;

/// A running request, and the memory that it uses.
pub(super) struct RequestInFlight {
    state: Arc<ConnectionState>,
    connections: Arc<Connections>,
    /// Bytes of head, body and answer that exist now.
    held: AtomicUsize,
    /// Bytes that were counted in the budgets: at least `held`, rounded up to [`STEP_BYTES`].
    charged: AtomicUsize,
    /// Number of the [`Part`] in which the answer began to wait for the client.
    answered: AtomicU8,
    body: BodyEnd,
}

impl RequestInFlight {
    /// Called when the head has arrived. The second value is false if there is not enough memory for the request.
    pub(super) fn begin<B>(
        state: &Arc<ConnectionState>,
        connections: &Arc<Connections>,
        request: &Request<B>,
    ) -> (Arc<RequestInFlight>, bool) {
        state.request_begins(request.version() == hyper::Version::HTTP_2);
        let in_flight = Arc::new(RequestInFlight {
            state: state.clone(),
            connections: connections.clone(),
            held: AtomicUsize::new(0),
            charged: AtomicUsize::new(0),
            answered: AtomicU8::new(NOT_ANSWERED),
            body: BodyEnd::default(),
        });
        let fields = request.headers().iter();
        let head: usize = fields
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        let fits = in_flight.take(FIRST_BYTES);
        let fits = fits && in_flight.holds(head, RequestInFlight::take);
        (in_flight, fits)
    }

    /// Adds `bytes` to the bytes that exist. If they do not fit into the steps counted so far, `count` counts more.
    fn holds(&self, bytes: usize, count: impl FnOnce(&RequestInFlight, usize) -> bool) -> bool {
        let held = REQUEST_BYTES + bytes + self.held.fetch_add(bytes, Ordering::Relaxed);
        let charged = self.charged.load(Ordering::Relaxed);
        held <= charged || count(self, (held - charged).next_multiple_of(STEP_BYTES))
    }

    /// Counts bytes of the request in the budgets. False if the memory of all clients, or of this client, is used up.
    fn take(&self, bytes: usize) -> bool {
        let taken = self.state.memory.take(bytes);
        match taken {
            Taken::Yes => {}
            Taken::NearlyFull => self.connections.report_memory_shortage(),
            Taken::No => {
                self.connections.report_memory_shortage();
                self.connections.counters.requests_shed.inc();
                return false;
            }
        }
        self.charged.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// Counts bytes of an answer in the budgets. This never fails, because the answer already exists.
    fn charge(&self, bytes: usize) -> bool {
        if self.state.memory.charge(bytes) != Taken::Yes {
            self.connections.report_memory_shortage();
        }
        self.charged.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// Called when the handler has answered: gives back the memory of head and body. From now on the answer waits for the
    /// client.
    fn answered(&self) {
        self.held.store(0, Ordering::Relaxed);
        let beyond = self.charged.load(Ordering::Relaxed).saturating_sub(FIRST_BYTES);
        if beyond > 0 {
            self.charged.fetch_sub(beyond, Ordering::Relaxed);
            self.state.memory.give_back(beyond);
        }
        let part = self.state.request_is_answered();
        self.answered.store(part.number(), Ordering::Relaxed);
    }

    /// Called when the client has read a part of the answer.
    fn advances(&self) {
        if let Some(part) = part_of(self.answered.load(Ordering::Relaxed)) {
            let later = self.state.answer_advances(part);
            self.answered.store(later.number(), Ordering::Relaxed);
        }
    }
}

fn part_of(number: u8) -> Option<Part> {
    (number != NOT_ANSWERED).then(|| Part::of_number(number))
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        self.state.memory.give_back(*self.charged.get_mut());
        if self.body.is_followed(self.state.last_bytes()) {
            self.state.next_head_begins_early();
        }
        let answered = part_of(*self.answered.get_mut());
        self.state.request_ends(answered);
    }
}

/// The body of a request, as its bytes arrive.
pub(super) struct RequestBody {
    incoming: Incoming,
    in_flight: Arc<RequestInFlight>,
    late_after: Duration,
    /// Set at the first wait, because most bodies arrive with their head and need no timer.
    deadline: Option<Pin<Box<Sleep>>>,
    /// The [`Part`] in which the wait for the body began.
    waits: Option<Part>,
    is_read: bool,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, in_flight: Arc<RequestInFlight>) -> RequestBody {
        let late_after = in_flight.connections.rules.load().limits.body_timeout;
        RequestBody {
            incoming,
            in_flight,
            late_after,
            deadline: None,
            waits: None,
            is_read: false,
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(part) = self.waits {
            self.in_flight.state.body_wait_ends(part);
        }
        if !self.is_read && !self.incoming.is_end_stream() {
            self.in_flight.body.leave_unread();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                if let Some(data) = frame.data_ref() {
                    this.in_flight.body.read(data);
                }
                match this.in_flight.holds(bytes, RequestInFlight::take) {
                    true => Poll::Ready(Some(Ok(frame))),
                    false => Poll::Ready(Some(Err(BodyError::NoRoom))),
                }
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Ready(None) => {
                this.is_read = true;
                // From now on the request waits for this server and not for its client.
                if let Some(part) = this.waits.take() {
                    this.in_flight.state.body_wait_ends(part);
                }
                Poll::Ready(None)
            }
            Poll::Pending => {
                let state = &this.in_flight.state;
                this.waits.get_or_insert_with(|| state.body_wait_begins());
                let late_after = this.late_after;
                let deadline = this
                    .deadline
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(late_after)));
                if deadline.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.in_flight.connections.counters.bodies_late.inc();
                Poll::Ready(Some(Err(BodyError::Late)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// The body of an answer as the handler made it.
pub(super) enum HandlerBody {
    /// Made by a public endpoint, complete in memory.
    Whole(Full<Bytes>),
    /// Made by the admin API's framework, possibly in several frames.
    Admin(AdminBody),
}

/// The body of an answer as it is sent: in pieces of at most [`PIECE_BYTES`].
pub(super) struct AnswerBody {
    body: HandlerBody,
    rest: Bytes,
    in_flight: Arc<RequestInFlight>,
}

impl AnswerBody {
    pub(super) fn new(body: HandlerBody, in_flight: Arc<RequestInFlight>) -> AnswerBody {
        in_flight.answered();
        AnswerBody {
            body,
            rest: Bytes::new(),
            in_flight,
        }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        Frame::data(Bytes::from_owner(AnswerPiece {
            piece,
            in_flight: self.in_flight.clone(),
        }))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if !this.rest.is_empty() {
            return Poll::Ready(Some(Ok(this.piece())));
        }
        let frame = match &mut this.body {
            HandlerBody::Whole(whole) => Pin::new(whole)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            HandlerBody::Admin(body) => Pin::new(body).poll_frame(cx),
        };
        frame.map(|frame| {
            frame.map(|frame| {
                frame.map(|frame| match frame.into_data() {
                    Ok(data) => {
                        this.in_flight.holds(data.len(), RequestInFlight::charge);
                        this.rest = data;
                        this.piece()
                    }
                    Err(frame) => frame,
                })
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && match &self.body {
                HandlerBody::Whole(whole) => whole.is_end_stream(),
                HandlerBody::Admin(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = match &self.body {
            HandlerBody::Whole(whole) => whole.size_hint(),
            HandlerBody::Admin(body) => body.size_hint(),
        };
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

/// A piece of an answer. The transport drops it when its bytes are sent or the connection is closed.
struct AnswerPiece {
    piece: Bytes,
    in_flight: Arc<RequestInFlight>,
}

impl AsRef<[u8]> for AnswerPiece {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for AnswerPiece {
    fn drop(&mut self) {
        self.in_flight.advances();
    }
}
