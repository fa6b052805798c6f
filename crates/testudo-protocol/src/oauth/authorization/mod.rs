//! Authorization requests and their responses. [RFC6749 §4.1] [OAUTH-2.1 §4.1]
//!
//! A request arrives as parameters, as a signed object [RFC9101] or as the name of a pushed request [RFC9126]
//! ([`SentRequest`]). Its parameters become an [`AuthorizationRequest`], which is right by itself; whether the client may
//! make it, and whether its redirect URI is registered, depends on the server. Only with a registered redirect URI is
//! an error returned to the client ([`AuthorizationResponse`]); otherwise it is shown on a page.

mod error;
mod modes;
mod parameters;
mod pushed;
mod request;
mod response;

pub use error::AuthorizationRequestError;
pub use modes::{Prompt, ResponseMode};
pub use parameters::{AuthorizationParameters, SentRequest};
pub use pushed::PushedRequestUri;
pub use request::{AuthorizationRequest, KeyThumbprint};
pub use response::{AuthorizationOutcome, AuthorizationResponse, Delivery};

#[cfg(test)]
mod tests;
