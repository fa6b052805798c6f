//! One connection as the limits see it: what it has done, when it did it last, and why it must end.
//!
//! The connection's own task writes here with single atomic operations; [`super::Connections`] reads every
//! connection a few times a second, and tells a task to end. So no request waits for a lock or sets a timer.

use super::last_bytes::LastBytes;
use super::memory::ConnectionMemory;
use super::waiting::{Part, Waiting};
use crate::config::ConnectionLimits;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Why the server closed a connection. The label of a metric: the name of the setting that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The head of a request was not complete in time: of the first one, TLS handshake included, or of a later one
    /// whose first byte had arrived.
    FirstRequest,
    /// No request ran for `idle_timeout`.
    Idle,
    /// The client did not read its answers for `write_timeout`.
    Write,
    /// Too many connections in total: the one that was idle longest is closed, or the new one where none is idle.
    Connections,
    /// Too many connections of one address; closed as for [`Ending::Connections`].
    Address,
    /// Too many connections of one address prefix; closed as for [`Ending::Connections`].
    Prefix,
    /// The memory of requests in flight was nearly full, and this connection held most of it for longest.
    Memory,
    /// The operating system had no file descriptor left for another connection.
    OpenFiles,
    /// The server stopped before its requests were done.
    Drain,
}

impl Ending {
    /// All reasons, so that the metric shows each from the start.
    pub(super) const ALL: [Ending; 9] = [
        Ending::FirstRequest,
        Ending::Idle,
        Ending::Write,
        Ending::Connections,
        Ending::Address,
        Ending::Prefix,
        Ending::Memory,
        Ending::OpenFiles,
        Ending::Drain,
    ];

    /// The value of the metric's label `reason`.
    pub fn name(self) -> &'static str {
        match self {
            Ending::FirstRequest => "first_request_timeout",
            Ending::Idle => "idle_timeout",
            Ending::Write => "write_timeout",
            Ending::Connections => "connections_max",
            Ending::Address => "connections_max_per_address",
            Ending::Prefix => "connections_max_per_prefix",
            Ending::Memory => "memory",
            Ending::OpenFiles => "open_files",
            Ending::Drain => "drain",
        }
    }
}

/// Milliseconds on the monotonic clock, which changes of the system time do not move. Never 0: the fields of
/// [`Conversation`] use 0 for "not now".
pub(super) fn ticks() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

/// The state of one connection that the limits need.
#[derive(Debug)]
pub struct Conversation {
    accepted: u64,
    /// When last a request began or ended, or the client took a part of an answer.
    active: AtomicU64,
    /// When the first byte after a request's end came, which begins the next head (HTTP/1.1 only).
    head: AtomicU64,
    /// The last bytes that arrived, after decryption.
    last_bytes: AtomicU32,
    /// Since when the socket has taken no bytes of a write; 0 where no write is blocked.
    blocked: AtomicU64,
    has_begun: AtomicBool,
    is_http2: AtomicBool,
    /// Requests whose head has arrived and whose answer is not sent.
    running: AtomicU32,
    /// Those of them whose body has not arrived.
    bodies: Waiting,
    /// Those of them whose handler has answered: each has its own deadline, also while other requests run.
    answers: Waiting,
    is_stopping: AtomicBool,
    ending: OnceLock<Ending>,
    wake: Notify,
    /// Memory of its requests.
    pub(super) memory: ConnectionMemory,
}

impl Conversation {
    pub(super) fn new(limits: &ConnectionLimits, memory: ConnectionMemory) -> Conversation {
        let now = ticks();
        Conversation {
            accepted: now,
            active: AtomicU64::new(now),
            head: AtomicU64::new(0),
            last_bytes: AtomicU32::new(0),
            blocked: AtomicU64::new(0),
            has_begun: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            running: AtomicU32::new(0),
            bodies: Waiting::new(limits.body_timeout),
            answers: Waiting::new(limits.write_timeout),
            is_stopping: AtomicBool::new(false),
            ending: OnceLock::new(),
            wake: Notify::new(),
            memory,
        }
    }

