//! Hints for authorization requests.

use crate::rejection::AuthorizationReason;
use std::borrow::Cow;
use testudo_protocol::oauth::redirect_uri::RedirectUriMismatch;

pub(in crate::rejection) fn of_authorization(reason: &AuthorizationReason) -> Cow<'static, str> {
    match reason {
        AuthorizationReason::ParametersWrong(_) => "the client must correct this parameter of its authorization request",
        AuthorizationReason::AskingClientUnknown => {
            "the client must push its request, or be a [[clients]] entry, a registered client, or an identity whose rule has pushed_authorization = \"optional\" and client_id = \"identity\""
        }
        AuthorizationReason::RedirectRefused(RedirectUriMismatch::Missing) => {
            "the client must send redirect_uri, exactly as it is registered"
        }
        AuthorizationReason::RedirectRefused(
            RedirectUriMismatch::NotRegistered | RedirectUriMismatch::NoneRegistered,
        ) => "add the redirect URI to redirect_uris of the rule or of the client, with the same characters",
        AuthorizationReason::PushedRequestUnknown => {
            "the client must push its request again, and send the browser at once: request_uri is valid once and for a short time"
        }
        AuthorizationReason::PushedRequestOfOther => {
            "the client must send its own client_id with the request_uri that it received"
        }
        AuthorizationReason::PushMissing { .. } => {
            "the client must send its parameters to pushed_authorization_request_endpoint of the metadata, or set pushed_authorization = \"optional\" in the rule"
        }
        AuthorizationReason::ObjectMissing => {
            "the client must send its parameters in a signed `request`, or register require_signed_request_object = false"
        }
        AuthorizationReason::ObjectNotTaken => {
            "the client must push its parameters instead: its credential proves that they are its own"
        }
        AuthorizationReason::ObjectRefused(_) => {
            "the client must sign its request anew, with a key of its jwks, for this issuer, with iss and client_id of its own and an exp within the hour"
        }
        AuthorizationReason::ObjectKeysUnavailable { .. } => {
            "make the key set at the client's jwks_uri reachable, or register jwks instead"
        }
        AuthorizationReason::DpopKeyDiffers => "the client must leave dpop_jkt out, or name the key of its proof",
        AuthorizationReason::PushShareUsed { .. } => {
            "the client must push a request only when a person begins to sign in: one node accepts 50 per second of a client, and of a public client one per second from an address and 20 per second from all"
        }
        AuthorizationReason::SignInNeeded => "the client must ask again without prompt=none",
        AuthorizationReason::ConsentNeeded => {
            "the client must ask again without prompt=none; consent = \"trusted\" in the rule shows no page"
        }
        AuthorizationReason::AcrUnmet => {
            "let people sign in in that way: passkeys give `phr`, a provider the values of its `acr`"
        }
        AuthorizationReason::GroupMissing { .. } => {
            "add the person to a group of `groups` of the rule, or correct `groups`"
        }
        AuthorizationReason::ConsentRefused => "nothing is wrong: the person pressed the button that refuses",
        AuthorizationReason::ConsentDiffers => {
            "the person must begin again at the application: the rule or the client changed meanwhile"
        }
        AuthorizationReason::SessionDiffers => {
            "the person must begin again at the application, and answer with the account that is signed in"
        }
    }
    .into()
}
