//! A client's own signed assertion. [RFC7523 §2.2] [RFC10070]
//!
//! For clients that the configuration names with their keys, and for those that registered with keys of their
//! own. The client vouches for itself, so the assertion is single-use and short-lived.

use super::{Audience, Facts, Lookup, judge_audience, judge_times, single_use_mark};
use crate::identity::{AttestedIdentity, Authority, CredentialKind, Sponsor};
use crate::metadata::keys::key_set;
use crate::policy::Policy;
use crate::records::Client;
use crate::rejection::Rejection;
use crate::trace::Trace;
use serde::Deserialize;
use std::sync::Arc;
use testudo_protocol::jose::{Algorithm, JoseFault, Jws, KeySet};
use testudo_protocol::limits::JWT_ID_BYTES_MAX;
use testudo_protocol::printable::is_printable;
use testudo_protocol::{Seconds, Timestamp};

/// Longest life of an assertion. It can be used once, so there is no reason for more.
pub const LIFETIME_MAX: Seconds = Seconds(600);

/// The keys of a client that registered, and what else its record says about its assertions.
#[derive(Debug)]
pub struct ClientKeys {
    /// Its public keys.
    pub keys: Arc<KeySet>,
    /// The one algorithm it named, if it did.
    pub only: Option<Algorithm>,
    /// Who vouched for it.
    pub sponsor: Option<Box<Sponsor>>,
}

impl ClientKeys {
    /// Those of a record; nothing for a client that has none in it.
    pub fn of(client: &Client) -> Option<ClientKeys> {
        let keys = key_set(client.metadata.jwks.as_ref()?).ok()?;
        ClientKeys::found(client, Arc::new(keys))
    }

    /// Keys that were found where the record says they are.
    pub fn found(client: &Client, keys: Arc<KeySet>) -> Option<ClientKeys> {
        let named = client.registration.as_ref()?.signing_algorithm.as_deref();
        let only = named.and_then(Algorithm::parse);
        if named.is_some() && only.is_none() {
            return None;
        }
        Some(ClientKeys {
            keys,
            only,
            sponsor: client.sponsor.clone(),
        })
    }
}

/// An assertion that could be read.
pub struct PrivateKeyJwt {
    jws: Jws,
    unverified_claims: Claims,
    digest: [u8; 32],
}

/// [RFC7523 §3] `iss`, `sub`, `aud`, `exp` are required; `jti` is, because we hold it to single use.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: Timestamp,
    nbf: Option<Timestamp>,
    iat: Option<Timestamp>,
    jti: Option<String>,
}

impl PrivateKeyJwt {
    /// Reads the assertion as far as is needed to know whose keys must judge it.
    pub fn recognise(assertion: &str, digest: [u8; 32]) -> Result<PrivateKeyJwt, Rejection> {
        let jws = Jws::parse(assertion).map_err(Rejection::Jose)?;
        // [RFC10070 §4] Clients must send `client-authentication+jwt`, servers should take untyped ones too; any
        // other type is another kind of JWT. [RFC8725 §3.11]
        if !matches!(
            jws.header.typ.as_deref(),
            None | Some("JWT" | "client-authentication+jwt" | "application/client-authentication+jwt")
        ) {
            return Err(Rejection::TypeNotAllowed {
                found: jws.header.typ,
            });
        }
        // [RFC7515 §4] Other parameters are ignored: `x5t` and `x5c` of client libraries, `jwk`, unknown ones. None
        // is looked at; the keys are the registered ones. `crit` is refused where the signature is verified.
        if jws.header.has_b64 {
            return Err(Rejection::Jose(JoseFault::HeaderParameterRefused));
        }
        if jws.algorithm().is_err() {
            return Err(Rejection::AlgorithmNotAllowed {
                found: jws.header.alg,
            });
        }
        let unverified_claims: Claims = jws.unverified_claims().map_err(Rejection::Jose)?;
        Ok(PrivateKeyJwt {
            jws,
            unverified_claims,
            digest,
        })
    }

