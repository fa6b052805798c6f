//! The row of a reason: its name, and what it means to the caller.

use std::borrow::Cow;
use testudo_protocol::oauth::ErrorCode;

/// [RFC6750 §3.1] Where nothing was shown: a challenge, and no reproach.
pub(super) const BEARER: &str = "Bearer";

/// What every failed client authentication says. One sentence, whatever the reason: who may not come in learns
/// nothing about which keys, trust domains or clients exist.
const CLIENT_AUTHENTICATION_FAILED: &str = "client authentication failed";

/// A reason, as the answers of all endpoints know it.
pub(super) struct Row {
    /// The name in logs, events and counters. It stays what it is.
    pub(super) name: &'static str,
    /// The code, where nothing below says another.
    pub(super) code: ErrorCode,
    pub(super) said: Said,
    pub(super) of_statement: OfStatement,
    pub(super) at_management: AtManagement,
    /// Where HTTP has a status of its own.
    pub(super) status: Option<u16>,
    pub(super) retry_after_seconds: Option<i64>,
    /// What an answer of the registration endpoint asks for. [RFC6750 §3.1]
    pub(super) challenge: Option<&'static str>,
}

/// What the caller is told.
pub(super) enum Said {
    /// The sentence of every failed client authentication.
    AuthenticationFailed,
    /// A sentence of its own.
    This(Cow<'static, str>),
}

/// What a reason means for the software statement of a registration. [RFC7591 §3.2.2]
pub(super) enum OfStatement {
    /// Nothing: the code is the same with and without one.
    Nothing,
    /// It proves nothing.
    Invalid,
    /// It is genuine, and this server does not approve of it.
    Unapproved,
    /// This server accepts none, independent of the signer.
    NoneIsTaken,
    /// A member that the request or the statement states is wrong, also where a certificate was shown instead: this
    /// code and this sentence.
    Member(ErrorCode, Cow<'static, str>),
}

/// What a reason means to a client that manages its registration. [RFC7592 §2]
pub(super) enum AtManagement {
    /// The same as at the registration endpoint.
    AsAtRegistration,
    /// The client is known, and nothing is permitted to it now. [RFC7592 §2.1]
    Closed,
    /// The answer is that of a client that does not exist.
    NoSuchClient,
}

impl Row {
    /// A reason with a code and a sentence of its own.
    pub(super) fn new(name: &'static str, code: ErrorCode, sentence: impl Into<Cow<'static, str>>) -> Row {
        Row::saying(name, code, Said::This(sentence.into()))
    }

    /// The caller did not prove who it is.
    pub(super) fn unproven(name: &'static str) -> Row {
        Row {
            of_statement: OfStatement::Invalid,
            ..Row::saying(name, ErrorCode::InvalidClient, Said::AuthenticationFailed)
        }
    }

    /// The caller proved who it is, and is not welcome.
    pub(super) fn unwelcome(name: &'static str) -> Row {
        Row {
            of_statement: OfStatement::Unapproved,
            ..Row::unproven(name)
        }
    }

    fn saying(name: &'static str, code: ErrorCode, said: Said) -> Row {
        Row {
            name,
            code,
            said,
            of_statement: OfStatement::Nothing,
            at_management: AtManagement::AsAtRegistration,
            status: None,
            retry_after_seconds: None,
            challenge: None,
        }
    }

    pub(super) fn sentence(mut self, sentence: &'static str) -> Row {
        self.said = Said::This(sentence.into());
        self
    }

    pub(super) fn of_statement(mut self, meaning: OfStatement) -> Row {
        self.of_statement = meaning;
        self
    }

    pub(super) fn at_management(mut self, meaning: AtManagement) -> Row {
        self.at_management = meaning;
        self
    }

    pub(super) fn status(mut self, status: u16) -> Row {
        self.status = Some(status);
        self
    }

    pub(super) fn retry_after(mut self, seconds: i64) -> Row {
        self.retry_after_seconds = Some(seconds);
        self
    }

    pub(super) fn challenge(mut self, challenge: &'static str) -> Row {
        self.challenge = Some(challenge);
        self
    }
}

impl Said {
    pub(super) fn sentence(self) -> Cow<'static, str> {
        match self {
            Said::AuthenticationFailed => CLIENT_AUTHENTICATION_FAILED.into(),
            Said::This(sentence) => sentence,
        }
    }
}
