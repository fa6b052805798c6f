//! SPIFFE WIT-SVID: a SPIFFE ID with the key of its workload. [SPIFFE-AUTH §3.3]
//!
//! The `wit-svid` keys of the trust domain in `sub` verify it. It may be used until it expires, and is worth nothing
//! without a proof of its key (`possession/attestation_pop.rs`); `iss` and `jti` are ignored.

use super::shared::attested_claims::{Claimed, attested_claims};
use super::shared::claims::{JWT_SVID_LIFETIME_MAX, check_lifetime};
use super::shared::confirmation::{Confirmation, check_fresh, confirmed, refused, shown};
use super::shared::facts::{Facts, Lookup, Terms, policy_and_keys};
use super::shared::presented::Presented;
use crate::identity::{AttestedIdentity, Authority, CredentialKind, Proof};
use crate::rejection::{AttestationReason, CredentialReason, Rejection};
use crate::trace::Trace;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::{Algorithm, Jws};
use testudo_protocol::spiffe::SpiffeId;

/// A parsed WIT-SVID; nothing in it is verified yet.
pub struct WitSvid {
    jws: Jws,
    unverified_claims: Claims,
    unverified_subject: SpiffeId,
    unverified_authority: Authority,
    digest: [u8; 32],
}

/// [WIT-SVID §3]
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(rename = "aud", default, deserialize_with = "is_present")]
    has_audience: bool,
    exp: Timestamp,
    iat: Option<Timestamp>,
    nbf: Option<Timestamp>,
    cnf: Confirmation,
}

/// True for each value, `null` included.
fn is_present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

impl WitSvid {
    /// Reads the part of the token that is needed to find the keys that verify it.
    pub fn recognise(presented: &Presented) -> Result<WitSvid, Rejection> {
        let jws = Jws::parse(presented.assertion()?).map_err(refused)?;
        // [WIT-SVID §2] Nine algorithms are allowed, and `kid` is required.
        if !jws
            .algorithm()
            .is_ok_and(|algorithm| algorithm.is_legal_in_svid())
        {
            let found = jws.header.alg;
            return Err(AttestationReason::Refused(CredentialReason::AlgorithmNotAllowed { found }).into());
        }
        if jws.header.kid.is_none() {
            return Err(AttestationReason::KeyIdMissing.into());
        }
        let unverified_claims: Claims = jws.unverified_claims().map_err(refused)?;
        let unverified_subject = SpiffeId::parse(&unverified_claims.sub)
            .map_err(|error| AttestationReason::Refused(CredentialReason::SubjectNotSpiffeId(error)))?;
        Ok(WitSvid {
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
        // An unknown trust domain gets the answer of a forged WIT-SVID, so that no caller learns which are configured.
        let (domain, keys) = policy_and_keys(&self.unverified_authority, facts, policy, trace)
            .map_err(AttestationReason::of)?;
        let bundle = keys.bundle_of(CredentialKind::WitSvid, &self.unverified_authority)?;
        // [WIT-SVID §6.1] Only keys of this trust domain with the use `wit-svid` are used.
        self.jws.verify(&bundle.wit_keys).map_err(refused)?;
        trace.passed("signature", || self.jws.header.algorithm_and_key());
        let (subject, claims) = (self.unverified_subject, self.unverified_claims);
        if subject.path().is_empty() {
            return Err(AttestationReason::Refused(CredentialReason::SubjectHasNoPath).into());
        }
        // [WIT-SVID §3] A WIT-SVID is for every server to which its workload proves the key.
        if claims.has_audience {
            return Err(AttestationReason::AudiencePresent.into());
        }
        check_fresh(claims.exp, claims.nbf, claims.iat, now)?;
        let allowed = domain.lifetime_max.unwrap_or(JWT_SVID_LIFETIME_MAX);
        check_lifetime(&self.unverified_authority, claims.exp, claims.iat, allowed, now)
            .map_err(AttestationReason::of)?;
        trace.passed("times", || format!("valid until {}", claims.exp));
        let confirmation = confirmed(&claims.cnf)?;
        // [WIT-SVID §3.2] The proof must use exactly the algorithm of the key.
        let algorithm = confirmation.key().stated_algorithm();
        if !algorithm.is_some_and(Algorithm::is_legal_in_svid) {
            return Err(AttestationReason::ConfirmationAlgorithm.into());
        }
        trace.passed("confirmation key", || shown(&confirmation));
        let Claimed { attested, unlisted } = attested_claims(&self.jws, domain, purpose).map_err(refused)?;
        let proof = Proof {
            issued: claims.iat,
            digest: Some(self.digest),
            confirmation: Some(Arc::new(confirmation)),
            attested_claims: attested,
            unlisted_claims: unlisted,
            ..Proof::until(claims.exp)
        };
        Ok(AttestedIdentity::proven(
            self.unverified_authority,
            subject.as_str(),
            CredentialKind::WitSvid,
            proof,
        ))
    }
}
