//! Decides what a token is bound to, for every grant.

use super::requester::Requester;
use crate::rejection::{AdmissionReason, Rejection};
use testudo_protocol::oauth::access_token::Confirmation;
use testudo_protocol::{Seconds, Timestamp};

/// `token_type` of a token that is not bound to a key. [RFC6750 §4]
pub const BEARER: &str = "Bearer";

/// What a caller must prove to use the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// Possession of the key of the certificate with this SHA-256. [RFC8705 §3]
    Certificate([u8; 32]),
}

impl Binding {
    /// What the tokens of this client must be bound to, if its rule or its registration requires a binding. The error
    /// means that the request proved no key to which a token can be bound.
    pub(super) fn check(requester: &Requester<'_>) -> Result<Option<Binding>, Rejection> {
        let by_registration = requester
            .registration
            .is_some_and(|stands| stands.must_bind_tokens);
        if !by_registration && !requester.governed.found.rule.must_bind_tokens {
            return Ok(None);
        }
        match requester.governed.identity.proof.certificate_thumbprint {
            Some(thumbprint) => Ok(Some(Binding::Certificate(thumbprint))),
            None => Err(AdmissionReason::BindingMissing {
                rule: requester.rule_name(),
            }
            .into()),
        }
    }

    /// The lifetime of a token that is issued at `now`, limited by the binding.
    pub(super) fn limited(&self, life: Seconds, requester: &Requester<'_>, now: Timestamp) -> Seconds {
        match self {
            // [RFC8705 §6.3] A token that is bound to a certificate cannot be used after the certificate expires.
            Binding::Certificate(_) => life.min(requester.governed.identity.proof.expires - now),
        }
    }

    /// `token_type` in the answer: the scheme with which the client sends the token. [RFC6749 §7.1] A token that is
    /// bound to a certificate is sent like one that is not bound. [RFC8705 §3]
    pub fn token_type(&self) -> &'static str {
        match self {
            Binding::Certificate(_) => BEARER,
        }
    }

    /// The `cnf` claim of the token. [RFC8705 §3.1]
    pub fn confirmation(&self) -> Confirmation {
        match self {
            Binding::Certificate(thumbprint) => Confirmation::certificate(thumbprint),
        }
    }
}
