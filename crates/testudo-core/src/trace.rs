//! The recorder behind `testudo explain`: the decision functions record each check in the trace that the caller
//! passes. `explain` runs the same functions as a request, so there is no second copy of the logic.

use serde::{Deserialize, Serialize};

/// A trace of checks, which can be off. A trace that is off costs one branch per step.
#[derive(Debug, Default)]
pub struct Trace {
    steps: Option<Vec<Step>>,
}

/// Whether a check passed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckOutcome {
    /// The check passed.
    Passed,
    /// The check refused the request. It is the last one.
    Failed,
}

/// One check.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq, schemars::JsonSchema)]
pub struct Step {
    /// Name of the check; of one that failed, the name of the rejection.
    pub check: String,
    /// Whether it passed.
    pub outcome: CheckOutcome,
    /// The values that were checked; of a check that failed, why.
    pub detail: String,
}

impl Trace {
    /// A trace that records no checks.
    pub fn off() -> Trace {
        Trace::default()
    }

    /// A trace that records checks.
    pub fn on() -> Trace {
        Trace {
            steps: Some(Vec::new()),
        }
    }

    /// Records that a check passed.
    pub fn passed(&mut self, check: &str, detail: impl FnOnce() -> String) {
        self.record(check, CheckOutcome::Passed, detail);
    }

    /// Records the check that refused the request, by the name of its rejection.
    pub fn failed(&mut self, rejection: &str, why: impl FnOnce() -> String) {
        self.record(rejection, CheckOutcome::Failed, why);
    }

    fn record(&mut self, check: &str, outcome: CheckOutcome, detail: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.steps {
            steps.push(Step {
                check: check.to_owned(),
                outcome,
                detail: detail(),
            });
        }
    }

    /// The recorded checks.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps.unwrap_or_default()
    }
}
