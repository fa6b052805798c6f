//! Error codes and their HTTP status. [RFC6749 §5.2]
//!
//! This is the only table of statuses: a handler does not choose one.

/// An OAuth error code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the names are the standard's own")]
pub enum ErrorCode {
    InvalidRequest,
    InvalidClient,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    InvalidTarget,
    TemporarilyUnavailable,
    SlowDown,
    ServerError,
    InvalidClientMetadata,
    InvalidRedirectUri,
    InvalidSoftwareStatement,
    UnapprovedSoftwareStatement,
    InvalidToken,
    InsufficientScope,
    AccessDenied,
    InvalidDpopProof,
    UseDpopNonce,
    InvalidClientAttestation,
    UseAttestationChallenge,
    UseFreshAttestation,
    InvalidGrant,
    UnsupportedTokenType,
    UnsupportedResponseType,
    LoginRequired,
    ConsentRequired,
    InteractionRequired,
    AccountSelectionRequired,
    UnmetAuthenticationRequirements,
    InvalidRequestUri,
    InvalidRequestObject,
    RequestNotSupported,
    RequestUriNotSupported,
}

impl ErrorCode {
    /// The value of the `error` member.
    pub fn name(self) -> &'static str {
        match self {
            ErrorCode::InvalidRequest => "invalid_request",
            ErrorCode::InvalidClient => "invalid_client",
            ErrorCode::UnauthorizedClient => "unauthorized_client",
            ErrorCode::UnsupportedGrantType => "unsupported_grant_type",
            ErrorCode::InvalidScope => "invalid_scope",
            ErrorCode::InvalidTarget => "invalid_target",
            ErrorCode::TemporarilyUnavailable | ErrorCode::SlowDown => "temporarily_unavailable",
            ErrorCode::ServerError => "server_error",
            ErrorCode::InvalidClientMetadata => "invalid_client_metadata",
            ErrorCode::InvalidRedirectUri => "invalid_redirect_uri",
            ErrorCode::InvalidSoftwareStatement => "invalid_software_statement",
            ErrorCode::UnapprovedSoftwareStatement => "unapproved_software_statement",
            ErrorCode::InvalidToken => "invalid_token",
            ErrorCode::InsufficientScope => "insufficient_scope",
            ErrorCode::AccessDenied => "access_denied",
            ErrorCode::InvalidDpopProof => "invalid_dpop_proof",
            ErrorCode::UseDpopNonce => "use_dpop_nonce",
            ErrorCode::InvalidClientAttestation => "invalid_client_attestation",
            ErrorCode::UseAttestationChallenge => "use_attestation_challenge",
            ErrorCode::UseFreshAttestation => "use_fresh_attestation",
            ErrorCode::InvalidGrant => "invalid_grant",
            ErrorCode::UnsupportedTokenType => "unsupported_token_type",
            ErrorCode::UnsupportedResponseType => "unsupported_response_type",
            ErrorCode::LoginRequired => "login_required",
            ErrorCode::ConsentRequired => "consent_required",
            ErrorCode::InteractionRequired => "interaction_required",
            ErrorCode::AccountSelectionRequired => "account_selection_required",
            ErrorCode::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            ErrorCode::InvalidRequestUri => "invalid_request_uri",
            ErrorCode::InvalidRequestObject => "invalid_request_object",
            ErrorCode::RequestNotSupported => "request_not_supported",
            ErrorCode::RequestUriNotSupported => "request_uri_not_supported",
        }
    }

    /// HTTP status at the token endpoint.
    ///
    /// `invalid_client` is 400: 401 must carry a challenge [RFC9110 §15.5.2], and no HTTP authentication scheme
    /// exists for assertions in the body. If the client used `Authorization`, see
    /// [`ErrorCode::status_after_authorization`].
    pub fn status(self) -> u16 {
        match self {
            ErrorCode::InvalidRequest
            | ErrorCode::InvalidClient
            | ErrorCode::UnauthorizedClient
            | ErrorCode::UnsupportedGrantType
            | ErrorCode::InvalidScope
            | ErrorCode::InvalidTarget
            // [RFC9449 §5] [RFC9449 §8]
            | ErrorCode::InvalidDpopProof
            | ErrorCode::UseDpopNonce
            // [ABCA §6.1] [ABCA §7.4]
            | ErrorCode::InvalidClientAttestation
            | ErrorCode::UseAttestationChallenge
            | ErrorCode::UseFreshAttestation
            // [RFC6749 §5.2]
            | ErrorCode::InvalidGrant
            // [RFC7009 §2.2.1]
            | ErrorCode::UnsupportedTokenType
            // [RFC9126 §2.3] The errors of the authorization endpoint, in an answer to a pushed request or on a page. In a
            // redirect, an error has no status.
            | ErrorCode::UnsupportedResponseType
            | ErrorCode::LoginRequired
            | ErrorCode::ConsentRequired
            | ErrorCode::InteractionRequired
            | ErrorCode::AccountSelectionRequired
            | ErrorCode::UnmetAuthenticationRequirements
            | ErrorCode::InvalidRequestUri
            | ErrorCode::InvalidRequestObject
            | ErrorCode::RequestNotSupported
            | ErrorCode::RequestUriNotSupported
            // [RFC7591 §3.2.2] All registration errors are 400.
            | ErrorCode::InvalidClientMetadata
            | ErrorCode::InvalidRedirectUri
            | ErrorCode::InvalidSoftwareStatement
            | ErrorCode::UnapprovedSoftwareStatement => 400,
            // [RFC6750 §3.1]
            ErrorCode::InvalidToken => 401,
            ErrorCode::InsufficientScope | ErrorCode::AccessDenied => 403,
            ErrorCode::SlowDown => 429,
            ErrorCode::TemporarilyUnavailable => 503,
            ErrorCode::ServerError => 500,
        }
    }

    /// [RFC6749 §5.2] A client that used `Authorization` must receive 401 and a challenge of that scheme.
    pub fn status_after_authorization(self) -> u16 {
        if self == ErrorCode::InvalidClient {
            return 401;
        }
        self.status()
    }
}
