//! Reasons to refuse the sign-in of a person. The sentences are for the person, on a page.

use super::passkey::PasskeyReason;
use super::row::Row;
use std::fmt;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::openid::ProviderResponseError;

/// Why a person cannot sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInReason {
    /// The account is locked or removed.
    AccountNotActive,
    /// The account at the provider belongs to another person.
    AccountOfAnotherPerson,
    /// The name is not one of `login.development`.
    NameNotListed,
    /// The session of the person who changes how they sign in has ended.
    NotSignedIn,
    /// A passkey, or an invitation to make one, is refused.
    Passkey(PasskeyReason),
    /// The ID token has not the claims that `allow` of the provider demands.
    PersonNotAllowed {
        /// Name of the provider.
        provider: String,
        /// The claim.
        claim: String,
    },
    /// The provider did not answer, or its answer has no tokens.
    ProviderFailed {
        /// Name of the provider.
        provider: String,
        /// What happened.
        why: String,
    },
    /// No provider has this name.
    ProviderUnknown,
    /// The provider refused the sign-in.
    RefusedByProvider {
        /// Name of the provider.
        provider: String,
        /// `error` and `error_description`, shortened.
        why: String,
    },
    /// The response is not one of the provider to which the browser was sent.
    ResponseRefused {
        /// Name of the provider.
        provider: String,
        /// What is wrong with it.
        why: ProviderResponseError,
    },
    /// The person who changes how they sign in signed in too long ago.
    SignInTooLongAgo,
    /// The ID token of the provider is not valid for this sign-in.
    TokenRefused {
        /// Name of the provider.
        provider: String,
        /// What is wrong with it.
        why: String,
    },
    /// The person has as many accounts at providers as is possible.
    TooManyProviders,
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
            SignInReason::AccountOfAnotherPerson => Row::new(
                "account_of_another_person",
                ErrorCode::AccessDenied,
                "this account at the provider belongs to another person here",
            ),
            SignInReason::NotSignedIn => Row::new(
                "not_signed_in",
                ErrorCode::AccessDenied,
                "your session has ended: sign in and try again",
            ),
            SignInReason::Passkey(reason) => reason.row(),
            SignInReason::PersonNotAllowed { .. } => Row::new(
                "person_not_allowed",
                ErrorCode::AccessDenied,
                "people with this account at the provider may not sign in here",
            ),
            SignInReason::ProviderFailed { .. } => Row::new(
                "provider_failed",
                ErrorCode::TemporarilyUnavailable,
                "the sign-in at the provider did not work: try again later",
            ),
            SignInReason::ProviderUnknown => Row::new(
                "provider_unknown",
                ErrorCode::InvalidRequest,
                "people cannot sign in at this provider",
            ),
            SignInReason::RefusedByProvider { .. } => Row::new(
                "refused_by_provider",
                ErrorCode::AccessDenied,
                "the provider did not sign you in",
            ),
            SignInReason::ResponseRefused { .. } => Row::new(
                "provider_response_refused",
                ErrorCode::InvalidRequest,
                "the response did not come from the provider to which your browser was sent",
            ),
            SignInReason::SignInTooLongAgo => Row::new(
                "sign_in_too_long_ago",
                ErrorCode::AccessDenied,
                "you signed in more than five minutes ago: sign in again, and then repeat this change",
            ),
            SignInReason::TokenRefused { .. } => Row::new(
                "provider_token_refused",
                ErrorCode::AccessDenied,
                "what the provider states about you cannot be trusted for this sign-in",
            ),
            SignInReason::TooManyProviders => Row::new(
                "too_many_providers",
                ErrorCode::AccessDenied,
                "this account has as many accounts at providers as is possible",
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
            SignInReason::AccountOfAnotherPerson => {
                f.write_str("the account at the provider belongs to another person")
            }
            SignInReason::NotSignedIn => f.write_str("the session of the person has ended"),
            SignInReason::Passkey(reason) => reason.fmt(f),
            SignInReason::PersonNotAllowed { provider, claim } => write!(
                f,
                "the ID token of the provider {provider} has not the claim {claim} that allow demands"
            ),
            SignInReason::ProviderFailed { provider, why } => write!(f, "the provider {provider}: {why}"),
            SignInReason::ProviderUnknown => f.write_str("no provider has this name"),
            SignInReason::RefusedByProvider { provider, why } => {
                write!(f, "the provider {provider} answers {why}")
            }
            SignInReason::ResponseRefused { provider, why } => {
                write!(f, "the response of the provider {provider}: {why}")
            }
            SignInReason::SignInTooLongAgo => {
                f.write_str("the person signed in longer ago than five minutes")
            }
            SignInReason::TokenRefused { provider, why } => write!(f, "the provider {provider}: {why}"),
            SignInReason::TooManyProviders => {
                f.write_str("the person has as many accounts at providers as is possible")
            }
            SignInReason::NameNotListed => f.write_str("the name is not one of login.development"),
            SignInReason::TooManySignIns { .. } => {
                f.write_str("too many people signed in from the address of the browser")
            }
        }
    }
}
