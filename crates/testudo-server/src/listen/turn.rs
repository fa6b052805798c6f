//! One request between its head and the last byte of its answer: what it may hold in memory, how long its body
//! may take, and when it is over.
//!
//! The turn ends when the transport lets go of the answer, not when the handler has made it: an answer that waits
//! for the client counts as memory, keeps the connection from being called idle, and is waited for at a stop.

use super::connections::Connections;
use super::conversation::Conversation;
use super::memory::Taken;
use super::tail::BodyEnd;
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

/// An answer goes out in pieces of this size, so that a slow reader's progress can be seen, bytes.
const PIECE_BYTES: usize = 16 * 1024;
/// Memory is taken in steps of this size, bytes: a usual request with its answer fits into the first, and asks the
/// budgets that all share once.
const STEP_BYTES: usize = 4 * 1024;
/// What every request takes first.
const FIRST_BYTES: usize = REQUEST_BYTES + STEP_BYTES;
/// No part of time.
const NOT_ANSWERED: u8 = u8::MAX;

/// One request that is running, with the memory that it holds.
pub(super) struct Turn {
    conversation: Arc<Conversation>,
    connections: Arc<Connections>,
    /// Bytes of head, body and answer.
    held: AtomicUsize,
    /// Bytes that the budgets know of: at least as many, in steps.
    charged: AtomicUsize,
    /// Since which part of time the answer waits for the client.
    answered: AtomicU8,
    body: BodyEnd,
}

impl Turn {
    /// Begins with the head; the second value is false where the memory for it is used up.
    pub(super) fn begin<B>(
        conversation: &Arc<Conversation>,
        connections: &Arc<Connections>,
        request: &Request<B>,
    ) -> (Arc<Turn>, bool) {
        conversation.request_begins(request.version() == hyper::Version::HTTP_2);
        let turn = Arc::new(Turn {
            conversation: conversation.clone(),
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
        let fits = turn.take(FIRST_BYTES);
        let fits = fits && turn.holds(head, Turn::take);
        (turn, fits)
    }

    /// So many bytes more are held; `ask` asks for their memory where what was taken before is used up.
    fn holds(&self, bytes: usize, ask: impl FnOnce(&Turn, usize) -> bool) -> bool {
        let held = REQUEST_BYTES + bytes + self.held.fetch_add(bytes, Ordering::Relaxed);
        let charged = self.charged.load(Ordering::Relaxed);
        held <= charged || ask(self, (held - charged).next_multiple_of(STEP_BYTES))
    }

    /// Memory for what arrives. False where it is used up, by all or by this sender.
    fn take(&self, bytes: usize) -> bool {
        let taken = self.conversation.purse.take(bytes);
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

    /// Memory for an answer that exists already.
    fn charge(&self, bytes: usize) -> bool {
        if self.conversation.purse.charge(bytes) != Taken::Yes {
            self.connections.report_memory_shortage();
        }
        self.charged.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// The handler is done: head and body are held no longer, and the answer waits for the client.
    fn answered(&self) {
        self.held.store(0, Ordering::Relaxed);
        let beyond = self.charged.load(Ordering::Relaxed).saturating_sub(FIRST_BYTES);
        if beyond > 0 {
            self.charged.fetch_sub(beyond, Ordering::Relaxed);
            self.conversation.purse.give_back(beyond);
        }
        let part = self.conversation.request_is_answered();
        self.answered.store(part.number(), Ordering::Relaxed);
    }

    /// The client took a part of the answer.
    fn advances(&self) {
        if let Some(part) = part_of(self.answered.load(Ordering::Relaxed)) {
            let later = self.conversation.answer_advances(part);
            self.answered.store(later.number(), Ordering::Relaxed);
        }
    }
}

fn part_of(number: u8) -> Option<Part> {
    (number != NOT_ANSWERED).then(|| Part::of_number(number))
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.conversation.purse.give_back(*self.charged.get_mut());
        if self.body.is_followed(self.conversation.tail()) {
            self.conversation.next_head_has_begun();
        }
        let answered = part_of(*self.answered.get_mut());
        self.conversation.request_ends(answered);
    }
}

/// A request's body on its way in.
pub(super) struct Arriving {
    incoming: Incoming,
    turn: Arc<Turn>,
    late_after: Duration,
    /// Set when the first wait begins: most bodies arrive with their head.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Since which part of time the body is waited for.
    waits: Option<Part>,
    is_read: bool,
}

impl Arriving {
    pub(super) fn new(incoming: Incoming, turn: Arc<Turn>) -> Arriving {
        let late_after = turn.connections.limits.body_timeout;
        Arriving {
            incoming,
            turn,
            late_after,
            deadline: None,
            waits: None,
            is_read: false,
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(part) = self.waits {
            self.turn.conversation.body_is_over(part);
        }
        if !self.is_read && !self.incoming.is_end_stream() {
            self.turn.body.leave_unread();
        }
    }
}

impl Body for Arriving {
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
                    this.turn.body.read(data);
                }
                match this.turn.holds(bytes, Turn::take) {
                    true => Poll::Ready(Some(Ok(frame))),
                    false => Poll::Ready(Some(Err(BodyError::NoRoom))),
                }
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Ready(None) => {
                this.is_read = true;
                // From here on the request waits for us.
                if let Some(part) = this.waits.take() {
                    this.turn.conversation.body_is_over(part);
                }
                Poll::Ready(None)
            }
            Poll::Pending => {
                let conversation = &this.turn.conversation;
                this.waits.get_or_insert_with(|| conversation.body_waits());
                let late_after = this.late_after;
                let deadline = this
                    .deadline
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(late_after)));
                if deadline.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.turn.connections.counters.bodies_late.inc();
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

/// An answer's body, of either kind of listener.
pub(super) enum Made {
    /// Whole, as the public endpoints make it.
    Whole(Full<Bytes>),
    /// Of the admin API's framework.
    Admin(AdminBody),
}

/// An answer on its way out.
pub(super) struct Leaving {
    body: Made,
    rest: Bytes,
    turn: Arc<Turn>,
}

impl Leaving {
    pub(super) fn new(body: Made, turn: Arc<Turn>) -> Leaving {
        turn.answered();
        Leaving {
            body,
            rest: Bytes::new(),
            turn,
        }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        Frame::data(Bytes::from_owner(Held {
            piece,
            turn: self.turn.clone(),
        }))
    }
}

impl Body for Leaving {
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
            Made::Whole(whole) => Pin::new(whole)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Made::Admin(body) => Pin::new(body).poll_frame(cx),
        };
        frame.map(|frame| {
            frame.map(|frame| {
                frame.map(|frame| match frame.into_data() {
                    Ok(data) => {
                        this.turn.holds(data.len(), Turn::charge);
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
                Made::Whole(whole) => whole.is_end_stream(),
                Made::Admin(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = match &self.body {
            Made::Whole(whole) => whole.size_hint(),
            Made::Admin(body) => body.size_hint(),
        };
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

/// A piece of an answer that the transport has not let go of.
struct Held {
    piece: Bytes,
    turn: Arc<Turn>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.turn.advances();
    }
}
