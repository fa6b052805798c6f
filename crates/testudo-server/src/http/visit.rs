//! Requests for pages: the parts of a request that pages use.

use super::body::{self, RequestBody, is_form};
use super::incoming::Incoming;
use super::proxy;
use crate::fault::Stop;
use crate::pages::{self, Page, Visit};
use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response};
use std::sync::Arc;
use testudo_core::rejection::{Rejection, RequestReason};
use testudo_protocol::oauth::Form;

/// Answers a request for a page. A request whose parameters cannot be read is answered with a page as well.
pub(super) async fn answer<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    page: Page,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    let Incoming { peer, request, id } = incoming;
    let is_post = request.method() == Method::POST;
    let is_form = is_form(&request);
    let (head, body) = request.into_parts();
    let form = match is_post {
        // Where people cannot sign in, no parameter is read.
        _ if in_force.login.is_none() => Ok(Form::default()),
        true => posted(is_form, head.uri.query(), body).await,
        false => parsed(head.uri.query().unwrap_or_default().as_bytes()),
    };
    let (form, refused) = match form {
        Ok(form) => (form, None),
        Err(stop) => (Form::default(), Some(stop)),
    };
    let visit = Visit {
        app,
        in_force,
        id,
        uri: &head.uri,
        headers: &head.headers,
        address: proxy::address_of(&in_force.arrival, peer, &head.headers),
        is_post,
        form,
    };
    match refused {
        Some(stop) => pages::stopped(&visit, &stop),
        None => pages::answer(page, &visit).await,
    }
}

/// The form of a POST. Its parameters must all be in the body: a proxy or a log may keep the URL.
async fn posted<B: RequestBody>(is_form: bool, query: Option<&str>, body: B) -> Result<Form, Stop> {
    if query.is_some() {
        return Err(RequestReason::CredentialsInUrl.into());
    }
    if !is_form {
        return Err(RequestReason::NotAForm.into());
    }
    parsed(&body::read(body, Rejection::Request(RequestReason::NotAForm)).await?)
}

fn parsed(text: &[u8]) -> Result<Form, Stop> {
    Ok(Form::parse(text).map_err(RequestReason::MalformedForm)?)
}
