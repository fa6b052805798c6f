//! `/account`: who is signed in here, and `/logout`.

use super::cookies::{Cookie, Cookies};
use super::flow::{Browser, opened_from};
use super::onward::Onward;
use super::page::{Frame, page};
use super::provider_links::{ProviderLink, provider_links};
use super::same_origin::must_be_of_this_server;
use super::sealed::Purpose;
use super::visit::{Visit, see_other, with_cookie};
use crate::config::LoginSettings;
use crate::fault::Stop;
use crate::settle::settle;
use askama::Template;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use testudo_core::occasions::sessions::{SessionEnd, SessionUse};
use testudo_core::people::SessionName;
use testudo_core::records::{Person, Session};
use testudo_core::rejection::RequestReason;

/// The session of the browser and its person, if it has not ended.
async fn signed_in(visit: &Visit<'_>, login: &LoginSettings) -> Result<Option<(Session, Person)>, Stop> {
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
    sign_out: String,
    token: String,
    providers: Vec<ProviderLink<'a>>,
}

/// GET `/account`
pub async fn show(visit: &Visit<'_>, login: &LoginSettings) -> Result<Response<Full<Bytes>>, Stop> {
    let Some((session, person)) = signed_in(visit, login).await? else {
        return Ok(see_other(&visit.path("/login")));
    };
    let browser = Browser::of(visit)?;
    let link = browser.seal(visit, Purpose::Flow, Onward::Link(session.name))?;
    let template = Account {
        frame: Frame::of(&visit.in_force.look, visit.id),
        name: person.shown_name(),
        email: person.email.as_deref(),
        sub: person.id.sub(),
        sign_out: visit.path("/logout"),
        token: browser.seal(visit, Purpose::Account, session.name)?,
        providers: provider_links(visit, login, &link),
    };
    Ok(with_cookie(page(StatusCode::OK, &template, None), browser.cookie))
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
fn session_of_form(visit: &Visit<'_>) -> Result<SessionName, Stop> {
    must_be_of_this_server(visit.headers, visit.issuer())?;
    let session: SessionName = opened_from(visit, Purpose::Account, "token")?;
    match visit.session() == Some(session) {
        true => Ok(session),
        false => Err(RequestReason::FlowNotOurs.into()),
    }
}
