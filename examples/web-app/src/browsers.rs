//! What the application knows of each browser, by a cookie. It is in memory: after a restart people sign in again.

use aws_lc_rs::rand;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use testudo_client::{PersonTokens, SignIn};

const COOKIE: &str = "__Host-shop";
const BROWSERS_MAX: usize = 10_000;
const SIGNING_IN_FOR: Duration = Duration::from_secs(10 * 60);
const SIGNED_IN_FOR: Duration = Duration::from_secs(12 * 60 * 60);

/// A browser.
pub enum Browser {
    /// It was sent to the authorization server.
    SigningIn(Box<SignIn>),
    /// Its person is signed in.
    SignedIn(Arc<PersonTokens>),
}

/// The browsers, by the value of their cookie, each with the time at which it is forgotten.
#[derive(Default)]
pub struct Browsers(Mutex<HashMap<String, (Instant, Browser)>>);

impl Browsers {
    /// Keeps a browser under a new random value. Returns the cookie, or `None` if there are too many browsers.
    pub fn keep(&self, browser: Browser) -> Option<String> {
        let mut random = [0; 32];
        rand::fill(&mut random).ok()?;
        let (value, now) = (URL_SAFE_NO_PAD.encode(random), Instant::now());
        let lifetime = match &browser {
            Browser::SigningIn(_) => SIGNING_IN_FOR,
            Browser::SignedIn(_) => SIGNED_IN_FOR,
        };
        let mut browsers = self.locked();
        if browsers.len() >= BROWSERS_MAX {
            browsers.retain(|_, (until, _)| *until > now);
        }
        if browsers.len() >= BROWSERS_MAX {
            return None;
        }
        browsers.insert(value.clone(), (now + lifetime, browser));
        Some(format!(
            "{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"
        ))
    }

    /// The tokens of the person who is signed in with this browser.
    pub fn person_of(&self, headers: &HeaderMap) -> Option<Arc<PersonTokens>> {
        match self.locked().get(value_of(headers)?)? {
            (until, Browser::SignedIn(person)) if *until > Instant::now() => Some(person.clone()),
            _ => None,
        }
    }

    /// The sign-in that this browser started. It can be taken once.
    pub fn take_sign_in(&self, headers: &HeaderMap) -> Option<SignIn> {
        match self.locked().remove(value_of(headers)?)? {
            (until, Browser::SigningIn(sign_in)) if until > Instant::now() => Some(*sign_in),
            _ => None,
        }
    }

    /// Forgets the browser.
    pub fn forget(&self, headers: &HeaderMap) {
        if let Some(value) = value_of(headers) {
            self.locked().remove(value);
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, (Instant, Browser)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of the cookie.
fn value_of(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(header::COOKIE).iter();
    fields.find_map(|field| {
        let mut cookies = field.to_str().ok()?.split(';').map(str::trim);
        cookies.find_map(|cookie| cookie.strip_prefix(COOKIE)?.strip_prefix('='))
    })
}
