//! The recorder behind `testudo explain`: the decision functions record each check in the trace that the caller
//! passes. `explain` runs the same functions as a request, so there is no second copy of the logic.

use serde::{Deserialize, Serialize};

/// A trace of checks, which can be off. A trace that is off costs one branch per step.
#[derive(Debug, Default)]
pub struct Trace {
    steps: Option<Vec<Step>>,
}

/// One check that passed.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq, schemars::JsonSchema)]
pub struct Step {
    /// Name of the check.
    pub check: String,
    /// The values that were checked.
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
        if let Some(steps) = &mut self.steps {
            steps.push(Step {
                check: check.to_owned(),
                detail: detail(),
            });
        }
    }

    /// The recorded checks.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps.unwrap_or_default()
    }
}
