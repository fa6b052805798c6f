//! Why an administrator makes a change: kept in the event.

use crate::keys::Note;
use axum::Json;
use serde::Deserialize;

/// Body of a change that needs no other input. It may be left out.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// Why, for the event.
    reason: Option<String>,
}

impl Reason {
    /// The reason in the body, where there is one.
    pub(super) fn of(body: Option<Json<Reason>>) -> Option<String> {
        body.and_then(|Json(body)| body.reason)
    }
}

/// An administrator, and the reason given.
pub(super) fn note(reason: Option<&str>) -> Note<'_> {
    Note {
        actor: "administrator",
        reason,
    }
}
