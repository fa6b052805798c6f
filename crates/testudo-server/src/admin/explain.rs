//! Walks a decision: the same functions as a token request, with a trace that listens.

use super::reply::{Failure, Reply};
use super::rules::assumed;
use crate::gather::gather;
use crate::settle::load;
use crate::state::app::App;
use crate::state::refused;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use testudo_core::admission::governed::{CurrentRules, govern};
use testudo_core::doors::{self, Facts, Presented, Purpose, Terms};
use testudo_core::grants::{ClientCredentials, GrantRequest, ScopeAndResource};
use testudo_core::metadata::requested::Requested;
use testudo_core::occasions;
use testudo_core::occasions::register::RegistrationByEvidence;
use testudo_core::occasions::token::{TokenGrant, TokenOutcome, TokenRequest};
use testudo_core::records::{Event, EventKind, Kind};
use testudo_core::rejection::{CredentialReason, Endpoint, Rejection};
use testudo_core::trace::Step;
use testudo_core::{
    AttestedIdentity, Authority, AuthorityKind, CredentialKind, Moment, OccasionKind, RequestRef, Trace,
};
use testudo_protocol::Timestamp;
use testudo_protocol::oauth::{Resource, ScopeSet};
use testudo_store::LIST_MAX;

/// How far back an event is looked for.
const EVENTS_SEARCHED: usize = 10 * LIST_MAX;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    request_id: Option<String>,
    credential: Option<String>,
    scope: Option<String>,
    resource: Option<String>,
    client_id: Option<String>,
}

/// The walk.
#[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Explanation {
    /// The event that was found, for a request id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// Checks that passed, in order.
    pub steps: Vec<Step>,
    /// `allowed` or `refused`, by today's configuration.
    pub outcome: String,
    /// Name of the rejection.
    pub rejection: Option<String>,
    /// OAuth code that the caller gets.
    pub error: Option<String>,
    /// What really happened.
    pub detail: Option<String>,
    /// What to change.
    pub hint: Option<String>,
}

pub(super) async fn explain(
    State(app): State<Arc<App>>,
    Json(question): Json<Question>,
) -> Reply<Explanation> {
    match (&question.request_id, &question.credential) {
        (Some(request_id), None) => explain_request(&app, request_id).await.map(Json),
        (None, Some(credential)) => {
            let grant = grant(question.scope.as_deref(), question.resource.as_deref())?;
            explain_credential(&app, credential, &grant, question.client_id.as_deref())
                .await
                .map(Json)
        }
        _ => Err(Failure::bad_request(
            "ask about either a request id or a credential",
            None,
        )),
    }
}

fn grant(scope: Option<&str>, resource: Option<&str>) -> Result<GrantRequest, Failure> {
    let bad = |problem: &str| Failure::bad_request(problem.to_owned(), None);
    let asked = ScopeAndResource {
        scope: scope.map(ScopeSet::parse).transpose().map_err(bad)?,
        resource: resource.map(Resource::parse).transpose().map_err(bad)?,
    };
    Ok(GrantRequest::ClientCredentials(ClientCredentials { asked }))
}

async fn explain_credential(
    app: &App,
    credential: &str,
    grant: &GrantRequest,
    client_id: Option<&str>,
) -> Result<Explanation, Failure> {
    let mut trace = Trace::on();
    let verified = verify(app, credential, &mut trace).await;
    let wanted = ExplainedRequest::Token { grant, client_id };
    let outcome = match verified {
        Ok(identity) => decide(app, &identity, wanted, &mut trace).await?,
        Err(rejection) => Err(rejection),
    };
    Ok(explanation(trace, outcome, None))
}

/// A file holds a token without its `client_assertion_type`: the SVID's door first, and where the token is not
/// even readable there, the other. Only here may a door be guessed, since nothing is granted.
async fn verify(app: &App, credential: &str, trace: &mut Trace) -> Result<AttestedIdentity, Rejection> {
    let credential = credential.trim();
    let presented = |kind| Presented::new(kind, credential.to_owned());
    let read = doors::recognise(&presented(CredentialKind::JwtSvid));
    let credential = match read {
        Err(
            rejection @ Rejection::Credential(
                CredentialReason::SubjectNotSpiffeId(_) | CredentialReason::TypeNotAllowed { .. },
            ),
        ) => doors::recognise(&presented(CredentialKind::PrivateKeyJwt)).map_err(|_| rejection)?,
        other => other?,
    };
    trace.passed("form", || "a JWS in compact form".to_owned());
    let policy = app.policy.load_full();
    // Without the store nothing is known of a client that registered, which is what the caller would be told.
    let facts = gather(app, &policy, credential.lookups()).await;
    let facts = facts.unwrap_or(Facts::Nothing);
    let terms = Terms {
        policy: &policy,
        purpose: Purpose::Authentication,
        now: app.now(),
    };
    credential.verify(&facts, terms, trace)
}

/// What a request was for.
#[derive(Clone, Copy)]
enum ExplainedRequest<'a> {
    Token {
        grant: &'a GrantRequest,
        client_id: Option<&'a str>,
    },
    /// To be registered, with this scope.
    Registration { scope: Option<&'a str> },
}

