//! Explains how a request was answered and how it would be answered now, with the same functions as a request and a
//! trace that records each check.
//!
//! `find.rs` finds the event of a request, `then.rs` reads what the event records, `today.rs` decides the request
//! again (`decided.rs`), `unproven.rs` does so for a request that proved no identity, and `browser.rs` for one that a browser brought.
//! `given.rs` verifies a credential that an administrator gives.

mod browser;
mod decided;
mod find;
mod given;
mod then;
pub(super) mod today;
mod unproven;

use super::operation::Operation;
use super::reply::{ErrorAnswer, Reply};
use crate::admin::input::Json;
use crate::state::app::App;
use axum::extract::State;
use axum::routing::post;
use given::OfCredential;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::Rejection;
use testudo_core::Trace;
use testudo_core::grants::ScopeAndResource;
use testudo_core::records::Event;
use testudo_core::rejection::{Authorization, Endpoint, RequestReason};
use testudo_core::trace::Step;
use testudo_protocol::oauth::{Resource, ScopeSet};
use unproven::Today;

/// The operations of this file.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::ask::<Explanation>(
            "/admin/v1/explain",
            "Explain how a request was answered, or how a credential would be.",
            post(explain),
        )
        .by_body::<Question>(),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["request_id"], "properties": { "request_id": { "type": "string" }, "credential": { "type": "null" } } },
    { "required": ["credential"], "properties": { "credential": { "type": "string", "pattern": "\\S" }, "request_id": { "type": "null" } } },
]))]
pub(super) struct Question {
    /// Id of the request to explain, as its answer had it in `Request-Id`.
    request_id: Option<String>,
    /// A credential to explain instead, as a client would send it: in `client_assertion`, in `OAuth-Client-Attestation`, as
    /// software statement or as certificate.
    credential: Option<String>,
    /// With `credential`: the parameter `scope` of the request.
    scope: Option<String>,
    /// With `credential`: the parameter `resource` of the token request.
    resource: Option<String>,
    /// With `credential`: the parameter `client_id` of the token request.
    client_id: Option<String>,
    /// With `credential`: true to explain it as the evidence of a registration, and not of a token request. A token of an
    /// issuer that speaks for software statements only is always explained so.
    #[serde(default)]
    registration: bool,
}

/// How a request was answered, or would be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Verdict {
    /// `allowed` or `refused`.
    pub outcome: String,
    /// Name of the rejection, where the request is refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rejection: Option<String>,
    /// OAuth error code of the answer, where the request is refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What happened or would happen, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// What to change so that the request is allowed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

/// An explanation of a request or of a credential.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Explanation {
    /// The event of the request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event: Option<Event>,
    /// How the request was answered; absent for a credential.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub then: Option<Verdict>,
    /// How the request or credential would be answered now, with the current configuration and records. Absent where
    /// the event does not contain enough to decide again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub today: Option<Verdict>,
    /// Parts of the request that the event does not contain, and assumptions of the current decision.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
    /// The checks of the current decision in their order, with the one that refuses the request.
    pub steps: Vec<Step>,
    /// `then` for a request, `today` for a credential.
    #[serde(flatten)]
    pub verdict: Verdict,
}

pub(super) async fn explain(
    State(app): State<Arc<App>>,
    Json(question): Json<Question>,
) -> Reply<Explanation> {
    match (&question.request_id, &question.credential) {
        (Some(request_id), None) => of_request(&app, request_id).await.map(Json),
        (None, Some(credential)) => {
            let (steps, verdict) = match asked(question.scope.as_deref(), question.resource.as_deref()) {
                Ok(asked) => {
                    let question = OfCredential {
                        credential,
                        asked,
                        client_id: question.client_id.as_deref(),
                        is_registration: question.registration,
                    };
                    today::of_credential(&app, question).await?
                }
                Err(rejection) => {
                    let authorization = Authorization::Absent;
                    today::concluded(Trace::on(), Err(rejection), Endpoint::Token { authorization })
                }
            };
            Ok(Json(Explanation {
                event: None,
                then: None,
                today: Some(verdict.clone()),
                notes: Vec::new(),
                steps,
                verdict,
            }))
        }
        _ => Err(ErrorAnswer::bad_request(
            "send either request_id or credential",
            None,
        )),
    }
}

/// Explains a request: how it was answered, from its event, and how it would be answered now.
async fn of_request(app: &App, request_id: &str) -> Result<Explanation, ErrorAnswer> {
    let event = find::event_of(app, request_id).await?;
    let then = then::verdict(&event);
    let again = match then::identity(&event, &app.in_force.load().policy) {
        _ if then::is_of_browser(&event) => browser::explained(app, &event, &then).await?,
        None => {
            let (today, mut notes) = Today::of(app, &event).verdict(&then);
            if today.is_none() && notes.is_empty() && then::is_about_push(&event) {
                notes.push(then::undecided(&event));
            }
            Again {
                steps: Vec::new(),
                today,
                notes,
            }
        }
        Some(_) if then::is_about_proof(&event) => Again::undecided(then::PROOF_NOT_RECORDED.to_owned()),
        Some(identity) => match today::of_event(app, &event, &identity).await? {
            None => Again::undecided(then::undecided(&event)),
            Some((steps, today)) if then::depends_on_secret(&event) && today.rejection.is_none() => Again {
                steps,
                ..Again::undecided(then::secret_undecided(&event))
            },
            Some((steps, today)) => Again {
                steps,
                today: Some(today),
                notes: then::notes(&event, app.now()),
            },
        },
    };
    Ok(Explanation {
        steps: again.steps,
        notes: again.notes,
        today: again.today,
        then: Some(then.clone()),
        verdict: then,
        event: Some(event),
    })
}

/// How a request would be answered now.
struct Again {
    steps: Vec<Step>,
    /// `None` where the event does not contain enough.
    today: Option<Verdict>,
    notes: Vec<String>,
}

impl Again {
    /// The cause of the answer remains.
    fn same(then: &Verdict) -> Again {
        Again {
            steps: Vec::new(),
            today: Some(then.clone()),
            notes: Vec::new(),
        }
    }

    /// The event does not contain enough, for this reason.
    fn undecided(note: String) -> Again {
        Again {
            steps: Vec::new(),
            today: None,
            notes: vec![note],
        }
    }
}

fn asked(scope: Option<&str>, resource: Option<&str>) -> Result<ScopeAndResource, Rejection> {
    Ok(ScopeAndResource {
        scope: scope
            .map(ScopeSet::parse)
            .transpose()
            .map_err(RequestReason::MalformedScope)?,
        resource: resource
            .map(Resource::parse)
            .transpose()
            .map_err(RequestReason::MalformedResource)?,
    })
}

impl Verdict {
    fn of(outcome: Result<String, Rejection>, endpoint: Endpoint) -> Verdict {
        match outcome {
            Ok(detail) => Verdict {
                outcome: "allowed".into(),
                rejection: None,
                error: None,
                detail: Some(detail),
                hint: None,
            },
            Err(rejection) => Verdict {
                outcome: "refused".into(),
                rejection: Some(rejection.name().to_owned()),
                error: Some(rejection.answer(endpoint).code.name().to_owned()),
                detail: Some(rejection.to_string()),
                hint: Some(rejection.hint()),
            },
        }
    }

    /// True if this verdict and the other one have the same outcome and the same reason.
    pub fn agrees_with(&self, other: &Verdict) -> bool {
        (&self.outcome, &self.rejection) == (&other.outcome, &other.rejection)
    }
}

#[cfg(test)]
mod tests;
