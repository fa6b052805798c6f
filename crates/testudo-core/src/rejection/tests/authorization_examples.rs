//! Examples of reasons to refuse an authorization request.

use super::AuthorizationReason;
use testudo_protocol::oauth::authorization::AuthorizationRequestError;
use testudo_protocol::oauth::redirect_uri::RedirectUriMismatch;
use testudo_protocol::oauth::request_object::RequestObjectError;

pub fn authorization_reasons() -> Vec<AuthorizationReason> {
    let rule = "web".to_owned();
    vec![
        AuthorizationReason::ParametersWrong(AuthorizationRequestError::ChallengeMissing),
        AuthorizationReason::AskingClientUnknown,
        AuthorizationReason::RedirectRefused(RedirectUriMismatch::NotRegistered),
        AuthorizationReason::RedirectRefused(RedirectUriMismatch::Missing),
        AuthorizationReason::PushedRequestUnknown,
        AuthorizationReason::PushedRequestOfOther,
        AuthorizationReason::PushMissing { rule: rule.clone() },
        AuthorizationReason::ObjectMissing,
        AuthorizationReason::ObjectNotTaken,
        AuthorizationReason::ObjectRefused(RequestObjectError::WrongAudience),
        AuthorizationReason::ObjectKeysUnavailable {
            why: "no answer".to_owned(),
        },
        AuthorizationReason::DpopKeyDiffers,
        AuthorizationReason::PushShareUsed {
            retry_after_seconds: 1,
        },
        AuthorizationReason::SignInNeeded,
        AuthorizationReason::ConsentNeeded,
        AuthorizationReason::AcrUnmet,
        AuthorizationReason::GroupMissing { rule },
        AuthorizationReason::ConsentRefused,
        AuthorizationReason::ConsentDiffers,
        AuthorizationReason::SessionDiffers,
    ]
}