    pub(super) fn request_begins(&self, is_http2: bool) {
        self.is_http2.store(is_http2, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        self.head.store(0, Ordering::Relaxed);
        self.active.store(ticks(), Ordering::Relaxed);
        self.has_begun.store(true, Ordering::Release);
    }

    /// The handler has answered. The answer waits for the client from now on.
    pub(super) fn request_is_answered(&self) -> Part {
        let now = ticks();
        self.active.store(now, Ordering::Relaxed);
        self.answers.enter(now)
    }

    /// The client took a part of this answer.
    pub(super) fn answer_advances(&self, part: Part) -> Part {
        let now = ticks();
        self.active.store(now, Ordering::Relaxed);
        self.answers.advance(part, now)
    }

    /// A request is over: its answer is sent, or the transport dropped it.
    pub(super) fn request_ends(&self, answered: Option<Part>) {
        self.active.store(ticks(), Ordering::Relaxed);
        if let Some(part) = answered {
            self.answers.leave(part);
        }
        self.running.fetch_sub(1, Ordering::Release);
    }

    /// The handler waits for the rest of a body.
    pub(super) fn body_waits(&self) -> Part {
        self.bodies.enter(ticks())
    }

    /// The body has arrived, or the handler stopped reading it.
    pub(super) fn body_is_over(&self, part: Part) {
        self.bodies.leave(part);
    }

    /// For how many sixteenths of its deadline the oldest request has waited for the client; `None` where none waits.
    pub(super) fn waited_parts(&self, now: u64) -> Option<u64> {
        self.bodies.oldest_parts(now).max(self.answers.oldest_parts(now))
    }

    /// Bytes arrived, before decryption. Between two requests of HTTP/1.1 they begin the head of the next one.
    pub(super) fn bytes_arrive(&self) {
        if self.running.load(Ordering::Relaxed) == 0 && self.head.load(Ordering::Relaxed) == 0 {
            self.head.store(ticks(), Ordering::Relaxed);
        }
    }

    /// Bytes arrived, after decryption.
    pub(super) fn text_arrives(&self, bytes: &[u8]) {
        let last_bytes = LastBytes(self.last_bytes.load(Ordering::Relaxed)).after(bytes);
        self.last_bytes.store(last_bytes.0, Ordering::Relaxed);
    }

    /// The last bytes that arrived, after decryption.
    pub(super) fn last_bytes(&self) -> LastBytes {
        LastBytes(self.last_bytes.load(Ordering::Relaxed))
    }

    /// The next head began before this request's end (HTTP/1.1).
    pub(super) fn next_head_has_begun(&self) {
        self.head.store(ticks(), Ordering::Relaxed);
    }

    /// A write was tried, and the socket took bytes or was blocked.
    pub(super) fn write_is_blocked(&self, is_blocked: bool) {
        let is_known = self.blocked.load(Ordering::Relaxed) != 0;
        if is_blocked != is_known {
            let since = if is_blocked { ticks() } else { 0 };
            self.blocked.store(since, Ordering::Relaxed);
        }
    }

    /// Since when no request has been running; `None` while one runs.
    pub(super) fn idle_since(&self) -> Option<u64> {
        let is_idle = self.running.load(Ordering::Acquire) == 0;
        is_idle.then(|| self.active.load(Ordering::Relaxed))
    }

    /// True where nothing would be lost if the connection were closed now.
    pub(super) fn is_idle(&self) -> bool {
        self.idle_since().is_some() && self.blocked.load(Ordering::Relaxed) == 0
    }

    /// Requests whose head has arrived and whose answer is not sent.
    pub(super) fn running(&self) -> u32 {
        self.running.load(Ordering::Acquire)
    }

    /// The reason to end the connection now, where a deadline is over.
    pub(super) fn judge(&self, now: u64, limits: &ConnectionLimits) -> Option<Ending> {
        let is_over =
            |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) >= limit.as_millis();
        let blocked = self.blocked.load(Ordering::Relaxed);
        if blocked != 0 && is_over(blocked, limits.write_timeout) {
            return Some(Ending::Write);
        }
        if !self.has_begun.load(Ordering::Acquire) {
            return is_over(self.accepted, limits.first_request_timeout).then_some(Ending::FirstRequest);
        }
        let active = self.active.load(Ordering::Relaxed);
        let running = self.running.load(Ordering::Acquire);
        if running > 0 {
            // Over HTTP/2 a client can take bytes of other streams while it gives the stream of an answer no window:
            // then no write is blocked, but the answer is not read.
            return self.answers.is_over(now).then_some(Ending::Write);
        }
        // Over HTTP/2, frames such as PING arrive between requests and begin no head: only the idle time counts.
        let head = self.head.load(Ordering::Relaxed);
        let is_http1 = !self.is_http2.load(Ordering::Relaxed);
        if is_http1 && head != 0 && is_over(head, limits.first_request_timeout) {
            return Some(Ending::FirstRequest);
        }
        is_over(active, limits.idle_timeout).then_some(Ending::Idle)
    }

