//! Hints for codes and refresh tokens.

use crate::rejection::{GrantReason, Presented};
use std::borrow::Cow;

pub(in crate::rejection) fn of_grant(reason: &GrantReason) -> Cow<'static, str> {
    match reason {
        GrantReason::GrantMissing(what) => {
            return format!("the client must send {} in the body", what.parameter()).into();
        }
        GrantReason::GrantUnknown(Presented::Code) => {
            "the client must send the code exactly as the redirect has it; after a refusal it needs a new one"
        }
        GrantReason::GrantUnknown(Presented::RefreshToken) | GrantReason::GrantRevoked => {
            "the client must ask the person again: the token was revoked, has ended, or was changed on its way"
        }
        GrantReason::GrantExpired(Presented::Code) => {
            "the client must redeem the code at once, or raise code_lifetime of its rule"
        }
        GrantReason::GrantExpired(Presented::RefreshToken) => {
            "the client must ask the person again; it can refresh earlier, or raise refresh_token_idle_lifetime of its rule"
        }
        GrantReason::OfOtherClient(_) => {
            "if the client did not get it, it was stolen: look at the identity in this event"
        }
        GrantReason::OfEarlierClient(_) => "the client must ask the person again: it was removed meanwhile",
        GrantReason::KeyNotProven(_) => {
            "the client must prove the same key as before: with its DPoP proof, its certificate or its attestation"
        }
        GrantReason::CodeUsed => {
            "the client must redeem a code once; if it did, another program has read the code"
        }
        GrantReason::RefreshTokenUsed => {
            "the client must keep the newest refresh token, also where several of its processes share it; if it does, a token was stolen"
        }
        GrantReason::AuthorizationEnded => {
            "the client must ask the person again; authorization_lifetime of its rule states for how long access is granted"
        }
        GrantReason::PersonNotActive => "the account is locked or removed: see `testudo user show`",
        GrantReason::NotInGroup { .. } => {
            "add the person to a group of the rule, at the provider or with `testudo user group add`"
        }
        GrantReason::VerifierMalformed(_) | GrantReason::VerifierMissing | GrantReason::VerifierWrong => {
            "the client must send the code_verifier of which it made the code_challenge of the same request"
        }
        GrantReason::RedirectUriDiffers => {
            "the client must send the redirect_uri of its authorization request, or none"
        }
        GrantReason::ScopeNotGranted { .. } => {
            "the client must ask the person for the scope in a new authorization request"
        }
        GrantReason::ResourceNotGranted { .. } => {
            "the client must name the resource in its authorization request as well"
        }
        GrantReason::TokenOfOtherClient => {
            "the client must authenticate as the one that got the token; if it is another one, the token was stolen"
        }
        GrantReason::TokenNotRevocable => {
            "freeze the client or block its identity to refuse its tokens at this server; a shorter access_token_lifetime ends them sooner"
        }
    }
    .into()
}
