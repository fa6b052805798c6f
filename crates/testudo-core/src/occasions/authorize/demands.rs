//! What a rule, a registration and a request demand of an authorization request.

use super::Visit;
use super::client::{AskingClient, FoundBy};
use crate::decision::Moment;
use crate::metadata::redirect_uris::derived;
use crate::records::{Client, ClientMetadata, Loaded, Person, Registration, Session, Versioned};
use crate::rejection::{AdmissionReason, AuthorizationReason, Rejection};
use crate::rules::{Match, PushedAuthorization, Rule};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::authorization::AuthorizationRequest;
use testudo_protocol::oauth::{GRANT_AUTHORIZATION_CODE, RedirectUri};

/// Step 6. Any site can send a browser with the name of an identity, so its rule must allow it.
pub(super) fn name_need_not_push(client: &AskingClient<'_>, found: &Match<'_>) -> Result<(), Rejection> {
    match (&client.found, found.rule.people.pushed_authorization) {
        (FoundBy::Name(_), PushedAuthorization::Required) => Err(push_missing(found.rule)),
        (FoundBy::Name(_), PushedAuthorization::Optional)
        | (FoundBy::Entry(_) | FoundBy::Id | FoundBy::Push(_), _) => Ok(()),
    }
}

fn push_missing(rule: &Rule) -> Rejection {
    let rule = rule.name.clone();
    AuthorizationReason::PushMissing { rule }.into()
}

/// Step 7, for a request that the browser brings. [RFC9700 §2.1] The redirect URI must be one that the rule derives, or
/// one that the client registered.
pub(super) fn redirect_uri(
    requested: Option<&str>,
    client: &AskingClient<'_>,
    record: Option<&Client>,
    found: &Match<'_>,
) -> Result<RedirectUri, Rejection> {
    let of_rule = match client.found {
        FoundBy::Entry(_) | FoundBy::Name(_) | FoundBy::Push(_) => derived(found),
        // The client has the rule of its sponsor, and is not the sponsor.
        FoundBy::Id => Vec::new(),
    };
    let registered = record.filter(|record| match client.found {
        FoundBy::Id => true,
        // What an attester states about a client is left out: a visitor would learn that the client exists.
        FoundBy::Name(_) => record.registration.is_some(),
        FoundBy::Entry(_) | FoundBy::Push(_) => false,
    });
    let of_record = registered.map_or(&[][..], |record| &record.metadata.redirect_uris);
    let all = of_rule
        .iter()
        .chain(of_record.iter().filter(|uri| !of_rule.contains(uri)));
    let found = RedirectUri::find(requested, all.map(String::as_str));
    found.map_err(|mismatch| AuthorizationReason::RedirectRefused(mismatch).into())
}

/// Step 9.
pub(super) fn may_use_codes(rule: &Rule, registration: Option<&Registration>) -> Result<(), Rejection> {
    let registered = registration.and_then(|stands| stands.grant_types.as_ref());
    let has_codes = |types: &Vec<String>| types.iter().any(|name| name == GRANT_AUTHORIZATION_CODE);
    if has_codes(&rule.grant_types) && registered.is_none_or(has_codes) {
        return Ok(());
    }
    let rule = rule.name.clone();
    Err(AdmissionReason::GrantNotAllowed { rule }.into())
}

/// Step 10, for a request that the browser brings. [RFC9126 §6] [RFC9101 §10.5]
pub(super) fn need_not_push_or_sign(
    found: &Match<'_>,
    record: Option<&Client>,
    registration: Option<&Registration>,
    is_signed: bool,
) -> Result<(), Rejection> {
    let metadata = record.map(|record| &record.metadata);
    let must_push = found.rule.people.pushed_authorization == PushedAuthorization::Required
        || registration.is_some_and(|stands| stands.must_push)
        || metadata.is_some_and(|metadata| metadata.require_pushed_authorization_requests);
    if must_push {
        return Err(push_missing(found.rule));
    }
    must_be_signed(metadata, registration, is_signed)
}

/// [RFC9101 §10.5] A client that registered that it signs its requests has no others.
pub(in crate::occasions) fn must_be_signed(
    metadata: Option<&ClientMetadata>,
    registration: Option<&Registration>,
    is_signed: bool,
) -> Result<(), Rejection> {
    let is_attested = metadata.is_some_and(|metadata| metadata.require_signed_request_object);
    let must_sign = is_attested || registration.is_some_and(|stands| stands.must_sign_requests);
    match must_sign && !is_signed {
        true => Err(AuthorizationReason::ObjectMissing.into()),
        false => Ok(()),
    }
}

/// A person with a session that is alive.
#[derive(Clone, Copy)]
pub(super) struct SignedIn<'l> {
    pub(super) session: &'l Versioned<Session>,
    pub(super) person: &'l Person,
}

impl<'l> SignedIn<'l> {
    /// The person of the session that the browser has.
    pub(super) fn find(visit: &Visit<'_>, loaded: &'l Loaded<'_>, at: &Moment<'_>) -> Option<SignedIn<'l>> {
        let name = visit.session?;
        let idle = at.policy.login.as_ref()?.session_idle_lifetime;
        let (session, person) = Session::find_alive(name, loaded, idle, at.now)?;
        Some(SignedIn {
            session,
            person: &person.record,
        })
    }
}

/// Step 12. `None`: the person must sign in, or sign in again. A sign-in after `begun` is a new one; if it is not of a kind
/// that the request asks for, another one would not be either.
pub(super) fn sign_in<'l>(
    signed_in: Option<SignedIn<'l>>,
    request: &AuthorizationRequest,
    begun: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<SignedIn<'l>>, Rejection> {
    // [OIDCC §3.1.2.1] Nothing is shown.
    let must_sign_in = || match request.prompt.none {
        true => Err(AuthorizationReason::SignInNeeded.into()),
        false => Ok(None),
    };
    let Some(signed_in) = signed_in else {
        return must_sign_in();
    };
    let session = &signed_in.session.record;
    let is_new = begun.is_some_and(|begun| session.authenticated >= begun);
    let is_old = request
        .max_age
        .is_some_and(|max_age| now - session.authenticated > max_age);
    // [OIDCC §3.1.2.1] With `max_age=0`, as with `prompt=login`.
    let is_old = is_old || request.max_age.is_some_and(|max_age| max_age.0 == 0);
    if !is_new && (is_old || request.prompt.login || request.prompt.select_account) {
        return must_sign_in();
    }
    // [RFC9470 §4]
    let has_acr = session
        .acr
        .as_ref()
        .is_some_and(|acr| request.acr_values.contains(acr));
    if request.acr_values.is_empty() || has_acr {
        return Ok(Some(signed_in));
    }
    match is_new || request.prompt.none {
        true => Err(AuthorizationReason::AcrUnmet.into()),
        false => Ok(None),
    }
}

/// Step 13.
pub(super) fn may_use_client(person: &Person, rule: &Rule) -> Result<(), Rejection> {
    if person.may_use(&rule.people.groups) {
        return Ok(());
    }
    let rule = rule.name.clone();
    Err(AuthorizationReason::GroupMissing { rule }.into())
}
