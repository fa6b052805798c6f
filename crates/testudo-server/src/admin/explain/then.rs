//! Reads from the event of a request how it was answered and what it contained.

use super::Verdict;
use testudo_core::grants::is_of_people;
use testudo_core::identity::{Proof, VerifiedCredential};
use testudo_core::policy::Policy;
use testudo_core::records::{AuthorizationDetails, Event, EventClass, EventKind, RequestDetails};
use testudo_core::{AttestedIdentity, Authority, AuthorityKind, CredentialKind, OccasionKind};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::authorization::AuthorizationRequest;
use testudo_protocol::oauth::{GRANT_AUTHORIZATION_CODE, GRANT_CLIENT_CREDENTIALS, GRANT_REFRESH_TOKEN};

/// What the event keeps of its authorization request, and the request. `None` where it is not kept or cannot be read.
pub(super) fn authorization<'e>(
    event: &Event,
    details: &'e RequestDetails,
) -> Option<(&'e AuthorizationDetails, AuthorizationRequest)> {
    let kept = details.authorization.as_deref()?;
    Some((kept, kept.request(event.scope.as_deref())?))
}

pub(super) fn verdict(event: &Event) -> Verdict {
    let class =
        match is_done_by_person(event) || (event.event == EventKind::GrantRevoked && is_about_token(event)) {
            // The person or the client did this, and this is what happened. A grant that ends for another reason ends with a
            // refusal.
            true => EventClass::Granted,
            false => event.event.class(),
        };
    match class {
        EventClass::Granted => Verdict {
            outcome: "allowed".into(),
            rejection: None,
            error: None,
            detail: Some(allowed(event)),
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

/// True for what a person did at a page: no client caused it, and the page did what the person asked for.
fn is_done_by_person(event: &Event) -> bool {
    event.event.class() == EventClass::Other && event.person.is_some() && event.door.is_none()
}

fn allowed(event: &Event) -> String {
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    match (&event.detail, &event.person) {
        (detail, Some(person)) if is_done_by_person(event) => {
            let detail = detail.as_ref().map(|detail| format!(", {detail}"));
            let detail = detail.unwrap_or_default();
            format!("{}: account `{person}`{detail}", event.event.name())
        }
        (Some(detail), _) => detail.clone(),
        (None, _) => format!(
            "{}: client `{}` under rule `{}`, scope `{}`",
            event.event.name(),
            or_none(&event.client_id),
            or_none(&event.rule),
            or_none(&event.scope)
        ),
    }
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
        let details = details?;
        let sponsor = details.sponsor.clone().map(Box::new);
        return Some(AttestedIdentity {
            sponsor,
            ..AttestedIdentity::proven(authority, subject, kind, details.proof(expires))
        });
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
    if SIGNED_REFUSED.contains(&event.reason.as_deref().unwrap_or_default()) {
        return "a signed authorization request that was refused because of its signature, of a claim of it or of the keys of the client is not decided again: the event does not contain what was signed"
            .to_owned();
    }
    if is_about_push(event) || is_of_browser(event) {
        return "an authorization request is not decided again where the event does not contain its parameters: one of them was wrong, they have more than 2 KiB, or an earlier version wrote the event"
            .to_owned();
    }
    format!(
        "a request with the grant `{}` is not decided again: this version does not support the grant, or the event does not contain all its parameters",
        grant_type(event)
    )
}

/// The names of reasons that are about a signed authorization request. Its parameters are read after its signature is verified.
const SIGNED_REFUSED: &[&str] = &[
    "request_object_refused",
    "request_object_keys_unavailable",
    "request_object_not_taken",
];

/// True if no such request is served where people cannot sign in: an authorization request, and the use of a code or of a
/// refresh token.
pub(super) fn needs_sign_in(event: &Event) -> bool {
    let is_at_token = event.occasion.as_deref() == Some(OccasionKind::Token.name());
    is_about_push(event) || (is_at_token && is_of_people(grant_type(event)))
}

/// How a request is answered that is served only where people sign in, while they cannot.
pub(super) fn no_sign_in() -> Verdict {
    Verdict {
        outcome: "refused".into(),
        rejection: None,
        error: None,
        detail: Some("the configuration has no `[login]` now: people cannot sign in, and no request for them is served".into()),
        hint: Some("add `[login]` to the configuration".into()),
    }
}

/// What a request for a person presents, which is secret and in no event.
fn secret(event: &Event) -> Option<&'static str> {
    match grant_type(event) {
        GRANT_AUTHORIZATION_CODE => Some("code"),
        GRANT_REFRESH_TOKEN => Some("refresh token"),
        _ => None,
    }
}

/// True where a redemption or a refresh was refused because of its code or refresh token, of what the person granted, or of
/// the account.
pub(super) fn depends_on_secret(event: &Event) -> bool {
    let reason = event.reason.as_deref().unwrap_or_default();
    secret(event).is_some() && ABOUT_SECRETS.contains(&reason)
}

/// Why such a request is not decided again.
pub(super) fn secret_undecided(event: &Event) -> String {
    let secret = secret(event).unwrap_or("credential");
    format!(
        "the checks of the client pass now; the request was refused because of its {secret}, which is secret and not in the event, or of what the person granted"
    )
}

/// The names of reasons that are about a code, a refresh token, or what a person granted.
pub(super) const ABOUT_SECRETS: &[&str] = &[
    "grant_unknown",
    "grant_expired",
    "grant_of_other_client",
    "grant_of_earlier_client",
    "grant_key_not_proven",
    "code_used",
    "refresh_token_used",
    "grant_revoked",
    "authorization_ended",
    "person_not_active",
    "person_not_in_group",
    "code_verifier_missing",
    "code_verifier_wrong",
    "redirect_uri_differs",
    "scope_not_granted",
    "resource_not_granted",
];

/// The names of reasons that are about the session of a browser, or about the person.
pub(super) const ABOUT_PEOPLE: &[&str] = &[
    "sign_in_needed",
    "consent_needed",
    "acr_unmet",
    "group_missing",
    "consent_refused",
    "consent_differs",
    "session_differs",
];

/// True where an authorization request was refused because of the session, or because of the person.
pub(super) fn depends_on_person(event: &Event) -> bool {
    let reason = event.reason.as_deref().unwrap_or_default();
    event.event == EventKind::ConsentDenied || ABOUT_PEOPLE.contains(&reason)
}

/// What is not decided of an authorization request that would be allowed.
pub(super) const PERSON_UNDECIDED: &str = "the sign-in, the groups of the person and the consent are not decided again: no event contains the session";

/// Why a visit with a pushed request is not decided again whose client has no record now.
pub(super) const PUSHED_BY_REMOVED: &str = "the client that pushed the request was removed: it must push again, and whether it may register then depends on its credential, which is not in the event";

/// Why a visit with a pushed request is not decided again whose redirect URI no rule allows now.
pub(super) const PUSHED_TO_OTHER: &str = "the rule of now does not allow the redirect URI of the pushed request: the client may push it again only if its credential states it, which is not in the event";

/// Why a sign-in, or another use of a page, is not decided again.
pub(super) const SIGN_IN_UNDECIDED: &str = "what a person does at a page is not decided again: the event does not contain what the browser sent, which is secret";

/// True if a browser brought the request: to the authorization endpoint, or to a page.
pub(super) fn is_of_browser(event: &Event) -> bool {
    is_of(event, &[OccasionKind::Authorization])
        || is_done_by_person(event)
        || event.event == EventKind::PasskeyRefused
}

/// True if a client pushed an authorization request.
pub(super) fn is_about_push(event: &Event) -> bool {
    is_of(event, &[OccasionKind::PushedAuthorization])
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
    if let Some(secret) = secret(event) {
        notes.push(format!(
            "the {secret} is secret and not in the event; the current decision assumes one that is valid and was granted by a person who may use the client"
        ));
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
