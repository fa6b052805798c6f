//! Reasons to refuse an authorization request, at the authorization endpoint or when it is pushed. [RFC6749 §4.1.2.1]

use super::row::Row;
use std::fmt;
use testudo_protocol::oauth::ErrorCode;
use testudo_protocol::oauth::authorization::AuthorizationRequestError;
use testudo_protocol::oauth::redirect_uri::RedirectUriMismatch;
use testudo_protocol::oauth::request_object::RequestObjectError;

/// Why an authorization request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorizationReason {
    /// A parameter is missing or wrong, whatever the client.
    ParametersWrong(AuthorizationRequestError),
    /// `client_id` is that of no client that a browser may name.
    AskingClientUnknown,
    /// The redirect URI is not one of the client.
    RedirectRefused(RedirectUriMismatch),
    /// `request_uri` was never issued, was used, or has expired. [RFC9126 §4]
    PushedRequestUnknown,
    /// `request_uri` was issued to another client. [RFC9126 §2.2]
    PushedRequestOfOther,
    /// The request did not come through the endpoint for pushed requests, and must. [RFC9126 §4]
    PushMissing {
        /// The name of the rule.
        rule: String,
    },
    /// The client registered that its requests are signed, and this one is not. [RFC9101 §10.5]
    ObjectMissing,
    /// The request is a signed object, and the client has no keys of its own with which it could be verified.
    /// [RFC9101 §10.2]
    ObjectNotTaken,
    /// The signed object is not one of the client for this server that is valid now. [RFC9101 §7]
    ObjectRefused(RequestObjectError),
    /// The keys at the client's `jwks_uri`, which would verify the signed object, could not be fetched.
    ObjectKeysUnavailable {
        /// The error of the fetch.
        why: String,
    },
    /// The key of the DPoP proof is not that of `dpop_jkt`. [RFC9449 §10.1]
    DpopKeyDiffers,
    /// The client pushes more requests than one client may.
    PushShareUsed {
        /// After this time the client may push another one.
        retry_after_seconds: i64,
    },
    /// The person would have to sign in, and `prompt` is `none`. [OIDCC §3.1.2.6]
    SignInNeeded,
    /// The person would have to be asked, and `prompt` is `none`. [OIDCC §3.1.2.6]
    ConsentNeeded,
    /// The person signed in, but in none of the ways that `acr_values` lists. [RFC9470 §5]
    AcrUnmet,
    /// The person is in none of the groups that the rule requires.
    GroupMissing {
        /// The name of the rule.
        rule: String,
    },
    /// The person refused.
    ConsentRefused,
    /// What the consent page would show now is not what it showed.
    ConsentDiffers,
    /// The person who answers is not the one to whom the consent page was shown.
    SessionDiffers,
}

const REQUEST_URI_NOT_VALID: &str = "request_uri is not valid: it was used, has expired, or was not issued";

