//! A credential that an administrator gives to `explain`: which kind it is read as, and its verification.

use super::ErrorAnswer;
use crate::config::file_fault::FileFault;
use crate::config::pem_files;
use crate::credential_status;
use crate::fault::Stop;
use crate::gather::gather;
use crate::state::app::App;
use crate::state::in_force::InForce;
use crate::verify::{attested_client, review};
use std::sync::Arc;
use testudo_core::doors::{self, Credential, Facts, PeerCertificates, Presented, Purpose, Terms};
use testudo_core::grants::ScopeAndResource;
use testudo_core::policy::Policy;
use testudo_core::records::counted;
use testudo_core::rejection::{AdmissionReason, CredentialReason, Rejection};
use testudo_core::{AttestedIdentity, CredentialKind, OccasionKind, Trace};

/// The question about a credential.
pub(super) struct OfCredential<'a> {
    pub(super) credential: &'a str,
    /// What the request asks for.
    pub(super) asked: ScopeAndResource,
    /// The parameter `client_id` of the request.
    pub(super) client_id: Option<&'a str>,
    /// True for evidence of a registration, and not for a token request.
    pub(super) is_registration: bool,
}

/// A credential that an administrator gives, and the request in which it is explained.
pub(super) struct Given<'a> {
    form: Form<'a>,
    /// The parameter `client_id` of the request.
    client_id: Option<&'a str>,
    /// A registration where that is asked, or where the issuer of the token speaks for software statements only; a token
    /// request otherwise.
    pub(super) occasion: OccasionKind,
}

enum Form<'a> {
    Token(&'a str),
    Chain(Arc<PeerCertificates>),
}

impl Form<'_> {
    fn of(text: &str) -> Result<Form<'_>, ErrorAnswer> {
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
                "write a JWT-SVID, an assertion or another token, or the PEM certificates of an X.509-SVID into it",
            );
        }
        if text
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("bearer "))
        {
            return refuse("begins with `Bearer`", "write the token alone, without `Bearer`");
        }
        if !text.contains("-----BEGIN ") {
            return Ok(Form::Token(text));
        }
        match pem_files::certificates(text.as_bytes()) {
            Ok(chain) => Ok(Form::Chain(Arc::new(PeerCertificates::new(
                chain.iter().map(|der| der.to_vec()).collect(),
            )))),
            Err(FileFault { problem, hint }) => refuse(&problem, hint),
        }
    }

    /// True for a token of an issuer that speaks for software statements only.
    fn is_only_a_statement(&self, policy: &Policy) -> bool {
        match self {
            Form::Token(token) => {
                let statement = Presented::statement((*token).to_owned(), policy);
                statement.kind.is_found_by_issuer() && !as_assertion(token, policy).kind.is_found_by_issuer()
            }
            Form::Chain(_) => false,
        }
    }
}

