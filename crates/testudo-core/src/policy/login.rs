//! `[login]`: what decisions need to know of how people sign in.

use testudo_protocol::Seconds;

/// The strength of a sign-in with a passkey, which resists phishing, as the Extended Authentication Profile of OpenID Connect
/// names it.
pub const PASSKEY_ACR: &str = "phr";

/// How people sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginPolicy {
    /// A session that was not used for this long has ended.
    pub session_idle_lifetime: Seconds,
    /// True if people with an account of this server sign in with passkeys.
    pub has_passkeys: bool,
}
