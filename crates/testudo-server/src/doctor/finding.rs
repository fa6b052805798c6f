//! The result of one check of `doctor`.

use crate::state::refused::RefusedRecord;
use serde::Serialize;

/// One check and its result.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What was checked.
    pub subject: String,
    /// Whether the check passed.
    pub is_good: bool,
    /// What was found.
    pub detail: String,
    /// What to do about a failure; absent where `detail` already contains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Why a check failed, and what to do.
pub(super) struct Problem {
    detail: String,
    hint: Option<String>,
}

impl From<String> for Problem {
    /// From a sentence that already contains what to do.
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