    /// Tells the connection's task to close it now. The reason of the first call is kept.
    pub(super) fn end(&self, ending: Ending) {
        if self.ending.set(ending).is_ok() {
            self.wake.notify_one();
        }
    }

    /// Tells the connection's task to finish the running requests and to close the connection then.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// The reason to close the connection now, where there is one.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.ending.get().copied()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Waits for [`Conversation::end`] or [`Conversation::stop`].
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> ConnectionLimits {
        ConnectionLimits {
            first_request_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(60),
            ..ConnectionLimits::default()
        }
    }

    fn memory() -> ConnectionMemory {
        ConnectionMemory::new(
            std::sync::Arc::new(super::super::memory::Budget::of_all(0)),
            Vec::new(),
        )
    }

    /// The ending, so many seconds after the conversation's last event.
    fn after(conversation: &Conversation, seconds: u64) -> Option<Ending> {
        conversation.judge(ticks() + seconds * 1000, &limits())
    }

    fn begun(is_http2: bool) -> Conversation {
        let conversation = Conversation::new(&limits(), memory());
        conversation.request_begins(is_http2);
        conversation
    }

    #[test]
    fn a_silent_connection_ends_with_the_first_head() {
        let conversation = Conversation::new(&limits(), memory());
        assert_eq!(after(&conversation, 9), None);
        assert_eq!(after(&conversation, 10), Some(Ending::FirstRequest));
        conversation.bytes_arrive();
        assert_eq!(
            after(&conversation, 10),
            Some(Ending::FirstRequest),
            "a byte buys no time"
        );
    }

    #[test]
    fn an_idle_connection_ends_after_the_idle_timeout_whatever_frames_come() {
        let conversation = begun(true);
        let part = conversation.request_is_answered();
        conversation.request_ends(Some(part));
        conversation.bytes_arrive();
        assert_eq!(after(&conversation, 59), None);
        assert_eq!(after(&conversation, 61), Some(Ending::Idle));
    }

    #[test]
    fn a_later_head_that_has_begun_has_the_time_of_a_first_one() {
        let conversation = begun(false);
        conversation.bytes_arrive();
        conversation.request_ends(None);
        assert_eq!(
            after(&conversation, 11),
            None,
            "what came before the end is no head"
        );
        conversation.bytes_arrive();
        assert_eq!(after(&conversation, 9), None);
        assert_eq!(after(&conversation, 11), Some(Ending::FirstRequest));
    }

    #[test]
    fn a_request_that_runs_has_no_deadline_here_but_its_unread_answer_has() {
        let conversation = begun(true);
        assert_eq!(after(&conversation, 3600), None);
        let part = conversation.request_is_answered();
        assert_eq!(after(&conversation, 19), None);
        assert_eq!(after(&conversation, 22), Some(Ending::Write));
        conversation.request_begins(true);
        assert_eq!(
            after(&conversation, 22),
            Some(Ending::Write),
            "a later request buys no time"
        );
        conversation.request_ends(Some(part));
        assert_eq!(after(&conversation, 22), None, "only one runs");
    }

    #[test]
    fn connection_whose_client_reads_nothing_is_closed_even_while_a_request_runs() {
        let conversation = begun(false);
        conversation.write_is_blocked(true);
        assert_eq!(after(&conversation, 19), None);
        assert_eq!(after(&conversation, 21), Some(Ending::Write));
        conversation.write_is_blocked(false);
        assert_eq!(after(&conversation, 21), None, "progress");
    }
}
