//! The answer to a client whose request is refused.

use crate::audit::{RequestTrail, refuse};
use crate::http::fresh;
use crate::http::respond::error;
use crate::state::app::App;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use testudo_core::records::Event;
use testudo_core::rejection::{Authorization, Endpoint, Rejection};

/// Makes the answer, counts the refusal, and writes a sample of events. `would` is the event of the registration that
/// `first_use = "observe"` prevented.
pub(in crate::http) async fn refused(
    app: &App,
    trail: &RequestTrail<'_>,
    rejection: &Rejection,
    authorization: Authorization,
    would: Option<Box<Event>>,
) -> Response<Full<Bytes>> {
    // [RFC7662 §2.3] [RFC7009 §2.2.1] Errors are those of the token endpoint.
    let answer = refuse(app, trail, rejection, Endpoint::Token { authorization }, would).await;
    let mut response = error(&answer);
    if let Some(value) = answer.fresh {
        fresh::add(app, &mut response, value);
    }
    response
}
