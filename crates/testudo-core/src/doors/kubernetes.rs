//! Token of a Kubernetes service account, as a pod mounts it. [K8S-ACCOUNTS]
//!
//! Many clusters have the same issuer string. Only clusters that have the key `kid` can be the one that issued the token;
//! of these, the one whose key verifies the signature is. A token may be used several times until it expires, because the
//! kubelet writes a new one only after most of its lifetime.

mod review;

pub use review::{Acceptance, ReviewNeeded, ReviewQuestion, Reviewed};

use super::shared::audience::{Audience, check_audience};
use super::shared::claims::{check_jwt_id, check_lifetime, check_times};
use super::shared::facts::{Cluster, Facts, Lookup, Terms};
use super::shared::issued_token::{VerifiedClaims, check_unbound, is_present, issued_at, speaks_for};
use super::shared::presented::Presented;
use crate::identity::issuer_subject::segments_of;
use crate::identity::{AttestedIdentity, CredentialKind, Proof};
use crate::rejection::{CredentialReason, Rejection, ServiceAccountReason};
use crate::trace::Trace;
use serde::Deserialize;
use testudo_protocol::jose::{JoseError, Jws};
use testudo_protocol::kubernetes::ServiceAccount;
use testudo_protocol::limits::KEYS_WITHOUT_KID_MAX;
use testudo_protocol::{Seconds, Timestamp};

/// Longest lifetime of a token if the cluster has no `lifetime_max`: what a pod gets that requests none. A stolen token
/// can be used until it expires.
pub const SERVICE_ACCOUNT_LIFETIME_MAX: Seconds = Seconds(3600);
/// The service account of pods that name no other one.
const DEFAULT_ACCOUNT: &str = "default";

/// A parsed token; nothing in it is verified yet.
pub struct KubernetesToken {
    jws: Jws,
    unverified_claims: Claims,
    unverified_kid: String,
    digest: [u8; 32],
}

/// A token without `exp` is one of a Secret, and is refused.
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
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<serde_json::Value>,
}

impl KubernetesToken {
    /// Reads the part of the token that is needed to find the keys that verify it.
    pub fn recognise(presented: &Presented) -> Result<KubernetesToken, Rejection> {
        let jws = Jws::parse(presented.assertion()?).map_err(CredentialReason::Jose)?;
        // [RFC8725 §3.11] Kubernetes sets no `typ`. Other kinds of JWT have one.
        if !matches!(jws.header.typ.as_deref(), None | Some("JWT")) {
            return Err(CredentialReason::TypeNotAllowed {
                found: jws.header.typ,
            }
            .into());
        }
        if let Some(name) = jws.header.others.first().cloned() {
            return Err(CredentialReason::Jose(JoseError::HeaderParameterRefused { name }).into());
        }
        if jws.algorithm().is_err() {
            return Err(CredentialReason::AlgorithmNotAllowed {
                found: jws.header.alg,
            }
            .into());
        }
        let unverified_kid = jws.header.kid.clone().ok_or(ServiceAccountReason::NoKeyId)?;
        Ok(KubernetesToken {
            unverified_claims: jws.unverified_claims().map_err(CredentialReason::Jose)?,
            jws,
            unverified_kid,
            digest: presented.digest,
        })
    }

