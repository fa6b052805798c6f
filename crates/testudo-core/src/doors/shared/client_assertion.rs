//! Assertions of the type jwt-bearer: their header, and the claims of one that a client signed with its own key. They are
//! untrusted until the signature is verified.

use super::audience::{Audience, check_audience};
use super::claims::{check_jwt_id, check_times};
use super::presented::Presented;
use crate::policy::Policy;
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use serde::Deserialize;
use testudo_protocol::jose::Jws;
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

/// Parses an assertion of the type jwt-bearer and checks its header.
pub(crate) fn parse_bearer_assertion(presented: &Presented) -> Result<Jws, Rejection> {
    let jws = Jws::parse(presented.assertion()?).map_err(CredentialReason::Jose)?;
    // [RFC10070 §4] Clients must send `typ` `client-authentication+jwt`, and servers should also accept assertions without
    // `typ`. [RFC8725 §3.11] Any other value is another kind of JWT that the same key signed: an access token, a logout
    // token, an attestation, a statement or a proof.
    if !matches!(
        jws.header.typ.as_deref(),
        None | Some("JWT" | "client-authentication+jwt" | "application/client-authentication+jwt")
    ) {
        return Err(CredentialReason::TypeNotAllowed {
            found: jws.header.typ,
        }
        .into());
    }
    // [RFC7515 §4] Other header parameters are ignored: `x5t` and `x5c` of libraries, `jwk`, and unknown ones. Only
    // configured, registered or published keys are used. `crit` is refused where the signature is verified.
    jws.has_no_b64().map_err(CredentialReason::Jose)?;
    if jws.algorithm().is_err() {
        return Err(CredentialReason::AlgorithmNotAllowed {
            found: jws.header.alg,
        }
        .into());
    }
    Ok(jws)
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