impl<'a> Given<'a> {
    pub(super) fn of(question: &OfCredential<'a>, policy: &Policy) -> Result<Given<'a>, ErrorAnswer> {
        let form = Form::of(question.credential)?;
        let occasion = match question.is_registration || form.is_only_a_statement(policy) {
            true => OccasionKind::Registration,
            false => OccasionKind::Token,
        };
        Ok(Given {
            form,
            client_id: question.client_id,
            occasion,
        })
    }

    /// Verifies the credential as that of a request.
    pub(super) async fn verify(
        self,
        app: &App,
        in_force: &InForce,
        trace: &mut Trace,
    ) -> Result<AttestedIdentity, Rejection> {
        let policy = &in_force.policy;
        let is_statement = self.occasion == OccasionKind::Registration;
        if is_statement && !policy.registration.takes_evidence {
            return Err(AdmissionReason::EvidenceNotTaken.into());
        }
        let (credential, form) = match &self.form {
            Form::Token(token) if is_statement => (
                doors::recognise(
                    &attestation(token).unwrap_or_else(|| Presented::statement((*token).to_owned(), policy)),
                )?,
                "a token, as evidence of a registration",
            ),
            Form::Token(token) => (recognise(token, policy)?, "a JWS in compact form"),
            Form::Chain(chain) => {
                let presented = Presented::certificates(chain.clone());
                let presented = match is_statement {
                    true => presented,
                    false => presented.of_client(self.client_id, policy, |id| {
                        app.keys.load().opaque_key.has_named(id)
                    }),
                };
                (
                    doors::recognise(&presented)?,
                    "a certificate chain in PEM; only a TLS handshake shows whether the client has the private key of the leaf",
                )
            }
        };
        trace.passed("form", || form.to_owned());
        // If the store cannot be read, a registered client is treated as unknown, as the token endpoint does.
        let facts = gather(app, in_force, credential.lookups()).await;
        let facts = facts.unwrap_or(Facts::Nothing);
        let endpoint = policy.registration_endpoint().unwrap_or_default();
        let terms = Terms {
            policy,
            purpose: match self.occasion {
                OccasionKind::Token
                | OccasionKind::PushedAuthorization
                | OccasionKind::Authorization
                | OccasionKind::Introspection
                | OccasionKind::Revocation => Purpose::Authentication,
                OccasionKind::Registration => Purpose::Statement { endpoint: &endpoint },
            },
            now: app.now(),
        };
        let mut identity = credential.verify(&facts, terms, trace)?;
        if !is_statement && let Some(client) = client_of(app, in_force, &identity).await? {
            trace.passed("key of the client attested", || client.subject.to_string());
            identity = client;
        }
        // As at the token endpoint, a token is reviewed only if a rule governs its identity.
        let is_governed = app.govern(&identity, self.occasion, policy).is_ok();
        if let (Form::Token(token), true) = (self.form, is_governed) {
            reviewed(app, in_force, token, &identity, trace).await?;
        }
        if let Some(credential) = &identity.proof.credential {
            credential_status::check(app, in_force, &identity.authority, &credential.status).await?;
            trace.passed("status", || counted(credential.status.len(), "reference"));
        }
        Ok(identity)
    }
}

/// The client of a verifiable credential for which the attestation is. If the store cannot be read, it is treated as unknown.
async fn client_of(
    app: &App,
    in_force: &InForce,
    attested: &AttestedIdentity,
) -> Result<Option<AttestedIdentity>, Rejection> {
    match attested_client(app, in_force, attested).await {
        Ok(found) => Ok(found.map(|(identity, _)| identity)),
        Err(Stop::Refused(rejection)) => Err(rejection),
        Err(Stop::Failed(_)) => Err(CredentialReason::UnknownClient.into()),
    }
}

/// Has a verified token reviewed by the API server of its cluster, if the configuration has it reviewed.
async fn reviewed(
    app: &App,
    in_force: &InForce,
    token: &str,
    identity: &AttestedIdentity,
    trace: &mut Trace,
) -> Result<(), Rejection> {
    let presented = Presented::new(identity.kind, token.to_owned());
    review(app, in_force, &presented, identity).await?;
    let settings = in_force.policy.authority(&identity.authority);
    if settings.is_some_and(|settings| settings.review.is_some()) {
        trace.passed("TokenReview", || {
            "the API server accepts the token, or its outage is bridged".to_owned()
        });
    }
    Ok(())
}

/// What requests send in `OAuth-Client-Attestation`, which `typ` shows.
fn attestation(token: &str) -> Option<Presented> {
    Presented::attestation(vec![token.to_owned()]).ok()
}

/// The token as an assertion of the type jwt-bearer.
fn as_assertion(token: &str, policy: &Policy) -> Presented {
    Presented::new(CredentialKind::PrivateKeyJwt, token.to_owned()).of_issuer(policy)
}

/// Reads a credential whose `client_assertion_type` is not known: as the kind that its `typ`, its issuer or its subject
/// names, or else as the first kind whose door can read it. Guessing is allowed only here, where no token is issued.
fn recognise(token: &str, policy: &Policy) -> Result<Credential, Rejection> {
    if let Some(attestation) = attestation(token) {
        return doors::recognise(&attestation);
    }
    let assertion = as_assertion(token, policy);
    if assertion.kind.is_found_by_issuer() {
        return doors::recognise(&assertion);
    }
    let read = |kind| doors::recognise(&Presented::new(kind, token.to_owned()));
    if let Some(kind) = CredentialKind::of_statement(token) {
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
