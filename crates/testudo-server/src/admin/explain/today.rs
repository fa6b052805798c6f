//! Decides how a request would be answered now. Nothing is counted or written.

use super::{ErrorAnswer, Verdict, asked, then};
use crate::config::file_fault::FileFault;
use crate::config::pem_files;
use crate::fault::Fault;
use crate::gather::gather;
use crate::http::within_sponsor;
use crate::settle::rehearse;
use crate::state::app::App;
use crate::state::in_force::InForce;
use crate::verify::review;
use std::sync::Arc;
use testudo_core::admission::attested_by::BesideAttestation;
use testudo_core::doors::{self, Credential, Facts, PeerCertificates, Presented, Purpose, Terms};
use testudo_core::grants::{Binding, ClientCredentials, DPOP, GrantRequest, Granted};
use testudo_core::metadata::requested::RequestedMetadata;
use testudo_core::occasions::register::RegistrationByEvidence;
use testudo_core::occasions::registered::Registered;
use testudo_core::occasions::token::{TokenGrant, TokenOutcome, TokenRequest};
use testudo_core::occasions::unattested::{RegistrationRequest, RegistrationWithoutEvidence};
use testudo_core::policy::{AuthorityPolicy, Policy};
use testudo_core::possession::Possession;
use testudo_core::records::{Event, RequestDetails};
use testudo_core::rejection::{Authorization, CredentialReason, Endpoint, Rejection, Statement};
use testudo_core::trace::Step;
use testudo_core::{
    AttestedIdentity, AuthorityKind, CredentialKind, Moment, OccasionKind, RequestRef, Trace,
};

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

/// A token request with this credential.
pub(in crate::admin) async fn of_credential(
    app: &App,
    credential: &str,
    grant: &GrantRequest,
    client_id: Option<&str>,
) -> Result<(Vec<Step>, Verdict), ErrorAnswer> {
    let mut trace = Trace::on();
    let details = RequestDetails {
        client_id: client_id.map(str::to_owned),
        ..RequestDetails::default()
    };
    let asked = ExplainedRequest::Token {
        grant,
        details: &details,
        attestation: BesideAttestation::Assumed,
    };
    let in_force = app.in_force.load_full();
    let given = Given::of(credential)?;
    let outcome = match verify(app, &in_force, given, client_id, &mut trace).await {
        Ok(identity) => decide(app, &in_force, &identity, asked, &mut trace).await?,
        Err(rejection) => Err(rejection),
    };
    Ok(concluded(trace, outcome.map(Allowed::sentence), AT_TOKEN))
}

/// A token request of this identity without scope and resource.
pub(in crate::admin) async fn of_identity(
    app: &App,
    in_force: &InForce,
    identity: &AttestedIdentity,
) -> Result<Result<Allowed, Rejection>, ErrorAnswer> {
    let asked = ExplainedRequest::Token {
        grant: &GrantRequest::ClientCredentials(ClientCredentials::default()),
        details: &RequestDetails::default(),
        attestation: BesideAttestation::Assumed,
    };
    decide(app, in_force, identity, asked, &mut Trace::off()).await
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
    let nothing = RequestDetails::default();
    let details = event.request.as_deref().unwrap_or(&nothing);
    let asked = asked(event.scope.as_deref(), event.resource.as_deref()).map_err(unreadable)?;
    let grant;
    let attested = then::attestation(details);
    let is_registration = event.occasion.as_deref() == Some(OccasionKind::Registration.name());
    let (endpoint, asked) = if is_registration {
        let statement = match identity.kind.can_be_statement() {
            true => Statement::Verified,
            false => Statement::Absent,
        };
        let endpoint = Endpoint::Registration {
            statement,
            authorization: Authorization::Absent,
        };
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

/// A credential that an administrator gives.
enum Given<'a> {
    Token(&'a str),
    Chain(PeerCertificates),
}

impl Given<'_> {
    fn of(text: &str) -> Result<Given<'_>, ErrorAnswer> {
        let refuse = |problem: &str, hint: &str| {
            Err(ErrorAnswer::bad_request(
                format!("the credential {problem}"),
                Some(hint.to_owned()),
            ))
        };
        let text = text.trim();
        if text.is_empty() {
            return refuse(
                "is empty",
                "write a JWT-SVID, an assertion, or the PEM certificates of an X.509-SVID into it",
            );
        }
        if text
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("bearer "))
        {
            return refuse("begins with `Bearer`", "write the token alone, without `Bearer`");
        }
        if !text.contains("-----BEGIN ") {
            return Ok(Given::Token(text));
        }
        match pem_files::certificates(text.as_bytes()) {
            Ok(chain) => Ok(Given::Chain(PeerCertificates::new(
                chain.iter().map(|der| der.to_vec()).collect(),
            ))),
            Err(FileFault { problem, hint }) => refuse(&problem, hint),
        }
    }
}

/// Verifies a credential whose `client_assertion_type` is not known: it is read as the kind that its subject names, or
/// or its issuer names, or
/// else as the first kind whose door can read it. Guessing is allowed only here, where no token is issued.
async fn verify(
    app: &App,
    in_force: &InForce,
    given: Given<'_>,
    client_id: Option<&str>,
    trace: &mut Trace,
) -> Result<AttestedIdentity, Rejection> {
    let token = match &given {
        Given::Token(token) => Some(*token),
        Given::Chain(_) => None,
    };
    let (credential, form) = match given {
        Given::Token(token) => (recognise(token, &in_force.policy)?, "a JWS in compact form"),
        Given::Chain(chain) => (
            doors::recognise(&Presented::certificates(Arc::new(chain)).of_client(
                client_id,
                &in_force.policy,
                |id| app.keys.load().opaque_key.has_named(id),
            ))?,
            "a certificate chain in PEM; only a TLS handshake shows whether the client has the private key of the leaf",
        ),
    };
    trace.passed("form", || form.to_owned());
    let policy = &in_force.policy;
    // If the store cannot be read, a registered client is treated as unknown, as the token endpoint does.
    let facts = gather(app, in_force, credential.lookups()).await;
    let facts = facts.unwrap_or(Facts::Nothing);
    let terms = Terms {
        policy,
        purpose: Purpose::Authentication,
        now: app.now(),
    };
    let identity = credential.verify(&facts, terms, trace)?;
    if let Some(token) = token {
        let presented = Presented::new(identity.kind, token.to_owned());
        review(app, in_force, &presented, &identity).await?;
        if policy
            .authority(&identity.authority)
            .is_some_and(|settings| settings.review.is_some())
        {
            trace.passed("TokenReview", || {
                "the API server accepts the token, or its outage is bridged".to_owned()
            });
        }
    }
    Ok(identity)
}

fn recognise(credential: &str, policy: &Policy) -> Result<Credential, Rejection> {
    let read = |kind| doors::recognise(&Presented::new(kind, credential.to_owned()));
    let assertion = Presented::new(CredentialKind::PrivateKeyJwt, credential.to_owned()).of_issuer(policy);
    if assertion.kind.is_found_by_issuer() {
        return doors::recognise(&assertion);
    }
    if let Some(kind) = CredentialKind::of_statement(credential) {
        return read(kind);
    }
    let mut first_refusal = None;
    for kind in CredentialKind::of_assertions() {
        match read(kind) {
            Ok(credential) => return Ok(credential),
            Err(rejection) => _ = first_refusal.get_or_insert(rejection),
        }
    }
    Err(first_refusal.unwrap_or_else(|| CredentialReason::NoCredential.into()))
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
                governed: &governed,
                client_id: details.client_id.as_deref(),
                grant,
                attestation,
                possession: &possession,
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
