//! Decides how a request would be answered now. Nothing is counted or written.

use super::given::{Given, OfCredential};
use super::{ErrorAnswer, Verdict, asked, then};
use crate::fault::Fault;
use crate::http::within_sponsor;
use crate::settle::rehearse;
use crate::state::app::App;
use crate::state::in_force::InForce;
use testudo_core::admission::attested_by::BesideAttestation;
use testudo_core::grants::{Binding, ClientCredentials, DPOP, GrantRequest, Granted, ScopeAndResource};
use testudo_core::metadata::requested::RequestedMetadata;
use testudo_core::occasions::Caller;
use testudo_core::occasions::register::RegistrationByEvidence;
use testudo_core::occasions::registered::Registered;
use testudo_core::occasions::token::{TokenGrant, TokenOutcome, TokenRequest};
use testudo_core::occasions::unattested::{RegistrationRequest, RegistrationWithoutEvidence};
use testudo_core::policy::AuthorityPolicy;
use testudo_core::possession::Possession;
use testudo_core::records::{Event, RequestDetails};
use testudo_core::rejection::{
    AdmissionReason, Authorization, CredentialReason, Endpoint, Rejection, Statement,
};
use testudo_core::trace::Step;
use testudo_core::{AttestedIdentity, AuthorityKind, Moment, OccasionKind, RequestRef, Trace};

/// The request that is decided, with what it contained.
enum ExplainedRequest<'a> {
    Token {
        grant: &'a GrantRequest,
        details: &'a RequestDetails,
        attestation: BesideAttestation<'a>,
    },
    Registration {
        requested: Box<RequestedMetadata>,
        details: &'a RequestDetails,
    },
}

/// A request that would be allowed.
pub(in crate::admin) struct Allowed {
    detail: String,
    /// What the client must send beside its credential.
    pub(in crate::admin) condition: Option<&'static str>,
}

impl Allowed {
    fn sentence(self) -> String {
        match self.condition {
            Some(condition) => format!("{}; the request {condition}", self.detail),
            None => self.detail,
        }
    }
}

const NEEDS_DPOP: &str = "needs a DPoP proof";

