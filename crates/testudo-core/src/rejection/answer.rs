//! The error answer for a caller, by endpoint. [RFC6749 §5.2] [RFC7591 §3.2.2] [RFC7592 §2]

use super::Rejection;
use super::credential::CredentialReason;
use super::row::{AtManagement, BEARER, Fresh, PublicSentence, Row, StatementEffect};
use std::borrow::Cow;
use testudo_protocol::oauth::ErrorCode;

/// A complete error answer. Its content is decided here; the server formats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `error`.
    pub code: ErrorCode,
    /// The HTTP status.
    pub status: u16,
    /// `WWW-Authenticate`.
    pub challenge: Option<&'static str>,
    /// `error_description`: ASCII, without any text of the request.
    pub sentence: Cow<'static, str>,
    /// `Retry-After`.
    pub retry_after_seconds: Option<i64>,
    /// A new value of this server that the answer contains.
    pub fresh: Option<Fresh>,
}

/// The endpoint that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// No endpoint: the request is refused before its path is evaluated.
    None,
    /// The token endpoint.
    Token {
        /// The scheme of the request's `Authorization` field.
        authorization: Authorization,
    },
    /// The registration endpoint.
    Registration {
        /// Whether the software statement of the request was verified.
        statement: Statement,
        /// The scheme of the request's `Authorization` field.
        authorization: Authorization,
    },
    /// The client configuration endpoint of one registration.
    Management,
    /// The authorization endpoint: on a page, or by a redirect to the client. [RFC6749 §4.1.2.1]
    Authorization,
}

/// The scheme of a request's `Authorization` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization {
    /// The request has no `Authorization` field.
    Absent,
    /// A bearer token.
    Bearer,
    /// A token that is bound to the key of a DPoP proof. [RFC9449 §7.1]
    Dpop,
    /// Another scheme, most likely Basic with a client secret.
    Other,
}

/// Whether the software statement of a registration request was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// The request has no statement.
    Absent,
    /// The signature of the statement was not verified with the key of a configured authority.
    Unverified,
    /// The signature of the statement was verified.
    Verified,
}

/// The challenge for a token request whose `Authorization` is not a bearer token.
const BASIC: &str = "Basic realm=\"token endpoint\"";

/// The algorithms that a DPoP proof may have, for a challenge. [RFC9449 §7.1]
macro_rules! with_algorithms {
    ($error:literal) => {
        concat!(
            "DPoP error=\"",
            $error,
            "\", algs=\"ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA\""
        )
    };
}

impl Rejection {
    /// True if the caller is asked to send the same request again: with a new value of this server, with a fresh
    /// attestation, or later.
    pub fn may_be_repeated(&self) -> bool {
        let row = self.row();
        row.fresh.is_some() || row.retry_after_seconds.is_some() || row.code == ErrorCode::UseFreshAttestation
    }

    /// The answer of this endpoint.
    pub fn answer(&self, endpoint: Endpoint) -> Answer {
        match endpoint {
            Endpoint::None => self.at_token_endpoint(Authorization::Absent),
            Endpoint::Token { authorization } => self.at_token_endpoint(authorization),
            Endpoint::Registration {
                statement,
                authorization,
            } => self.at_registration(statement).for_scheme(authorization),
            Endpoint::Management => self.at_management(),
            Endpoint::Authorization => self.at_authorization(),
        }
    }

    fn at_token_endpoint(&self, authorization: Authorization) -> Answer {
        let row = self.row();
        let status = match authorization {
            Authorization::Absent => row.code.status(),
            // [RFC6749 §5.2] A client that used `Authorization` must receive 401.
            Authorization::Bearer | Authorization::Dpop | Authorization::Other => {
                row.code.status_after_authorization()
            }
        };
        let status = row.status.unwrap_or(status);
        // [RFC6749 §5.2] [RFC9110 §15.5.2] A 401 carries a challenge, of the scheme that was used.
        let challenge = (status == 401).then_some(match authorization {
            Authorization::Bearer => BEARER,
            Authorization::Absent | Authorization::Dpop | Authorization::Other => BASIC,
        });
        Answer {
            code: row.code,
            status,
            challenge,
            sentence: row.public_sentence.sentence(),
            retry_after_seconds: row.retry_after_seconds,
            fresh: row.fresh,
        }
    }

