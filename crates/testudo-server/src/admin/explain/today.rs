//! How a request would be answered now: reads from an event or a credential what is decided (`decided.rs`).

use super::decided::{Allowed, ExplainedRequest, decide};
use super::given::{Given, OfCredential};
use super::{ErrorAnswer, Verdict, asked, then};
use crate::http::within_sponsor;
use crate::state::app::App;
use crate::state::in_force::InForce;
use testudo_core::admission::attested_by::BesideAttestation;
use testudo_core::grants::{ClientCredentials, GrantRequest, ScopeAndResource, is_of_people};
use testudo_core::metadata::requested::RequestedMetadata;
use testudo_core::records::{Event, EventClass, RequestDetails};
use testudo_core::rejection::{Authorization, Endpoint, Rejection, Statement};
use testudo_core::trace::Step;
use testudo_core::{AttestedIdentity, OccasionKind, Trace};

const AT_TOKEN: Endpoint = Endpoint::Token {
    authorization: Authorization::Absent,
};

/// A request with this credential.
pub(super) async fn of_credential(
    app: &App,
    question: OfCredential<'_>,
) -> Result<(Vec<Step>, Verdict), ErrorAnswer> {
    let mut trace = Trace::on();
    let in_force = app.in_force.load_full();
    let given = Given::of(&question, &in_force.policy)?;
    let occasion = given.occasion;
    let details = RequestDetails {
        client_id: question.client_id.map(str::to_owned),
        ..RequestDetails::default()
    };
    let outcome = match given.verify(app, &in_force, &mut trace).await {
        Ok(identity) => {
            let request = Imagined::of(occasion, question.asked);
            decide(app, &in_force, &identity, request.asked(&details), &mut trace).await?
        }
        Err(rejection) => Err(rejection),
    };
    let endpoint = match occasion {
        OccasionKind::Token
        | OccasionKind::PushedAuthorization
        | OccasionKind::Authorization
        | OccasionKind::Introspection
        | OccasionKind::Revocation => AT_TOKEN,
        OccasionKind::Registration => at_registration(Statement::Verified),
    };
    Ok(concluded(trace, outcome.map(Allowed::sentence), endpoint))
}

/// A request of this identity without scope and resource.
pub(in crate::admin) async fn of_identity(
    app: &App,
    in_force: &InForce,
    identity: &AttestedIdentity,
    occasion: OccasionKind,
) -> Result<Result<Allowed, Rejection>, ErrorAnswer> {
    let request = Imagined::of(occasion, ScopeAndResource::default());
    let details = RequestDetails::default();
    decide(
        app,
        in_force,
        identity,
        request.asked(&details),
        &mut Trace::off(),
    )
    .await
}

/// A request that no client sent.
enum Imagined {
    Token(GrantRequest),
    Registration(Box<RequestedMetadata>),
}

impl Imagined {
    fn of(occasion: OccasionKind, asked: ScopeAndResource) -> Imagined {
        match occasion {
            OccasionKind::Token
            | OccasionKind::PushedAuthorization
            | OccasionKind::Authorization
            | OccasionKind::Introspection
            | OccasionKind::Revocation => {
                Imagined::Token(GrantRequest::ClientCredentials(ClientCredentials { asked }))
            }
            OccasionKind::Registration => Imagined::Registration(Box::new(RequestedMetadata {
                scope: asked.scope,
                ..RequestedMetadata::default()
            })),
        }
    }

    fn asked<'a>(&'a self, details: &'a RequestDetails) -> ExplainedRequest<'a> {
        match self {
            Imagined::Token(grant) => ExplainedRequest::Token {
                grant,
                details,
                attestation: BesideAttestation::Assumed,
            },
            Imagined::Registration(requested) => ExplainedRequest::Registration {
                requested: requested.clone(),
                details,
            },
        }
    }
}

fn at_registration(statement: Statement) -> Endpoint {
    Endpoint::Registration {
        statement,
        authorization: Authorization::Absent,
    }
}

/// The error for a scope or resource of an event that can no longer be parsed.
fn unreadable(rejection: Rejection) -> ErrorAnswer {
    ErrorAnswer::bad_request(rejection.to_string(), None)
}

