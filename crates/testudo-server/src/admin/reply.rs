//! Answers of the admin API: JSON, and errors with a hint.

use super::failure::Failure;
use super::json::Json;
use crate::change::Change;
use crate::config::Problem;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use testudo_core::admin::{Decided, NotDone};
use testudo_store::{CommitError, StoreFault};

/// Why a request was not carried out, for an administrator.
#[derive(Debug)]
pub(super) struct ErrorAnswer {
    /// Decides the status and the OAuth error code.
    pub(super) failure: Failure,
    pub(super) error: String,
    pub(super) hint: Option<String>,
}

/// The body of every error, in the same form as at the public endpoints. [RFC6749 §5.2]
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct ErrorBody {
    /// OAuth error code, for programs. Example: `invalid_request`.
    error: &'static str,
    /// What is wrong, as a sentence for people.
    error_description: String,
    /// What the administrator can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The problems of the configuration, one by one, where a reload is refused. `error_description` contains all of them
    /// as one text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}

impl ErrorAnswer {
    pub(super) fn not_found(error: impl Into<String>, hint: &str) -> ErrorAnswer {
        ErrorAnswer {
            failure: Failure::NotFound,
            error: error.into(),
            hint: Some(hint.to_owned()),
        }
    }

    pub(super) fn bad_request(error: impl Into<String>, hint: Option<String>) -> ErrorAnswer {
        ErrorAnswer {
            failure: Failure::Input,
            error: error.into(),
            hint,
        }
    }
}

impl From<StoreFault> for ErrorAnswer {
    fn from(fault: StoreFault) -> ErrorAnswer {
        ErrorAnswer {
            failure: Failure::Unavailable,
            error: fault.to_string(),
            hint: None,
        }
    }
}

impl From<CommitError> for ErrorAnswer {
    fn from(error: CommitError) -> ErrorAnswer {
        match error {
            CommitError::Conflict(_) => ErrorAnswer {
                failure: Failure::Changed,
                error: "the record was changed meanwhile".into(),
                hint: Some("try again".into()),
            },
            CommitError::Unavailable(fault) => fault.into(),
            CommitError::Busy => ErrorAnswer {
                failure: Failure::Unavailable,
                error: "too many writes are waiting for the store".into(),
                hint: None,
            },
        }
    }
}

impl ErrorAnswer {
    fn with_problems(self, problems: Vec<Problem>) -> Response {
        let (status, code) = self.failure.status_and_code();
        let body = ErrorBody {
            error: code.name(),
            error_description: self.error,
            hint: self.hint,
            problems,
        };
        (status, Json(body)).into_response()
    }
}

impl IntoResponse for ErrorAnswer {
    fn into_response(self) -> Response {
        self.with_problems(Vec::new())
    }
}

/// A configuration that cannot be used, with its problems.
pub(super) struct Unusable {
    pub(super) answer: ErrorAnswer,
    pub(super) problems: Vec<Problem>,
}

impl IntoResponse for Unusable {
    fn into_response(self) -> Response {
        self.answer.with_problems(self.problems)
    }
}

pub(super) type Reply<T> = Result<Json<T>, ErrorAnswer>;

/// The answer to a change that was made.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub(super) struct Done {
    pub(super) done: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warning: Option<String>,
}

pub(super) fn done(what: impl Into<String>) -> Json<Done> {
    Json(Done {
        done: what.into(),
        warning: None,
    })
}

impl From<NotDone> for ErrorAnswer {
    fn from(why: NotDone) -> ErrorAnswer {
        ErrorAnswer {
            failure: match why.is_not_found {
                true => Failure::NotFound,
                false => Failure::Input,
            },
            error: why.problem,
            hint: why.hint.map(Cow::into_owned),
        }
    }
}

/// Commits a decision and returns its answer.
pub(super) async fn carry_out(change: &Change<'_>, decided: Decided) -> Reply<Done> {
    if let Some(changes) = &decided.changes {
        change.commit(changes).await?;
    }
    Ok(answer(decided))
}

/// How often a change of records that requests change as well is decided.
const ATTEMPTS_MAX: usize = 10;

/// Decides and commits a change with `once`, and again if a request changed a record meanwhile: otherwise an
/// attacker who uses a stolen refresh token all the time could keep an administrator from revoking it.
pub(super) async fn until_unchanged<T, F: Future<Output = Result<T, ErrorAnswer>>>(
    once: impl Fn() -> F,
) -> Result<T, ErrorAnswer> {
    let mut outcome = once().await;
    for _ in 1..ATTEMPTS_MAX {
        match outcome {
            Err(answer) if answer.failure == Failure::Changed => outcome = once().await,
            Ok(_) | Err(_) => break,
        }
    }
    outcome
}

/// The answer of a decision that is committed.
pub(super) fn answer(decided: Decided) -> Json<Done> {
    Json(Done {
        done: decided.done,
        warning: decided.warning.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn failed(failure: Failure) -> ErrorAnswer {
        ErrorAnswer {
            failure,
            error: "a record was changed meanwhile".into(),
            hint: None,
        }
    }

    /// How often a change is decided that fails `failures` times in this way first, and whether it is made.
    async fn attempts(failures: usize, failure: Failure) -> (usize, bool) {
        let count = Cell::new(0);
        let outcome = until_unchanged(async || {
            count.set(count.get() + 1);
            match count.get() <= failures {
                true => Err(failed(failure)),
                false => Ok(()),
            }
        });
        let is_made = outcome.await.is_ok();
        (count.get(), is_made)
    }

    #[tokio::test]
    async fn change_of_a_record_that_requests_change_is_decided_ten_times_and_other_failures_end_it() {
        assert_eq!(attempts(0, Failure::Changed).await, (1, true));
        assert_eq!(attempts(9, Failure::Changed).await, (10, true));
        assert_eq!(attempts(10, Failure::Changed).await, (10, false));
        for other in [Failure::NotFound, Failure::Input, Failure::Unavailable] {
            assert_eq!(attempts(1, other).await, (1, false), "{other:?}");
        }
    }
}
