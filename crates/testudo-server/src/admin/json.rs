//! JSON, of a request or of an answer.

use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A JSON body. How one is read is in `input.rs`.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}
