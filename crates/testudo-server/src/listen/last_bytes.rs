//! Detects whether bytes of the next request arrived together with the end of this one (HTTP/1.1).
//!
//! The HTTP library does not expose what is left in its buffer. So the last bytes that arrived on the connection are
//! compared with the end of the request: an empty line, or the last bytes of its body. If they differ, bytes of the
//! next request have arrived, and its deadline begins.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The last four bytes of a stream, the last one in the lowest bits. Bytes that have not arrived are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LastBytes(pub(super) u32);

impl LastBytes {
    /// The last bytes after `bytes` have arrived as well.
    pub(super) fn after(self, bytes: &[u8]) -> LastBytes {
        let last = bytes.len().saturating_sub(4);
        let bytes = bytes.get(last..).unwrap_or_default();
        LastBytes(
            bytes
                .iter()
                .fold(self.0, |last_bytes, byte| (last_bytes << 8) | u32::from(*byte)),
        )
    }

    /// True if the last bytes are an empty line, which ends a head and a chunked body.
    pub(super) fn is_empty_line(self) -> bool {
        self.0.to_be_bytes().ends_with(b"\n\r\n") || self.0.to_be_bytes().ends_with(b"\n\n")
    }

    /// True if the stream ends with the last `length` bytes of `body` (at most four).
    pub(super) fn ends_with_body(self, body: LastBytes, length: usize) -> bool {
        let bits = 8 * u32::try_from(length.min(4)).unwrap_or(4);
        let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
        self.0 & mask == body.0 & mask
    }
}

/// The end of a request's body, as far as the handler read it.
#[derive(Debug, Default)]
pub(super) struct BodyEnd {
    last_bytes: AtomicU32,
    /// How many bytes of the body were read; four stands for four or more.
    length: AtomicU32,
    is_unread: AtomicBool,
}

impl BodyEnd {
    /// The handler read these bytes of the body.
    pub(super) fn read(&self, bytes: &[u8]) {
        let last_bytes = LastBytes(self.last_bytes.load(Ordering::Relaxed)).after(bytes);
        self.last_bytes.store(last_bytes.0, Ordering::Relaxed);
        let length = self.length.load(Ordering::Relaxed) as usize + bytes.len().min(4);
        self.length.store(length.min(4) as u32, Ordering::Relaxed);
    }

    /// The handler answers without reading the rest of the body.
    pub(super) fn leave_unread(&self) {
        self.is_unread.store(true, Ordering::Relaxed);
    }

    /// True if bytes of the next request arrived with this one. False also if the body was not read to its end, because
    /// then it is not known.
    pub(super) fn is_followed(&self, arrived: LastBytes) -> bool {
        let length = self.length.load(Ordering::Relaxed) as usize;
        let body = LastBytes(self.last_bytes.load(Ordering::Relaxed));
        let is_end = arrived.is_empty_line() || (length > 0 && arrived.ends_with_body(body, length));
        !is_end && !self.is_unread.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_after_the_end_of_a_request_are_detected() {
        let last_bytes = |bytes: &[u8]| LastBytes::default().after(bytes);
        assert!(last_bytes(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_empty_line());
        assert!(last_bytes(b"Host: a\n\n").is_empty_line());
        assert!(
            last_bytes(b"Host: a\r\n\r").after(b"\n").is_empty_line(),
            "the empty line arrives in two reads"
        );
        assert!(!last_bytes(b"Host: a\r\n\r\nG").is_empty_line());
        let whole = b"\r\n\r\na=1&b=2";
        assert!(last_bytes(whole).ends_with_body(last_bytes(b"a=1&b=2"), 7));
        assert!(last_bytes(b"\r\n\r\nab").ends_with_body(last_bytes(b"ab"), 2));
        assert!(!last_bytes(b"\r\n\r\nabGET").ends_with_body(last_bytes(b"ab"), 2));
    }
}
