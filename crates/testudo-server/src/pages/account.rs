//! `/account`: who is signed in here, the sessions of the person, and what they granted to applications; and `/logout`.

use super::cookies::{Cookie, Cookies};
use super::flow::{Browser, opened_from};
use super::onward::Onward;
use super::page::{Frame, allow_script, page};
use super::provider_links::{ProviderLink, provider_links};
use super::same_origin::must_be_of_this_server;
use super::sealed::Purpose;
use super::visit::{Visit, see_other, with_cookie};
use crate::config::LoginSettings;
use crate::fault::{Fault, Stop};
use crate::person_records::{deadlines_of, part_of};
use crate::settle::settle;
use askama::Template;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use testudo_core::occasions::grant_end::GrantEnd;
use testudo_core::occasions::sessions::{SessionEnd, SessionUse};
use testudo_core::people::{GrantId, PersonId, SessionName};
use testudo_core::records::{Grant, GrantDeadlines, Passkey, Person, Record, Session};
use testudo_core::rejection::RequestReason;
use testudo_protocol::Timestamp;
use testudo_store::typed;

/// The session of the browser and its person, if it has not ended.
pub async fn signed_in(visit: &Visit<'_>, login: &LoginSettings) -> Result<Option<(Session, Person)>, Stop> {
    let Some(session) = visit.session() else {
        return Ok(None);
    };
    let request = SessionUse::new(session, login.session_idle_lifetime);
    settle(visit.app, &visit.in_force.policy, &request, |found, _| Ok(found)).await
}

#[derive(Template)]
#[template(path = "account.html")]
struct Account<'a> {
    frame: Frame<'a>,
    name: String,
    email: Option<&'a str>,
    sub: String,
    action: String,
    sign_out: String,
    token: String,
    has_passkeys: bool,
    passkeys: &'a [Passkey],
    options: String,
    providers: Vec<ProviderLink<'a>>,
    sessions: Vec<ShownSession>,
    grants: Vec<ShownGrant>,
}

/// A session, as the page lists it.
struct ShownSession {
    id: String,
    method: String,
    began: Timestamp,
    used: Timestamp,
    is_this: bool,
}

/// What the person granted to an application, as the page lists it.
struct ShownGrant {
    id: String,
    client_id: String,
    scope: String,
    began: Timestamp,
    /// When it ends if it is not used before; `None` if that is no earlier than `ends`.
    unused: Option<Timestamp>,
    ends: Option<Timestamp>,
}

impl ShownGrant {
    fn of(grant: &Grant, deadlines: GrantDeadlines) -> ShownGrant {
        ShownGrant {
            id: grant.id.to_string(),
            client_id: grant.client.client_id.clone(),
            scope: grant.terms.scope.to_string(),
            began: grant.created,
            unused: (deadlines.at_the_latest != Some(deadlines.unused)).then_some(deadlines.unused),
            ends: deadlines.at_the_latest,
        }
    }
}

/// Most sessions and most grants that the page lists. The others end by themselves, or are listed when these ended.
const LISTED_MAX: usize = 50;

/// The records of a kind that belong to a person and can be read.
async fn listed<R: Record>(visit: &Visit<'_>, person: PersonId) -> Result<Vec<R>, Stop> {
    let part = part_of(visit.app, R::KIND, Some(person), &[])
        .await
        .map_err(Fault::Store)?;
    let records = part
        .stored
        .into_iter()
        .filter_map(|stored| typed::<R>(stored).ok());
    Ok(records.map(|found| found.record).collect())
}

async fn sessions_of(
    visit: &Visit<'_>,
    login: &LoginSettings,
    own: &Session,
    person: &Person,
) -> Result<Vec<ShownSession>, Stop> {
    let now = visit.app.now();
    let sessions = listed::<Session>(visit, person.id).await?.into_iter();
    let alive = sessions.filter(|session| session.is_alive(person, login.session_idle_lifetime, now));
    let shown = alive.map(|session| ShownSession {
        id: session.name.id(),
        is_this: session.name == own.name,
        began: session.created,
        used: session.last_used,
        method: session.method,
    });
    Ok(shown.take(LISTED_MAX).collect())
}

