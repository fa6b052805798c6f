//! Which limits a piece of evidence may narrow when a client registers, and for how long.
//!
//! An attacker who obtained a bearer statement can send it. Therefore an authentication method or a binding is
//! registered only if the request has that credential. A bearer statement may reduce limits only if its audience is the
//! registration endpoint, and only for a limited time. Limits that a client registered with proof of its key are not
//! changed by a bearer statement. Otherwise one leaked statement could block every instance of a workload.

use crate::admission::governed::GovernedIdentity;
use crate::identity::{AttestedIdentity, AuthMethod, CredentialKind, SenderConstraint};
use crate::metadata::attested;
use crate::metadata::requested::RequestedMetadata;
use crate::occasions::registered::Answer;
use crate::policy::Policy;
use crate::possession::Possession;
use crate::records::Registration;
use crate::rejection::{AdmissionReason, MetadataReason, NotAcceptedBy, Rejection};
use testudo_protocol::{Seconds, Timestamp};

/// How long limits apply that bearer evidence reduced. It is long enough for a workload that registers when it starts
/// or renews its SVID, and bounds the outage that a stolen statement can cause.
pub const BEARER_NARROWING_LIFETIME: Seconds = Seconds(3_600);

/// Step 4 for every piece of evidence: a credential that the authority or the rule does not accept must not count as
/// proof of possession either.
pub(crate) fn every_kind_is_accepted(
    governed: &GovernedIdentity<'_>,
    policy: &Policy,
) -> Result<(), Rejection> {
    let identity = governed.identity;
    let shown = CredentialKind::ALL
        .into_iter()
        .filter(|kind| identity.shows(*kind));
    for kind in shown {
        if !authority_accepts(identity, policy, kind) {
            let by = NotAcceptedBy::Authority(identity.authority.clone());
            return Err(AdmissionReason::CredentialNotAccepted { kind, by }.into());
        }
        if !rule_accepts(governed, kind) {
            let by = NotAcceptedBy::Rule(governed.found.rule.name.clone());
            return Err(AdmissionReason::CredentialNotAccepted { kind, by }.into());
        }
    }
    Ok(())
}

fn authority_accepts(identity: &AttestedIdentity, policy: &Policy, kind: CredentialKind) -> bool {
    policy
        .authority(&identity.authority)
        .is_some_and(|trusted| trusted.accepts(kind))
}

fn rule_accepts(governed: &GovernedIdentity<'_>, kind: CredentialKind) -> bool {
    let kinds = governed.found.rule.credentials.as_ref();
    kinds.is_none_or(|kinds| kinds.contains(&kind))
}

/// The only authentication method that the client wants to be accepted.
pub(crate) fn method(
    identity: &AttestedIdentity,
    requested: &RequestedMetadata,
    policy: &Policy,
) -> Result<Option<AuthMethod>, Rejection> {
    let Some(name) = requested.token_endpoint_auth_method.as_deref() else {
        return Ok(None);
    };
    let method = method_named(identity, name).ok_or(MetadataReason::AuthMethodNotAttested)?;
    // Without attesters and a certificate it is the only method of a client of a credential, which needs no record of it.
    let is_choice = method.kind != CredentialKind::PrivateKeyJwt
        || identity.has_certificate()
        || authority_accepts(identity, policy, CredentialKind::Attestation);
    Ok(is_choice.then_some(method))
}

/// The only authentication method that the issuer of a verifiable credential states. It needs no proof in the request:
/// the request cannot change it.
pub(crate) fn stated_method(
    governed: &GovernedIdentity<'_>,
    policy: &Policy,
) -> Result<Option<AuthMethod>, Rejection> {
    let identity = governed.identity;
    let Some(name) = attested::attested(identity)?.token_endpoint_auth_method else {
        return Ok(None);
    };
    let method = method_named(identity, &name).ok_or(AdmissionReason::AttestedClaimMalformed(
        MetadataReason::AuthMethodNotAttested,
    ))?;
    // Otherwise the client could never authenticate.
    if !authority_accepts(identity, policy, method.kind) {
        let by = NotAcceptedBy::Authority(identity.authority.clone());
        let kind = method.kind;
        return Err(AdmissionReason::CredentialNotAccepted { kind, by }.into());
    }
    Ok(Some(method))
}

