//! The claims of a client's own assertion. Nothing in them is proven before the signature is.

use super::audience::{Audience, judge_audience};
use super::claims::judge_times;
use crate::policy::Policy;
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use serde::Deserialize;
use testudo_protocol::limits::JWT_ID_BYTES_MAX;
use testudo_protocol::printable::is_printable;
use testudo_protocol::{Seconds, Timestamp};

/// Longest life of an assertion. It can be used once, so there is no reason for more.
pub const LIFETIME_MAX: Seconds = Seconds(600);

/// [RFC7523 §3] `iss`, `sub`, `aud`, `exp` are required; `jti` is, because we hold it to single use.
#[derive(Deserialize)]
pub struct ClientAssertion {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: Audience,
    pub(crate) exp: Timestamp,
    pub(crate) nbf: Option<Timestamp>,
    pub(crate) iat: Option<Timestamp>,
    pub(crate) jti: Option<String>,
}

impl ClientAssertion {
    /// Whether a good signature would let the assertion in: what is checked before a client's keys are fetched from
    /// where it publishes them. Nothing is proven by it.
    pub fn is_worth_a_fetch(&self, policy: &Policy, now: Timestamp) -> bool {
        self.judge(policy, now, &mut Trace::off()).is_ok()
    }

    /// Everything but the signature.
    pub(crate) fn judge(&self, policy: &Policy, now: Timestamp, trace: &mut Trace) -> Result<(), Rejection> {
        let claims = self;
        // [RFC7523 §3 (1) (2)] Issuer and subject are the id of the client.
        if claims.iss != claims.sub {
            return Err(CredentialReason::IssuerIsNotSubject.into());
        }
        judge_times(claims.exp, claims.nbf, claims.iat, now)?;
        let lifetime = claims.exp - now;
        if lifetime > LIFETIME_MAX {
            return Err(CredentialReason::LifetimeTooLong {
                seconds: lifetime.0,
                allowed: LIFETIME_MAX.0,
            }
            .into());
        }
        trace.passed("times", || format!("valid until {}", claims.exp));
        judge_audience(&claims.aud, policy.issuer.as_str(), &[])?;
        trace.passed("audience", || policy.issuer.to_string());
        match claims.jti.as_deref() {
            None | Some("") => Err(CredentialReason::JwtIdMissing.into()),
            Some(jti) if jti.len() > JWT_ID_BYTES_MAX => Err(CredentialReason::JwtIdTooLong.into()),
            Some(jti) if !is_printable(jti) => Err(CredentialReason::JwtIdUnprintable.into()),
            Some(_) => Ok(()),
        }
    }
}
