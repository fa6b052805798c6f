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

/// What the rule, the attester or the registration demands of the tokens of a client.
struct Demanded {
    certificate: bool,
    key: bool,
    /// One of the two.
    any: bool,
}

impl Demanded {
    fn of(requester: &Requester<'_>) -> Result<Demanded, Rejection> {
        let of_rule = requester.governed.found.rule.sender_constraint;
        let registration = requester.registration;
        let attested = attested_demands(requester.governed.identity)?;
        Ok(Demanded {
            certificate: of_rule == SenderConstraint::Mtls
                || attested.must_bind_tokens
                || registration.is_some_and(|stands| stands.must_bind_tokens),
            key: of_rule == SenderConstraint::Dpop
                || attested.dpop_bound_access_tokens
                || registration.is_some_and(|stands| stands.dpop_bound_access_tokens),
            any: of_rule == SenderConstraint::Any,
        })
    }
}

/// The certificate of a request to which its tokens, or those that follow it, are bound. A pushed request may lack the DPoP
/// proof that the redemption needs: its certificate is demanded all the same. [RFC8705 §4]
pub(super) fn demanded_certificate(requester: &Requester<'_>) -> Option<[u8; 32]> {
    // A request with an error in what is attested is refused where a token would be issued.
    let demanded = Demanded::of(requester).ok()?;
    let is_instead_of_key = demanded.any && !demanded.key && requester.possession.dpop_key.is_none();
    let certificate = requester.governed.identity.proof.certificate_thumbprint;
    certificate.filter(|_| demanded.certificate || is_instead_of_key)
}

impl Binding {
    /// What the token is bound to. [RFC9449 §5] A client that sends a DPoP proof gets a token that is bound to the key
    /// of the proof, whatever its rule requires. The error means that the request proved no key that the rule or the
    /// registration of the client requires.
    pub(super) fn check(requester: &Requester<'_>) -> Result<Option<Binding>, Rejection> {
        let certificate = requester.governed.identity.proof.certificate_thumbprint;
        let demanded = Demanded::of(requester)?;
        let needs_key = demanded.key || (demanded.any && certificate.is_none());
        let key = match needs_key {
            true => requester.possession.needed_dpop_key(),
            false => requester.possession.dpop_key,
        };
        let is_bound_to_certificate = demanded.certificate || (demanded.any && key.is_none());
        let lacking = if demanded.certificate && certificate.is_none() {
            Some(SenderConstraint::Mtls)
        } else if demanded.key && key.is_none() {
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
