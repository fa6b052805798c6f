//! Checks that all doors share, for a credential with a verified signature: its times, its lifetime and its single use.

use crate::identity::{Authority, CredentialKind, SingleUse};
use crate::rejection::{CredentialReason, Rejection};
use testudo_protocol::limits::JWT_ID_BYTES_MAX;
use testudo_protocol::printable::is_printable;
use testudo_protocol::{Seconds, Timestamp};

/// Tolerated difference of clocks for `nbf` and `iat`. There is no tolerance for `exp`.
pub const CLOCK_LEEWAY: Seconds = Seconds(30);

/// Longest lifetime of a JWT-SVID if the trust domain has no `lifetime_max`. It is bounded because a stolen JWT-SVID
/// can be used until it expires.
pub const JWT_SVID_LIFETIME_MAX: Seconds = Seconds(30 * 86_400);

/// Longest lifetime of an X.509-SVID if the trust domain has no `lifetime_max`. It is longer, because the private key
/// is never sent, and because issuers other than SPIRE issue certificates for up to a year (cert-manager: 90 days by
/// default).
pub const X509_SVID_LIFETIME_MAX: Seconds = Seconds(400 * 86_400);

/// `exp`, `nbf` and `iat`. [RFC7519 §4.1]
pub(crate) fn check_times(
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

/// Checks the lifetime of a credential of this authority, from its issue, or from now if it has no time of issue.
pub(crate) fn check_lifetime(
    authority: &Authority,
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
        by: Some(authority.clone()),
        seconds: lifetime.0,
        allowed: allowed.0,
    }))
}

/// `jti` is kept in events and in records of used credentials.
pub(crate) fn check_jwt_id(jwt_id: Option<&str>) -> Result<(), Rejection> {
    match jwt_id {
        Some(jti) if jti.len() > JWT_ID_BYTES_MAX => Err(CredentialReason::JwtIdTooLong.into()),
        Some(jti) if !is_printable(jti) => Err(CredentialReason::JwtIdUnprintable.into()),
        Some(_) | None => Ok(()),
    }
}

/// The mark of a single-use credential of this subject.
pub(crate) fn single_use_mark(
    kind: CredentialKind,
    subject: &str,
    jwt_id: &str,
    expires: Timestamp,
) -> SingleUse {
    let parts = [kind.name(), subject, jwt_id].map(str::as_bytes);
    SingleUse::of(&parts, expires + CLOCK_LEEWAY)
}
