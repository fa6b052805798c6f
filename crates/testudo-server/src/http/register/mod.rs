//! The registration endpoint. [RFC7591 §3]
//!
//! The caller sends evidence (a software statement, a client certificate, an attestation, or several of them: the client
//! is attested); or an initial access token (the client has a sponsor); or none of them, where `[registration.open]` is
//! configured. Evidence that is sent must be valid: a request with invalid evidence is refused and not treated as a
//! request without evidence. The server never issues a client secret. It issues a registration access token only to
//! clients that have no evidence with which they could register again.

mod answer;
mod initial_access;
mod manage;

pub(super) use manage::manage_registration;

use super::bearer::{RegistrationToken, ShownToken, access_token};
use super::body::{RequestBody, json_body};
use super::fresh;
use super::incoming::Incoming;
use super::proofs::{self, Sender, prove, take_share};
use super::proxy;
use super::respond::{error, failed, json};
use crate::audit::{RequestTrail, refuse};
use crate::credential_status;
use crate::fault::{Fault, Stop};
use crate::own_tokens::ProvenKeys;
use crate::peer::Peer;
use crate::settle::settle;
use crate::state::app::App;
use crate::state::in_force::{Arrival, InForce};
use crate::state::shares::Taker;
use crate::verify::verify_credential;
use answer::{Extra, client_uri, render};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode, header};
use initial_access::{VouchedFor, refusal_of, sponsor};
use std::net::IpAddr;
use std::sync::Arc;
use testudo_core::admission::governed::{GovernedIdentity, is_switched_on};
use testudo_core::doors::{
    self, Evidence, PeerCertificates, Presented, Purpose, attest_holder, certify_holder,
};
use testudo_core::identity::{CredentialKind, SCOPE_REGISTER, Sponsor};
use testudo_core::metadata::requested::RequestedMetadata;
use testudo_core::occasions::register::RegistrationByEvidence;
use testudo_core::occasions::unattested::{self, RegistrationRequest, RegistrationWithoutEvidence};
use testudo_core::policy::Policy;
use testudo_core::possession::{Possession, PresentedProofs};
use testudo_core::records::RequestDetails;
use testudo_core::rejection::{
    AdmissionReason, Authorization, CertificateUse, CredentialReason, Endpoint, Rejection, RequestReason,
    Statement,
};
use testudo_core::{AttestedIdentity, OccasionKind};
use testudo_protocol::jose::sha256;

pub(super) async fn register_client<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
) -> Response<Full<Bytes>> {
    let request_id = incoming.id;
    let token = access_token(incoming.request.headers());
    let authorization = match token {
        Some(token) if token.needs_proof => Authorization::Dpop,
        Some(_) | None => Authorization::Absent,
    };
    let mut trail = RequestTrail::of(OccasionKind::Registration, request_id);
    match serve_registration(app, in_force, incoming, &mut trail).await {
        Ok(body) => json(StatusCode::CREATED, body),
        Err(Stop::Refused(rejection)) => {
            let statement = match (trail.has_statement, &trail.identity) {
                (false, _) => Statement::Absent,
                (true, None) => Statement::Unverified,
                (true, Some(_)) => Statement::Verified,
            };
            let at = Endpoint::Registration {
                statement,
                authorization,
            };
            let answer = refuse(app, &trail, &rejection, at, None).await;
            let mut response = error(&answer);
            if let Some(value) = answer.fresh {
                fresh::add(app, &mut response, value);
            }
            response
        }
        Err(Stop::Failed(what)) => failed(app, request_id, &what),
    }
}

/// A registration request, parsed. Nothing in it is verified yet.
struct Arrived {
    peer: Peer,
    requested: RequestedMetadata,
    certificates: Option<Arc<PeerCertificates>>,
    /// The reason to refuse the request if it has no evidence.
    no_evidence: CredentialReason,
    address: Option<IpAddr>,
    attestations: Vec<String>,
    proofs: PresentedProofs,
    token: Option<ShownToken>,
}

