//! Whether bytes of a next request came together with the end of this one (HTTP/1.1).
//!
//! The library does not say what is left in its buffer. So the last bytes that arrived are kept, and compared with
//! those with which the request ended: an empty line, or the end of its body.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The last four bytes of something, the last one lowest; fewer leave zeros above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tail(pub(super) u32);

impl Tail {
    /// After these bytes.
    pub(super) fn after(self, bytes: &[u8]) -> Tail {
        let last = bytes.len().saturating_sub(4);
        let bytes = bytes.get(last..).unwrap_or_default();
        Tail(
            bytes
                .iter()
                .fold(self.0, |tail, byte| (tail << 8) | u32::from(*byte)),
        )
    }

    /// Whether a head, or a body in chunks, can end so: with an empty line.
    pub(super) fn is_empty_line(self) -> bool {
        self.0.to_be_bytes().ends_with(b"\n\r\n") || self.0.to_be_bytes().ends_with(b"\n\n")
    }

    /// Whether what arrived ends with a body that ends so.
    pub(super) fn ends_with_body(self, body: Tail, length: usize) -> bool {
        let bits = 8 * u32::try_from(length.min(4)).unwrap_or(4);
        let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
        self.0 & mask == body.0 & mask
    }
}

/// How a request's body ended, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct BodyEnd {
    tail: AtomicU32,
    /// Up to four.
    length: AtomicU32,
    is_unread: AtomicBool,
}

impl BodyEnd {
    /// The next bytes of the body.
    pub(super) fn read(&self, bytes: &[u8]) {
        let tail = Tail(self.tail.load(Ordering::Relaxed)).after(bytes);
        self.tail.store(tail.0, Ordering::Relaxed);
        let length = self.length.load(Ordering::Relaxed) as usize + bytes.len().min(4);
        self.length.store(length.min(4) as u32, Ordering::Relaxed);
    }

    /// Nothing more of it will be read here.
    pub(super) fn leave_unread(&self) {
        self.is_unread.store(true, Ordering::Relaxed);
    }

    /// Whether more than this request arrived. Unknown, so no, where its end was not read.
    pub(super) fn is_followed(&self, arrived: Tail) -> bool {
        let length = self.length.load(Ordering::Relaxed) as usize;
        let body = Tail(self.tail.load(Ordering::Relaxed));
        let is_end = arrived.is_empty_line() || (length > 0 && arrived.ends_with_body(body, length));
        !is_end && !self.is_unread.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_message_is_told_from_the_bytes_that_follow() {
        let tail = |bytes: &[u8]| Tail::default().after(bytes);
        assert!(tail(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_empty_line());
        assert!(tail(b"Host: a\n\n").is_empty_line());
        assert!(
            tail(b"Host: a\r\n\r").after(b"\n").is_empty_line(),
            "in two reads"
        );
        assert!(!tail(b"Host: a\r\n\r\nG").is_empty_line());
        let whole = b"\r\n\r\na=1&b=2";
        assert!(tail(whole).ends_with_body(tail(b"a=1&b=2"), 7));
        assert!(tail(b"\r\n\r\nab").ends_with_body(tail(b"ab"), 2));
        assert!(!tail(b"\r\n\r\nabGET").ends_with_body(tail(b"ab"), 2));
    }
}
