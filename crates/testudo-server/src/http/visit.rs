//! Requests for pages: the parts of a request that pages use.

use super::incoming::Incoming;
use crate::pages::{self, Page, Visit};
use crate::state::app::App;
use crate::state::in_force::InForce;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use std::sync::Arc;

/// Answers a request for a page.
pub(super) async fn answer<B>(
    app: &App,
    in_force: &Arc<InForce>,
    page: Page,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    let visit = Visit {
        id: incoming.id,
        uri: incoming.request.uri(),
        headers: incoming.request.headers(),
    };
    pages::answer(app, in_force, page, &visit)
}