impl Arrived {
    /// What the proofs of the request must fit.
    fn sender<'a>(&'a self, in_force: &'a InForce, identity: Option<&'a AttestedIdentity>) -> Sender<'a> {
        let token = self.token.as_ref().filter(|token| token.needs_proof);
        Sender {
            identity,
            access_token: token.map(|token| token.token.as_str()),
            uris: &in_force.arrival.registration_uris,
        }
    }
}

async fn serve_registration<B: RequestBody>(
    app: &App,
    in_force: &Arc<InForce>,
    incoming: Incoming<'_, B>,
    trail: &mut RequestTrail<'_>,
) -> Result<Vec<u8>, Stop> {
    let Incoming { peer, request, .. } = incoming;
    proxy::note_ids(&mut trail.details, &in_force.arrival, peer, request.headers());
    let arrived = receive(&in_force.arrival, peer, request, &mut trail.details).await?; // parse
    trail.has_statement = arrived.requested.software_statement.is_some();
    trail.scope = arrived.requested.scope.as_ref().map(ToString::to_string);
    let sponsor = match &arrived.token {
        Some(token) => Some(vouched_for(app, in_force, &arrived, token).await?),
        None => None,
    };
    // Together with an initial access token, a certificate is not evidence: the token may be bound to it.
    let has_certificate = arrived.certificates.is_some() && sponsor.is_none();
    let has_attestation = !arrived.attestations.is_empty();
    if arrived.requested.software_statement.is_some() || has_certificate || has_attestation {
        let sponsor = sponsor.map(|vouched| vouched.sponsor);
        by_evidence(app, in_force, arrived, sponsor, trail).await
    } else if sponsor.is_some() || in_force.policy.registration.open.is_some() {
        without_evidence(app, in_force, &arrived, sponsor, trail).await
    } else {
        Err(arrived.no_evidence.into())
    }
}

/// The sponsor by whose token a client is registered, after the proof of a token with the scheme DPoP is verified.
async fn vouched_for(
    app: &App,
    in_force: &InForce,
    arrived: &Arrived,
    token: &ShownToken,
) -> Result<VouchedFor, Stop> {
    let possession = match token.needs_proof {
        true => prove(app, in_force, &arrived.proofs, arrived.sender(in_force, None))?,
        false => Possession::default(),
    };
    let leaf = arrived
        .certificates
        .as_ref()
        .and_then(|shown| shown.chain.first());
    let certificate = leaf.map(|leaf| sha256(leaf));
    let proven = ProvenKeys {
        certificate: certificate.as_ref(),
        dpop_key: possession.dpop_key.as_ref(),
    };
    sponsor(app, in_force, &token.token, proven).await
}

/// parse: the JSON body within its bounds, the certificates, and the bearer token.
async fn receive<B: RequestBody>(
    arrival: &Arrival,
    peer: &Peer,
    request: Request<B>,
    details: &mut RequestDetails,
) -> Result<Arrived, Stop> {
    if request.uri().query().is_some() {
        return Err(RequestReason::CredentialsInUrl.into());
    }
    let certificates = proxy::certificates_of(arrival, peer, request.headers())?;
    let not_read = proxy::certificate_not_read(arrival, peer, request.headers(), CertificateUse::Evidence);
    let address = proxy::address_of(arrival, peer, request.headers());
    let has_authorization = request.headers().contains_key(header::AUTHORIZATION);
    let token = access_token(request.headers());
    let attestations = proofs::attestations(request.headers());
    let proofs = proofs::of(request.headers());
    // An `Authorization` that cannot be read is refused and not ignored: without the token, the request could register
    // a client with more rights than the sponsor may give.
    if has_authorization && token.is_none() {
        let why =
            "`Authorization` must be sent once, with the scheme `Bearer` or `DPoP` and a token".to_owned();
        return Err(CredentialReason::InitialAccessTokenRefused { why }.into());
    }
    let members = RequestedMetadata::members(&json_body(request).await?)?;
    let requested = RequestedMetadata::of(&members)?;
    details.note_metadata(members);
    details.note_keys(requested.jwks.as_ref());
    Ok(Arrived {
        peer: peer.clone(),
        requested,
        certificates,
        no_evidence: not_read.unwrap_or(CredentialReason::EvidenceMissing),
        address,
        attestations,
        proofs,
        token,
    })
}

