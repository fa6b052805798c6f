//! An example of each reason to refuse a sign-in.

use super::SignInReason;
use testudo_protocol::openid::ProviderResponseError;

pub fn sign_in_reasons() -> Vec<SignInReason> {
    vec![
        SignInReason::AccountNotActive,
        SignInReason::NameNotListed,
        SignInReason::AccountOfAnotherPerson,
        SignInReason::NotSignedIn,
        SignInReason::PersonNotAllowed {
            provider: "corp".into(),
            claim: "hd".into(),
        },
        SignInReason::ProviderFailed {
            provider: "corp".into(),
            why: "it does not answer".into(),
        },
        SignInReason::ProviderUnknown,
        SignInReason::RefusedByProvider {
            provider: "corp".into(),
            why: "access_denied: no".into(),
        },
        SignInReason::ResponseRefused {
            provider: "corp".into(),
            why: ProviderResponseError::WrongIssuer,
        },
        SignInReason::SignInTooLongAgo,
        SignInReason::TokenRefused {
            provider: "corp".into(),
            why: "the ID token has expired".into(),
        },
        SignInReason::TooManyProviders,
        SignInReason::TooManySignIns {
            retry_after_seconds: 7,
        },
    ]
}
