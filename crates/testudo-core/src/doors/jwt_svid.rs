//! SPIFFE JWT-SVID as client assertion. [SPIFFE-AUTH §3.1] [JWT-SVID]
//!
//! The keys of the trust domain in `sub` verify it; `iss` is ignored, whatever its value. A JWT-SVID may be used
//! several times until it expires, because agents give the same one to a workload again; `single_use = true` of a trust
//! domain forbids this.

use super::shared::attested_claims::{Claimed, attested_claims};
use super::shared::audience::{Audience, check_audience};
use super::shared::claims::{
    JWT_SVID_LIFETIME_MAX, check_jwt_id, check_lifetime, check_times, single_use_mark,
};
use super::shared::facts::{Facts, Lookup, Purpose, Terms, policy_and_keys};
use super::shared::presented::Presented;
use crate::identity::{AttestedIdentity, Authority, CredentialKind, Proof};
use crate::policy::AuthorityPolicy;
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use serde::Deserialize;
use std::collections::BTreeMap;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{self, Jws};
use testudo_protocol::spiffe::SpiffeId;

/// A parsed JWT-SVID; nothing in it is verified yet.
pub struct JwtSvid {
    jws: Jws,
    unverified_claims: Claims,
    unverified_subject: SpiffeId,
    unverified_authority: Authority,
    digest: [u8; 32],
}

/// [JWT-SVID §3] Required claims, and optional ones that are checked if present.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audience,
    exp: Timestamp,
    nbf: Option<Timestamp>,
    iat: Option<Timestamp>,
    jti: Option<String>,
}

impl JwtSvid {
    /// Reads the part of the token that is needed to find the keys that verify it.
    pub fn recognise(presented: &Presented) -> Result<JwtSvid, Rejection> {
        let jws = Jws::parse(presented.assertion()?).map_err(CredentialReason::Jose)?;
        // [JWT-SVID §2.3] `typ` is absent, `JWT` or `JOSE`. This check refuses access tokens, WITs and other JWTs of
        // the same issuer.
        if !matches!(jws.header.typ.as_deref(), None | Some("JWT" | "JOSE")) {
            return Err(CredentialReason::TypeNotAllowed {
                found: jws.header.typ,
            }
            .into());
        }
        // [JWT-SVID §2] No other header parameter is allowed: it could contain a key, refer to one, or change how the
        // token is verified.
        if let Some(name) = jws.header.others.first().cloned() {
            return Err(CredentialReason::Jose(jose::JoseError::HeaderParameterRefused { name }).into());
        }
        // [JWT-SVID §2.1] Nine algorithms are allowed; EdDSA is supported elsewhere, but not in JWT-SVIDs.
        if !jws
            .algorithm()
            .is_ok_and(|algorithm| algorithm.is_legal_in_svid())
        {
            return Err(CredentialReason::AlgorithmNotAllowed {
                found: jws.header.alg,
            }
            .into());
        }
        let unverified_claims: Claims = jws.unverified_claims().map_err(CredentialReason::Jose)?;
        // [JWT-SVID §3.1] `sub` is the SPIFFE ID.
        let unverified_subject =
            SpiffeId::parse(&unverified_claims.sub).map_err(CredentialReason::SubjectNotSpiffeId)?;
        Ok(JwtSvid {
            jws,
            unverified_claims,
            unverified_authority: Authority::from(&unverified_subject),
            unverified_subject,
            digest: presented.digest,
        })
    }

    /// The only keys used are in the bundle of the trust domain that `sub` names.
    pub fn lookups(&self) -> Lookup<'_> {
        Lookup::Authority {
            unverified_authority: &self.unverified_authority,
            unverified_kid: self.jws.header.kid.as_deref(),
        }
    }

    /// Verifies the signature first; other claims are checked only after it.
    pub fn verify(
        self,
        facts: &Facts,
        terms: Terms<'_>,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        let Terms { policy, purpose, now } = terms;
        let (domain, keys) = policy_and_keys(&self.unverified_authority, facts, policy, trace)?;
        let bundle = keys.bundle_of(CredentialKind::JwtSvid, &self.unverified_authority)?;
        // [SPIFFE-AUTH §3.1 (4)] [SPIFFE-FED §7.3] Only keys of this trust domain with the use `jwt-svid` are used.
        self.jws
            .verify(&bundle.jwt_keys)
            .map_err(CredentialReason::Jose)?;
        trace.passed("signature", || self.jws.header.algorithm_and_key());

        // The signature holds, so the claims are verified from here on.
        let (subject, claims) = (self.unverified_subject, self.unverified_claims);
        // A SPIFFE ID without a path names no workload. [X509-SVID §3.1] forbids it for certificates, and it is refused
        // here too.
        if subject.path().is_empty() {
            return Err(CredentialReason::SubjectHasNoPath.into());
        }
        check_times(claims.exp, claims.nbf, claims.iat, now)?;
        check_lifetime(
            &self.unverified_authority,
            claims.exp,
            claims.iat,
            domain.lifetime_max.unwrap_or(JWT_SVID_LIFETIME_MAX),
            now,
        )?;
        trace.passed("times", || format!("valid until {}", claims.exp));
        let is_for_registration = match purpose {
            Purpose::Authentication => {
                check_audience(&claims.aud, policy.issuer.as_str(), &domain.accept_audiences)?;
                false
            }
            Purpose::Statement { endpoint } => {
                // Without `iat` the server could not know which of two statements is newer.
                claims.iat.ok_or(CredentialReason::IssuedAtMissing)?;
                statement_issuer(&self.jws, domain)?;
                let is_for_endpoint = claims.aud.is_solely(endpoint);
                check_audience(&claims.aud, policy.issuer.as_str(), &[endpoint.to_owned()])?;
                is_for_endpoint
            }
        };
        trace.passed("audience", || policy.issuer.to_string());
        check_jwt_id(claims.jti.as_deref())?;
        let single_use = match (&claims.jti, domain.single_use) {
            (_, false) => None,
            (Some(jti), true) => Some(single_use_mark(
                CredentialKind::JwtSvid,
                subject.as_str(),
                jti,
                claims.exp,
            )),
            (None, true) => return Err(CredentialReason::JwtIdMissing.into()),
        };
        let Claimed { attested, unlisted } =
            attested_claims(&self.jws, domain, purpose).map_err(CredentialReason::Jose)?;
        let proof = Proof {
            issued: claims.iat,
            digest: Some(self.digest),
            jwt_id: claims.jti,
            single_use,
            is_for_registration,
            attested_claims: attested,
            unlisted_claims: unlisted,
            ..Proof::until(claims.exp)
        };
        Ok(AttestedIdentity::proven(
            self.unverified_authority,
            subject.as_str(),
            CredentialKind::JwtSvid,
            proof,
        ))
    }
}

/// [RFC7591 §2.3] A software statement must have an issuer. A JWT-SVID need not have `iss`, and it is always verified
/// with the keys of the trust domain in `sub`; if `statement_issuer` is configured, `iss` must equal it byte for byte.
fn statement_issuer(jws: &Jws, domain: &AuthorityPolicy) -> Result<(), Rejection> {
    let Some(expected) = &domain.statement_issuer else {
        return Ok(());
    };
    let claims: BTreeMap<String, serde_json::Value> =
        jws.unverified_claims().map_err(CredentialReason::Jose)?;
    if claims.get("iss").and_then(serde_json::Value::as_str) == Some(expected) {
        return Ok(());
    }
    Err(Rejection::Credential(CredentialReason::StatementIssuerMismatch {
        expected: expected.clone(),
    }))
}