    /// The policy holds the keys of configured clients.
    pub fn lookups(&self) -> Lookup<'_> {
        Lookup::Client {
            unverified_client_id: &self.unverified_claims.sub,
            unverified_kid: self.jws.header.kid.as_deref(),
            assertion: self,
        }
    }

    /// Whether a good signature would let the assertion in: what is checked before a client's keys are fetched from
    /// where it publishes them. Nothing is proven by it.
    pub fn is_worth_a_fetch(&self, policy: &Policy, now: Timestamp) -> bool {
        self.judge_claims(policy, now, &mut Trace::off()).is_ok()
    }

    /// Everything but the signature.
    fn judge_claims(&self, policy: &Policy, now: Timestamp, trace: &mut Trace) -> Result<(), Rejection> {
        let claims = &self.unverified_claims;
        // [RFC7523 §3 (1) (2)] The client speaks for itself: issuer and subject are its id.
        if claims.iss != claims.sub {
            return Err(Rejection::IssuerIsNotSubject);
        }
        judge_times(claims.exp, claims.nbf, claims.iat, now)?;
        let lifetime = claims.exp - now;
        if lifetime > LIFETIME_MAX {
            return Err(Rejection::LifetimeTooLong {
                seconds: lifetime.0,
                allowed: LIFETIME_MAX.0,
            });
        }
        trace.passed("times", || format!("valid until {}", claims.exp));
        judge_audience(&claims.aud, policy.issuer.as_str(), &[])?;
        trace.passed("audience", || policy.issuer.to_string());
        match claims.jti.as_deref() {
            None | Some("") => Err(Rejection::JwtIdMissing),
            Some(jti) if jti.len() > JWT_ID_BYTES_MAX => Err(Rejection::JwtIdTooLong),
            Some(jti) if !is_printable(jti) => Err(Rejection::JwtIdUnprintable),
            Some(_) => Ok(()),
        }
    }

    /// Signature first, under the keys of the client that `sub` names. The configuration comes before what
    /// registered: nobody takes a name from it.
    pub fn verify(
        self,
        facts: &Facts,
        policy: &Policy,
        now: Timestamp,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        let configured = policy.clients.get(self.unverified_claims.sub.as_str());
        let (authority, sponsor) = match (configured, facts) {
            (Some(client), _) => {
                trace.passed("client configured", || self.unverified_claims.sub.clone());
                self.jws.verify(&client.keys).map_err(Rejection::Jose)?;
                (Authority::Configuration, None)
            }
            (None, Facts::Client(client)) => {
                trace.passed("client registered", || self.unverified_claims.sub.clone());
                let algorithm = self.jws.algorithm().ok();
                // [OIDCR §2] A client that named one algorithm is held to it.
                if client.only.is_some() && algorithm != client.only {
                    return Err(Rejection::AlgorithmNotAllowed {
                        found: self.jws.header.alg,
                    });
                }
                self.jws.verify(&client.keys).map_err(Rejection::Jose)?;
                (Authority::Registration, client.sponsor.clone())
            }
            // Its keys are elsewhere, and were not to be had; an assertion that no key would save is told apart.
            (None, Facts::KeysElsewhere { why }) => {
                self.judge_claims(policy, now, trace)?;
                return Err(Rejection::ClientKeysUnavailable { why: why.clone() });
            }
            (None, Facts::Bundle(_) | Facts::NoBundle | Facts::Disabled | Facts::Nothing) => {
                return Err(Rejection::UnknownClient);
            }
        };
        trace.passed("signature", || self.jws.header.alg.clone());

        self.judge_claims(policy, now, trace)?;
        let claims = self.unverified_claims;
        let jti = claims.jti.unwrap_or_default();
        let single_use = single_use_mark(CredentialKind::PrivateKeyJwt, &claims.sub, &jti, claims.exp);
        Ok(AttestedIdentity {
            authority,
            sponsor,
            subject: claims.sub.into(),
            spiffe_id: None,
            kind: CredentialKind::PrivateKeyJwt,
            expires: claims.exp,
            digest: Some(self.digest),
            issued: None,
            unlisted_claims: Vec::new(),
            is_for_registration: false,
            jwt_id: Some(jti),
            single_use: Some(single_use),
            certificate_thumbprint: None,
            attested_claims: Default::default(),
        })
    }
}