/// The request of an event, with everything that the event contains of it. `None` where its grant cannot be decided with
/// what an event contains.
pub(super) async fn of_event(
    app: &App,
    event: &Event,
    identity: &AttestedIdentity,
) -> Result<Option<(Vec<Step>, Verdict)>, ErrorAnswer> {
    let mut trace = Trace::on();
    trace.passed("identity proven", || {
        format!("{} by {}", identity.subject, identity.kind)
    });
    if then::is_about_token(event) {
        return Ok(None);
    }
    if then::needs_sign_in(event) && app.in_force.load().policy.login.is_none() {
        return Ok(Some((trace.into_steps(), then::no_sign_in())));
    }
    let nothing = RequestDetails::default();
    let details = event.request.as_deref().unwrap_or(&nothing);
    let mut asked = asked(event.scope.as_deref(), event.resource.as_deref()).map_err(unreadable)?;
    let (grant, granted);
    let attested = then::attestation(details);
    let attestation = attested
        .as_ref()
        .map_or(BesideAttestation::Absent, BesideAttestation::Proven);
    let is_registration = event.occasion.as_deref() == Some(OccasionKind::Registration.name());
    let (endpoint, asked) = if is_registration {
        let statement = match identity.kind.can_be_statement() {
            true => Statement::Verified,
            false => Statement::Absent,
        };
        let endpoint = at_registration(statement);
        let requested = match &details.metadata {
            Some(metadata) => RequestedMetadata::of(metadata),
            None => Ok(RequestedMetadata {
                scope: asked.scope,
                ..RequestedMetadata::default()
            }),
        };
        let in_force = app.in_force.load();
        let requested = requested.map_err(Rejection::from).and_then(|requested| {
            // A sponsor beside evidence: its rule limits the registration as well.
            match details.sponsor.clone().filter(|_| identity.sponsor.is_none()) {
                Some(sponsor) => {
                    let limited = within_sponsor(app, &in_force.policy, requested, sponsor.clone())?;
                    trace.passed("initial access token", || format!("of {}", sponsor.subject));
                    Ok(limited)
                }
                None => Ok(requested),
            }
        });
        let requested = match requested {
            Ok(requested) => requested,
            Err(rejection) => return Ok(Some(concluded(trace, Err(rejection), endpoint))),
        };
        let requested = Box::new(requested);
        (endpoint, ExplainedRequest::Registration { requested, details })
    } else if then::is_about_push(event) {
        let Some((kept, request)) = then::authorization(event, details) else {
            return Ok(None);
        };
        let push = ExplainedRequest::Push {
            asked: Box::new(request),
            is_signed: kept.is_signed,
            details,
            attestation,
        };
        (AT_TOKEN, push)
    } else if is_of_people(then::grant_type(event)) {
        // The event of an allowed request has the scope that the client got, which it may not have asked for.
        granted = asked
            .scope
            .take_if(|_| event.event.class() == EventClass::Granted);
        let for_person = ExplainedRequest::ForPerson {
            grant: then::grant_type(event),
            asked: &asked,
            granted: granted.as_ref(),
            details,
            attestation,
        };
        (AT_TOKEN, for_person)
    } else {
        match GrantRequest::recorded(then::grant_type(event), asked) {
            Some(recorded) => grant = recorded,
            None => return Ok(None),
        }
        let asked = ExplainedRequest::Token {
            grant: &grant,
            details,
            attestation,
        };
        (AT_TOKEN, asked)
    };
    let in_force = app.in_force.load_full();
    let outcome = decide(app, &in_force, identity, asked, &mut trace).await?;
    let outcome = outcome.map(Allowed::sentence);
    Ok(Some(concluded(trace, outcome, endpoint)))
}

/// The checks and the verdict. The last check of a refused request is the one that refused it.
pub(super) fn concluded(
    mut trace: Trace,
    outcome: Result<String, Rejection>,
    endpoint: Endpoint,
) -> (Vec<Step>, Verdict) {
    if let Err(rejection) = &outcome {
        trace.failed(rejection.name(), || rejection.to_string());
    }
    (trace.into_steps(), Verdict::of(outcome, endpoint))
}