async fn grants_of(visit: &Visit<'_>, person: PersonId) -> Result<Vec<ShownGrant>, Stop> {
    let now = visit.app.now();
    let grants = listed::<Grant>(visit, person).await?.into_iter();
    let grants: Vec<Grant> = grants.filter(|grant| now < grant.live_until).collect();
    let mut shown = Vec::new();
    // Usually the first part is enough: only grants that ended with their client are left out.
    for part in grants.chunks(LISTED_MAX) {
        let deadlines = deadlines_of(visit.app, part).await.map_err(Fault::Store)?;
        let in_force = part.iter().zip(deadlines);
        shown.extend(in_force.filter_map(|(grant, deadlines)| Some(ShownGrant::of(grant, deadlines?))));
        if shown.len() >= LISTED_MAX {
            break;
        }
    }
    shown.truncate(LISTED_MAX);
    Ok(shown)
}

/// GET `/account`
pub async fn show(visit: &Visit<'_>, login: &LoginSettings) -> Result<Response<Full<Bytes>>, Stop> {
    let Some((session, person)) = signed_in(visit, login).await? else {
        return Ok(see_other(&visit.path("/login")));
    };
    let browser = Browser::of(visit)?;
    let has_passkeys = login.passkeys.is_some() && person.may_have_passkeys();
    let link = browser.seal(visit, Purpose::Flow, Onward::Link(session.name))?;
    let template = Account {
        frame: Frame::with_script(&visit.in_force.look, visit.id, has_passkeys),
        has_passkeys,
        passkeys: &person.passkeys,
        options: visit.path("/account/options"),
        name: person.shown_name(),
        email: person.email.as_deref(),
        sub: person.id.sub(),
        action: visit.path("/account"),
        sign_out: visit.path("/logout"),
        sessions: sessions_of(visit, login, &session, &person).await?,
        grants: grants_of(visit, person.id).await?,
        token: browser.seal(visit, Purpose::Account, session.name)?,
        providers: provider_links(visit, login, &link),
    };
    let response = allow_script(page(StatusCode::OK, &template, None), template.frame);
    Ok(with_cookie(response, browser.cookie))
}

/// POST `/account`: the person ends a session or a grant.
pub async fn end(visit: &Visit<'_>, login: &LoginSettings) -> Result<Response<Full<Bytes>>, Stop> {
    let own = session_of_form(visit)?;
    if signed_in(visit, login).await?.is_none() {
        return Ok(see_other(&visit.path("/login")));
    }
    let policy = &visit.in_force.policy;
    let not_of_person = || Stop::from(RequestReason::FlowNotOurs);
    if let Some(id) = visit.form.get("session") {
        let other = SessionName::of_id(id).and_then(|other| SessionEnd::of_own(own, other, visit.id));
        let request = other.ok_or_else(not_of_person)?;
        settle(visit.app, policy, &request, |(), _| Ok(())).await?;
    }
    if let Some(id) = visit.form.get("grant") {
        let id = GrantId::parse(id).ok_or_else(not_of_person)?;
        let grant = visit
            .app
            .store
            .read::<Grant>(id.key())
            .await
            .map_err(Fault::Store)?;
        if let Some(grant) = grant {
            let request = GrantEnd::of_own(own, &grant.record, visit.id).ok_or_else(not_of_person)?;
            settle(visit.app, policy, &request, |(), _| Ok(())).await?;
        }
    }
    Ok(see_other(&visit.path("/account")))
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut<'a> {
    frame: Frame<'a>,
    login: String,
}

/// POST `/logout`: a form of the account page.
pub async fn sign_out(visit: &Visit<'_>) -> Result<Response<Full<Bytes>>, Stop> {
    let session = session_of_form(visit)?;
    let request = SessionEnd::sign_out(session, visit.id);
    settle(visit.app, &visit.in_force.policy, &request, |(), _| Ok(())).await?;
    let template = SignedOut {
        frame: Frame::of(&visit.in_force.look, visit.id),
        login: visit.path("/login"),
    };
    let cookie = Cookies::of(visit.issuer()).clear(Cookie::Session);
    Ok(with_cookie(page(StatusCode::OK, &template, None), cookie))
}

/// The session of a form of the account page: the browser must still have it.
pub fn session_of_form(visit: &Visit<'_>) -> Result<SessionName, Stop> {
    must_be_of_this_server(visit.headers, visit.issuer())?;
    let session: SessionName = opened_from(visit, Purpose::Account, "token")?;
    match visit.session() == Some(session) {
        true => Ok(session),
        false => Err(RequestReason::FlowNotOurs.into()),
    }
}
