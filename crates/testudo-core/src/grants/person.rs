//! What the grants of people have in common: whether the person may still grant, and what of the granted scope and
//! resources a token gets.

use super::binding::{Binding, demanded_certificate};
use super::granted::{Members, OfPerson};
use super::requester::Requester;
use super::scope_and_resource::ScopeAndResource;
use crate::admission::create::describe_identity;
use crate::admission::governed::GovernedIdentity;
use crate::admission::lifecycle::event_retention;
use crate::decision::{Moment, Resolution};
use crate::identity::{AttestedIdentity, CredentialKind};
use crate::people::{GrantId, PresentedSecret};
use crate::records::{
    Batch, BoundTo, Conflict, Consent, Event, EventKind, Grant, GrantTerms, IssuedRefreshToken, Kind, Loaded,
    Needs, Person, Record, RefreshToken, Versioned,
};
use crate::rejection::{AdmissionReason, GrantReason, Rejection};
use testudo_protocol::oauth::authorization::KeyThumbprint;
use testudo_protocol::oauth::{Resource, ScopeSet};
use testudo_protocol::{Seconds, Timestamp};

/// Adds the records to which a code or a refresh token leads: its own, the grant and the person.
pub(super) fn needs_of<'n, R: Record>(presented: Option<&'n PresentedSecret>, needs: Needs<'n>) -> Needs<'n> {
    let Some(presented) = presented else { return needs };
    needs
        .and::<R>(presented.digest.key())
        .and::<Grant>(presented.grant.key())
        .and::<Person>(presented.grant.person_key())
}

/// Adds the last consent of the person for the client: it may have moved the end of the authorization.
pub(crate) fn with_consent<'n>(presented: Option<&PresentedSecret>, needs: Needs<'n>) -> Needs<'n> {
    match (presented, needs.client()) {
        (Some(presented), Some(client)) => {
            let key = Consent::key_of(presented.grant.person(), client);
            needs.and_composed::<Consent>(key)
        }
        (Some(_) | None, _) => needs,
    }
}

/// The last consent of the person for this client.
pub(crate) fn consent_of<'l>(
    presented: &PresentedSecret,
    governed: &GovernedIdentity<'_>,
    loaded: &'l Loaded<'_>,
) -> Option<&'l Consent> {
    let key = Consent::key_of(presented.grant.person(), &governed.client_key);
    loaded.find::<Consent>(&key).map(|consent| &consent.record)
}

/// Another request changed a record of the grant at the same moment: it is decided again with the records of now.
pub(crate) fn conflict_of_person(on: &Conflict) -> Option<Resolution> {
    let (Conflict::Exists(kind, _) | Conflict::Changed(kind, _)) = on else {
        return None;
    };
    let of_grants = [Kind::AuthorizationCode, Kind::Grant, Kind::RefreshToken];
    of_grants.contains(kind).then_some(Resolution::Again)
}

/// Checks that the person may still use this client. The groups of today decide, so a person who leaves a group loses
/// access at the next refresh.
pub(super) fn person_may_grant(
    grant: GrantId,
    requester: &Requester<'_>,
    loaded: &Loaded<'_>,
) -> Result<(), Rejection> {
    let person = loaded.find::<Person>(grant.person_key());
    let person = person.filter(|person| person.record.is_active());
    let person = person.ok_or(GrantReason::PersonNotActive)?;
    if !person
        .record
        .may_use(&requester.governed.found.rule.people.groups)
    {
        let rule = requester.rule_name();
        return Err(GrantReason::NotInGroup { rule }.into());
    }
    Ok(())
}

/// What is decided of a redemption or a refresh without its code or refresh token: whether the client may use the grant,
/// whether it proved the key that its rule requires, and whether its rule allows what it asked for. The scope is what is
/// left of the granted one where that is known, or else the requested one, or else all that the client may have.
pub(crate) fn allowed_to_client(
    grant: &str,
    requester: &Requester<'_>,
    asked: &ScopeAndResource,
    granted: Option<&ScopeSet>,
    at: &Moment<'_>,
) -> Result<ScopeSet, Rejection> {
    requester.may_use(grant)?;
    Binding::check(requester)?;
    if asked.resource.is_some() {
        asked.resource(requester, at.policy)?;
    }
    match (granted, &asked.scope) {
        (Some(granted), _) => scope_of(granted, asked, requester),
        (None, Some(_)) => asked.scope(requester),
        (None, None) => requester.scope_ceiling(),
    }
}

/// The scope of a token: what is requested of the granted scope, or all of it. What the rule, the attester or the
/// registration does not allow any more is left out; if it is requested, or if nothing is left, the request is refused.
pub(super) fn scope_of(
    granted: &ScopeSet,
    asked: &ScopeAndResource,
    requester: &Requester<'_>,
) -> Result<ScopeSet, Rejection> {
    let ceiling = requester.scope_ceiling()?;
    let not_allowed = |refused: &str| AdmissionReason::ScopeNotAllowed {
        rule: requester.rule_name(),
        refused: refused.to_owned(),
    };
    let has = |set: &ScopeSet, value: &str| set.iter().any(|known| known.as_str() == value);
    let Some(asked) = &asked.scope else {
        let left = granted.intersection(&ceiling);
        return match granted.iter().next() {
            Some(first) if left.is_empty() => Err(not_allowed(first.as_str()).into()),
            Some(_) | None => Ok(left),
        };
    };
    for value in asked.iter().map(|value| value.as_str()) {
        // [RFC6749 §6] A refresh must not ask for more than was granted.
        if !has(granted, value) {
            let refused = value.to_owned();
            return Err(GrantReason::ScopeNotGranted { refused }.into());
        }
        if !has(&ceiling, value) {
            return Err(not_allowed(value).into());
        }
    }
    Ok(asked.clone())
}