    fn at_registration(&self, statement: Statement) -> Answer {
        let row = self.row();
        let (code, sentence) = row.at_registration(statement);
        Answer {
            code,
            status: row.status.unwrap_or(code.status()),
            challenge: row.challenge,
            sentence: sentence.unwrap_or_else(|| row.public_sentence.sentence()),
            retry_after_seconds: row.retry_after_seconds,
            fresh: row.fresh,
        }
    }

    /// No client authenticates there, so a client that is not admitted may not make the request. [RFC6749 §4.1.2.1]
    fn at_authorization(&self) -> Answer {
        let answer = self.at_token_endpoint(Authorization::Absent);
        match self.row().public_sentence {
            PublicSentence::AuthenticationFailed => {
                let code = ErrorCode::UnauthorizedClient;
                Answer {
                    code,
                    status: code.status(),
                    challenge: None,
                    sentence: "this server does not accept client_id".into(),
                    fresh: None,
                    ..answer
                }
            }
            PublicSentence::Own(_) => answer,
        }
    }

    fn at_management(&self) -> Answer {
        let without_statement = Statement::Absent;
        match self.row().at_management {
            AtManagement::AsAtRegistration => self.at_registration(without_statement),
            AtManagement::Closed => {
                let code = ErrorCode::AccessDenied;
                Answer {
                    code,
                    status: code.status(),
                    challenge: None,
                    sentence: "this registration cannot be managed now".into(),
                    retry_after_seconds: None,
                    fresh: None,
                }
            }
            AtManagement::NoSuchClient => {
                let unknown = CredentialReason::RegistrationTokenRefused { is_superseded: false };
                Rejection::from(unknown).at_registration(without_statement)
            }
        }
    }
}

impl Answer {
    /// The answer to a request with an access token of this scheme. [RFC9449 §7.1] The proof of a token that is sent with
    /// the scheme DPoP is part of its authorization, so a wrong proof is answered as a wrong token is.
    fn for_scheme(self, authorization: Authorization) -> Answer {
        if authorization != Authorization::Dpop {
            return self;
        }
        let challenges = [
            (
                ErrorCode::InvalidDpopProof,
                with_algorithms!("invalid_dpop_proof"),
            ),
            (ErrorCode::UseDpopNonce, with_algorithms!("use_dpop_nonce")),
            (ErrorCode::InvalidToken, with_algorithms!("invalid_token")),
            (
                ErrorCode::InsufficientScope,
                with_algorithms!("insufficient_scope"),
            ),
        ];
        let found = challenges.into_iter().find(|(code, _)| *code == self.code);
        let Some((_, challenge)) = found else {
            return self;
        };
        let is_refused_proof = self.code != ErrorCode::InsufficientScope;
        Answer {
            status: if is_refused_proof { 401 } else { self.status },
            challenge: Some(challenge),
            ..self
        }
    }
}

impl Row {
    /// The error code at the registration endpoint, and the sentence if it differs from that of the row. An invalid
    /// statement and a statement that this server does not approve have their own codes. A client that used a
    /// certificate instead failed to authenticate. All other reasons have the same code as at other endpoints. [RFC7591
    /// §3.2.2]
    fn at_registration(&self, statement: Statement) -> (ErrorCode, Option<Cow<'static, str>>) {
        let invalid = (
            ErrorCode::InvalidSoftwareStatement,
            Some("software_statement is not valid".into()),
        );
        let unapproved = (
            ErrorCode::UnapprovedSoftwareStatement,
            Some("software_statement is not accepted by this server".into()),
        );
        match (&self.statement_effect, statement) {
            (
                StatementEffect::Member(code, sentence),
                Statement::Absent | Statement::Unverified | Statement::Verified,
            ) => (*code, Some(sentence.clone())),
            (StatementEffect::Nothing, Statement::Absent | Statement::Unverified | Statement::Verified)
            | (
                StatementEffect::Invalid | StatementEffect::Unapproved | StatementEffect::NoneIsTaken,
                Statement::Absent,
            ) => (self.code, None),
            // Before the signature is verified, the caller is unknown, and the answer must not reveal whether a trust
            // domain is configured or disabled.
            (StatementEffect::Invalid, Statement::Unverified | Statement::Verified)
            | (StatementEffect::Unapproved, Statement::Unverified) => invalid,
            // That the server accepts no statements at all is not secret, so every caller receives this answer.
            (StatementEffect::Unapproved, Statement::Verified)
            | (StatementEffect::NoneIsTaken, Statement::Unverified | Statement::Verified) => unapproved,
        }
    }
}
