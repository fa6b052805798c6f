//! Passkeys: a person signs in with one, makes one with an invitation, adds, names and removes them. [WEBAUTHN §7]
//!
//! Each ceremony has two requests. For the first one, a script of the page asks for what it hands to the browser: a challenge
//! and the conditions. The server keeps the challenge in the store, so any node can finish the ceremony, and it names the
//! browser by its cookie, so no other browser can. The second one is the form of the page, with the answer of the browser.
//! The ceremony ends with it, whether the answer is right or wrong.

mod account;
mod ceremony;
mod invitation;
pub mod relying_party;
mod script;
mod sign_in;

pub use account::{change, options_to_add};
pub use invitation::{accept, options_to_accept, show};
pub use sign_in::{options_to_sign_in, sign_in};

use super::refused_sign_in::{on_page, trail_of};
use super::visit::Visit;
use crate::audit::refuse;
use crate::config::LoginSettings;
use crate::fault::Stop;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use testudo_core::occasions::sign_in::NewSession;
use testudo_core::occasions::sign_in::passkey::METHOD;
use testudo_core::policy::PASSKEY_ACR;
use testudo_core::rejection::Endpoint;

/// The session of a person who used a passkey.
fn new_session<'v>(visit: &'v Visit<'_>, login: &LoginSettings) -> NewSession<'v> {
    NewSession {
        acr: Some(PASSKEY_ACR),
        ..visit.new_session(login, METHOD)
    }
}

/// The answer to the script of a page, with the same event.
async fn to_script(
    visit: &Visit<'_>,
    served: Result<Response<Full<Bytes>>, Stop>,
) -> Result<Response<Full<Bytes>>, Stop> {
    match served {
        Ok(response) => Ok(response),
        Err(Stop::Refused(rejection)) => {
            let answer = refuse(visit.app, &trail_of(visit), &rejection, Endpoint::None, None).await;
            Ok(script::refused(visit.id, &answer))
        }
        Err(Stop::Failed(fault)) => {
            crate::audit::note_fault(visit.app, visit.id, &fault);
            Ok(script::refused(visit.id, &fault.answer()))
        }
    }
}
