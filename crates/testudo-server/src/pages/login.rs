//! `/login`: how a person signs in, and where the browser goes after it.

use super::cookies::{Cookie, Cookies};
use super::flow::{Browser, opened_from};
use super::page::{Frame, page};
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
use serde::{Deserialize, Serialize};
use testudo_core::occasions::sign_in::NewSession;
use testudo_core::occasions::sign_in::development::{DevelopmentSignIn, SignedIn};
use testudo_core::rejection::{AdmissionReason, Rejection, SignInReason};

/// Where the browser goes after the sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Onward {
    /// To the account page: the person came to `/login` without an application.
    Account,
}

impl Onward {
    /// The URL. What an application asked for stays sealed, and goes there in the URL.
    fn url(&self, visit: &Visit<'_>) -> String {
        match self {
            Onward::Account => visit.path("/account"),
        }
    }
}

/// GET: the page of a person who came without an application.
pub fn show(visit: &Visit<'_>, login: &LoginSettings) -> Result<Response<Full<Bytes>>, Stop> {
    ask_to_sign_in(visit, login, Onward::Account)
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    frame: Frame<'a>,
    action: String,
    flow: String,
    names: &'a [String],
}

/// The page on which a person signs in, and then goes onward.
pub fn ask_to_sign_in(
    visit: &Visit<'_>,
    login: &LoginSettings,
    onward: Onward,
) -> Result<Response<Full<Bytes>>, Stop> {
    let browser = Browser::of(visit)?;
    let template = Login {
        frame: Frame::of(&visit.in_force.look, visit.id),
        action: visit.path("/login"),
        flow: browser.seal(visit, Purpose::Flow, onward)?,
        names: &login.development,
    };
    Ok(with_cookie(page(StatusCode::OK, &template, None), browser.cookie))
}

/// POST: a person chose a name of `login.development`.
pub async fn sign_in(visit: &Visit<'_>, login: &LoginSettings) -> Result<Response<Full<Bytes>>, Stop> {
    must_be_of_this_server(visit.headers, visit.issuer())?;
    let onward: Onward = opened_from(visit, Purpose::Flow, "flow")?;
    let name = visit.form.get("name").ok_or(SignInReason::NameNotListed)?;
    let cookie = begin_session(visit, login, name).await.map_err(as_sign_in)?;
    let cookie = Cookies::of(visit.issuer()).set(Cookie::Session, &cookie);
    Ok(with_cookie(see_other(&onward.url(visit)), cookie))
}

/// Begins the session, and makes the account at the first sign-in.
async fn begin_session(visit: &Visit<'_>, login: &LoginSettings, name: &str) -> Result<String, Stop> {
    let mut request = DevelopmentSignIn {
        name,
        names: &login.development,
        person: None,
        session: NewSession {
            method: "development",
            acr: None,
            lifetime: login.session_lifetime,
            earlier: visit.session().map(|earlier| earlier.key()),
            address: visit.address,
            request_id: visit.id,
        },
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
fn as_sign_in(stop: Stop) -> Stop {
    match stop {
        Stop::Refused(Rejection::Admission(AdmissionReason::TooFast {
            retry_after_seconds, ..
        })) => SignInReason::TooManySignIns { retry_after_seconds }.into(),
        Stop::Refused(_) | Stop::Failed(_) => stop,
    }
}
