//! The reason that an administrator gives for a change, which the event records.

use super::input;
use super::reply::ErrorAnswer;
use axum::extract::{FromRequest, Request};
use serde::Deserialize;

/// The body of a change that has no other input. The body may be left out; then `Content-Type` is ignored.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// The reason, which the event records.
    pub(super) reason: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Reason {
    type Rejection = ErrorAnswer;

    async fn from_request(request: Request, state: &S) -> Result<Reason, ErrorAnswer> {
        let bytes = input::body(request, state).await?;
        match bytes.trim_ascii().is_empty() {
            true => Ok(Reason::default()),
            false => input::parse(&bytes),
        }
    }
}
