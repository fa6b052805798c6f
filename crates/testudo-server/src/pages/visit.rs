//! A request for a page, and why it ends without one.

use super::cookies::{Cookie, Cookies};
use crate::config::LoginSettings;
use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode, Uri};
use std::net::IpAddr;
use std::sync::Arc;
use testudo_core::occasions::sign_in::NewSession;
use testudo_core::people::SessionName;
use testudo_protocol::oauth::{Form, IssuerUrl};

/// A request for a page.
pub struct Visit<'v> {
    /// The server.
    pub app: &'v App,
    /// The configuration in force.
    pub in_force: &'v Arc<InForce>,
    /// The request id that the page shows.
    pub id: &'v str,
    /// The URI of the request.
    pub uri: &'v Uri,
    /// Its header fields.
    pub headers: &'v HeaderMap,
    /// The address of the browser.
    pub address: Option<IpAddr>,
    /// True if the request changes something (POST).
    pub is_post: bool,
    /// The parameters: of the URL, or of the body of a POST.
    pub form: Form,
}

impl<'v> Visit<'v> {
    /// The issuer, at whose host all pages are.
    pub fn issuer(&self) -> &'v IssuerUrl {
        &self.in_force.policy.issuer
    }

    /// The path of a page.
    pub fn path(&self, below: &str) -> String {
        format!("{}{below}", self.issuer().path())
    }

    /// The value of a cookie.
    pub fn cookie(&self, cookie: Cookie) -> Option<&'v str> {
        Cookies::of(self.issuer()).read(self.headers, cookie)
    }

    /// The session that the browser names. It may have ended.
    pub fn session(&self) -> Option<SessionName> {
        SessionName::parse(self.cookie(Cookie::Session)?)
    }

    /// The session that begins when a person signs in with this request by this method, now and without a named strength.
    pub fn new_session<'s>(&'s self, login: &LoginSettings, method: &'s str) -> NewSession<'s> {
        NewSession {
            method,
            passkey: None,
            acr: None,
            authenticated: None,
            lifetime: login.session_lifetime,
            earlier: self.session().map(|earlier| earlier.key()),
            address: self.address,
            request_id: self.id,
        }
    }

    /// How people sign in; `None`: they cannot.
    pub fn login(&self) -> Option<&'v LoginSettings> {
        self.in_force.login.as_ref()
    }
}

/// [RFC9110 §15.4.4] Sends the browser to a URL, where it makes a GET: what a form contained is not sent there.
/// [RFC9700 §4.12]
pub fn see_other(url: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    // A URL of this server or of a client, in both of which all other characters are percent-encoded.
    if let Ok(url) = HeaderValue::try_from(url) {
        headers.insert(header::LOCATION, url);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Adds a cookie to an answer.
pub fn with_cookie(mut response: Response<Full<Bytes>>, field: Option<HeaderValue>) -> Response<Full<Bytes>> {
    if let Some(field) = field {
        response.headers_mut().append(header::SET_COOKIE, field);
    }
    response
}
