//! Refresh tokens of people, and their deadlines. [RFC6749 §6] [RT-EXPIRATION §4]

use std::fmt;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// A refresh token of a person. Each use replaces it: a program that keeps it in a file must
/// write the new one at once. Its
/// `Debug` does not print the token.
#[derive(Clone)]
pub struct RefreshToken {
    pub(crate) secret: Zeroizing<String>,
    pub(crate) unused_until: Option<SystemTime>,
    pub(crate) authorization_ends: Option<SystemTime>,
}

impl RefreshToken {
    /// A token that was kept, with the times that [`RefreshToken::unused_until`] and
    /// [`RefreshToken::authorization_ends`] returned.
    pub fn kept(
        secret: Zeroizing<String>,
        unused_until: Option<SystemTime>,
        authorization_ends: Option<SystemTime>,
    ) -> RefreshToken {
        RefreshToken {
            secret,
            unused_until,
            authorization_ends,
        }
    }

    /// The token itself. Keep it secret.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// When the token ends if it is not used before: the issuer's `refresh_token_timeout`. `None`: the issuer stated none.
    pub fn unused_until(&self) -> Option<SystemTime> {
        self.unused_until
    }

    /// When all that the person granted ends, used or not, and the person must sign in again: the issuer's
    /// `authorization_expires_in`. `None`: the issuer stated none.
    pub fn authorization_ends(&self) -> Option<SystemTime> {
        self.authorization_ends
    }

    /// True if the issuer would refuse it.
    pub(crate) fn is_over(&self) -> bool {
        let ends = self.unused_until.into_iter().chain(self.authorization_ends);
        ends.min().is_some_and(|ends| ends <= SystemTime::now())
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("unused_until", &self.unused_until)
            .field("authorization_ends", &self.authorization_ends)
            .finish_non_exhaustive()
    }
}
