//! A token of a configured issuer as client assertion or software statement: of a CI system, a cloud, or any OpenID
//! provider. [RFC7523 §3] [RFC10070]
//!
//! The keys of the `[[issuers]]` entry that `iss` names verify it, and no others. A token may be used several times until
//! it expires, because a job gets one and keeps it; therefore its lifetime is bounded.

use super::shared::attested_claims::attested_claims;
use super::shared::audience::{Audience, check_audience};
use super::shared::claims::{check_jwt_id, check_lifetime, check_times};
use super::shared::client_assertion::parse_bearer_assertion;
use super::shared::facts::{Facts, Lookup, Purpose, Terms};
use super::shared::issued_token::{
    VerifiedClaims, check_unbound, is_present, issued_at, signed_by, speaks_for,
};
use super::shared::presented::Presented;
use crate::identity::issuer_subject::segments_of;
use crate::identity::{AttestedIdentity, CredentialKind, Proof};
use crate::policy::Claimed;
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use serde::Deserialize;
use testudo_protocol::jose::Jws;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::{Seconds, Timestamp};

/// Longest lifetime of a token if the entry has no `lifetime_max`: that of a long job.
pub const ISSUER_JWT_LIFETIME_MAX: Seconds = Seconds(86_400);

/// A parsed token; nothing in it is verified yet.
pub struct IssuerJwt {
    jws: Jws,
    unverified_claims: Claims,
    digest: [u8; 32],
}

/// [RFC7523 §3] `iss`, `sub`, `aud` and `exp` are required.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: Timestamp,
    nbf: Option<Timestamp>,
    iat: Option<Timestamp>,
    jti: Option<String>,
    #[serde(rename = "cnf", default, deserialize_with = "is_present")]
    is_bound: bool,
}

impl IssuerJwt {
    /// Reads the part of the token that is needed to find the keys that verify it.
    pub fn recognise(presented: &Presented) -> Result<IssuerJwt, Rejection> {
        let jws = parse_bearer_assertion(presented)?;
        let unverified_claims: Claims = jws.unverified_claims().map_err(CredentialReason::Jose)?;
        Ok(IssuerJwt {
            jws,
            unverified_claims,
            digest: presented.digest,
        })
    }

    /// The only keys used are those of the entry with this `iss`.
    pub fn lookups(&self) -> Lookup<'_> {
        Lookup::Issuer {
            unverified_issuer: &self.unverified_claims.iss,
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
        let (authority, entry) = signed_by(&self.jws, facts, policy, trace)?;
        let all_claims = VerifiedClaims::of(&self.jws, authority, entry, terms)?;
        let claims = self.unverified_claims;
        speaks_for(authority, entry, CredentialKind::IssuerJwt, purpose)?;
        check_times(claims.exp, claims.nbf, claims.iat, now)?;
        let allowed = entry.lifetime_max.unwrap_or(ISSUER_JWT_LIFETIME_MAX);
        let issued = issued_at(claims.iat)?;
        check_lifetime(authority, claims.exp, Some(issued), allowed, now)?;
        trace.passed("times", || format!("valid until {}", claims.exp));
        let is_for_registration = match purpose {
            // [RFC10070 §4] The issuer identifier of this server as the only value.
            Purpose::Authentication => {
                check_audience(&claims.aud, policy.issuer.as_str(), &entry.accept_audiences)?;
                false
            }
            Purpose::Statement { endpoint } => {
                check_audience(&claims.aud, policy.issuer.as_str(), &[endpoint.to_owned()])?;
                claims.aud.is_solely(endpoint)
            }
        };
        trace.passed("audience", || policy.issuer.to_string());
        check_unbound(claims.is_bound)?;
        check_jwt_id(claims.jti.as_deref())?;
        let segments = segments_of(&all_claims.subject(entry, &claims.sub)?);
        let subject = authority
            .subject(&segments)
            .filter(|subject| !segments.is_empty() && subject.len() <= IDENTIFIER_BYTES_MAX)
            .ok_or_else(|| CredentialReason::SubjectUnusable {
                claim: entry
                    .subject_claim
                    .as_ref()
                    .map_or("sub", |claim| claim.as_str())
                    .to_owned(),
            })?;
        let Claimed { attested, unlisted } =
            attested_claims(&self.jws, entry, purpose).map_err(CredentialReason::Jose)?;
        let proof = Proof {
            issued: Some(issued),
            digest: Some(self.digest),
            jwt_id: claims.jti,
            is_for_registration,
            attested_claims: attested,
            unlisted_claims: unlisted,
            claims: all_claims.named(authority, policy),
            ..Proof::until(claims.exp)
        };
        Ok(AttestedIdentity::proven(
            authority.clone(),
            subject,
            CredentialKind::IssuerJwt,
            proof,
        ))
    }
}
