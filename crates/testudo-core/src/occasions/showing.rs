//! Which limits a piece of evidence may narrow when a client registers, and for how long.
//!
//! An attacker who has seen a bearer statement once can send it. A method or a binding is therefore registered only
//! with that credential in the same request; what a bearer statement narrows needs a statement that was made for
//! the registration endpoint, and ends by itself; and what a client registered with proof of its key, a
//! bearer statement does not change. Otherwise one statement that leaked would lock every instance of a workload out.

use crate::admission::governed::GovernedIdentity;
use crate::identity::{AttestedIdentity, CredentialKind};
use crate::metadata::requested::Requested;
use crate::occasions::registered::Answer;
use crate::policy::Policy;
use crate::records::Registration;
use crate::rejection::{AdmissionReason, MetadataReason, Rejection};
use testudo_protocol::{Seconds, Timestamp};

/// How long the limits hold that bearer evidence narrowed. Long enough for a workload that registers whenever it
/// starts or renews its SVID, short enough for an outage that a stolen statement can cause.
pub const BEARER_NARROWING_LIFETIME: Seconds = Seconds(3_600);

/// Step 4 for every piece of evidence: what authority or rule does not take proves no possession either.
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
            let by = identity.authority.described();
            return Err(AdmissionReason::CredentialNotAccepted { kind, by }.into());
        }
        if !rule_accepts(governed, kind) {
            let by = format!("rule `{}`", governed.found.rule.name);
            return Err(AdmissionReason::CredentialNotAccepted { kind, by }.into());
        }
    }
    Ok(())
}

fn authority_accepts(identity: &AttestedIdentity, policy: &Policy, kind: CredentialKind) -> bool {
    policy
        .authority(&identity.authority)
        .is_some_and(|trusted| trusted.credentials.contains(&kind))
}

fn rule_accepts(governed: &GovernedIdentity<'_>, kind: CredentialKind) -> bool {
    let kinds = governed.found.rule.credentials.as_ref();
    kinds.is_none_or(|kinds| kinds.contains(&kind))
}

/// The kind of SVID that the client wants to be held to.
pub(crate) fn method(requested: &Requested) -> Result<Option<CredentialKind>, Rejection> {
    let Some(name) = requested.token_endpoint_auth_method.as_deref() else {
        return Ok(None);
    };
    let kind = CredentialKind::ALL
        .into_iter()
        .find(|kind| kind.issued_by().is_some() && kind.auth_method() == name)
        .ok_or(MetadataReason::AuthMethodNotSvid)?;
    Ok(Some(kind))
}

/// The client shows now what it wants to be held to: the method, and the certificate that its tokens are to be
/// bound to, where the rule does not demand that in any case.
pub(crate) fn is_shown(
    governed: &GovernedIdentity<'_>,
    requested: &Requested,
    method: Option<CredentialKind>,
) -> Result<(), Rejection> {
    if method.is_some_and(|kind| !governed.identity.shows(kind)) {
        return Err(MetadataReason::AuthMethodNotShown.into());
    }
    let is_asked = requested.tls_client_certificate_bound_access_tokens;
    if !is_asked || governed.found.rule.must_bind_tokens || governed.identity.has_proven_key() {
        return Ok(());
    }
    Err(MetadataReason::BindingNotShown.into())
}

/// What evidence lacks that would narrow the limits of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// The certificate that the client registered with.
    Certificate,
    /// Its audience is the registration endpoint.
    Audience,
}

/// Why this evidence may not change the limits of the client; nothing where it may. `stands` is what holds now.
pub(crate) fn restriction(identity: &AttestedIdentity, stands: Option<&Registration>) -> Option<Lacking> {
    if identity.has_proven_key() {
        return None;
    }
    if stands.is_some_and(|stands| stands.is_by_possession) {
        return Some(Lacking::Certificate);
    }
    (!identity.proof.is_for_registration).then_some(Lacking::Audience)
}

/// Refuses a request whose outcome is narrower than what the rule and the attester give: a client must learn that
/// it was not narrowed.
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
        ("token_endpoint_auth_method", asked.only.is_some() && kinds > 1),
        (
            "tls_client_certificate_bound_access_tokens",
            asked.must_bind_tokens != full.must_bind_tokens,
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
            Lacking::Certificate => MetadataReason::NarrowingNeedsCertificate { member }.into(),
            Lacking::Audience => MetadataReason::NarrowingNeedsAudience { member }.into(),
        }),
        None => Ok(()),
    }
}

/// Kinds of SVID that the client may authenticate with where it registers none of them.
pub(crate) fn kinds_accepted(governed: &GovernedIdentity<'_>, policy: &Policy) -> usize {
    CredentialKind::ALL
        .into_iter()
        .filter(|kind| authority_accepts(governed.identity, policy, *kind) && rule_accepts(governed, *kind))
        .count()
}

/// When the limits end that this request narrows; nothing where it narrows none, or they end with the client.
pub(crate) fn end(identity: &AttestedIdentity, requested: &Requested, now: Timestamp) -> Option<Timestamp> {
    let narrows = *requested != requested.clone().without_limits();
    (narrows && !identity.has_proven_key()).then(|| now + BEARER_NARROWING_LIFETIME)
}
