//! The way of a browser through the sign-in, which this server keeps in the browser and not in the store: where it goes
//! after the sign-in, sealed, and bound to the browser by a cookie.
//!
//! The cookie is a random value. What is sealed contains its digest, so that a form or a URL of one browser is refused in
//! another one: no attacker can make a browser go on with a sign-in that it did not begin (CSRF, session fixation). Several
//! windows of one browser share the cookie, and each goes its own way.

use super::cookies::{Cookie, Cookies};
use super::sealed::{self, Purpose};
use super::visit::Visit;
use crate::fault::{Fault, Stop};
use hyper::header::HeaderValue;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use testudo_core::people::SecretDigest;
use testudo_core::records::PushedRequest;
use testudo_core::rejection::RequestReason;
use testudo_protocol::{Seconds, base64url};

/// How long a person has for the sign-in and for the consent: as long as a pushed request is kept for it.
const FLOW_LIFETIME: Seconds = PushedRequest::KEPT;

/// What is sealed: a value and the browser that it belongs to.
#[derive(Serialize, Deserialize)]
struct OfBrowser<T> {
    #[serde(rename = "b")]
    browser: SecretDigest,
    #[serde(rename = "v")]
    value: T,
}

/// The cookie of this browser: the one that it sent, or a new one.
pub struct Browser {
    digest: SecretDigest,
    /// The field `Set-Cookie`, where the cookie is new.
    pub cookie: Option<HeaderValue>,
}

impl Browser {
    /// The browser of a request.
    pub fn of(visit: &Visit<'_>) -> Result<Browser, Fault> {
        if let Some(known) = visit.cookie(Cookie::Flow) {
            return Ok(Browser {
                digest: SecretDigest::of(known),
                cookie: None,
            });
        }
        let entropy = visit.app.clock.entropy().ok_or(Fault::NoEntropy)?;
        let value = base64url::text(entropy.secret());
        Ok(Browser {
            digest: SecretDigest::of(&value),
            cookie: Cookies::of(visit.issuer()).set(Cookie::Flow, &value),
        })
    }

    /// SHA-256 of the cookie.
    pub fn digest(&self) -> SecretDigest {
        self.digest
    }

    /// Seals a value for this browser.
    pub fn seal<T: Serialize>(&self, visit: &Visit<'_>, purpose: Purpose, value: T) -> Result<String, Fault> {
        let of_browser = OfBrowser {
            browser: self.digest,
            value,
        };
        let app = visit.app;
        sealed::seal(&app.encryption, purpose, &of_browser, app.now()).map_err(Fault::Sealing)
    }
}

/// Opens what was sealed for the browser of the request.
pub fn open<T: DeserializeOwned>(visit: &Visit<'_>, purpose: Purpose, sealed: &str) -> Result<T, Stop> {
    let app = visit.app;
    let opened: OfBrowser<T> = sealed::open(&app.encryption, purpose, sealed, app.now(), FLOW_LIFETIME)?;
    let browser = visit.cookie(Cookie::Flow).map(SecretDigest::of);
    match browser == Some(opened.browser) {
        true => Ok(opened.value),
        false => Err(RequestReason::FlowNotOurs.into()),
    }
}

/// The sealed value in a parameter, which must be there.
pub fn opened_from<T: DeserializeOwned>(visit: &Visit<'_>, purpose: Purpose, name: &str) -> Result<T, Stop> {
    let sealed = visit.form.get(name).ok_or(RequestReason::FlowNotOurs)?;
    open(visit, purpose, sealed)
}
