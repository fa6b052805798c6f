//! Where a browser goes after the sign-in. It travels sealed, in the form of the sign-in page and in the URL.

use super::visit::Visit;
use serde::{Deserialize, Serialize};
use testudo_core::occasions::authorize::Asked;
use testudo_core::people::SessionName;
use testudo_protocol::Timestamp;

/// Where the browser goes after the sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Onward {
    /// To the account page: the person came to `/login` without an application.
    Account,
    /// To the account page, after the person of this session has one more account at a provider.
    Link(SessionName),
    /// To the request of an application.
    Application(Box<Begun>),
}

impl Onward {
    /// The URL after the sign-in. `sealed` is this value as the form had it: it stays sealed, and goes there in the URL.
    pub fn next(&self, visit: &Visit<'_>, sealed: &str) -> String {
        match self {
            Onward::Account | Onward::Link(_) => visit.path("/account"),
            Onward::Application(_) => url_of(visit, sealed),
        }
    }
}

/// A request on its way through the sign-in and the consent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Begun {
    /// The request.
    pub asked: Asked,
    /// When the browser came with it first.
    pub begun: Timestamp,
    /// The origin of the redirect URI, which was proven to be one of the client.
    pub redirect: String,
}

/// The parameter in which a browser brings a request back.
pub const FLOW: &str = "flow";

/// The URL at which a browser goes on with a sealed request.
pub fn url_of(visit: &Visit<'_>, sealed: &str) -> String {
    // The characters of base64url need no encoding.
    format!("{}?{FLOW}={sealed}", visit.path("/authorize"))
}
