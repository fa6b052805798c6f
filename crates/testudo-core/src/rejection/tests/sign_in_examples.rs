//! An example of each reason to refuse a sign-in.

use super::SignInReason;

pub fn sign_in_reasons() -> Vec<SignInReason> {
    vec![
        SignInReason::AccountNotActive,
        SignInReason::NameNotListed,
        SignInReason::TooManySignIns {
            retry_after_seconds: 7,
        },
    ]
}
