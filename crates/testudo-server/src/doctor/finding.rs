//! What was tried, and how it went.

use crate::state::refused::RefusedRecord;
use serde::Serialize;

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What was tried.
    pub subject: String,
    /// Whether it worked.
    pub is_good: bool,
    /// How it went.
    pub detail: String,
    /// What to do, where the detail does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What does not work, and what to do.
pub(super) struct Problem {
    detail: String,
    hint: Option<String>,
}

impl From<String> for Problem {
    /// A sentence that has its remedy in it.
    fn from(detail: String) -> Problem {
        Problem { detail, hint: None }
    }
}

pub(super) fn problem(detail: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem {
        detail: detail.into(),
        hint: Some(hint.into()),
    }
}

pub(super) type Outcome = Result<String, Problem>;

pub(super) fn finding(subject: impl Into<String>, outcome: Outcome) -> Finding {
    let is_good = outcome.is_ok();
    let Problem { detail, hint } = outcome.map_or_else(|problem| problem, Problem::from);
    Finding {
        subject: subject.into(),
        is_good,
        detail,
        hint,
    }
}

pub(super) fn of_record(record: RefusedRecord) -> Finding {
    finding(
        format!("record {} {:?}", record.kind, record.key),
        Err(record.why.into()),
    )
}
