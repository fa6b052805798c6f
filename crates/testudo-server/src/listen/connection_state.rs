//! The state of one connection that its limits need: its running requests, the time of its last activity, and the
//! reason to close it.
//!
//! The task of the connection writes this state with single atomic operations; [`super::Connections`] reads the states
//! of all connections a few times a second and signals a task to close its connection. So no request waits for a lock
//! or sets a timer.

use super::last_bytes::LastBytes;
use super::memory::ConnectionMemory;
use super::waiting::{Part, Waiting};
use crate::config::ConnectionLimits;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Why the server closed a connection: the limit that was reached. Its name is the label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The head of a request did not arrive within `first_request_timeout`. For the first request of a connection, the
    /// time begins with the connection and includes the TLS handshake; for a later one, it begins with its first byte.
    FirstRequest,
    /// No request ran on the connection for `idle_timeout`.
    Idle,
    /// The client did not read an answer for `write_timeout`.
    Write,
    /// `connections_max` was reached: the connection that was idle longest is closed, or the new one if none is idle.
    Connections,
    /// Too many connections from one address; closed as for [`CloseReason::Connections`].
    Address,
    /// Too many connections from one address prefix; closed as for [`CloseReason::Connections`].
    Prefix,
    /// The memory of requests in flight was nearly full, and the requests of this connection used most of it while the
    /// server waited for the client.
    Memory,
    /// The process had no file descriptor left for another connection.
    OpenFiles,
    /// The server stopped, and the requests of this connection were not done within `server.drain`.
    Drain,
}

impl CloseReason {
    /// All reasons: the metric has a value for each of them from the start.
    pub(super) const ALL: [CloseReason; 9] = [
        CloseReason::FirstRequest,
        CloseReason::Idle,
        CloseReason::Write,
        CloseReason::Connections,
        CloseReason::Address,
        CloseReason::Prefix,
        CloseReason::Memory,
        CloseReason::OpenFiles,
        CloseReason::Drain,
    ];

    /// The value of the metric's label `reason`.
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::FirstRequest => "first_request_timeout",
            CloseReason::Idle => "idle_timeout",
            CloseReason::Write => "write_timeout",
            CloseReason::Connections => "connections_max",
            CloseReason::Address => "connections_max_per_address",
            CloseReason::Prefix => "connections_max_per_prefix",
            CloseReason::Memory => "memory",
            CloseReason::OpenFiles => "open_files",
            CloseReason::Drain => "drain",
        }
    }
}

/// Milliseconds on the monotonic clock, which changes of the system time do not move. Never 0: the fields of
/// [`ConnectionState`] use 0 for "not now".
pub(super) fn ticks() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_millis())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

/// The state of one connection that the limits need.
#[derive(Debug)]
pub struct ConnectionState {
    accepted: u64,
    /// When a request last began or ended, or the client last read a part of an answer.
    active: AtomicU64,
    /// When the first byte of the next request head arrived (HTTP/1.1 only).
    head: AtomicU64,
    /// The last bytes that arrived, after decryption.
    last_bytes: AtomicU32,
    /// Since when the socket has accepted no bytes of a write; 0 if no write is blocked.
    blocked: AtomicU64,
    has_begun: AtomicBool,
    is_http2: AtomicBool,
    /// The number of requests whose head has arrived and whose answer is not sent.
    running: AtomicU32,
    /// The running requests whose body has not arrived.
    bodies: Waiting,
    /// The running requests whose answer waits for the client. Each has its own deadline, also while other requests run.
    answers: Waiting,
    is_stopping: AtomicBool,
    reason: OnceLock<CloseReason>,
    wake: Notify,
    /// The memory of the requests of this connection.
    pub(super) memory: ConnectionMemory,
}

