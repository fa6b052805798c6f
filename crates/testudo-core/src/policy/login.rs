//! `[login]`: what decisions need to know of how people sign in.

use testudo_protocol::Seconds;

/// How people sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginPolicy {
    /// A session that was not used for this long has ended.
    pub session_idle_lifetime: Seconds,
}
