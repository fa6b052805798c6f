//! A token of an issuer that is no trust domain, for tests of everything that must work for every kind of authority.
//!
//! Only with the cargo feature `test-door`, which no release has. Its subject is an identity of the issuer,
//! `NAME:SEGMENT/…`, and the JWK Set of the issuer verifies it.

use super::shared::attested_claims::{Claimed, attested_claims};
use super::shared::audience::{Audience, check_audience};
use super::shared::claims::{JWT_SVID_LIFETIME_MAX, check_lifetime, check_times};
use super::shared::facts::{Facts, Lookup, Purpose, Terms, policy_and_keys};
use super::shared::presented::Presented;
use crate::identity::issuer_subject::segments_of;
use crate::identity::{AttestedIdentity, Authority, AuthorityKind, CredentialKind, Proof};
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use serde::Deserialize;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Jws;

/// A parsed token; nothing in it is verified yet.
pub struct TestToken {
    jws: Jws,
    unverified_claims: Claims,
    unverified_authority: Authority,
    digest: [u8; 32],
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audience,
    exp: Timestamp,
    iat: Option<Timestamp>,
    instance: Option<String>,
}

impl TestToken {
    /// Reads the part of the token that is needed to find the keys that verify it.
    pub fn recognise(presented: &Presented) -> Result<TestToken, Rejection> {
        let jws = Jws::parse(presented.assertion()?).map_err(CredentialReason::Jose)?;
        let unverified_claims: Claims = jws.unverified_claims().map_err(CredentialReason::Jose)?;
        let authority = Authority::of_identity(&unverified_claims.sub).ok();
        let is_issuer = |authority: &Authority| authority.kind() == AuthorityKind::Issuer;
        Ok(TestToken {
            unverified_authority: authority
                .filter(is_issuer)
                .ok_or(CredentialReason::UnknownClient)?,
            jws,
            unverified_claims,
            digest: presented.digest,
        })
    }

    /// The only keys used are those of the issuer that `sub` names.
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
        let (issuer, keys) = policy_and_keys(&self.unverified_authority, facts, policy, trace)?;
        self.jws
            .verify(keys.token_keys())
            .map_err(CredentialReason::Jose)?;
        trace.passed("signature", || self.jws.header.alg.clone());
        let claims = self.unverified_claims;
        check_times(claims.exp, None, claims.iat, now)?;
        let allowed = issuer.lifetime_max.unwrap_or(JWT_SVID_LIFETIME_MAX);
        check_lifetime(&self.unverified_authority, claims.exp, claims.iat, allowed, now)?;
        let others = match purpose {
            Purpose::Authentication => issuer.accept_audiences.clone(),
            Purpose::Statement { endpoint } => vec![endpoint.to_owned()],
        };
        check_audience(&claims.aud, policy.issuer.as_str(), &others)?;
        let Claimed { attested, unlisted } =
            attested_claims(&self.jws, issuer, purpose).map_err(CredentialReason::Jose)?;
        let proof = Proof {
            attested_claims: attested,
            unlisted_claims: unlisted,
            issued: claims.iat,
            digest: Some(self.digest),
            named_instance: claims.instance.as_deref().map(segments_of).map(Box::from),
            is_for_registration: matches!(purpose, Purpose::Statement { endpoint } if claims.aud.is_solely(endpoint)),
            ..Proof::until(claims.exp)
        };
        let kind = CredentialKind::TestToken;
        Ok(AttestedIdentity::proven(
            self.unverified_authority,
            claims.sub,
            kind,
            proof,
        ))
    }
}
