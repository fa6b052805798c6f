//! An assertion that a client signed with its own key. [RFC7523 §2.2] [RFC10070]
//!
//! For configured clients with keys, and for clients that registered their own keys. No attester limits such an
//! assertion, so it can be used once and has a short lifetime.

use super::shared::claims::single_use_mark;
use super::shared::client_assertion::{ClientAssertion, parse_bearer_assertion};
use super::shared::facts::{Facts, Lookup, Terms};
use super::shared::presented::Presented;
use crate::identity::{AttestedIdentity, Authority, CredentialKind, Proof};
use crate::policy::ClientMethod;
use crate::records::ClientCredential;
use crate::rejection::{CredentialReason, Rejection};
use crate::trace::Trace;
use testudo_protocol::jose::Jws;

/// A parsed assertion; nothing in it is verified yet.
pub struct PrivateKeyJwt {
    jws: Jws,
    unverified_claims: ClientAssertion,
    digest: [u8; 32],
}

impl PrivateKeyJwt {
    /// Reads the part of the assertion that is needed to find the keys that verify it.
    pub fn recognise(presented: &Presented) -> Result<PrivateKeyJwt, Rejection> {
        let jws = parse_bearer_assertion(presented)?;
        let unverified_claims: ClientAssertion = jws.unverified_claims().map_err(CredentialReason::Jose)?;
        Ok(PrivateKeyJwt {
            jws,
            unverified_claims,
            digest: presented.digest,
        })
    }

    /// The keys of configured clients are in the policy, so only those of registered clients are looked up.
    pub fn lookups(&self) -> Lookup<'_> {
        Lookup::Client {
            unverified_client_id: &self.unverified_claims.sub,
            unverified_kid: self.jws.header.kid.as_deref(),
            assertion: &self.unverified_claims,
        }
    }

    /// Verifies the signature first, with the keys of the client that `sub` names. A configured client takes precedence
    /// over a registered one with the same id, so that a registration cannot take over a configured id.
    pub fn verify(
        self,
        facts: &Facts,
        terms: Terms<'_>,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        let configured = terms.policy.clients.get(self.unverified_claims.sub.as_str());
        let (authority, registered) = match (configured.map(|client| &client.method), facts) {
            (Some(ClientMethod::PrivateKeyJwt(keys)), _) => {
                trace.passed("client configured", || self.unverified_claims.sub.clone());
                self.jws.verify(keys).map_err(CredentialReason::Jose)?;
                (Authority::configuration(), None)
            }
            // The client authenticates with a certificate.
            (Some(_), _) => return Err(CredentialReason::UnknownClient.into()),
            (None, Facts::Client(client)) => {
                trace.passed("client registered", || self.unverified_claims.sub.clone());
                let algorithm = self.jws.algorithm().ok();
                // [OIDCR §2] A client that registered one algorithm may use only this one.
                if client.only.is_some() && algorithm != client.only {
                    return Err(CredentialReason::AlgorithmNotAllowed {
                        found: self.jws.header.alg,
                    }
                    .into());
                }
                client.verify(&self.jws).map_err(CredentialReason::Jose)?;
                (client.authority.clone(), Some(client))
            }
            // The keys could not be fetched. If the claims of the assertion are invalid anyway, that is the reason of
            // the refusal.
            (None, Facts::KeysElsewhere { why }) => {
                self.unverified_claims.check(terms.policy, terms.now, trace)?;
                return Err(CredentialReason::ClientKeysUnavailable { why: why.clone() }.into());
            }
            (
                None,
                Facts::Keys(_)
                | Facts::Issuer(..)
                | Facts::SeveralIssuers(_)
                | Facts::Clusters(_)
                | Facts::NoKeysOf(_)
                | Facts::NoKeys
                | Facts::Disabled
                | Facts::Public(_)
                | Facts::Nothing,
            ) => {
                return Err(CredentialReason::UnknownClient.into());
            }
        };
        trace.passed("signature", || self.jws.header.alg.clone());

        self.unverified_claims.check(terms.policy, terms.now, trace)?;
        let claims = self.unverified_claims;
        let jti = claims.jti.unwrap_or_default();
        let single_use = single_use_mark(CredentialKind::PrivateKeyJwt, &claims.sub, &jti, claims.exp);
        // What the issuer of a verifiable credential stated at the registration limits the tokens of the client.
        let stated = registered.and_then(|client| client.credential.as_deref());
        let proof = Proof {
            digest: Some(self.digest),
            jwt_id: Some(jti),
            single_use: Some(single_use),
            attested_claims: stated.map(|stated| stated.limits.clone()).unwrap_or_default(),
            claims: stated.and_then(ClientCredential::named_claims),
            ..Proof::until(claims.exp)
        };
        let kind = CredentialKind::PrivateKeyJwt;
        Ok(AttestedIdentity {
            sponsor: registered.and_then(|client| client.sponsor.clone()),
            ..AttestedIdentity::proven(authority, claims.sub, kind, proof)
        })
    }
}
