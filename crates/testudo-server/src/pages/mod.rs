//! HTML pages for people: sign-in, account, and the authorization endpoint. Each page has a file. What all pages have in
//! common is here: which path is which page, the host at which they are, and the page of a refused request.

mod account;
mod authorize;
mod consent;
pub mod cookies;
mod flow;
mod login;
mod moment;
mod onward;
mod page;
pub mod passkeys;
mod provider_links;
mod providers;
mod refused_sign_in;
pub mod same_origin;
pub mod sealed;
mod visit;

pub use visit::Visit;

use crate::audit::note_fault;
use crate::config::LoginSettings;
use crate::fault::Stop;
use crate::state::in_force::InForce;
use crate::state::metrics::{RejectionLabel, Route};
use askama::Template;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use page::Frame;
use providers::CALLBACK;
use refused_sign_in::on_page;
use same_origin::must_be_at_the_host;
use testudo_core::rejection::{Endpoint, Rejection, RequestReason};
use visit::see_other;

/// A page, or a file that pages load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The authorization endpoint. [RFC6749 §3.1]
    Authorization,
    /// The sign-in.
    Login,
    /// The use of an invitation.
    Invite,
    /// What the script of a page asks for a passkey ceremony.
    Options(Ceremony),
    /// Where a browser comes back from an OpenID provider.
    ProviderCallback,
    /// The keys with which this server authenticates at OpenID providers.
    ProviderKeys,
    /// The answer to the consent page.
    Consent,
    /// The account of the person who is signed in.
    Account,
    /// The sign-out.
    Logout,
    /// The style sheet.
    Style,
    /// The script of pages with passkeys.
    Script,
    /// The logo.
    Logo,
    /// The icon at the tab.
    Icon,
}

/// A passkey ceremony, by the page on which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceremony {
    /// The sign-in.
    Login,
    /// The use of an invitation.
    Invite,
    /// The account page, for one more passkey.
    Account,
}

impl Page {
    /// The page of a path; `below` is what follows the path of the issuer. `None` where no page is.
    pub fn at(below: &str, path: &str, in_force: &InForce) -> Option<Page> {
        let look = &in_force.look;
        let is_logo = || look.logo.as_ref().is_some_and(|logo| logo.path == path);
        let page = match below {
            "/authorize" => return Some(Page::Authorization),
            _ if look.style.path == path => return Some(Page::Style),
            _ if look.script.path == path => Page::Script,
            _ if is_logo() => return Some(Page::Logo),
            _ if look.icon.path == path => return Some(Page::Icon),
            "/login" => Page::Login,
            "/login/options" => Page::Options(Ceremony::Login),
            "/invite" => Page::Invite,
            "/invite/options" => Page::Options(Ceremony::Invite),
            "/account/options" => Page::Options(Ceremony::Account),
            "/login/jwks" => Page::ProviderKeys,
            _ if below.starts_with(CALLBACK) => Page::ProviderCallback,
            "/consent" => Page::Consent,
            "/account" => Page::Account,
            "/logout" => Page::Logout,
            _ => return None,
        };
        let is_of_passkeys = matches!(page, Page::Invite | Page::Options(_) | Page::Script);
        let login = in_force.login.as_ref()?;
        (!is_of_passkeys || login.passkeys.is_some()).then_some(page)
    }

    /// The methods that the page accepts, in the form of `Allow`.
    pub fn methods(self) -> &'static str {
        match self {
            // [RFC6749 §3.1] GET must be supported, POST may be.
            Page::Authorization | Page::Login | Page::Invite | Page::Account | Page::Logout => {
                "GET, HEAD, POST"
            }
            Page::Consent | Page::Options(_) => "POST",
            // Without HEAD: a request that is not the browser's must not use the code.
            Page::ProviderCallback => "GET",
            Page::ProviderKeys | Page::Style | Page::Script | Page::Logo | Page::Icon => "GET, HEAD",
        }
    }

    /// Under which its answers are counted.
    pub fn route(self) -> Route {
        match self {
            Page::Authorization => Route::Authorization,
            Page::Login
            | Page::Invite
            | Page::Options(_)
            | Page::ProviderCallback
            | Page::ProviderKeys
            | Page::Consent
            | Page::Account
            | Page::Logout
            | Page::Style
            | Page::Script
            | Page::Logo
            | Page::Icon => Route::Page,
        }
    }
}

/// Answers a request for a page.
pub async fn answer(page: Page, visit: &Visit<'_>) -> Response<Full<Bytes>> {
    match serve(page, visit).await {
        Ok(response) => response,
        Err(stop) => stopped(visit, &stop),
    }
}

