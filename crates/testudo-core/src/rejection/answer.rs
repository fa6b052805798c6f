//! What the caller is answered, by the endpoint that was asked. [RFC6749 §5.2] [RFC7591 §3.2.2] [RFC7592 §2]

use super::Rejection;
use super::credential::CredentialReason;
use super::row::{AtManagement, BEARER, OfStatement, Row};
use std::borrow::Cow;
use testudo_protocol::oauth::ErrorCode;

/// An error answer, whole. How it is written is the server's matter, what it says is decided here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `error`.
    pub code: ErrorCode,
    /// The HTTP status.
    pub status: u16,
    /// `WWW-Authenticate`.
    pub challenge: Option<&'static str>,
    /// `error_description`: ASCII, and nothing of the request in it.
    pub sentence: Cow<'static, str>,
    /// `Retry-After`.
    pub retry_after_seconds: Option<i64>,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// No endpoint: the request is refused before one is looked for.
    None,
    /// The token endpoint.
    Token {
        /// What stands in the request's `Authorization`.
        authorization: Authorization,
    },
    /// The registration endpoint.
    Registration {
        /// How far the request's software statement came.
        statement: Statement,
    },
    /// The management of one registration.
    Management,
}

/// The scheme of a request's `Authorization` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization {
    /// There is no such field.
    Absent,
    /// A bearer token.
    Bearer,
    /// Another scheme; most likely a client's password.
    Other,
}

/// How far a registration request's software statement came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// There is none.
    Absent,
    /// It is not proven that a configured authority signed it.
    Unverified,
    /// Its signature held.
    Verified,
}

/// For a token request that came with an `Authorization` other than a bearer token.
const BASIC: &str = "Basic realm=\"token endpoint\"";

impl Rejection {
    /// The answer of this endpoint.
    pub fn answer(&self, endpoint: Endpoint) -> Answer {
        match endpoint {
            Endpoint::None => self.at_token_endpoint(Authorization::Absent),
            Endpoint::Token { authorization } => self.at_token_endpoint(authorization),
            Endpoint::Registration { statement } => self.at_registration(statement),
            Endpoint::Management => self.at_management(),
        }
    }

    fn at_token_endpoint(&self, authorization: Authorization) -> Answer {
        let row = self.row();
        let status = match authorization {
            Authorization::Absent => row.code.status(),
            // [RFC6749 §5.2] Who tried `Authorization` must get 401.
            Authorization::Bearer | Authorization::Other => row.code.status_after_authorization(),
        };
        let status = row.status.unwrap_or(status);
        // [RFC6749 §5.2] [RFC9110 §15.5.2] A 401 carries a challenge, of the scheme that was used.
        let challenge = (status == 401).then_some(match authorization {
            Authorization::Bearer => BEARER,
            Authorization::Absent | Authorization::Other => BASIC,
        });
        Answer {
            code: row.code,
            status,
            challenge,
            sentence: row.said.sentence(),
            retry_after_seconds: row.retry_after_seconds,
        }
    }

    fn at_registration(&self, statement: Statement) -> Answer {
        let row = self.row();
        let (code, sentence) = row.at_registration(statement);
        Answer {
            code,
            status: row.status.unwrap_or(code.status()),
            challenge: row.challenge,
            sentence: sentence.unwrap_or_else(|| row.said.sentence()),
            retry_after_seconds: row.retry_after_seconds,
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
                }
            }
            AtManagement::NoSuchClient => {
                let unknown = CredentialReason::RegistrationTokenRefused { is_superseded: false };
                Rejection::from(unknown).at_registration(without_statement)
            }
        }
    }
}

impl Row {
    /// The code at the registration endpoint, and the sentence where it is not that of the row. What is wrong with a
    /// statement is one code, that this server does not approve of it another; a client that showed a certificate
    /// instead failed to authenticate; everything else is as elsewhere. [RFC7591 §3.2.2]
    fn at_registration(&self, statement: Statement) -> (ErrorCode, Option<Cow<'static, str>>) {
        let invalid = (
            ErrorCode::InvalidSoftwareStatement,
            Some("the software statement is not valid".into()),
        );
        let unapproved = (
            ErrorCode::UnapprovedSoftwareStatement,
            Some("the statement is not accepted here".into()),
        );
        match (&self.of_statement, statement) {
            (OfStatement::Member(code, sentence), _) => (*code, Some(sentence.clone())),
            (OfStatement::Nothing, _)
            | (
                OfStatement::Invalid | OfStatement::Unapproved | OfStatement::NoneIsTaken,
                Statement::Absent,
            ) => (self.code, None),
            // Before the signature held, the caller may be anybody, and whether a trust domain is known here or
            // switched off is not for anybody.
            (OfStatement::Invalid, Statement::Unverified | Statement::Verified)
            | (OfStatement::Unapproved, Statement::Unverified) => invalid,
            // That the server takes no statements at all is said of everybody's.
            (OfStatement::Unapproved, Statement::Verified)
            | (OfStatement::NoneIsTaken, Statement::Unverified | Statement::Verified) => unapproved,
        }
    }
}
