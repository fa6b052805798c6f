//! Claims that all proofs of possession have: when the proof was made, and its unique name.

use crate::limits::JWT_ID_BYTES_MAX;
use crate::printable::is_printable;
use crate::time::{Seconds, Timestamp};

/// How old a proof may be. [RFC9449 §11.1] A short time bounds how many `jti` must be remembered.
pub const PROOF_AGE_MAX: Seconds = Seconds(60);

/// How far `iat` may be in the future, because the clock of the client may be ahead.
pub const PROOF_LEEWAY: Seconds = Seconds(30);

/// True if the proof was made too long ago.
pub(super) fn is_too_old(issued: Timestamp, now: Timestamp) -> bool {
    now - issued > PROOF_AGE_MAX
}

/// True if the proof was made in the future.
pub(super) fn is_from_the_future(issued: Timestamp, now: Timestamp) -> bool {
    issued - now > PROOF_LEEWAY
}

/// True if `jti` can name a proof.
pub(super) fn is_jwt_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= JWT_ID_BYTES_MAX && is_printable(text)
}
