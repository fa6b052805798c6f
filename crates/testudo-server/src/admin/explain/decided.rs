//! The decision of a request that is explained, with the functions of the endpoint at which it would arrive. Nothing is
//! counted or written.

use super::ErrorAnswer;
use crate::credential_status;
use crate::fault::Fault;
use crate::settle::rehearse;
use crate::state::app::App;
use crate::state::in_force::InForce;
use testudo_core::admission::attested_by::BesideAttestation;
use testudo_core::admission::governed::GovernedIdentity;
use testudo_core::grants::{Binding, DPOP, GrantRequest, Granted, ScopeAndResource};
use testudo_core::metadata::requested::RequestedMetadata;
use testudo_core::occasions::Caller;
use testudo_core::occasions::push::{PushOutcome, PushRequest};
use testudo_core::occasions::register::RegistrationByEvidence;
use testudo_core::occasions::registered::Registered;
use testudo_core::occasions::token::{TokenGrant, TokenOutcome, TokenRequest};
use testudo_core::occasions::unattested::{RegistrationRequest, RegistrationWithoutEvidence};
use testudo_core::occasions::without_secret::RequestWithoutSecret;
use testudo_core::policy::AuthorityPolicy;
use testudo_core::possession::Possession;
use testudo_core::records::{Client, RequestDetails};
use testudo_core::rejection::{AdmissionReason, CredentialReason, Rejection};
use testudo_core::{AttestedIdentity, AuthorityKind, Entropy, Moment, OccasionKind, RequestRef, Trace};
use testudo_protocol::oauth::ScopeSet;
use testudo_protocol::oauth::authorization::AuthorizationRequest;

/// The request that is decided, with what it contained.
pub(super) enum ExplainedRequest<'a> {
    Token {
        grant: &'a GrantRequest,
        details: &'a RequestDetails,
        attestation: BesideAttestation<'a>,
    },
    /// A redemption or a refresh, without its code or refresh token.
    ForPerson {
        grant: &'a str,
        asked: &'a ScopeAndResource,
        /// The scope that the client got, where the request was allowed.
        granted: Option<&'a ScopeSet>,
        details: &'a RequestDetails,
        attestation: BesideAttestation<'a>,
    },
    Push {
        asked: Box<AuthorizationRequest>,
        is_signed: bool,
        details: &'a RequestDetails,
        attestation: BesideAttestation<'a>,
    },
    Registration {
        requested: Box<RequestedMetadata>,
        details: &'a RequestDetails,
    },
}

impl ExplainedRequest<'_> {
    fn occasion(&self) -> OccasionKind {
        match self {
            ExplainedRequest::Token { .. } | ExplainedRequest::ForPerson { .. } => OccasionKind::Token,
            ExplainedRequest::Push { .. } => OccasionKind::PushedAuthorization,
            ExplainedRequest::Registration { .. } => OccasionKind::Registration,
        }
    }
}

/// A request that would be allowed.
pub(in crate::admin) struct Allowed {
    detail: String,
    /// What the client must send beside its credential.
    pub(in crate::admin) condition: Option<&'static str>,
}

impl Allowed {
    fn plainly(detail: String) -> Allowed {
        Allowed {
            detail,
            condition: None,
        }
    }

