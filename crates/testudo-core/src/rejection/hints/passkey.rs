//! Hints for passkeys and invitations.

use crate::rejection::{PasskeyFault, PasskeyReason};
use std::borrow::Cow;

pub(in crate::rejection) fn of_passkey(reason: &PasskeyReason) -> Cow<'static, str> {
    match reason {
        PasskeyReason::AccountOfProvider => {
            "`testudo user invite` makes an account whose person signs in with a passkey"
        }
        PasskeyReason::CeremonyUnknown => {
            "a person has five minutes from the press of the button, and each answer is accepted once, in the browser that began"
        }
        PasskeyReason::InvitationUnknown => "`testudo user invite` makes a new link",
        PasskeyReason::LastPasskey => {
            "the person adds another passkey first; if the person lost it: `testudo user invite --recover`"
        }
        PasskeyReason::NameRefused => "control characters and longer names are refused",
        PasskeyReason::NoSuchPasskey => "the person opens the account page again",
        PasskeyReason::NotMade { .. } => {
            "the browser must open this server under its issuer URL, and the passkey must verify its user (PIN, fingerprint or face)"
        }
        PasskeyReason::Refused(PasskeyFault::AccountNotActive) => {
            "`testudo user unlock` unlocks an account that was locked"
        }
        PasskeyReason::Refused(PasskeyFault::CounterNotHigher) => {
            "there may be a copy of the passkey: the person removes it and adds another one, or `testudo user invite --recover`"
        }
        PasskeyReason::Refused(PasskeyFault::NotVerified { .. }) => {
            "the browser must open this server under its issuer URL, and the passkey must verify its user (PIN, fingerprint or face)"
        }
        PasskeyReason::Refused(PasskeyFault::UnknownAccount | PasskeyFault::UnknownPasskey) => {
            "the passkey was removed, or its account: `testudo user show` lists the passkeys of an account; `testudo user invite --recover` lets the person make a new one"
        }
        PasskeyReason::TooMany => "the person removes a passkey that is not used any more",
    }
    .into()
}
