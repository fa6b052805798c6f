//! Reasons to refuse the sign-in of a person. The sentences are for the person, on a page.

use super::row::Row;
use std::fmt;
use testudo_protocol::oauth::ErrorCode;

/// Why a person cannot sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInReason {
    /// The account is locked or removed.
    AccountNotActive,
    /// The name is not one of `login.development`.
    NameNotListed,
    /// Too many people signed in from the same address.
    TooManySignIns {
        /// When the next one is possible.
        retry_after_seconds: i64,
    },
}

impl SignInReason {
    pub(super) fn row(&self) -> Row {
        match self {
            SignInReason::AccountNotActive => Row::new(
                "account_not_active",
                ErrorCode::AccessDenied,
                "this account cannot be used: ask the operators of this server",
            ),
            SignInReason::NameNotListed => Row::new(
                "sign_in_name_not_listed",
                ErrorCode::AccessDenied,
                "people cannot sign in with this name",
            ),
            SignInReason::TooManySignIns { retry_after_seconds } => Row::new(
                "too_many_sign_ins",
                ErrorCode::TemporarilyUnavailable,
                "there were too many sign-ins from your network: try again in a minute",
            )
            .status(429)
            .retry_after(*retry_after_seconds),
        }
    }
}

impl fmt::Display for SignInReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignInReason::AccountNotActive => f.write_str("the account of the person is locked or removed"),
            SignInReason::NameNotListed => f.write_str("the name is not one of login.development"),
            SignInReason::TooManySignIns { .. } => {
                f.write_str("too many people signed in from the address of the browser")
            }
        }
    }
}