/// [RFC8707 §2.2] The resource of a token: the requested one, which must be one of those that were granted, or the first
/// of them. The rule must still allow it.
pub(super) fn resource_of(
    terms: &GrantTerms,
    asked: &ScopeAndResource,
    requester: &Requester<'_>,
    at: &Moment<'_>,
) -> Result<Resource, Rejection> {
    let wanted = match &asked.resource {
        Some(asked) if !terms.resources.contains(asked) => {
            let refused = asked.as_str().to_owned();
            return Err(GrantReason::ResourceNotGranted { refused }.into());
        }
        Some(asked) => Some(asked),
        None => terms.resources.first(),
    };
    let wanted = ScopeAndResource {
        scope: None,
        resource: wanted.cloned(),
    };
    wanted.resource(requester, at.policy)
}

/// The claims of the token that name the person.
pub(super) fn claims_of(grant: GrantId, terms: &GrantTerms, requester: &Requester<'_>) -> Box<OfPerson> {
    Box::new(OfPerson {
        sub: grant.person().sub(),
        auth_time: terms.auth_time,
        acr: terms.acr.clone(),
        grant_id: grant.to_string(),
        ends: requester.authorization_ends(terms.ends),
    })
}

/// What the refresh tokens of this client are bound to. The key of a DPoP proof and a certificate bind the tokens of a
/// client that does not authenticate; other clients prove their identity at each refresh, and may have renewed their
/// keys. [RFC9449 §5] The key of an attestation names the instance, and stays. [ABCA §10.3]
pub(crate) fn binding_of_refresh(requester: &Requester<'_>) -> BoundTo {
    let (identity, possession) = (requester.governed.identity, requester.possession);
    let is_public = identity.kind == CredentialKind::Public;
    let of_public = |thumbprint: Option<[u8; 32]>| thumbprint.filter(|_| is_public).map(KeyThumbprint);
    BoundTo {
        dpop_key: of_public(possession.dpop_key),
        certificate: of_public(demanded_certificate(requester)),
        instance_key: instance_key(identity),
    }
}

/// True if the request proves everything to which a code or a refresh token is bound.
pub(super) fn is_proven(bound: &BoundTo, requester: &Requester<'_>) -> bool {
    let (identity, possession) = (requester.governed.identity, requester.possession);
    let agrees =
        |bound: Option<KeyThumbprint>, proven: Option<KeyThumbprint>| bound.is_none() || bound == proven;
    agrees(bound.dpop_key, possession.dpop_key.map(KeyThumbprint))
        && agrees(
            bound.certificate,
            identity.proof.certificate_thumbprint.map(KeyThumbprint),
        )
        && agrees(bound.instance_key, instance_key(identity))
}

/// The key that an attestation of the client names. Keys of SVIDs are renewed, and name no instance.
fn instance_key(identity: &AttestedIdentity) -> Option<KeyThumbprint> {
    let key = identity.proof.confirmation.as_deref();
    let key = key.filter(|_| identity.kind == CredentialKind::Attestation);
    key.map(|key| KeyThumbprint(*key.thumbprint()))
}

/// A new refresh token: its text, and what the grant keeps of it. Its record is in the batch.
pub(super) fn new_refresh_token(
    grant: GrantId,
    idle: Seconds,
    at: &Moment<'_>,
    batch: &mut Batch,
) -> (String, IssuedRefreshToken) {
    let (text, name) = PresentedSecret::make(grant, at.entropy.secret());
    // The end of the authorization is in the grant, and can move.
    let expires = at.now + idle;
    batch.insert(&RefreshToken {
        name,
        issued: at.now,
        expires,
    });
    let digest = name.digest;
    (text, IssuedRefreshToken { digest, expires })
}

/// The members of an answer with a refresh token. [RT-EXPIRATION §5] The token does not outlive the authorization.
pub(super) fn members_of(text: String, idle: Seconds, ends: Option<Timestamp>, now: Timestamp) -> Members {
    let left = ends.map(|ends| ends - now);
    let timeout = left.map_or(idle, |left| left.min(idle));
    let members = Members::default()
        .with("refresh_token", text)
        .with_seconds("refresh_token_timeout", timeout);
    match left {
        Some(left) => members.with_seconds("authorization_expires_in", left),
        None => members,
    }
}

/// Ends a grant because a token of it was refused for this reason.
pub(super) fn end_grant(
    grant: &Versioned<Grant>,
    kind: EventKind,
    reason: &GrantReason,
    requester: &Requester<'_>,
    at: &Moment<'_>,
) -> Batch {
    let identity = requester.governed.identity;
    let keep_until = at.now + event_retention(identity.authority.key(), identity.sponsor.is_some());
    let mut event = Event::new(at.entropy.event_id(kind as u8), at.now, kind, keep_until);
    describe_identity(&mut event, identity);
    event.rule = Some(requester.rule_name());
    event.reason = Some(Rejection::from(reason.clone()).name().to_owned());
    event.detail = Some(reason.to_string());
    ended(grant, event)
}

/// Ends a grant: no token of it is accepted any more. The event states who ended it and why; what was granted is added.
pub(crate) fn ended(grant: &Versioned<Grant>, mut event: Event) -> Batch {
    let mut batch = Batch::default();
    batch.delete(&grant.record, grant.version);
    grant.record.describe(&mut event);
    batch.insert_event(event);
    batch
}
