//! Why an administrator makes a change: kept in the event.

use super::input;
use super::reply::Failure;
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
        let bytes = input::body(request, state).await?;
        match bytes.trim_ascii().is_empty() {
            true => Ok(Reason::default()),
            false => input::parse(&bytes),
        }
    }
}
