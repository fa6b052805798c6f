//! Why an authorization request is refused, whatever the client and the server. [RFC6749 §4.1.2.1]

use crate::limits::{
    ACR_VALUES_MAX, AUTHORIZATION_REQUEST_BYTES_MAX, LOGIN_HINT_BYTES_MAX, MAX_AGE_SECONDS_MAX,
    RESOURCES_MAX, STATE_BYTES_MAX,
};
use crate::oauth::ErrorCode;
use crate::oauth::pkce::PkceError;
use std::fmt;

/// Why an authorization request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthorizationRequestError {
    /// `client_id` is missing.
    ClientIdMissing,
    /// `client_id` is too long or has a character that is not allowed.
    ClientIdMalformed,
    /// Both `request` and `request_uri` are present. [RFC9101 §5]
    ObjectAndUri,
    /// A pushed request has `request_uri`. [RFC9126 §2.1]
    UriInPushedRequest,
    /// `request_uri` is not a URI of a pushed request: the server does not fetch request objects. [RFC9101 §10.4]
    UriByReference,
    /// `request_uri` begins like one of a pushed request and is none.
    UriMalformed,
    /// `response_type` is missing.
    ResponseTypeMissing,
    /// `response_type` is not `code`. [OAUTH-2.1 §10.1]
    ResponseTypeRefused,
    /// `response_mode` is not `query`, `fragment` or `form_post`.
    ResponseModeRefused,
    /// `state` is too long or has a character that is not allowed. [RFC6749 A]
    StateMalformed,
    /// `code_challenge` is missing. [RFC7636 §4.4.1]
    ChallengeMissing,
    /// `code_challenge_method` is not `S256`; without it, it is `plain`. [RFC7636 §4.3]
    ChallengeMethodRefused,
    /// `code_challenge` is not a SHA-256.
    Challenge(PkceError),
    /// `scope` is malformed; the text is the rest of a sentence.
    Scope(&'static str),
    /// A `resource` is malformed; the text is the rest of a sentence. [RFC8707 §2]
    Resource(&'static str),
    /// Too many `resource` parameters.
    TooManyResources,
    /// `prompt` has a value that is not supported.
    PromptUnknown,
    /// `prompt` has `none` and another value. [OIDCC §3.1.2.1]
    PromptNoneWithOthers,
    /// `max_age` is not a number of seconds.
    MaxAgeMalformed,
    /// `acr_values` has too many values, or a character that is not allowed.
    AcrValuesMalformed,
    /// `login_hint` is too long, or has an invisible character.
    LoginHintMalformed,
    /// `dpop_jkt` is not the thumbprint of a key. [RFC9449 §10]
    DpopKeyMalformed,
    /// All parameters together are too long.
    TooLarge,
}

impl AuthorizationRequestError {
    /// The code of the error response.
    pub fn code(self) -> ErrorCode {
        use AuthorizationRequestError::*;
        match self {
            ClientIdMissing
            | ClientIdMalformed
            | ObjectAndUri
            | UriInPushedRequest
            | ResponseTypeMissing
            | ResponseModeRefused
            | StateMalformed
            | ChallengeMissing
            | ChallengeMethodRefused
            | Challenge(_)
            | PromptUnknown
            | PromptNoneWithOthers
            | MaxAgeMalformed
            | AcrValuesMalformed
            | LoginHintMalformed
            | DpopKeyMalformed
            | TooLarge => ErrorCode::InvalidRequest,
            UriByReference => ErrorCode::RequestUriNotSupported,
            UriMalformed => ErrorCode::InvalidRequestUri,
            ResponseTypeRefused => ErrorCode::UnsupportedResponseType,
            Scope(_) => ErrorCode::InvalidScope,
            // [RFC8707 §2]
            Resource(_) | TooManyResources => ErrorCode::InvalidTarget,
        }
    }
}

impl fmt::Display for AuthorizationRequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use AuthorizationRequestError::*;
        let sentence = match self {
            ClientIdMissing => "client_id is missing",
            ClientIdMalformed => "client_id is too long, or has a character that is not allowed",
            ObjectAndUri => "request and request_uri are both present",
            UriInPushedRequest => "request_uri must not be in a pushed request",
            UriByReference => "request_uri must be the value that the endpoint for pushed requests returned",
            UriMalformed => "request_uri is not one that the endpoint for pushed requests returned",
            ResponseTypeMissing => "response_type is missing",
            ResponseTypeRefused => "response_type must be code",
            ResponseModeRefused => "response_mode must be query, fragment or form_post",
            StateMalformed => {
                return write!(
                    f,
                    "state must have at most {STATE_BYTES_MAX} printable ASCII characters"
                );
            }
            ChallengeMissing => "code_challenge is missing",
            ChallengeMethodRefused => "code_challenge_method must be S256",
            Challenge(error) => return write!(f, "{error}"),
            Scope(why) => return write!(f, "scope {why}"),
            Resource(why) => return write!(f, "resource {why}"),
            TooManyResources => return write!(f, "resource is present more than {RESOURCES_MAX} times"),
            PromptUnknown => "prompt must have only the values none, login, consent and select_account",
            PromptNoneWithOthers => "prompt must not have another value beside none",
            MaxAgeMalformed => {
                return write!(
                    f,
                    "max_age must be a whole number of seconds, at most {MAX_AGE_SECONDS_MAX}"
                );
            }
            AcrValuesMalformed => {
                return write!(
                    f,
                    "acr_values must have at most {ACR_VALUES_MAX} values of printable ASCII characters"
                );
            }
            LoginHintMalformed => {
                return write!(
                    f,
                    "login_hint must have at most {LOGIN_HINT_BYTES_MAX} bytes and no invisible character"
                );
            }
            DpopKeyMalformed => {
                "dpop_jkt must be the SHA-256 thumbprint of a key: 43 characters of base64url without padding"
            }
            TooLarge => {
                return write!(
                    f,
                    "the parameters have more than {AUTHORIZATION_REQUEST_BYTES_MAX} bytes together"
                );
            }
        };
        f.write_str(sentence)
    }
}