/// The method of this name, if a client with this evidence can have it.
fn method_named(identity: &AttestedIdentity, name: &str) -> Option<AuthMethod> {
    match identity.kind.only_registers() {
        true => AuthMethod::of_holder(name),
        false => AuthMethod::attested(name),
    }
}

/// Checks that the request has the credential that the client wants to register: the authentication method, and the
/// certificate to which its tokens will be bound, unless the rule requires this binding anyway.
pub(crate) fn is_shown(
    governed: &GovernedIdentity<'_>,
    possession: &Possession,
    requested: &RequestedMetadata,
    method: Option<AuthMethod>,
) -> Result<(), Rejection> {
    let identity = governed.identity;
    let names_key = identity.kind.only_registers();
    let shows = |kind| {
        let by_certificate = kind == CredentialKind::SelfSignedTlsClientAuth && identity.has_certificate();
        let by_own_key = kind == CredentialKind::PrivateKeyJwt || by_certificate;
        identity.shows(kind) || (names_key && by_own_key)
    };
    if method.is_some_and(|method| !method.is_used(shows, possession.is_combined)) {
        return Err(MetadataReason::AuthMethodNotShown.into());
    }
    let is_asked = requested.tls_client_certificate_bound_access_tokens;
    if !is_asked
        || governed.found.rule.sender_constraint == SenderConstraint::Mtls
        || governed.identity.has_certificate()
    {
        return Ok(());
    }
    Err(MetadataReason::BindingNotShown.into())
}

/// What is missing in the evidence, so that it cannot reduce the limits of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// The request does not prove a key of the client, as its registration did.
    Key,
    /// The audience of the statement is not the registration endpoint.
    Audience,
}

/// Why this evidence may not change the limits of the client; `None` if it may. `stands` is the current registration.
pub(crate) fn restriction(identity: &AttestedIdentity, stands: Option<&Registration>) -> Option<Lacking> {
    if identity.has_proven_key() {
        return None;
    }
    if stands.is_some_and(|stands| stands.is_by_possession) {
        return Some(Lacking::Key);
    }
    (!identity.proof.is_for_registration).then_some(Lacking::Audience)
}

/// Refuses a request that would reduce the limits of the rule and the attester, so that the client learns that its
/// limits were not reduced.
pub(crate) fn narrows_nothing(
    asked: &Answer,
    full: &Answer,
    kinds: usize,
    lacking: Lacking,
) -> Result<(), Rejection> {
    let narrower = [
        ("scope", asked.scope != full.scope),
        ("grant_types", asked.grant_types != full.grant_types),
        ("redirect_uris", asked.redirect_uris != full.redirect_uris),
        ("token_endpoint_auth_method", asked.only != full.only && kinds > 1),
        (
            "tls_client_certificate_bound_access_tokens",
            asked.must_bind_tokens != full.must_bind_tokens,
        ),
        (
            "dpop_bound_access_tokens",
            asked.dpop_bound_access_tokens != full.dpop_bound_access_tokens,
        ),
        (
            "require_pushed_authorization_requests",
            asked.must_push != full.must_push,
        ),
        (
            "require_signed_request_object",
            asked.must_sign_requests != full.must_sign_requests,
        ),
    ];
    match narrower.into_iter().find(|(_, is_narrower)| *is_narrower) {
        Some((member, _)) => Err(match lacking {
            Lacking::Key => MetadataReason::NarrowingNeedsKey { member }.into(),
            Lacking::Audience => MetadataReason::NarrowingNeedsAudience { member }.into(),
        }),
        None => Ok(()),
    }
}

/// Number of kinds of credential with which the client may authenticate if it registers none.
pub(crate) fn kinds_accepted(governed: &GovernedIdentity<'_>, policy: &Policy) -> usize {
    CredentialKind::ALL
        .into_iter()
        .filter(|kind| authority_accepts(governed.identity, policy, *kind) && rule_accepts(governed, *kind))
        .count()
}

/// When the reduced limits of this request end; `None` if it reduces none, or if they end with the client.
pub(crate) fn end(
    identity: &AttestedIdentity,
    requested: &RequestedMetadata,
    now: Timestamp,
) -> Option<Timestamp> {
    let narrows = *requested != requested.clone().without_limits();
    (narrows && !identity.has_proven_key()).then(|| now + BEARER_NARROWING_LIFETIME)
}
