//! Why an administrator makes a change: kept in the event.

use super::reply::Failure;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde::Deserialize;

/// Body of a change that needs no other input. It may be left out, whatever `Content-Type` then says.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// Why, for the event.
    pub(super) reason: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Reason {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Reason, Failure> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| Failure::bad_request(format!("the body cannot be read: {error}"), None))?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Reason::default());
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::bad_request(
                format!("the body cannot be read: {error}"),
                Some("expected: nothing, or {\"reason\": \"incident 7\"}".into()),
            )
        })
    }
}