async fn decide(
    app: &App,
    identity: &AttestedIdentity,
    wanted: ExplainedRequest<'_>,
    trace: &mut Trace,
) -> Result<Result<String, Rejection>, Failure> {
    let (policy, switches, keys) = (
        app.policy.load_full(),
        app.switches.load_full(),
        app.keys.load_full(),
    );
    let occasion = match wanted {
        ExplainedRequest::Token { .. } => OccasionKind::Token,
        ExplainedRequest::Registration { .. } => OccasionKind::Registration,
    };
    let rules = CurrentRules {
        policy: &policy,
        switches: &switches,
        opaque_key: &keys.opaque_key,
    };
    let governed = match govern(identity, occasion, rules, trace) {
        Ok(governed) => governed,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let entropy = app.clock.entropy().ok_or_else(|| {
        Failure::from(testudo_store::StoreFault(
            "the system has no randomness to give".into(),
        ))
    })?;
    let at = Moment {
        policy: &policy,
        entropy: &entropy,
        now: app.now(),
    };
    let (governed, request) = (
        &governed,
        RequestRef {
            occasion,
            id: "explain",
        },
    );
    match wanted {
        ExplainedRequest::Token { grant, client_id } => {
            let request = TokenRequest {
                governed,
                client_id,
                grant,
                request,
            };
            Ok(match would(app, &request, &at, trace).await? {
                Ok(TokenOutcome::Granted(TokenGrant { granted, is_new, .. })) => Ok(if is_new {
                    format!("a new client would be registered and get {granted}")
                } else {
                    format!("a known client gets {granted}")
                }),
                Ok(TokenOutcome::Observed(_, rejection)) | Err(rejection) => Err(rejection),
            })
        }
        ExplainedRequest::Registration { scope } => {
            let requested = Requested {
                scope: scope.and_then(|text| ScopeSet::parse(text).ok()),
                ..Requested::default()
            };
            let request = RegistrationByEvidence {
                governed,
                requested: &requested,
                request,
            };
            Ok(would(app, &request, &at, trace).await?.map(|registered| {
                let kind = if registered.is_new { "a new" } else { "a known" };
                format!(
                    "{kind} client is registered for scope `{}`",
                    registered.answer.scope
                )
            }))
        }
    }
}

/// What would be decided now. Nothing of it is counted or written.
async fn would<O: occasions::Occasion>(
    app: &App,
    request: &O,
    at: &Moment<'_>,
    trace: &mut Trace,
) -> Result<Result<O::Outcome, Rejection>, Failure> {
    let loaded = load(app, &request.needs(), None).await?;
    Ok(request
        .decide(&loaded, at, trace)
        .map(|decision| decision.outcome))
}

/// The event of the request, and the same decision by today's configuration.
async fn explain_request(app: &App, request_id: &str) -> Result<Explanation, Failure> {
    let event = find_event(app, request_id).await?;
    let Some(identity) = attested(&event) else {
        // Nothing was proven: the event is all there is.
        let was_allowed = matches!(
            event.event,
            EventKind::ClientRegistered | EventKind::ClientUpdated | EventKind::ClientRemoved
        );
        return Ok(Explanation {
            steps: Vec::new(),
            outcome: if was_allowed { "allowed" } else { "refused" }.into(),
            rejection: event.reason.clone(),
            error: None,
            detail: event.detail.clone(),
            hint: event.hint.clone(),
            event: Some(event),
        });
    };
    let mut trace = Trace::on();
    trace.passed("identity proven", || {
        format!("{} by {}", identity.subject, identity.kind)
    });
    let grant = grant(event.scope.as_deref(), event.resource.as_deref())?;
    let wanted = if event.occasion.as_deref() == Some(OccasionKind::Registration.name()) {
        ExplainedRequest::Registration {
            scope: event.scope.as_deref(),
        }
    } else {
        ExplainedRequest::Token {
            grant: &grant,
            client_id: None,
        }
    };
    let outcome = decide(app, &identity, wanted, &mut trace).await?;
    Ok(explanation(trace, outcome, Some(event)))
}

async fn find_event(app: &App, request_id: &str) -> Result<Event, Failure> {
    let mut searched = 0;
    for stored in app.store.last(Kind::Event, EVENTS_SEARCHED).await? {
        searched += 1;
        let Some(event) = refused::readable::<Event>(stored).map(|event| event.record) else {
            continue;
        };
        if event.request_id.as_deref() == Some(request_id) {
            return Ok(event);
        }
    }
    Err(Failure::not_found(
        format!("no event of request {request_id:?} among the latest {searched}"),
        "first uses and a sample of refusals are kept; for others, explain the credential: testudo explain --credential FILE",
    ))
}

/// The identity that an event tells of, as it was proven then.
fn attested(event: &Event) -> Option<AttestedIdentity> {
    let subject = event.identity.as_deref()?;
    let kind = CredentialKind::of_name(event.door.as_deref()?)?;
    let authority = Authority::of_key(event.authority.as_deref()?)?;
    // What such a client was given depended on who vouched for it: the event says all there is.
    if authority.kind() == AuthorityKind::Registration {
        return None;
    }
    let mut identity = assumed(authority, subject, kind);
    identity.proof.expires = event.credential_expires.unwrap_or(Timestamp(0));
    Some(identity)
}

fn explanation(trace: Trace, outcome: Result<String, Rejection>, event: Option<Event>) -> Explanation {
    let steps = trace.into_steps();
    match outcome {
        Ok(detail) => Explanation {
            event,
            steps,
            outcome: "allowed".into(),
            rejection: None,
            error: None,
            detail: Some(detail),
            hint: None,
        },
        Err(rejection) => Explanation {
            event,
            steps,
            outcome: "refused".into(),
            rejection: Some(rejection.name().to_owned()),
            error: Some(rejection.answer(Endpoint::None).code.name().to_owned()),
            detail: Some(rejection.to_string()),
            hint: Some(rejection.hint()),
        },
    }
}
