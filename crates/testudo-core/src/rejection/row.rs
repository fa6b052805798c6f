//! The row of a reason: its name, and its answer at each endpoint.

use std::borrow::Cow;
use testudo_protocol::oauth::ErrorCode;

/// [RFC6750 §3.1] If the request has no token, the challenge has no error code.
pub(super) const BEARER: &str = "Bearer";

/// The sentence of every failed client authentication. It is the same for every reason, so that a caller cannot learn
/// which keys, trust domains or clients exist.
const CLIENT_AUTHENTICATION_FAILED: &str = "client authentication failed";

/// The values of a reason that determine the answers of all endpoints.
pub(super) struct Row {
    /// The name in logs, events and counters. It must not be changed.
    pub(super) name: &'static str,
    /// The error code, unless a field below gives another one.
    pub(super) code: ErrorCode,
    pub(super) public_sentence: PublicSentence,
    pub(super) statement_effect: StatementEffect,
    pub(super) at_management: AtManagement,
    /// The HTTP status, if it differs from that of the code.
    pub(super) status: Option<u16>,
    pub(super) retry_after_seconds: Option<i64>,
    /// The kind of limit that the request exceeds, if this is the reason.
    pub(super) exceeds: Option<Exceeded>,
    /// The challenge in an answer of the registration endpoint. [RFC6750 §3.1]
    pub(super) challenge: Option<&'static str>,
    /// A new value that the answer gives to the caller.
    pub(super) fresh: Option<Fresh>,
}

/// A new value of this server in an answer, which the next proof of the caller must contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// A nonce in `DPoP-Nonce`. [RFC9449 §8]
    DpopNonce,
    /// A challenge in `OAuth-Client-Attestation-Challenge`. [ABCA §6.2]
    AttestationChallenge,
}

/// A kind of limit on new clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// The rate of new clients.
    Rate,
    /// The number of clients.
    Count,
}

/// The sentence in the answer.
pub(super) enum PublicSentence {
    /// The sentence of every failed client authentication.
    AuthenticationFailed,
    /// Another sentence.
    Own(Cow<'static, str>),
}

/// The effect of a reason on the answer to a registration with a software statement. [RFC7591 §3.2.2]
pub(super) enum StatementEffect {
    /// The code is the same with and without a statement.
    Nothing,
    /// The statement is invalid.
    Invalid,
    /// The statement is authentic, but this server does not approve it.
    Unapproved,
    /// This server accepts no statements of any signer.
    NoneIsTaken,
    /// A member of the request or a claim of the statement is wrong; this code and this sentence also apply with a
    /// certificate instead of a statement.
    Member(ErrorCode, Cow<'static, str>),
}

/// The effect of a reason on the answer to a client that manages its registration. [RFC7592 §2]
pub(super) enum AtManagement {
    /// The same as at the registration endpoint.
    AsAtRegistration,
    /// The client is known, but may not do anything now. [RFC7592 §2.1]
    Closed,
    /// The answer is that of a client that does not exist.
    NoSuchClient,
}

impl Row {
    /// A reason with its own code and sentence.
    pub(super) fn new(name: &'static str, code: ErrorCode, sentence: impl Into<Cow<'static, str>>) -> Row {
        Row::with_sentence(name, code, PublicSentence::Own(sentence.into()))
    }

    /// The caller did not prove its identity.
    pub(super) fn unauthenticated(name: &'static str) -> Row {
        Row {
            statement_effect: StatementEffect::Invalid,
            ..Row::with_sentence(
                name,
                ErrorCode::InvalidClient,
                PublicSentence::AuthenticationFailed,
            )
        }
    }

    /// The caller did not prove its identity, and used an attestation. [ABCA §7.4]
    pub(super) fn unattested(name: &'static str) -> Row {
        Row {
            code: ErrorCode::InvalidClientAttestation,
            ..Row::unauthenticated(name)
        }
    }

    /// The caller proved its identity, but is refused.
    pub(super) fn not_admitted(name: &'static str) -> Row {
        Row {
            statement_effect: StatementEffect::Unapproved,
            ..Row::unauthenticated(name)
        }
    }

    fn with_sentence(name: &'static str, code: ErrorCode, public_sentence: PublicSentence) -> Row {
        Row {
            name,
            code,
            public_sentence,
            statement_effect: StatementEffect::Nothing,
            at_management: AtManagement::AsAtRegistration,
            status: None,
            retry_after_seconds: None,
            exceeds: None,
            challenge: None,
            fresh: None,
        }
    }

    pub(super) fn fresh(mut self, fresh: Fresh) -> Row {
        self.fresh = Some(fresh);
        self
    }

    pub(super) fn sentence(mut self, sentence: &'static str) -> Row {
        self.public_sentence = PublicSentence::Own(sentence.into());
        self
    }

    pub(super) fn statement_effect(mut self, meaning: StatementEffect) -> Row {
        self.statement_effect = meaning;
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

    pub(super) fn exceeds(mut self, limit: Exceeded) -> Row {
        self.exceeds = Some(limit);
        self
    }

    pub(super) fn challenge(mut self, challenge: &'static str) -> Row {
        self.challenge = Some(challenge);
        self
    }
}

impl PublicSentence {
    pub(super) fn sentence(self) -> Cow<'static, str> {
        match self {
            PublicSentence::AuthenticationFailed => CLIENT_AUTHENTICATION_FAILED.into(),
            PublicSentence::Own(sentence) => sentence,
        }
    }
}