impl AuthorizationReason {
    pub(super) fn row(&self) -> Row {
        match self {
            AuthorizationReason::ParametersWrong(error) => {
                Row::new("authorization_request_malformed", error.code(), error.to_string())
            }
            AuthorizationReason::AskingClientUnknown => Row::new(
                "asking_client_unknown",
                ErrorCode::UnauthorizedClient,
                "client_id is not that of a client that may send a browser here",
            ),
            AuthorizationReason::RedirectRefused(mismatch) => Row::new(
                "redirect_uri_not_of_client",
                ErrorCode::InvalidRequest,
                mismatch.to_string(),
            ),
            AuthorizationReason::PushedRequestUnknown => Row::new(
                "pushed_request_unknown",
                ErrorCode::InvalidRequestUri,
                REQUEST_URI_NOT_VALID,
            ),
            AuthorizationReason::PushedRequestOfOther => Row::new(
                "pushed_request_of_other_client",
                ErrorCode::InvalidRequestUri,
                REQUEST_URI_NOT_VALID,
            ),
            AuthorizationReason::PushMissing { .. } => Row::new(
                "push_missing",
                ErrorCode::InvalidRequest,
                "request_uri is missing: this client must push its requests first",
            ),
            AuthorizationReason::ObjectMissing => Row::new(
                "request_object_missing",
                ErrorCode::InvalidRequest,
                "request is missing: the requests of this client must be signed",
            ),
            AuthorizationReason::ObjectNotTaken => Row::new(
                "request_object_not_taken",
                ErrorCode::RequestNotSupported,
                "request must not be present: this client must push its requests",
            ),
            AuthorizationReason::ObjectRefused(error) => {
                Row::new("request_object_refused", error.code(), error.to_string())
            }
            AuthorizationReason::ObjectKeysUnavailable { .. } => Row::new(
                "request_object_keys_unavailable",
                ErrorCode::InvalidRequestObject,
                "request cannot be verified: the keys at jwks_uri of the client cannot be fetched",
            ),
            AuthorizationReason::DpopKeyDiffers => Row::new(
                "dpop_key_differs",
                ErrorCode::InvalidDpopProof,
                "dpop_jkt is not the thumbprint of the key of the DPoP proof",
            ),
            AuthorizationReason::PushShareUsed { retry_after_seconds } => Row::new(
                "push_share_used",
                ErrorCode::SlowDown,
                "this client pushes too many authorization requests",
            )
            .retry_after(*retry_after_seconds),
            AuthorizationReason::SignInNeeded => Row::new(
                "sign_in_needed",
                ErrorCode::LoginRequired,
                "the person must sign in",
            ),
            AuthorizationReason::ConsentNeeded => Row::new(
                "consent_needed",
                ErrorCode::ConsentRequired,
                "the person must be asked",
            ),
            AuthorizationReason::AcrUnmet => Row::new(
                "acr_unmet",
                ErrorCode::UnmetAuthenticationRequirements,
                "the person did not sign in in one of the ways of acr_values",
            ),
            AuthorizationReason::GroupMissing { .. } => Row::new(
                "group_missing",
                ErrorCode::AccessDenied,
                "the person may not use this client",
            ),
            AuthorizationReason::ConsentRefused => {
                Row::new("consent_refused", ErrorCode::AccessDenied, "the person refused")
            }
            AuthorizationReason::ConsentDiffers => Row::new(
                "consent_differs",
                ErrorCode::InvalidRequest,
                "what is asked for changed after the page was shown",
            ),
            AuthorizationReason::SessionDiffers => Row::new(
                "session_differs",
                ErrorCode::InvalidRequest,
                "another person signed in after the page was shown",
            ),
        }
    }
}

impl fmt::Display for AuthorizationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AuthorizationReason::ParametersWrong(error) => return error.fmt(f),
            AuthorizationReason::AskingClientUnknown => {
                "client_id is that of no client that may send a browser here without pushing its request"
            }
            AuthorizationReason::RedirectRefused(mismatch) => return mismatch.fmt(f),
            AuthorizationReason::PushedRequestUnknown => {
                "request_uri was not issued, was used, or has expired"
            }
            AuthorizationReason::PushedRequestOfOther => "request_uri was issued to another client",
            AuthorizationReason::PushMissing { rule } => {
                return write!(
                    f,
                    "the request was not pushed, and rule `{rule}` or the client requires it"
                );
            }
            AuthorizationReason::ObjectMissing => {
                "the client registered that its requests are signed, and this one is not"
            }
            AuthorizationReason::ObjectNotTaken => {
                "the request is a signed object, and this server knows no keys of the client for it"
            }
            AuthorizationReason::ObjectRefused(error) => return write!(f, "the signed object: {error}"),
            AuthorizationReason::ObjectKeysUnavailable { why } => {
                return write!(f, "the keys of the client for the signed object: {why}");
            }
            AuthorizationReason::DpopKeyDiffers => {
                "dpop_jkt names another key than the DPoP proof of the request"
            }
            AuthorizationReason::PushShareUsed { .. } => {
                "the client pushes more authorization requests than one client may"
            }
            AuthorizationReason::SignInNeeded => "the person must sign in, and prompt is none",
            AuthorizationReason::ConsentNeeded => "the person must be asked, and prompt is none",
            AuthorizationReason::AcrUnmet => {
                "the sign-in of the person has none of the acr_values of the request"
            }
            AuthorizationReason::GroupMissing { rule } => {
                return write!(f, "the person is in none of the groups of rule `{rule}`");
            }
            AuthorizationReason::ConsentRefused => "the person refused what the client asks for",
            AuthorizationReason::ConsentDiffers => {
                "the consent page would show something else now than it showed to the person"
            }
            AuthorizationReason::SessionDiffers => {
                "the answer to the consent page came with another session than that of the page"
            }
        })
    }
}