/// Registers a client that an authority attests. Where the request also has an initial access token, the limits of the
/// sponsor's rule hold as well.
async fn by_evidence(
    app: &App,
    in_force: &Arc<InForce>,
    arrived: Arrived,
    sponsor: Option<Box<Sponsor>>,
    trail: &mut RequestTrail<'_>,
) -> Result<Vec<u8>, Stop> {
    let policy = &in_force.policy;
    if !policy.registration.takes_evidence {
        return Err(AdmissionReason::EvidenceNotTaken.into());
    }
    let mut requested = arrived.requested.clone();
    if let Some(sponsor) = sponsor {
        trail.details.sponsor = Some((*sponsor).clone());
        requested = within_sponsor(app, policy, requested, *sponsor)?;
    }
    let identity = verify_evidence(app, in_force, &arrived).await?; // gather, verify
    trail.identity = Some(identity.clone());
    let sender = arrived.sender(in_force, Some(&identity));
    let possession = prove(app, in_force, &arrived.proofs, sender)?; // verify
    trail.details.dpop_key = possession.shown_dpop_key();
    let governed = govern_here(app, policy, &identity)?;
    take_share(app, &possession, Taker::Proven(&governed.name.client_id))?;
    if let Some(credential) = &identity.proof.credential {
        credential_status::check(app, in_force, &identity.authority, &credential.status).await?; // verify
    }
    let registration = RegistrationByEvidence {
        governed: &governed,
        requested: &requested,
        possession: &possession,
        request: trail.request(),
    };
    let registered = settle(app, policy, &registration, |registered, _| Ok(registered)).await?; // load … commit
    credential_status::note_unchecked(app, in_force, &identity).await;
    let statement = requested.software_statement.as_deref().map(without_proof);
    Ok(render(&registered, Extra::Statement(statement)))
}

/// The statement for the answer. [RFC7591 §3.2.1] The proof at the end of an SD-JWT was used with this request, so it is
/// left out.
fn without_proof(statement: &str) -> &str {
    match statement.rfind('~').and_then(|tilde| statement.get(..=tilde)) {
        Some(presented) => presented,
        None => statement,
    }
}

/// gather and verify: verifies each piece of evidence, and that all of it proves the same identity.
async fn verify_evidence(
    app: &App,
    in_force: &Arc<InForce>,
    arrived: &Arrived,
) -> Result<Arc<AttestedIdentity>, Stop> {
    let Arrived { requested, peer, .. } = arrived;
    let policy = &in_force.policy;
    let statement = requested.software_statement.clone();
    let statement = statement.map(|statement| Presented::statement(statement, policy));
    // Together with an initial access token, a certificate is not evidence: the token may be bound to it.
    let certificates = arrived.certificates.clone().filter(|_| arrived.token.is_none());
    let attestations = Some(arrived.attestations.clone()).filter(|values| !values.is_empty());
    let attestation = attestations.map(Presented::attestation).transpose()?;
    let shown = [statement, certificates.map(Presented::certificates), attestation];
    let endpoint = policy.registration_endpoint().unwrap_or_default();
    let mut proven: Option<AttestedIdentity> = None;
    for presented in shown.into_iter().flatten() {
        // The certificate that a verifiable credential names needs no authority that issued it.
        if let (Some(holder), Evidence::Certificates(certificates)) = (&mut proven, &presented.evidence)
            && holder
                .proof
                .credential
                .as_ref()
                .is_some_and(|held| held.certificate.is_some())
        {
            certify_holder(holder, certificates, app.now())?;
            continue;
        }
        let credential = doors::recognise(&presented)?;
        let purpose = Purpose::Statement { endpoint: &endpoint };
        let (identity, _) = verify_credential(app, in_force, peer, credential, purpose).await?;
        match &mut proven {
            None => proven = Some(identity),
            // An attestation proves that the sender of a verifiable credential is its holder.
            Some(first)
                if first.proof.credential.is_some() && identity.kind == CredentialKind::Attestation =>
            {
                is_switched_on(&identity, &app.switches.load())?;
                attest_holder(first, identity, policy)?;
            }
            // The certificate proves that the subject of the statement is the other end of the connection; an attestation
            // names a key of the subject, which the request must prove.
            Some(first) if first.subject == identity.subject => {
                let of_both = &mut first.proof;
                of_both.certificate_thumbprint = of_both
                    .certificate_thumbprint
                    .or(identity.proof.certificate_thumbprint);
                of_both.confirmation = of_both.confirmation.take().or(identity.proof.confirmation);
            }
            Some(_) => return Err(CredentialReason::TwoIdentities.into()),
        }
    }
    Ok(Arc::new(proven.ok_or(CredentialReason::EvidenceMissing)?))
}

