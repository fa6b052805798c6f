//! Client attestation: a configured attester states which key a client has. [ABCA §4]
//!
//! Only keys of the attester that the attestation names verify it; a key, a certificate or a URL in its header is never
//! used. An attestation may be used until it expires: it is worth nothing without a proof of its key
//! (`possession/attestation_pop.rs`).

use super::shared::attested_claims::{Claimed, attested_claims};
use super::shared::confirmation::{Confirmation, check_fresh, confirmed, refused, shown};
use super::shared::facts::{Facts, Lookup, Terms, policy_and_keys};
use super::shared::issued_token::VerifiedClaims;
use super::shared::presented::Presented;
use crate::identity::issuer_subject::segments_of;
use crate::identity::{AttestedIdentity, CredentialKind, Proof};
use crate::rejection::{AttestationReason, Rejection};
use crate::trace::Trace;
use serde::Deserialize;
use std::sync::Arc;
use testudo_protocol::jose::Jws;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::is_vschar;
use testudo_protocol::{Seconds, Timestamp};

/// A parsed attestation; nothing in it is verified yet.
pub struct Attestation {
    jws: Jws,
    unverified_claims: Claims,
    digest: [u8; 32],
}

/// [ABCA §4] `iss` and `nbf` are of earlier drafts, and are checked if present.
#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: String,
    exp: Timestamp,
    iat: Option<Timestamp>,
    nbf: Option<Timestamp>,
    cnf: Confirmation,
}

impl Attestation {
    /// Reads the part of the attestation that is needed to find the keys that verify it.
    pub fn recognise(presented: &Presented) -> Result<Attestation, Rejection> {
        let jws = Jws::parse(presented.assertion()?).map_err(refused)?;
        // [ABCA §10.8] Asymmetric algorithms only: a key that this server shares could be used to forge attestations.
        jws.algorithm().map_err(refused)?;
        let unverified_claims = jws.unverified_claims().map_err(refused)?;
        Ok(Attestation {
            jws,
            unverified_claims,
            digest: presented.digest,
        })
    }

    /// The only keys used are those of the attester that `iss` names, or else of the only one that has `kid`.
    pub fn lookups(&self) -> Lookup<'_> {
        Lookup::Attester {
            unverified_issuer: self.unverified_claims.iss.as_deref(),
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
        let Facts::Issuer(authority, facts) = facts else {
            return Err(AttestationReason::UnknownAttester.into());
        };
        let (attester, keys) = policy_and_keys(authority, facts, policy, trace)?;
        self.jws.verify(keys.token_keys()).map_err(refused)?;
        trace.passed("signature", || self.jws.header.algorithm_and_key());
        let named = VerifiedClaims::of(&self.jws, authority, attester, terms)?.named(authority, policy);
        let claims = self.unverified_claims;
        if attester.issuer.is_some() && claims.iss.is_some() && claims.iss != attester.issuer {
            return Err(AttestationReason::UnknownAttester.into());
        }
        check_fresh(claims.exp, claims.nbf, claims.iat, now)?;
        check_age(&claims, attester.attestation_age_max, now)?;
        trace.passed("times", || format!("valid until {}", claims.exp));
        let is_client_id =
            !claims.sub.is_empty() && claims.sub.len() <= IDENTIFIER_BYTES_MAX && is_vschar(&claims.sub);
        let subject = authority
            .subject(&segments_of(&claims.sub))
            .filter(|_| is_client_id)
            .ok_or(AttestationReason::SubjectRefused)?;
        let confirmation = confirmed(&claims.cnf)?;
        trace.passed("confirmation key", || shown(&confirmation));
        let Claimed { attested, unlisted } =
            attested_claims(&self.jws, attester, purpose).map_err(refused)?;
        let proof = Proof {
            issued: claims.iat,
            digest: Some(self.digest),
            confirmation: Some(Arc::new(confirmation)),
            attested_claims: attested,
            unlisted_claims: unlisted,
            claims: named,
            // The verdict is remembered until then; an attestation that became too old must not be accepted.
            ..Proof::until(claims.usable_until(attester.attestation_age_max))
        };
        Ok(AttestedIdentity::proven(
            authority.clone(),
            subject,
            CredentialKind::Attestation,
            proof,
        ))
    }
}

impl Claims {
    /// `exp`, or earlier if the attestation is too old by then.
    fn usable_until(&self, age_max: Seconds) -> Timestamp {
        self.iat
            .map_or(self.exp, |issued| self.exp.min(issued + age_max + Seconds(1)))
    }
}

/// The age of an attestation is bounded. Without `iat` it is not known; then the time is bounded for which the
/// attestation can still be used.
fn check_age(claims: &Claims, age_max: Seconds, now: Timestamp) -> Result<(), Rejection> {
    let is_too_old = match claims.iat {
        Some(issued) => now - issued > age_max,
        None => claims.exp - now > age_max,
    };
    if is_too_old {
        return Err(AttestationReason::TooOld { age_max }.into());
    }
    Ok(())
}