impl ConnectionState {
    pub(super) fn new(limits: &ConnectionLimits, memory: ConnectionMemory) -> ConnectionState {
        let now = ticks();
        ConnectionState {
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
            reason: OnceLock::new(),
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

    /// The handler has made the answer. From now on the answer waits for the client.
    pub(super) fn request_is_answered(&self) -> Part {
        let now = ticks();
        self.active.store(now, Ordering::Relaxed);
        self.answers.enter(now)
    }

    /// The client read a part of this answer.
    pub(super) fn answer_advances(&self, part: Part) -> Part {
        let now = ticks();
        self.active.store(now, Ordering::Relaxed);
        self.answers.advance(part, now)
    }

    /// The answer of a request is sent, or the transport dropped it.
    pub(super) fn request_ends(&self, answered: Option<Part>) {
        self.active.store(ticks(), Ordering::Relaxed);
        if let Some(part) = answered {
            self.answers.leave(part);
        }
        self.running.fetch_sub(1, Ordering::Release);
    }

    /// The handler begins to wait for the rest of a body.
    pub(super) fn body_wait_begins(&self) -> Part {
        self.bodies.enter(ticks())
    }

    /// The body has arrived, or the handler stopped reading it.
    pub(super) fn body_wait_ends(&self, part: Part) {
        self.bodies.leave(part);
    }

    /// How many sixteenths of its deadline the oldest waiting request has waited for the client; `None` if none waits.
    pub(super) fn waited_parts(&self, now: u64) -> Option<u64> {
        self.bodies.oldest_parts(now).max(self.answers.oldest_parts(now))
    }

    /// Bytes arrived; they are not decrypted yet. Between two requests of HTTP/1.1 they are the begin of the next head.
    pub(super) fn bytes_arrive(&self) {
        if self.running.load(Ordering::Relaxed) == 0 && self.head.load(Ordering::Relaxed) == 0 {
            self.head.store(ticks(), Ordering::Relaxed);
        }
    }

    /// These bytes arrived and are decrypted.
    pub(super) fn plaintext_arrives(&self, bytes: &[u8]) {
        let last_bytes = LastBytes(self.last_bytes.load(Ordering::Relaxed)).after(bytes);
        self.last_bytes.store(last_bytes.0, Ordering::Relaxed);
    }

    /// The last bytes that arrived, after decryption.
    pub(super) fn last_bytes(&self) -> LastBytes {
        LastBytes(self.last_bytes.load(Ordering::Relaxed))
    }

    /// The first bytes of the next head arrived before the end of this request (HTTP/1.1).
    pub(super) fn next_head_begins_early(&self) {
        self.head.store(ticks(), Ordering::Relaxed);
    }

    /// The result of a write: the socket accepted bytes, or was blocked.
    pub(super) fn write_is_blocked(&self, is_blocked: bool) {
        let is_known = self.blocked.load(Ordering::Relaxed) != 0;
        if is_blocked != is_known {
            let since = if is_blocked { ticks() } else { 0 };
            self.blocked.store(since, Ordering::Relaxed);
        }
    }

    /// Since when no request has been running; `None` while a request runs.
    pub(super) fn idle_since(&self) -> Option<u64> {
        let is_idle = self.running.load(Ordering::Acquire) == 0;
        is_idle.then(|| self.active.load(Ordering::Relaxed))
    }

    /// True if no request and no answer would be lost by closing the connection now.
    pub(super) fn is_idle(&self) -> bool {
        self.idle_since().is_some() && self.blocked.load(Ordering::Relaxed) == 0
    }

    /// Requests whose head has arrived and whose answer is not sent.
    pub(super) fn running(&self) -> u32 {
        self.running.load(Ordering::Acquire)
    }

    /// The reason to close the connection now, if one of its deadlines is over.
    pub(super) fn reason_to_close(&self, now: u64, limits: &ConnectionLimits) -> Option<CloseReason> {
        let is_over =
            |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) >= limit.as_millis();
        let blocked = self.blocked.load(Ordering::Relaxed);
        if blocked != 0 && is_over(blocked, limits.write_timeout) {
            return Some(CloseReason::Write);
        }
        if !self.has_begun.load(Ordering::Acquire) {
            return is_over(self.accepted, limits.first_request_timeout).then_some(CloseReason::FirstRequest);
        }
        let active = self.active.load(Ordering::Relaxed);
        let running = self.running.load(Ordering::Acquire);
        if running > 0 {
            // Over HTTP/2 a client can read other streams while the window of this answer's stream stays at 0: then no write
            // to the socket is blocked, although the client does not read the answer.
            return self.answers.is_over(now).then_some(CloseReason::Write);
        }
        // Over HTTP/2, bytes between two requests can be frames such as PING and not a head: only the idle time counts.
        let head = self.head.load(Ordering::Relaxed);
        let is_http1 = !self.is_http2.load(Ordering::Relaxed);
        if is_http1 && head != 0 && is_over(head, limits.first_request_timeout) {
            return Some(CloseReason::FirstRequest);
        }
        is_over(active, limits.idle_timeout).then_some(CloseReason::Idle)
    }

    /// Signals the task of the connection to close it now. Later calls do not change the reason.
    pub(super) fn close(&self, reason: CloseReason) {
        if self.reason.set(reason).is_ok() {
            self.wake.notify_one();
        }
    }

    /// Signals the task of the connection to finish the running requests and then to close the connection.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// The reason for which the connection must be closed now, if there is one.
    pub(super) fn close_reason(&self) -> Option<CloseReason> {
        self.reason.get().copied()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// Waits for [`ConnectionState::close`] or [`ConnectionState::stop`].
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

    /// The reason to close the connection, so many seconds after its last activity.
    fn after(state: &ConnectionState, seconds: u64) -> Option<CloseReason> {
        state.reason_to_close(ticks() + seconds * 1000, &limits())
    }

    fn begun(is_http2: bool) -> ConnectionState {
        let state = ConnectionState::new(&limits(), memory());
        state.request_begins(is_http2);
        state
    }

    #[test]
    fn connection_without_a_complete_first_head_is_closed_at_the_deadline() {
        let state = ConnectionState::new(&limits(), memory());
        assert_eq!(after(&state, 9), None);
        assert_eq!(after(&state, 10), Some(CloseReason::FirstRequest));
        state.bytes_arrive();
        assert_eq!(
            after(&state, 10),
            Some(CloseReason::FirstRequest),
            "one byte does not extend the deadline"
        );
    }

    #[test]
    fn idle_http2_connection_is_closed_after_the_idle_timeout_although_frames_arrive() {
        let state = begun(true);
        let part = state.request_is_answered();
        state.request_ends(Some(part));
        state.bytes_arrive();
        assert_eq!(after(&state, 59), None);
        assert_eq!(after(&state, 61), Some(CloseReason::Idle));
    }

    #[test]
    fn head_of_a_later_request_has_the_same_deadline_as_the_first() {
        let state = begun(false);
        state.bytes_arrive();
        state.request_ends(None);
        assert_eq!(
            after(&state, 11),
            None,
            "bytes that arrive while a request runs do not begin a head"
        );
        state.bytes_arrive();
        assert_eq!(after(&state, 9), None);
        assert_eq!(after(&state, 11), Some(CloseReason::FirstRequest));
    }

    #[test]
    fn running_request_has_no_deadline_and_its_unread_answer_has_one() {
        let state = begun(true);
        assert_eq!(after(&state, 3600), None);
        let part = state.request_is_answered();
        assert_eq!(after(&state, 19), None);
        assert_eq!(after(&state, 22), Some(CloseReason::Write));
        state.request_begins(true);
        assert_eq!(
            after(&state, 22),
            Some(CloseReason::Write),
            "a later request does not extend the deadline"
        );
        state.request_ends(Some(part));
        assert_eq!(
            after(&state, 22),
            None,
            "only the other request is left, which has no deadline"
        );
    }

    #[test]
    fn connection_whose_client_reads_nothing_is_closed_even_while_a_request_runs() {
        let state = begun(false);
        state.write_is_blocked(true);
        assert_eq!(after(&state, 19), None);
        assert_eq!(after(&state, 21), Some(CloseReason::Write));
        state.write_is_blocked(false);
        assert_eq!(after(&state, 21), None, "the client reads again");
    }
}