fn is_bound_by_dpop(granted: &Granted) -> bool {
    granted.binding.as_ref().map(Binding::token_type) == Some(DPOP)
}

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
    let nothing = RequestDetails::default();
    let details = event.request.as_deref().unwrap_or(&nothing);
    let asked = asked(event.scope.as_deref(), event.resource.as_deref()).map_err(unreadable)?;
    let grant;
    let attested = then::attestation(details);
    let is_of = |kind: OccasionKind| event.occasion.as_deref() == Some(kind.name());
    // The event does not contain the authorization request.
    if then::is_about_authorization(event) {
        return Ok(None);
    }
    let is_registration = is_of(OccasionKind::Registration);
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
    } else {
        match GrantRequest::recorded(then::grant_type(event), asked) {
            Some(recorded) => grant = recorded,
            None => return Ok(None),
        }
        let asked = ExplainedRequest::Token {
            grant: &grant,
            details,
            attestation: attested
                .as_ref()
                .map_or(BesideAttestation::Absent, BesideAttestation::Proven),
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

async fn decide(
    app: &App,
    in_force: &InForce,
    identity: &AttestedIdentity,
    asked: ExplainedRequest<'_>,
    trace: &mut Trace,
) -> Result<Result<Allowed, Rejection>, ErrorAnswer> {
    let policy = &in_force.policy;
    let authority = &identity.authority;
    if authority.kind().attests() && policy.authority(authority).is_none() {
        let authority = authority.clone();
        return Ok(Err(CredentialReason::UnknownAuthority { authority }.into()));
    }
    if let ExplainedRequest::Registration { .. } = asked
        && authority.kind().attests()
        && !policy.registration.takes_evidence
    {
        return Ok(Err(AdmissionReason::EvidenceNotTaken.into()));
    }
    if let Err(rejection) = keys_verify(app, in_force, identity) {
        return Ok(Err(rejection));
    }
    let occasion = match asked {
        ExplainedRequest::Token { .. } => OccasionKind::Token,
        ExplainedRequest::Registration { .. } => OccasionKind::Registration,
    };
    let governed = match app.govern_traced(identity, occasion, policy, trace) {
        Ok(governed) => governed,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let entropy = app
        .clock
        .entropy()
        .ok_or_else(|| ErrorAnswer::from(testudo_store::StoreFault(Fault::NoEntropy.to_string())))?;
    let at = Moment {
        policy,
        entropy: &entropy,
        now: app.now(),
    };
    match asked {
        ExplainedRequest::Token {
            grant,
            details,
            attestation,
        } => {
            // What stands beside the credential is assumed only where there is no request.
            let is_assumed = matches!(attestation, BesideAttestation::Assumed);
            let possession = match is_assumed {
                true => Possession::assumed(),
                false => Possession::of_event(details.dpop_key.as_deref()),
            };
            let request = TokenRequest {
                caller: Caller {
                    governed: &governed,
                    client_id: details.client_id.as_deref(),
                    attestation,
                    possession: &possession,
                },
                grant,
                request: request_ref(occasion, details),
            };
            Ok(match rehearse(app, &request, &at, trace).await? {
                Ok(TokenOutcome::Granted(TokenGrant { granted, is_new, .. })) => Ok(Allowed {
                    condition: (is_assumed && is_bound_by_dpop(&granted)).then_some(NEEDS_DPOP),
                    detail: match is_new {
                        true => format!("a new client would be registered and would get {granted}"),
                        false => format!("a known client gets {granted}"),
                    },
                }),
                Ok(TokenOutcome::Refused(rejection, _)) | Err(rejection) => Err(rejection),
            })
        }
        ExplainedRequest::Registration { requested, details } => {
            let request = request_ref(occasion, details);
            let asked = RegistrationByEvidence {
                governed: &governed,
                requested: &requested,
                possession: &Possession::default(),
                request,
            };
            let registered = registration(app, asked, &at, trace).await?;
            Ok(registered.map(|registered| {
                let kind = if registered.is_new { "a new" } else { "a known" };
                Allowed {
                    detail: format!(
                        "{kind} client is registered for scope `{}`",
                        registered.answer.scope
                    ),
                    condition: None,
                }
            }))
        }
    }
}

/// Whether the keys of the authority can verify a credential of this kind at all. A request is refused for missing keys
/// before anything is known of its identity. Without keys of a disabled authority, the later check names the switch.
fn keys_verify(app: &App, in_force: &InForce, identity: &AttestedIdentity) -> Result<(), Rejection> {
    let authority = &identity.authority;
    let is_issued = |trusted: &AuthorityPolicy| trusted.credentials.contains(&identity.kind);
    let (Some(by), true) = (
        identity.kind.verified_by(),
        in_force.policy.authority(authority).is_some_and(is_issued)
            && app.switches.load().is_enabled(authority),
    ) else {
        return Ok(());
    };
    let Some(keys) = in_force.authority_keys(authority, app.moment()) else {
        let authority = authority.clone();
        return Err(CredentialReason::BundleUnavailable { authority }.into());
    };
    Ok(keys.must_verify(by, app.now())?)
}

/// A registration by evidence, or a registration without evidence where this server assigned the client id.
async fn registration(
    app: &App,
    asked: RegistrationByEvidence<'_>,
    at: &Moment<'_>,
    trace: &mut Trace,
) -> Result<Result<Registered, Rejection>, ErrorAnswer> {
    let RegistrationByEvidence {
        governed,
        requested,
        possession,
        request,
    } = asked;
    if governed.identity.authority.kind() != AuthorityKind::Registration {
        return Ok(rehearse(app, &asked, at, trace).await?);
    }
    let asked = RegistrationRequest {
        requested,
        request,
        management_digest: [0; 32],
        address: None,
    };
    let asked = RegistrationWithoutEvidence {
        governed,
        asked,
        possession,
    };
    Ok(rehearse(app, &asked, at, trace).await?)
}

fn request_ref(occasion: OccasionKind, details: &RequestDetails) -> RequestRef<'_> {
    RequestRef {
        occasion,
        id: "explain",
        details,
    }
}
