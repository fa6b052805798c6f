//! Whether a load balancer should send requests to this node, check by check: for `/readyz` of both listeners, and for
//! `testudo status`.

use crate::state::app::App;
use serde::Serialize;
use std::sync::atomic::Ordering;
use testudo_protocol::Seconds;

/// How long after its start a node waits for the first keys of each authority before it is ready without them.
///
/// The time is enough for six attempts at a source. After it, one publisher that cannot be reached does not keep the
/// node out of service: workloads of all other authorities are served, and those of this authority are answered 503.
pub const FIRST_KEYS_GRACE: Seconds = Seconds(30);

/// One condition of readiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Check {
    /// `started`, `changes`, or `keys` with the name of an authority.
    pub name: String,
    /// The result of the check.
    pub state: CheckState,
    /// What was found, and what follows from it.
    pub detail: String,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// The condition is met.
    Ok,
    /// The condition is not met, and the node is ready nevertheless.
    Degraded,
    /// The condition is not met: the node is not ready.
    Failed,
}

/// The results of all checks at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Readiness {
    /// True if the node would serve a known client.
    pub ready: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Readiness {
    /// Runs all checks.
    pub fn of(app: &App) -> Readiness {
        let mut checks = vec![started(app), changes(app)];
        checks.extend(signing_key_checks(app));
        Readiness {
            ready: checks.iter().all(|check| check.state != CheckState::Failed),
            checks,
        }
    }

    /// The same for unauthenticated callers. An authority is named only while its keys are missing, which the answer to a
    /// request with a credential of the authority shows too (503 instead of 400).
    pub fn without_authorities_that_have_keys(mut self) -> Readiness {
        self.checks
            .retain(|check| check.state != CheckState::Ok || !check.name.starts_with(KEYS));
        self
    }
}

const KEYS: &str = "keys of ";

fn check(name: impl Into<String>, state: CheckState, detail: impl Into<String>) -> Check {
    Check {
        name: name.into(),
        state,
        detail: detail.into(),
    }
}

fn started(app: &App) -> Check {
    match app.condition.is_ready.load(Ordering::Acquire) {
        true => check("started", CheckState::Ok, "everything is loaded"),
        false => check(
            "started",
            CheckState::Failed,
            "the server is starting or stopping",
        ),
    }
}

fn changes(app: &App) -> Check {
    match app.applied_changes.may_serve() {
        true => check("changes", CheckState::Ok, "changes by other nodes are known"),
        false => check(
            "changes",
            CheckState::Failed,
            "changes by other nodes could not be received for longer than store.serve_without_store: requests are answered 503",
        ),
    }
}

/// One check per enabled authority: its keys were fetched once, or the waiting time is over. With keys that are too old a
/// node is still ready, because they are too old on every node.
fn signing_key_checks(app: &App) -> Vec<Check> {
    let now = app.moment();
    let waited = app.condition.started.age(now);
    let (in_force, switches) = (app.in_force.load(), app.switches.load());
    let enabled = in_force
        .anchors
        .iter()
        .filter(|(authority, _)| switches.is_enabled(authority));
    let mut checks: Vec<Check> = enabled
        .map(|(authority, anchor)| {
            let (state, detail) = match (anchor.held_keys_once(), anchor.current(now).is_some()) {
                (true, true) => (CheckState::Ok, "there are keys".to_owned()),
                (true, false) => (
                    CheckState::Degraded,
                    "the keys are past their maximum age: its credentials are answered 503".to_owned(),
                ),
                (false, _) if waited < FIRST_KEYS_GRACE => {
                    let left = FIRST_KEYS_GRACE.0 - waited.0;
                    let detail = format!("there were none yet: this node is ready without them in {left} s");
                    (CheckState::Failed, detail)
                }
                (false, _) => (
                    CheckState::Degraded,
                    "there were none yet: its credentials are answered 503".to_owned(),
                ),
            };
            check(format!("{KEYS}{}", authority.name()), state, detail)
        })
        .collect();
    checks.sort_by(|one, other| one.name.cmp(&other.name));
    checks
}
