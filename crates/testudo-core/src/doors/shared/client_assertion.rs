//! The claims of an assertion that a client signed with its own key. They are untrusted until the signature is
//! verified.

use super::audience::{Audience, check_audience};
use super::claims::{check_jwt_id, check_times};
use crate::policy::Policy;
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use serde::Deserialize;
use testudo_protocol::{Seconds, Timestamp};

/// Longest lifetime of an assertion. An assertion can be used only once, so a short lifetime is enough.
pub const LIFETIME_MAX: Seconds = Seconds(600);

/// [RFC7523 §3] `iss`, `sub`, `aud`, `exp` are required; `jti` is required too, because an assertion can be used only
/// once.
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
    /// True if the claims are valid, so that only the signature remains to be verified. It is checked before the keys
    /// of a client are fetched from its `jwks_uri`, so that an invalid assertion causes no fetch.
    pub fn is_worth_a_fetch(&self, policy: &Policy, now: Timestamp) -> bool {
        self.check(policy, now, &mut Trace::off()).is_ok()
    }

    /// Checks the claims, without the signature.
    pub(crate) fn check(&self, policy: &Policy, now: Timestamp, trace: &mut Trace) -> Result<(), Rejection> {
        let claims = self;
        // [RFC7523 §3 (1) (2)] Issuer and subject are the id of the client.
        if claims.iss != claims.sub {
            return Err(CredentialReason::IssuerIsNotSubject.into());
        }
        check_times(claims.exp, claims.nbf, claims.iat, now)?;
        let lifetime = claims.exp - now;
        if lifetime > LIFETIME_MAX {
            return Err(CredentialReason::LifetimeTooLong {
                by: None,
                seconds: lifetime.0,
                allowed: LIFETIME_MAX.0,
            }
            .into());
        }
        trace.passed("times", || format!("valid until {}", claims.exp));
        check_audience(&claims.aud, policy.issuer.as_str(), &[])?;
        trace.passed("audience", || policy.issuer.to_string());
        match claims.jti.as_deref() {
            None | Some("") => Err(CredentialReason::JwtIdMissing.into()),
            jti => check_jwt_id(jti),
        }
    }
}
