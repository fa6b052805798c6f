//! Reasons to refuse a passkey, an invitation, or a change of the passkeys of an account. The sentences are for the person,
//! on a page.

use super::row::Row;
use std::fmt;
use testudo_protocol::oauth::ErrorCode;

/// Why a person cannot make, use or remove a passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasskeyReason {
    /// The person is known only through a provider, which decides whether they sign in.
    AccountOfProvider,
    /// The ceremony was used, has expired, or was begun in another browser or for another purpose.
    CeremonyUnknown,
    /// The invitation was used or has expired, or another account has its name meanwhile.
    InvitationUnknown,
    /// The passkey is the only way in which the person can sign in.
    LastPasskey,
    /// The name that the person gave a passkey is not one line of text.
    NameRefused,
    /// The account has no such passkey.
    NoSuchPasskey,
    /// What the browser answers is no new passkey for this server.
    NotMade {
        /// What is wrong with it.
        why: String,
    },
    /// A sign-in with a passkey is refused.
    Refused(PasskeyFault),
    /// The account has as many passkeys as is possible.
    TooMany,
}

/// What is wrong with a sign-in with a passkey. The answer to all of them is the same, so that an attacker does not learn
/// which accounts exist or are locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasskeyFault {
    /// The account is locked or removed.
    AccountNotActive,
    /// The signature counter is not higher than at the last sign-in. [WEBAUTHN §6.1.1]
    CounterNotHigher,
    /// What the browser answers is not valid for this sign-in.
    NotVerified {
        /// What is wrong with it.
        why: String,
    },
    /// No account has the user handle.
    UnknownAccount,
    /// The account has no passkey with this id.
    UnknownPasskey,
}

impl PasskeyReason {
    pub(super) fn row(&self) -> Row {
        match self {
            PasskeyReason::AccountOfProvider => Row::new(
                "account_of_provider",
                ErrorCode::AccessDenied,
                "you sign in at a provider: passkeys are for people whom the operators of this server invited",
            ),
            PasskeyReason::CeremonyUnknown => Row::new(
                "ceremony_unknown",
                ErrorCode::InvalidRequest,
                "this request for a passkey was answered already or has expired: go back and try again; if you were invited, open the link again",
            ),
            PasskeyReason::InvitationUnknown => Row::new(
                "invitation_unknown",
                ErrorCode::AccessDenied,
                "this invitation was used already or has expired: ask for a new one",
            ),
            PasskeyReason::LastPasskey => Row::new(
                "last_passkey",
                ErrorCode::AccessDenied,
                "you sign in with this passkey only: add another one before you remove it",
            ),
            PasskeyReason::NameRefused => Row::new(
                "passkey_name_refused",
                ErrorCode::InvalidRequest,
                "the name of a passkey must be one line of at most 64 characters: go back and change it; if you were invited, open the link again",
            ),
            PasskeyReason::NoSuchPasskey => Row::new(
                "passkey_unknown",
                ErrorCode::InvalidRequest,
                "your account has no such passkey: it was removed meanwhile",
            ),
            PasskeyReason::NotMade { .. } => Row::new(
                "passkey_not_made",
                ErrorCode::InvalidRequest,
                "what your browser sent is no new passkey for this server: go back and try again; if you were invited, open the link again",
            ),
            PasskeyReason::Refused(_) => Row::new(
                "passkey_refused",
                ErrorCode::AccessDenied,
                "you cannot sign in with this passkey: use another one, or ask the operators of this server",
            ),
            PasskeyReason::TooMany => Row::new(
                "too_many_passkeys",
                ErrorCode::AccessDenied,
                "this account has as many passkeys as is possible: remove one first",
            ),
        }
    }
}

impl fmt::Display for PasskeyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasskeyReason::AccountOfProvider => f.write_str(
                "the account has no name: its person was not invited, and is known only through a provider",
            ),
            PasskeyReason::CeremonyUnknown => f.write_str(
                "the passkey ceremony was used, has expired, or was begun in another browser or for another purpose",
            ),
            PasskeyReason::InvitationUnknown => f.write_str(
                "the invitation was used or has expired, was replaced by a newer one, or another account has its name",
            ),
            PasskeyReason::LastPasskey => f.write_str("the person has no other way to sign in than this passkey"),
            PasskeyReason::NameRefused => {
                f.write_str("the name of the passkey is not one line of at most 64 characters")
            }
            PasskeyReason::NoSuchPasskey => f.write_str("the account has no passkey with this id"),
            PasskeyReason::NotMade { why } => write!(f, "the answer of the browser is no new passkey: {why}"),
            PasskeyReason::Refused(fault) => fault.fmt(f),
            PasskeyReason::TooMany => f.write_str("the account has as many passkeys as is possible"),
        }
    }
}

impl fmt::Display for PasskeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasskeyFault::AccountNotActive => f.write_str("the account of the passkey is locked or removed"),
            PasskeyFault::CounterNotHigher => {
                f.write_str("the signature counter of the passkey is not higher than at the last sign-in")
            }
            PasskeyFault::NotVerified { why } => write!(f, "the answer of the browser is not valid: {why}"),
            PasskeyFault::UnknownAccount => f.write_str("no account has the user handle of the passkey"),
            PasskeyFault::UnknownPasskey => f.write_str("the account has no passkey with this id"),
        }
    }
}
