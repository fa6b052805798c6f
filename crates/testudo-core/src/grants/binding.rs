//! Decides what a token is bound to, for every grant.

use super::requester::Requester;
use crate::identity::SenderConstraint;
use crate::metadata::attested::attested_demands;
use crate::rejection::{AdmissionReason, Rejection};
use testudo_protocol::oauth::access_token::Confirmation;
use testudo_protocol::{Seconds, Timestamp};

/// `token_type` of a token that is sent without a proof. [RFC6750 §4]
pub const BEARER: &str = "Bearer";

/// `token_type` of a token that is sent with a DPoP proof. [RFC9449 §5]
pub const DPOP: &str = "DPoP";

/// What a caller must prove to use the token; at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Possession of the key with this thumbprint. [RFC9449 §6]
    key: Option<[u8; 32]>,
    /// Possession of the key of the certificate with this SHA-256. [RFC8705 §3]
    certificate: Option<[u8; 32]>,
}

impl Binding {
    /// What the token is bound to. [RFC9449 §5] A client that sends a DPoP proof gets a token that is bound to the key
    /// of the proof, whatever its rule requires. The error means that the request proved no key that the rule or the
    /// registration of the client requires.
    pub(super) fn check(requester: &Requester<'_>) -> Result<Option<Binding>, Rejection> {
        let certificate = requester.governed.identity.proof.certificate_thumbprint;
        let of_rule = requester.governed.found.rule.sender_constraint;
        let registration = requester.registration;
        let attested = attested_demands(requester.governed.identity)?;
        let must_be_certificate = of_rule == SenderConstraint::Mtls
            || attested.must_bind_tokens
            || registration.is_some_and(|stands| stands.must_bind_tokens);
        let must_be_key = of_rule == SenderConstraint::Dpop
            || attested.dpop_bound_access_tokens
            || registration.is_some_and(|stands| stands.dpop_bound_access_tokens);
        let needs_key = must_be_key || (of_rule == SenderConstraint::Any && certificate.is_none());
        let key = match needs_key {
            true => requester.possession.needed_dpop_key(),
            false => requester.possession.dpop_key,
        };
        let is_bound_to_certificate =
            must_be_certificate || (of_rule == SenderConstraint::Any && key.is_none());
        let lacking = if must_be_certificate && certificate.is_none() {
            Some(SenderConstraint::Mtls)
        } else if must_be_key && key.is_none() {
            Some(SenderConstraint::Dpop)
        } else if is_bound_to_certificate && certificate.is_none() {
            Some(SenderConstraint::Any)
        } else {
            None
        };
        if let Some(constraint) = lacking {
            let rule = requester.rule_name();
            return Err(AdmissionReason::BindingMissing { rule, constraint }.into());
        }
        let certificate = certificate.filter(|_| is_bound_to_certificate);
        let is_bound = key.is_some() || certificate.is_some();
        Ok(is_bound.then_some(Binding { key, certificate }))
    }

    /// The certificate to which the tokens of this request are bound.
    pub(super) fn certificate(&self) -> Option<[u8; 32]> {
        self.certificate
    }

    /// The lifetime of a token that is issued at `now`, limited by the binding.
    pub(super) fn limited(&self, life: Seconds, requester: &Requester<'_>, now: Timestamp) -> Seconds {
        match self.certificate {
            // [RFC8705 §6.3] A token that is bound to a certificate cannot be used after the certificate expires.
            Some(_) => life.min(requester.governed.identity.proof.expires - now),
            None => life,
        }
    }

    /// `token_type` in the answer: the scheme with which the client sends the token. [RFC6749 §7.1] A token that is
    /// bound only to a certificate is sent like one that is not bound. [RFC8705 §3]
    pub fn token_type(&self) -> &'static str {
        match self.key {
            Some(_) => DPOP,
            None => BEARER,
        }
    }

    /// The `cnf` claim of the token. [RFC7800 §3.1]
    pub fn confirmation(&self) -> Confirmation {
        Confirmation::new(self.key.as_ref(), self.certificate.as_ref())
    }
}
