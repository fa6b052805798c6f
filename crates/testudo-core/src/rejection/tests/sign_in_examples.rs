//! An example of each reason to refuse a sign-in.

use super::{PasskeyFault, PasskeyReason, SignInReason};
use testudo_protocol::openid::ProviderResponseError;

fn passkey_reasons() -> Vec<PasskeyReason> {
    vec![
        PasskeyReason::AccountOfProvider,
        PasskeyReason::CeremonyUnknown,
        PasskeyReason::InvitationUnknown,
        PasskeyReason::LastPasskey,
        PasskeyReason::NameRefused,
        PasskeyReason::NoSuchPasskey,
        PasskeyReason::NotMade {
            why: "the origin is another one".to_owned(),
        },
        PasskeyReason::Refused(PasskeyFault::CounterNotHigher),
        PasskeyReason::TooMany,
    ]
}

pub fn sign_in_reasons() -> Vec<SignInReason> {
    let passkeys = passkey_reasons().into_iter().map(SignInReason::Passkey);
    let others = vec![
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
    ];
    others.into_iter().chain(passkeys).collect()
}
