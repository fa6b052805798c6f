//! HTML pages for people. There is one: it states that people cannot sign in at this server. The parts on which the pages
//! for sign-in are built: cookies, sealed state, and the checks of where a request comes from.

pub mod cookies;
mod page;
pub mod same_origin;
pub mod sealed;

use crate::state::app::App;
use crate::state::in_force::InForce;
use crate::state::look::Look;
use crate::state::metrics::{RejectionLabel, Route};
use askama::Template;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode, Uri};
use page::Frame;
use testudo_core::rejection::{Rejection, RequestReason};

/// A page, or a file that pages load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The authorization endpoint. [RFC6749 §3.1]
    Authorization,
    /// The style sheet.
    Style,
    /// The logo.
    Logo,
}

impl Page {
    /// The page of a path; `below` is what follows the path of the issuer. `None` where no page is.
    pub fn at(below: &str, path: &str, look: &Look) -> Option<Page> {
        match below {
            "/authorize" => Some(Page::Authorization),
            _ if look.style.path == path => Some(Page::Style),
            _ => look
                .logo
                .as_ref()
                .filter(|logo| logo.path == path)
                .map(|_| Page::Logo),
        }
    }

    /// The methods that the page accepts, in the form of `Allow`.
    pub fn methods(self) -> &'static str {
        match self {
            // [RFC6749 §3.1] GET must be supported, POST may be.
            Page::Authorization => "GET, HEAD, POST",
            Page::Style | Page::Logo => "GET, HEAD",
        }
    }

    /// Under which its answers are counted.
    pub fn route(self) -> Route {
        match self {
            Page::Authorization => Route::Authorization,
            Page::Style | Page::Logo => Route::Page,
        }
    }
}

/// A request for a page.
pub struct Visit<'v> {
    /// The request id that the page shows.
    pub id: &'v str,
    /// The URI of the request.
    pub uri: &'v Uri,
    /// Its header fields.
    pub headers: &'v HeaderMap,
}

/// Answers a request for a page.
pub fn answer(app: &App, in_force: &InForce, page: Page, visit: &Visit<'_>) -> Response<Full<Bytes>> {
    let issuer = &in_force.policy.issuer;
    if let Err(reason) = same_origin::must_be_at_the_host(visit.uri, visit.headers, issuer) {
        return refused(app, in_force, visit, &reason.into());
    }
    match page {
        Page::Authorization => no_sign_in(Frame::of(&in_force.look, visit.id)),
        Page::Style => in_force.look.style.response(),
        Page::Logo => match &in_force.look.logo {
            Some(logo) => logo.response(),
            None => refused(app, in_force, visit, &RequestReason::NoSuchEndpoint.into()),
        },
    }
}

/// The page of a request that is refused and not redirected. It is counted and has no event.
fn refused(app: &App, in_force: &InForce, visit: &Visit<'_>, rejection: &Rejection) -> Response<Full<Bytes>> {
    let label = RejectionLabel {
        rejection: rejection.name(),
    };
    app.metrics.refused.get_or_create(&label).inc();
    page::refused(Frame::of(&in_force.look, visit.id), rejection)
}

#[derive(Template)]
#[template(path = "no_sign_in.html")]
struct NoSignIn<'a> {
    frame: Frame<'a>,
}

/// The answer of the authorization endpoint where people cannot sign in. The browser is not redirected: the redirect URI
/// in the request may be an attacker's. [RFC6749 §4.1.2.1]
fn no_sign_in(frame: Frame<'_>) -> Response<Full<Bytes>> {
    // A page for people has no OAuth error code, so its status is stated here: the request cannot be served.
    page::page(StatusCode::BAD_REQUEST, &NoSignIn { frame }, None)
}