/// Registers a client without evidence: with a sponsor, or under `[registration.open]`. The server assigns its client
/// id.
async fn without_evidence(
    app: &App,
    in_force: &InForce,
    arrived: &Arrived,
    vouched: Option<VouchedFor>,
    trail: &mut RequestTrail<'_>,
) -> Result<Vec<u8>, Stop> {
    let (sponsor, credential) = match vouched {
        Some(vouched) => (Some(vouched.sponsor), vouched.credential),
        None => (None, None),
    };
    let (policy, requested) = (&in_force.policy, &arrived.requested);
    let kind = unattested::kind(requested)?;
    let entropy = app.clock.entropy().ok_or(Fault::NoEntropy)?;
    let random = entropy.random.first_chunk().ok_or(Fault::NoEntropy)?;
    let client_id = app.keys.load().opaque_key.new_client_id(random);
    let token = RegistrationToken::new().ok_or(Fault::NoEntropy)?;
    let identity = Arc::new(AttestedIdentity::named_here(&client_id, kind, sponsor));
    // The event of a refusal names the sponsor; without one there is no proven identity to name.
    trail.identity = identity.sponsor.is_some().then(|| identity.clone());
    let sender = arrived.sender(in_force, Some(&identity));
    let possession = prove(app, in_force, &arrived.proofs, sender)?; // verify
    let governed = govern_here(app, policy, &identity)?;
    take_share(app, &possession, Taker::Proven(governed.identity.governed_as().1))?;
    let registration = RegistrationWithoutEvidence {
        governed: &governed,
        possession: &possession,
        sponsor_credential: credential.as_deref(),
        asked: RegistrationRequest {
            requested,
            request: trail.request(),
            management_digest: token.digest(),
            address: arrived.address,
        },
    };
    let registered = settle(app, policy, &registration, |registered, _| Ok(registered)).await?; // load … commit
    let (uri, token) = (client_uri(policy, &client_id), token.as_str());
    Ok(render(&registered, Extra::Management { uri, token }))
}

/// The request of a client with evidence, reduced to what the rule of its sponsor and the sponsor's authority let it give.
pub(crate) fn within_sponsor(
    app: &App,
    policy: &Policy,
    requested: RequestedMetadata,
    sponsor: Sponsor,
) -> Result<RequestedMetadata, Rejection> {
    let vouched_for = AttestedIdentity::named_here("", CredentialKind::Public, Some(Box::new(sponsor)));
    let governed = govern_here(app, policy, &vouched_for)?;
    let (rule, limits) = (governed.found.rule, vouched_for.sponsor_limits());
    let scopes = limits.scopes(rule.scopes.without(SCOPE_REGISTER));
    let grant_types = limits.grant_types(rule.grant_types.clone());
    Ok(requested.within(&scopes, &grant_types).demanding(limits))
}

fn govern_here<'a>(
    app: &App,
    policy: &'a Policy,
    identity: &'a AttestedIdentity,
) -> Result<GovernedIdentity<'a>, Rejection> {
    let governed = app
        .govern(identity, OccasionKind::Registration, policy)
        .map_err(|rejection| refusal_of(identity, rejection))?;
    // The rule may have changed since the initial access token was issued: the rule that is in force now decides.
    let may_vouch = |scope: &testudo_protocol::oauth::Scope| scope.as_str() == SCOPE_REGISTER;
    if identity.sponsor.is_some() && !governed.found.rule.scopes.iter().any(may_vouch) {
        return Err(CredentialReason::InitialAccessTokenHasNoScope.into());
    }
    Ok(governed)
}