    pub(super) fn sentence(self) -> String {
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

/// Decides the request of this identity.
pub(super) async fn decide(
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
    let occasion = asked.occasion();
    let governed = match app.govern_traced(identity, occasion, policy, trace) {
        Ok(governed) => governed,
        Err(rejection) => return Ok(Err(rejection)),
    };
    // A registration by evidence is judged by its own credential, and not by that with which the client registered before.
    let is_by_evidence = occasion == OccasionKind::Registration && authority.kind().attests();
    if !is_by_evidence && let Err(rejection) = is_good(app, in_force, &governed).await? {
        return Ok(Err(rejection));
    }
    let entropy = entropy(app)?;
    let at = Moment {
        policy,
        entropy: &entropy,
        now: app.now(),
    };
    let explained = Explained {
        app,
        governed: &governed,
        at: &at,
    };
    match asked {
        ExplainedRequest::Token {
            grant,
            details,
            attestation,
        } => explained.token(grant, details, attestation, trace).await,
        ExplainedRequest::ForPerson {
            grant,
            asked,
            granted,
            details,
            attestation,
        } => {
            let possession = Possession::of_event(details.dpop_key.as_deref());
            let request = RequestWithoutSecret {
                caller: explained.caller(details, attestation, &possession),
                grant,
                asked,
                granted,
                request: request_ref(occasion, details),
            };
            let may_use = rehearse(app, &request, &at, trace).await?.flatten();
            Ok(may_use.map(|may_use| {
                let kind = if may_use.is_new { "a new" } else { "a known" };
                Allowed::plainly(format!("{kind} client may have: {}", may_use.described))
            }))
        }
        ExplainedRequest::Push {
            asked,
            is_signed,
            details,
            attestation,
        } => {
            let possession = Possession::of_event(details.dpop_key.as_deref());
            let request = PushRequest {
                caller: explained.caller(details, attestation, &possession),
                asked: &asked,
                is_signed,
                request: request_ref(occasion, details),
            };
            Ok(match rehearse(app, &request, &at, trace).await? {
                Ok(PushOutcome::Pushed(pushed)) => {
                    let kind = if pushed.is_new { "a new" } else { "a known" };
                    Ok(Allowed::plainly(format!("{kind} client gets a `request_uri`")))
                }
                Ok(PushOutcome::Refused(rejection, _)) | Err(rejection) => Err(rejection),
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
                Allowed::plainly(format!(
                    "{kind} client is registered for scope `{}`",
                    registered.answer.scope
                ))
            }))
        }
    }
}

/// Whether the verifiable credential with which the client, or its sponsor, registered is still accepted, as it is judged
/// before the decision of a request.
async fn is_good(
    app: &App,
    in_force: &InForce,
    governed: &GovernedIdentity<'_>,
) -> Result<Result<(), Rejection>, ErrorAnswer> {
    let client = app.store.read::<Client>(&governed.client_key).await?;
    let client = client.filter(|client| !client.record.is_expired(app.now()));
    Ok(match client {
        Some(client) => credential_status::of_holder(app, in_force, &client.record).await,
        None => Ok(()),
    })
}

/// Randomness for a decision of which nothing is written.
pub(super) fn entropy(app: &App) -> Result<Entropy, ErrorAnswer> {
    let entropy = app.clock.entropy();
    entropy.ok_or_else(|| ErrorAnswer::from(testudo_store::StoreFault(Fault::NoEntropy.to_string())))
}

/// A client whose request is decided.
struct Explained<'a> {
    app: &'a App,
    governed: &'a GovernedIdentity<'a>,
    at: &'a Moment<'a>,
}

impl<'a> Explained<'a> {
    fn caller<'c>(
        &'c self,
        details: &'c RequestDetails,
        attestation: BesideAttestation<'c>,
        possession: &'c Possession,
    ) -> Caller<'c> {
        Caller {
            governed: self.governed,
            client_id: details.client_id.as_deref(),
            attestation,
            possession,
        }
    }

    async fn token(
        &self,
        grant: &GrantRequest,
        details: &RequestDetails,
        attestation: BesideAttestation<'_>,
        trace: &mut Trace,
    ) -> Result<Result<Allowed, Rejection>, ErrorAnswer> {
        // What stands beside the credential is assumed only where there is no request.
        let is_assumed = matches!(attestation, BesideAttestation::Assumed);
        let possession = match is_assumed {
            true => Possession::assumed(),
            false => Possession::of_event(details.dpop_key.as_deref()),
        };
        let request = TokenRequest {
            caller: self.caller(details, attestation, &possession),
            grant,
            request: request_ref(OccasionKind::Token, details),
        };
        Ok(match rehearse(self.app, &request, self.at, trace).await? {
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
        // It changes nothing of what is decided.
        sponsor_credential: None,
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
