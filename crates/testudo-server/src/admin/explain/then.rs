//! Reads from the event of a request how it was answered and what it contained.

use super::Verdict;
use testudo_core::identity::{Proof, VerifiedCredential};
use testudo_core::policy::Policy;
use testudo_core::records::{Event, EventClass, EventKind, RequestDetails};
use testudo_core::{AttestedIdentity, Authority, AuthorityKind, CredentialKind, OccasionKind};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::{GRANT_AUTHORIZATION_CODE, GRANT_CLIENT_CREDENTIALS, GRANT_REFRESH_TOKEN};

pub(super) fn verdict(event: &Event) -> Verdict {
    // The client revoked a token, and this is what happened. A grant that ends for another reason ends with a refusal.
    let is_revoked = event.event == EventKind::GrantRevoked && is_about_token(event);
    let class = match is_revoked {
        true => EventClass::Granted,
        false => event.event.class(),
    };
    match class {
        EventClass::Granted => Verdict {
            outcome: "allowed".into(),
            rejection: None,
            error: None,
            detail: event.detail.clone().or_else(|| Some(allowed(event))),
            hint: None,
        },
        // The request was refused, for the reason of the event.
        EventClass::Refused | EventClass::Failure | EventClass::Other => Verdict {
            outcome: "refused".into(),
            rejection: event
                .reason
                .clone()
                .or_else(|| Some(event.event.name().to_owned())),
            error: event.error.clone(),
            detail: event.detail.clone(),
            hint: event.hint.clone(),
        },
    }
}

fn allowed(event: &Event) -> String {
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    format!(
        "{}: client `{}` under rule `{}`, scope `{}`",
        event.event.name(),
        or_none(&event.client_id),
        or_none(&event.rule),
        or_none(&event.scope)
    )
}

/// The identity that the request proved. `None` where it proved none, or proved it by a registration access token,
/// which only the client has.
pub(super) fn identity(event: &Event, policy: &Policy) -> Option<AttestedIdentity> {
    let managed = event
        .request
        .as_ref()
        .is_some_and(|details| details.is_management);
    let subject = event.identity.as_deref().filter(|_| !managed)?;
    let kind = CredentialKind::of_name(event.door.as_deref()?)?;
    let authority = Authority::of_key(event.authority.as_deref()?)?;
    let expires = event.credential_expires.unwrap_or(Timestamp(0));
    let details = event.request.as_deref();
    if authority.kind() == AuthorityKind::Registration {
        // An event of an earlier version does not contain the sponsor of the client.
        let sponsor = details?.sponsor.clone().map(Box::new);
        return Some(AttestedIdentity::named_here(subject, kind, sponsor));
    }
    let is_of_credential = policy.issuer_of_client(subject).as_ref() == Some(&authority);
    let mut proof = match details {
        Some(details) => details.proof(expires),
        None => Proof {
            is_for_registration: true,
            ..Proof::until(expires)
        },
    };
    if is_of_credential && kind == CredentialKind::Attestation {
        proof.credential = Some(Box::new(VerifiedCredential::of_client(Vec::new())));
    }
    // A sponsor beside the evidence belongs to the request.
    Some(AttestedIdentity::proven(authority, subject, kind, proof))
}

/// The attestation beside the client's own authentication.
pub(super) fn attestation(details: &RequestDetails) -> Option<AttestedIdentity> {
    let subject = details.attestation.as_deref()?;
    let authority = Authority::of_identity(subject).ok()?;
    let proof = Proof::until(Timestamp(0));
    let kind = CredentialKind::Attestation;
    Some(AttestedIdentity::proven(authority, subject, kind, proof))
}

/// The grant of a token request. An event of an earlier version does not name it: there was no other grant then.
pub(super) fn grant_type(event: &Event) -> &str {
    let details = event.request.as_deref();
    let named = details.and_then(|details| details.grant_type.as_deref());
    named.unwrap_or(GRANT_CLIENT_CREDENTIALS)
}

/// Why a request that proved an identity is not decided again.
pub(super) fn undecided(event: &Event) -> String {
    if is_about_token(event) {
        return "a request to introspect or to revoke a token is not decided again: the event does not contain the token"
            .to_owned();
    }
    if is_about_authorization(event) {
        return "an authorization request is not decided again: the event does not contain its parameters"
            .to_owned();
    }
    let secret = match grant_type(event) {
        GRANT_AUTHORIZATION_CODE => "the code",
        GRANT_REFRESH_TOKEN => "the refresh token",
        other => {
            return format!(
                "a request with the grant `{other}` is not decided again: this version does not support the grant, or the event does not contain all its parameters"
            );
        }
    };
    format!(
        "a request with the grant `{}` is not decided again: it depends on {secret}, which is secret and not in the event, and on what the person granted",
        grant_type(event)
    )
}

/// True if a client or a browser asked for authorization.
pub(super) fn is_about_authorization(event: &Event) -> bool {
    is_of(
        event,
        &[OccasionKind::PushedAuthorization, OccasionKind::Authorization],
    )
}

/// True if a client asked about a token, or revoked one.
pub(super) fn is_about_token(event: &Event) -> bool {
    is_of(event, &[OccasionKind::Introspection, OccasionKind::Revocation])
}

fn is_of(event: &Event, kinds: &[OccasionKind]) -> bool {
    let occasion = event.occasion.as_deref();
    kinds.iter().any(|kind| occasion == Some(kind.name()))
}

/// Why a request whose proof of possession was refused is not decided again.
pub(super) const PROOF_NOT_RECORDED: &str = "the proof of the request was not recorded";

/// How the names of reasons begin that are about a proof of possession. An event contains no proof.
const ABOUT_PROOFS: &[&str] = &[
    "dpop_",
    "holder_",
    "workload_proof_",
    "attestation_pop_",
    "attestation_proof_",
    "attestation_challenge_",
    "attestation_not_one",
];

/// True where the request was refused because of a proof of possession.
pub(super) fn is_about_proof(event: &Event) -> bool {
    let reason = event.reason.as_deref().unwrap_or_default();
    ABOUT_PROOFS.iter().any(|start| reason.starts_with(start))
}

/// Notes on the parts of the request that the event does not contain, and on assumptions of the current decision.
pub(super) fn notes(event: &Event, now: Timestamp) -> Vec<String> {
    let mut notes = Vec::new();
    match event.request.as_deref() {
        None => notes.push(
            "the event was written by an earlier version and does not contain everything of the request; the current decision uses identity, scope and resource"
                .to_owned(),
        ),
        Some(details) if details.is_shortened => notes.push(
            "the request contained more than 8 KiB of metadata and claims, which are not stored; the current decision is made without them"
                .to_owned(),
        ),
        Some(details) if details.metadata.is_some() && is_about_keys(event) => {
            notes.push("keys that were refused are not stored; the current decision is made without them".to_owned());
        }
        Some(_) => {}
    }
    if let Some(expired) = event.credential_expires.filter(|expires| *expires <= now) {
        notes.push(format!(
            "the credential expired at {expired}; the current decision assumes a credential like it that is valid now"
        ));
    }
    notes
}

/// True where the request was refused because of its keys.
fn is_about_keys(event: &Event) -> bool {
    let reason = event.reason.as_deref().unwrap_or_default();
    reason.starts_with("jwks_") || reason == "private_key_disclosed"
}
