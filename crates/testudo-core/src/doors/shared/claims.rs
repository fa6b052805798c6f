//! What every door checks alike in a credential whose signature holds: its times, its life, its single use.

use crate::identity::{CredentialKind, SingleUse};
use crate::rejection::{CredentialReason, Rejection};
use testudo_protocol::{Seconds, Timestamp, jose};

/// Tolerated difference of clocks for `nbf` and `iat`. `exp` has none: a credential that has ended is over.
pub const CLOCK_LEEWAY: Seconds = Seconds(30);

/// Longest life of a JWT-SVID, where a trust domain's `lifetime_max` does not say: nothing ends a stolen one earlier.
pub const JWT_SVID_LIFETIME_MAX: Seconds = Seconds(30 * 86_400);

/// The same for an X.509-SVID. Its key is not sent with it, and issuers beside SPIRE (cert-manager: 90 days by
/// default) give certificates of up to a year.
pub const X509_SVID_LIFETIME_MAX: Seconds = Seconds(400 * 86_400);

/// How much longer than its credential the mark of a single-use credential is kept: a clock that is set back by
/// less, or another node's that is behind by less, accepts no credential whose mark is gone.
pub const MARK_MARGIN: Seconds = Seconds(300);

/// `exp`, `nbf` and `iat`. [RFC7519 §4.1]
pub(crate) fn judge_times(
    expires: Timestamp,
    not_before: Option<Timestamp>,
    issued: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Rejection> {
    // [RFC7519 §4.1.4] On or after `exp` it must not be accepted.
    if now >= expires {
        return Err(CredentialReason::AssertionExpired { expired: expires }.into());
    }
    if let Some(valid_from) = not_before.filter(|valid_from| *valid_from > now + CLOCK_LEEWAY) {
        return Err(CredentialReason::AssertionNotYetValid { valid_from }.into());
    }
    if let Some(issued) = issued.filter(|issued| *issued > now + CLOCK_LEEWAY) {
        return Err(CredentialReason::AssertionFromTheFuture { issued }.into());
    }
    Ok(())
}

/// The life that an SVID has from its issue, or from now where it does not say when that was.
pub(crate) fn judge_lifetime(
    expires: Timestamp,
    issued: Option<Timestamp>,
    allowed: Seconds,
    now: Timestamp,
) -> Result<(), Rejection> {
    let lifetime = expires - issued.unwrap_or(now).min(now);
    if lifetime <= allowed {
        return Ok(());
    }
    Err(Rejection::Credential(CredentialReason::LifetimeTooLong {
        seconds: lifetime.0,
        allowed: allowed.0,
    }))
}

/// The mark of a single-use credential: each part is preceded by its length, so that no two lists of parts
/// are one text.
pub(crate) fn single_use_mark(
    kind: CredentialKind,
    subject: &str,
    jwt_id: &str,
    expires: Timestamp,
) -> SingleUse {
    let mut bytes = Vec::with_capacity(64 + subject.len() + jwt_id.len());
    for part in [kind.name(), subject, jwt_id] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    SingleUse {
        key: jose::sha256(&bytes),
        keep_until: expires + CLOCK_LEEWAY + MARK_MARGIN,
    }
}