async fn serve(page: Page, visit: &Visit<'_>) -> Result<Response<Full<Bytes>>, Stop> {
    must_be_at_the_host(visit.uri, visit.headers, visit.issuer())?;
    let look = &visit.in_force.look;
    match (page, &look.logo, visit.login()) {
        (Page::Style, _, _) => Ok(look.style.response()),
        (Page::Script, _, _) => Ok(look.script.response()),
        (Page::Logo, Some(logo), _) => Ok(logo.response()),
        (Page::Icon, _, _) => Ok(look.icon.response()),
        (Page::Authorization, _, None) => Ok(no_sign_in(visit)),
        (_, _, Some(login)) => serve_people(page, visit, login).await,
        (_, _, None) => Err(RequestReason::NoSuchEndpoint.into()),
    }
}

/// The pages of a server at which people sign in.
async fn serve_people(
    page: Page,
    visit: &Visit<'_>,
    login: &LoginSettings,
) -> Result<Response<Full<Bytes>>, Stop> {
    let no_such_page = || Err(RequestReason::NoSuchEndpoint.into());
    let is_of_passkeys = visit.is_post && is_about_passkeys(visit);
    match (page, &login.passkeys) {
        (Page::Login, Some(party)) if is_of_passkeys => passkeys::sign_in(visit, login, party).await,
        (Page::Login, _) if visit.is_post => on_page(visit, login::sign_in(visit, login).await).await,
        (Page::Login, _) => match visit.form.get("provider") {
            Some(provider) => on_page(visit, providers::begin(visit, login, provider).await).await,
            None => login::show(visit, login),
        },
        (Page::Invite, Some(party)) if visit.is_post => passkeys::accept(visit, login, party).await,
        (Page::Invite, Some(_)) => passkeys::show(visit),
        (Page::Options(ceremony), Some(party)) => match ceremony {
            Ceremony::Login => passkeys::options_to_sign_in(visit, party).await,
            Ceremony::Invite => passkeys::options_to_accept(visit, party).await,
            Ceremony::Account => passkeys::options_to_add(visit, login, party).await,
        },
        (Page::Invite | Page::Options(_), None) => no_such_page(),
        (Page::ProviderCallback, _) => {
            let (_, name) = visit.uri.path().split_once(CALLBACK).unwrap_or_default();
            on_page(visit, providers::callback(visit, login, name).await).await
        }
        (Page::ProviderKeys, _) => providers::jwks(visit, login).await,
        (Page::Account, Some(party)) if is_of_passkeys => passkeys::change(visit, login, party).await,
        (Page::Account, _) if visit.is_post => account::end(visit, login).await,
        (Page::Account, _) => account::show(visit, login).await,
        (Page::Logout, _) if visit.is_post => account::sign_out(visit).await,
        (Page::Logout, _) => Ok(see_other(&visit.path("/account"))),
        (Page::Authorization, _) => authorize::authorize(visit, login).await,
        (Page::Consent, _) => authorize::consent(visit, login).await,
        (Page::Style | Page::Script | Page::Logo | Page::Icon, _) => no_such_page(),
    }
}

/// True for a form about passkeys. Where the browser runs no script, the form has the button alone.
fn is_about_passkeys(visit: &Visit<'_>) -> bool {
    let has_field = ["credential", "ceremony", "passkey"]
        .iter()
        .any(|name| visit.form.has(name));
    has_field || matches!(visit.form.get("do"), Some("passkey" | "add_passkey"))
}

/// The page of a request that is refused, or that failed, and is not redirected.
pub fn stopped(visit: &Visit<'_>, stop: &Stop) -> Response<Full<Bytes>> {
    let frame = Frame::of(&visit.in_force.look, visit.id);
    match stop {
        Stop::Refused(rejection) => {
            count(visit, rejection);
            page::refused(frame, &rejection.answer(Endpoint::None))
        }
        Stop::Failed(fault) => {
            note_fault(visit.app, visit.id, fault);
            page::refused(frame, &fault.answer())
        }
    }
}

fn count(visit: &Visit<'_>, rejection: &Rejection) {
    let label = RejectionLabel {
        rejection: rejection.name(),
    };
    visit.app.metrics.refused.get_or_create(&label).inc();
}

#[derive(Template)]
#[template(path = "no_sign_in.html")]
struct NoSignIn<'a> {
    frame: Frame<'a>,
}

/// The answer of the authorization endpoint where people cannot sign in. The browser is not redirected: the redirect URI
/// in the request may be an attacker's. [RFC6749 §4.1.2.1]
fn no_sign_in(visit: &Visit<'_>) -> Response<Full<Bytes>> {
    let frame = Frame::of(&visit.in_force.look, visit.id);
    // A page for people has no OAuth error code, so its status is stated here: the request cannot be served.
    page::page(StatusCode::BAD_REQUEST, &NoSignIn { frame }, None)
}
