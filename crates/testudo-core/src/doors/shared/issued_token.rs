//! What the doors share whose tokens are found by `iss`: which entry signed the token, and the claims that the
//! configuration names.

use super::facts::{Facts, Purpose, Terms, policy_and_keys};
use crate::identity::{Authority, CredentialKind, NamedClaims};
use crate::policy::{AuthorityPolicy, AuthorityUse, Policy};
use crate::rejection::{AdmissionReason, CredentialReason, NotAcceptedBy, Rejection};
use crate::trace::Trace;
use serde::de::IgnoredAny;
use serde::{Deserialize as _, Deserializer};
use serde_json::{Map, Value};
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Jws;

/// The entry that `iss` names, whose keys verify the signature.
pub(crate) fn signed_by<'f>(
    jws: &Jws,
    facts: &'f Facts,
    policy: &'f Policy,
    trace: &mut Trace,
) -> Result<(&'f Authority, &'f AuthorityPolicy), Rejection> {
    let Facts::Issuer(authority, facts) = facts else {
        return Err(CredentialReason::UnknownClient.into());
    };
    let (entry, keys) = policy_and_keys(authority, facts, policy, trace)?;
    jws.verify(keys.token_keys()).map_err(CredentialReason::Jose)?;
    trace.passed("signature", || jws.header.algorithm_and_key());
    Ok((authority, entry))
}

/// True for a claim that the token has, also as `null`.
pub(crate) fn is_present<'de, D: Deserializer<'de>>(claim: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(claim).map(|_| true)
}

/// `iat`, which RFC 7523 leaves to the issuer. Without it, a token of ten years would be accepted in its last hours,
/// because its lifetime could only be counted from now; and of two statements it would not be known which is newer.
pub(crate) fn issued_at(issued: Option<Timestamp>) -> Result<Timestamp, Rejection> {
    issued.ok_or_else(|| CredentialReason::IssuedAtMissing.into())
}

/// [RFC7800 §3] A token with `cnf` may be used only with a proof of its key, which these doors do not verify.
pub(crate) fn check_unbound(is_bound: bool) -> Result<(), Rejection> {
    match is_bound {
        true => Err(CredentialReason::BoundToKey.into()),
        false => Ok(()),
    }
}

/// An issuer speaks only for what its `use` names.
pub(crate) fn speaks_for(
    authority: &Authority,
    entry: &AuthorityPolicy,
    kind: CredentialKind,
    purpose: Purpose<'_>,
) -> Result<(), Rejection> {
    let needed = match purpose {
        Purpose::Authentication => AuthorityUse::Client,
        Purpose::Statement { .. } => AuthorityUse::Registration,
    };
    if entry.uses.contains(&needed) {
        return Ok(());
    }
    let by = NotAcceptedBy::Authority(authority.clone());
    Err(AdmissionReason::CredentialNotAccepted { kind, by }.into())
}

/// All claims of a verified token, if the configuration names some of them beside the registered ones.
pub(crate) struct VerifiedClaims(Value);

impl VerifiedClaims {
    /// Reads the claims of a token whose signature is verified.
    pub(crate) fn of(
        jws: &Jws,
        authority: &Authority,
        entry: &AuthorityPolicy,
        terms: Terms<'_>,
    ) -> Result<VerifiedClaims, Rejection> {
        let is_needed =
            entry.subject_claim.is_some() || !terms.policy.rules.claim_sources(authority).is_empty();
        let claims = match is_needed {
            true => jws.unverified_claims().map_err(CredentialReason::Jose)?,
            false => Value::Null,
        };
        Ok(VerifiedClaims(claims))
    }

    /// The payload of a credential that was verified.
    pub(crate) fn of_payload(payload: Map<String, Value>) -> VerifiedClaims {
        VerifiedClaims(Value::Object(payload))
    }

    /// The text of the claim that names the client.
    pub(crate) fn subject(&self, entry: &AuthorityPolicy, sub: &str) -> Result<String, Rejection> {
        let Some(source) = &entry.subject_claim else {
            return Ok(sub.to_owned());
        };
        let claim = source.find(&self.0).and_then(|claim| match claim {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        });
        claim.ok_or_else(|| {
            let claim = source.to_string();
            CredentialReason::SubjectUnusable { claim }.into()
        })
    }

    /// The claims that rules and captures name, if there are any.
    pub(crate) fn named(&self, authority: &Authority, policy: &Policy) -> Option<Box<NamedClaims>> {
        let named = policy.rules.named_claims(authority, &self.0);
        (!named.is_empty()).then(|| Box::new(named))
    }
}
