//! `/login`: how a person signs in, and where the browser goes after it.

use super::cookies::{Cookie, Cookies};
use super::flow::{Browser, open, opened_from};
use super::onward::{FLOW, Onward};
use super::page::{Frame, allow_script, page};
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
use testudo_core::occasions::authorize::ClientShown;
use testudo_core::occasions::sign_in::SignedIn;
use testudo_core::occasions::sign_in::development::DevelopmentSignIn;
use testudo_core::rejection::{AdmissionReason, Rejection, SignInReason};

/// The application that asks a person to sign in.
pub struct Asker<'a> {
    /// What pages show of it.
    pub client: &'a ClientShown,
    /// `login_hint` of the request.
    pub login_hint: Option<&'a str>,
}

/// GET: the page of a person who came without an application, or who wants to go on as another person.
pub fn show(visit: &Visit<'_>, login: &LoginSettings) -> Result<Response<Full<Bytes>>, Stop> {
    let onward = match visit.form.get(FLOW) {
        Some(sealed) => open(visit, Purpose::Flow, sealed)?,
        None => Onward::Account,
    };
    ask_to_sign_in(visit, login, &onward, None)
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    frame: Frame<'a>,
    action: String,
    flow: String,
    client: Option<&'a str>,
    redirect: &'a str,
    names: Vec<&'a str>,
    has_passkeys: bool,
    options: String,
    providers: Vec<ProviderLink<'a>>,
}

/// The page on which a person signs in, and then goes onward.
pub fn ask_to_sign_in(
    visit: &Visit<'_>,
    login: &LoginSettings,
    onward: &Onward,
    asker: Option<Asker<'_>>,
) -> Result<Response<Full<Bytes>>, Stop> {
    let browser = Browser::of(visit)?;
    let asker = asker.as_ref();
    let client = asker.map(|asker| asker.client);
    let hint = asker.and_then(|asker| asker.login_hint);
    let mut names: Vec<&str> = login.development.iter().map(String::as_str).collect();
    // The name that the application expects comes first. The others stay in their order.
    names.sort_by_key(|name| hint != Some(name));
    let flow = browser.seal(visit, Purpose::Flow, onward)?;
    let has_passkeys = login.passkeys.is_some();
    let template = Login {
        frame: Frame::with_script(&visit.in_force.look, visit.id, has_passkeys),
        action: visit.path("/login"),
        has_passkeys,
        options: visit.path("/login/options"),
        providers: provider_links(visit, login, &flow),
        flow,
        client: client.map(|client| client.name.as_deref().unwrap_or(&client.client_id)),
        redirect: client.map_or("", |client| &client.redirect),
        names,
    };
    // The answer to the form may lead to the application, if the person need not be asked.
    let redirects_to = match onward {
        Onward::Account | Onward::Link(_) => None,
        Onward::Application(begun) => Some(begun.redirect.as_str()),
    };
    let response = allow_script(page(StatusCode::OK, &template, redirects_to), template.frame);
    Ok(with_cookie(response, browser.cookie))
}

/// POST: a person chose a name of `login.development`.
pub async fn sign_in(visit: &Visit<'_>, login: &LoginSettings) -> Result<Response<Full<Bytes>>, Stop> {
    must_be_of_this_server(visit.headers, visit.issuer())?;
    let onward: Onward = opened_from(visit, Purpose::Flow, FLOW)?;
    let name = visit.form.get("name").ok_or(SignInReason::NameNotListed)?;
    let next = onward.next(visit, visit.form.get(FLOW).unwrap_or_default());
    let cookie = begin_session(visit, login, name).await.map_err(as_sign_in)?;
    let cookie = Cookies::of(visit.issuer()).set(Cookie::Session, &cookie);
    Ok(with_cookie(see_other(&next), cookie))
}

/// Begins the session, and makes the account at the first sign-in.
async fn begin_session(visit: &Visit<'_>, login: &LoginSettings, name: &str) -> Result<String, Stop> {
    let mut request = DevelopmentSignIn {
        name,
        names: &login.development,
        person: None,
        session: visit.new_session(login, "development"),
    };
    let policy = &visit.in_force.policy;
    // The first decision finds the account that has the name, the second one reads it. A third one would be needed only if
    // the account was removed and made again meanwhile.
    for _ in 0..3 {
        match settle(visit.app, policy, &request, |outcome, _| Ok(outcome)).await? {
            SignedIn::Begun(cookie) => return Ok(cookie),
            SignedIn::Account(person) => request.person = Some(person),
        }
    }
    Err(SignInReason::AccountNotActive.into())
}

/// The limiter is that of registrations, whose sentence is about clients.
pub fn as_sign_in(stop: Stop) -> Stop {
    match stop {
        Stop::Refused(Rejection::Admission(AdmissionReason::TooFast {
            retry_after_seconds, ..
        })) => SignInReason::TooManySignIns { retry_after_seconds }.into(),
        Stop::Refused(_) | Stop::Failed(_) => stop,
    }
}
