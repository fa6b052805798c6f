//! What a token is bound to: judged once, for every grant.

use super::requester::Requester;
use crate::rejection::{AdmissionReason, Rejection};
use testudo_protocol::oauth::access_token::Confirmation;
use testudo_protocol::{Seconds, Timestamp};

/// What must be proven together with a token for it to be of any use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// Possession of the key of the certificate with this SHA-256. [RFC8705 §3]
    Certificate([u8; 32]),
}

impl Binding {
    /// What this client's tokens must be bound to, where its rule or its registration demands it. The error: this
    /// request proved nothing that a token could be bound to.
    pub(super) fn judge(requester: &Requester<'_>) -> Result<Option<Binding>, Rejection> {
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

    /// How long a token of this life may live that is issued at `now`.
    pub(super) fn limited(&self, life: Seconds, requester: &Requester<'_>, now: Timestamp) -> Seconds {
        match self {
            // [RFC8705 §6.3] Bound to a certificate that ends, the token is of no use after it.
            Binding::Certificate(_) => life.min(requester.governed.identity.proof.expires - now),
        }
    }

    /// How the token says it: `cnf`. [RFC8705 §3.1]
    pub fn confirmation(&self) -> Confirmation {
        match self {
            Binding::Certificate(thumbprint) => Confirmation::certificate(thumbprint),
        }
    }
}