    /// The only keys used are those of clusters with this issuer that have the key `kid`.
    pub fn lookups(&self) -> Lookup<'_> {
        Lookup::Clusters {
            unverified_issuer: &self.unverified_claims.iss,
            unverified_kid: &self.unverified_kid,
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
        let clusters = clusters(facts)?;
        // Tokens of a cluster that does not accept the audience are refused.
        let is_for = |cluster: &&Cluster| {
            let settings = policy.authority(&cluster.authority);
            settings.is_some_and(|settings| {
                let (audience, also) = (&self.unverified_claims.aud, &settings.accept_audiences);
                check_audience(audience, policy.issuer.as_str(), also).is_ok()
            })
        };
        let mut candidates: Vec<&Cluster> = clusters.iter().filter(is_for).collect();
        if candidates.is_empty() {
            candidates = clusters.iter().collect();
        }
        let cluster = self.signed_by(&candidates)?;
        let authority = &cluster.authority;
        let settings = policy
            .authority(authority)
            .ok_or_else(|| CredentialReason::UnknownAuthority {
                authority: authority.clone(),
            })?;
        trace.passed("authority configured", || authority.described());
        trace.passed("signature", || self.jws.header.algorithm_and_key());
        speaks_for(authority, settings, CredentialKind::Kubernetes, purpose)?;
        let named = VerifiedClaims::of(&self.jws, authority, settings, terms)?.named(authority, policy);
        let claims = self.unverified_claims;
        check_times(claims.exp, claims.nbf, claims.iat, now)?;
        let allowed = settings.lifetime_max.unwrap_or(SERVICE_ACCOUNT_LIFETIME_MAX);
        let account = account(&claims)?;
        let issued = issued_at(claims.iat)?;
        check_lifetime(authority, claims.exp, Some(issued), allowed, now)?;
        trace.passed("times", || format!("valid until {}", claims.exp));
        check_audience(&claims.aud, policy.issuer.as_str(), &settings.accept_audiences)?;
        trace.passed("audience", || policy.issuer.to_string());
        if account.name == DEFAULT_ACCOUNT && !settings.takes_default_accounts {
            return Err(ServiceAccountReason::DefaultAccount {
                cluster: authority.clone(),
                namespace: account.namespace,
            }
            .into());
        }
        trace.passed("service account", || account.username());
        check_unbound(claims.is_bound)?;
        check_jwt_id(claims.jti.as_deref())?;
        let subject = authority
            .subject(&account.subject())
            .ok_or(CredentialReason::UnknownClient)?;
        let pod = account.pod.and_then(|pod| pod.uid);
        let proof = Proof {
            issued: Some(issued),
            digest: Some(self.digest),
            jwt_id: claims.jti,
            claims: named,
            named_instance: pod.as_deref().map(segments_of).map(Box::from),
            ..Proof::until(claims.exp)
        };
        let kind = CredentialKind::Kubernetes;
        Ok(AttestedIdentity::proven(authority.clone(), subject, kind, proof))
    }

    /// The only cluster with a key that verifies the signature. At most eight keys are tried: a forged token costs no
    /// more, however many clusters there are.
    fn signed_by<'c>(&self, candidates: &[&'c Cluster]) -> Result<&'c Cluster, Rejection> {
        let algorithm = self.jws.algorithm().map_err(CredentialReason::Jose)?;
        let kid = Some(&*self.unverified_kid);
        let mut tries = 0;
        let mut signed: Option<&Cluster> = None;
        let mut error = JoseError::NoKey {
            kid: self.jws.header.kid.clone(),
        };
        for cluster in candidates {
            let keys = cluster.keys.token_keys();
            tries += keys.candidates(kid, algorithm).count();
            if tries > KEYS_WITHOUT_KID_MAX {
                break;
            }
            match (self.jws.verify(keys), signed) {
                (Ok(()), None) => signed = Some(cluster),
                (Ok(()), Some(other)) => {
                    return Err(ServiceAccountReason::SeveralClusters {
                        entries: [other.authority.clone(), cluster.authority.clone()],
                    }
                    .into());
                }
                (Err(found), _) => error = found,
            }
        }
        match signed {
            Some(cluster) if cluster.is_current => Ok(cluster),
            Some(cluster) => Err(CredentialReason::BundleUnavailable {
                authority: cluster.authority.clone(),
            }
            .into()),
            None => Err(CredentialReason::Jose(error).into()),
        }
    }
}

/// The clusters that may have issued the token.
fn clusters(facts: &Facts) -> Result<&[Cluster], Rejection> {
    match facts {
        Facts::Clusters(clusters) => Ok(clusters),
        Facts::NoKeysOf(authority) => Err(CredentialReason::BundleUnavailable {
            authority: authority.clone(),
        }
        .into()),
        Facts::Keys(_)
        | Facts::Issuer(..)
        | Facts::SeveralIssuers(_)
        | Facts::NoKeys
        | Facts::Disabled
        | Facts::Client(_)
        | Facts::Public(_)
        | Facts::KeysElsewhere { .. }
        | Facts::Nothing => Err(CredentialReason::UnknownClient.into()),
    }
}

fn account(claims: &Claims) -> Result<ServiceAccount, ServiceAccountReason> {
    ServiceAccount::of_claims(&claims.sub, claims.kubernetes.as_ref()).map_err(ServiceAccountReason::Claims)
}

/// The service account of a token that was verified before.
pub(crate) fn claimed_account(token: &str) -> Result<ServiceAccount, Rejection> {
    let jws = Jws::parse(token).map_err(CredentialReason::Jose)?;
    let claims: Claims = jws.unverified_claims().map_err(CredentialReason::Jose)?;
    Ok(account(&claims)?)
}
