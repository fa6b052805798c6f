//! The event of a sign-in that is refused, so that an administrator finds it by the request id that the page shows.

use super::authorize::noted;
use super::visit::Visit;
use crate::audit::RequestTrail;
use crate::fault::Stop;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use testudo_core::OccasionKind;

/// The answer to a form or to the response of a provider. A refusal has an event.
pub async fn on_page(
    visit: &Visit<'_>,
    served: Result<Response<Full<Bytes>>, Stop>,
) -> Result<Response<Full<Bytes>>, Stop> {
    noted(visit, &trail_of(visit), served).await
}

/// The request, of which no client is known.
pub(super) fn trail_of<'v>(visit: &Visit<'v>) -> RequestTrail<'v> {
    RequestTrail::of(OccasionKind::Authorization, visit.id)
}
