//! What every answer of the admin listeners has: `Request-Id`, and for errors a JSON body of this server.

use super::failure::Failure;
use super::operations;
use super::reply::ErrorAnswer;
use crate::state::app::App;
use crate::state::metrics::Route;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Instant;

/// The id that the answer has in `Request-Id`.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// Wraps every request, including those of probes and unknown paths.
pub(super) async fn complete_answer(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let request_id = app.clock.request_id();
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let mut response = with_error_body(next.run(request).await);
    app.metrics
        .note_answer(Route::Admin, response.status().as_u16(), Some(started.elapsed()));
    let headers = response.headers_mut();
    if let Ok(value) = request_id.parse() {
        headers.insert("request-id", value);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds a JSON body where the router answers without one: to an unknown path or an unsupported method.
fn with_error_body(response: Response) -> Response {
    let is_ours = response.headers().contains_key(header::CONTENT_TYPE);
    let (failure, error, hint) = match response.status() {
        StatusCode::NOT_FOUND if !is_ours => (
            Failure::NotFound,
            "no operation has this path",
            "GET /admin/v1/openapi.json describes all operations",
        ),
        StatusCode::METHOD_NOT_ALLOWED if !is_ours => (
            Failure::Method,
            "this operation does not accept this method",
            "the field Allow of this answer lists the methods that it accepts",
        ),
        _ => return response,
    };
    let answer = ErrorAnswer {
        failure,
        error: error.into(),
        hint: Some(hint.into()),
    };
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut response = answer.into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Wraps each operation: refuses query parameters where the operation has none. Otherwise a filter that was sent to the
/// wrong operation would look as if it had been applied.
pub(super) async fn refuse_query_parameters(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let has_query = request.uri().query().is_some_and(|query| !query.is_empty());
    if has_query && operations::takes_no_query(request.method(), path) {
        let hint = "GET /admin/v1/openapi.json describes the input of this operation";
        return ErrorAnswer::bad_request("this operation has no query parameters", Some(hint.into()))
            .into_response();
    }
    next.run(request).await
}
