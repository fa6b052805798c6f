//! JSON bodies of requests and answers.

use super::shown::Shown;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A JSON body. `input.rs` parses it from a request.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(Shown(&self.0)).into_response()
    }
}
