//! The registration endpoint, for clients that can show who they are. [RFC7591 §3]
//!
//! Evidence is a software statement that is a JWT-SVID, a client certificate that is an X.509-SVID, or both, and
//! then of one identity. Nothing here gives out a secret or a registration access token.

use super::Peer;
use super::body;
use super::proxy;
use super::respond::{fault, json, registration_refusal};
use super::token::{Witness, gather, note_refusal};
use crate::app::App;
use crate::settle::Fault;
use crate::settle::registration::{Registering, settle};
use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::{Request, Response, StatusCode, header};
use serde_json::{Map, Value, json as object};
use std::sync::Arc;
use testudo_core::doors::{self, PeerCertificates, Presented, Purpose};
use testudo_core::identity::CredentialKind;
use testudo_core::policy::Policy;
use testudo_core::registration::admit::place;
use testudo_core::registration::register::Registered;
use testudo_core::registration::requested::Requested;
use testudo_core::rejection::Rejection;
use testudo_core::{AttestedIdentity, Occasion, Trace};

pub(super) async fn register<B>(
    app: &App,
    policy: &Policy,
    peer: &Peer,
    request: Request<B>,
    request_id: &str,
) -> Response<Full<Bytes>>
where
    B: Body + Send + Unpin,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut witness = Witness::default();
    match serve(app, policy, (peer, request), request_id, &mut witness).await {
        Ok(Ok(body)) => json(StatusCode::CREATED, body),
        Ok(Err(rejection)) => {
            note_refusal(
                app,
                (Occasion::Registration, request_id),
                &witness,
                &rejection,
                None,
            )
            .await;
            registration_refusal(&rejection)
        }
        Err(what) => {
            app.metrics.faults.inc();
            tracing::error!(request.id = request_id, fault = %what, "a registration failed by our fault");
            fault(&what)
        }
    }
}

async fn serve<B>(
    app: &App,
    policy: &Policy,
    (peer, request): (&Peer, Request<B>),
    request_id: &str,
    witness: &mut Witness,
) -> Result<Result<Vec<u8>, Rejection>, Fault>
where
    B: Body + Send + Unpin,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    macro_rules! or_refuse {
        ($step:expr) => {
            match $step {
                Ok(value) => value,
                Err(rejection) => return Ok(Err(rejection)),
            }
        };
    }
    let (requested, certificates) = or_refuse!(receive(app, peer, request).await); // parse
    witness.scope = requested.scope.as_ref().map(ToString::to_string);
    let identity = or_refuse!(prove(app, policy, &requested, certificates).await); // gather, verify
    witness.identity = Some(identity.clone());
    let (standing, keys) = (app.standing.load(), app.keys.load());
    let occasion = Occasion::Registration;
    let placed = or_refuse!(place(
        &identity,
        occasion,
        policy,
        &standing,
        &keys.opaque_key,
        &mut Trace::off()
    ));
    let registering = Registering {
        requested: &requested,
        request_id,
    };
    let registered = or_refuse!(settle(app, &placed, registering, policy).await?); // load … commit
    if registered.is_new {
        tracing::info!(
            request.id = request_id,
            identity = &*identity.subject,
            "client.registered"
        );
    }
    Ok(Ok(render(&registered, &requested)))
}

/// parse: JSON within its bounds, and the certificates of the connection.
async fn receive<B>(
    app: &App,
    peer: &Peer,
    request: Request<B>,
) -> Result<(Requested, Option<Arc<PeerCertificates>>), Rejection>
where
    B: Body + Send + Unpin,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.uri().query().is_some() {
        return Err(Rejection::CredentialsInUrl);
    }
    let certificates = proxy::certificates_of(app, peer, request.headers())?;
    // [RFC7591 §3.1] application/json; a parameter of it has no meaning.
    let media = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media = media.and_then(|text| text.split(';').next()).map(str::trim);
    if !media.is_some_and(|media| media.eq_ignore_ascii_case("application/json")) {
        return Err(Rejection::NotJson);
    }
    // Initial access tokens are not taken: silence about one would register more than its holder may.
    if request.headers().contains_key(header::AUTHORIZATION) {
        return Err(Rejection::EvidenceMissing);
    }
    let body = body::read(request.into_body(), Rejection::MalformedJson).await?;
    Ok((Requested::parse(&body)?, certificates))
}

/// gather and verify: every piece of evidence, and that all of it is of one identity.
async fn prove(
    app: &App,
    policy: &Policy,
    requested: &Requested,
    certificates: Option<Arc<PeerCertificates>>,
) -> Result<Arc<AttestedIdentity>, Rejection> {
    let statement = requested.software_statement.clone();
    let statement = statement.map(|text| Presented::new(CredentialKind::JwtSvid, text));
    let shown = [statement, certificates.map(Presented::certificates)];
    let endpoint = policy.registration_endpoint().unwrap_or_default();
    let mut proven: Option<AttestedIdentity> = None;
    for presented in shown.into_iter().flatten() {
        let credential = doors::recognise(&presented)?;
        let facts = gather(app, credential.lookups()).await;
        let purpose = Purpose::Statement { endpoint: &endpoint };
        let identity = credential.verify(&facts, policy, purpose, app.now(), &mut Trace::off())?;
        match &mut proven {
            None => proven = Some(identity),
            // Together they prove more than the statement alone: its subject is at the other end.
            Some(first) if first.subject == identity.subject => {
                first.certificate_thumbprint = identity.certificate_thumbprint;
            }
            Some(_) => return Err(Rejection::TwoIdentities),
        }
    }
    proven.map(Arc::new).ok_or(Rejection::EvidenceMissing)
}

/// All that is registered, and the statement as it came. [RFC7591 §3.2.1]
fn render(registered: &Registered, requested: &Requested) -> Vec<u8> {
    let (client, answer) = (&registered.client, &registered.answer);
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    put("client_id", Some(object!(client.client_id)));
    put("client_id_issued_at", Some(object!(client.created.0)));
    put(
        "token_endpoint_auth_method",
        Some(object!(answer.token_endpoint_auth_method)),
    );
    put("grant_types", Some(object!(answer.grant_types)));
    put("response_types", Some(object!(answer.response_types)));
    put("scope", Some(object!(answer.scope.to_string())));
    let floors = [
        (
            "tls_client_certificate_bound_access_tokens",
            answer.must_bind_tokens,
        ),
        ("require_pushed_authorization_requests", answer.must_push),
        ("require_signed_request_object", answer.must_sign_requests),
    ];
    for (name, is_demanded) in floors {
        put(name, is_demanded.then_some(object!(true)));
    }
    put(
        "spiffe_id",
        client
            .subject
            .starts_with("spiffe://")
            .then(|| object!(client.subject)),
    );
    let metadata = &client.metadata;
    let labels = [
        ("client_name", &metadata.client_name),
        ("client_uri", &metadata.client_uri),
        ("logo_uri", &metadata.logo_uri),
        ("tos_uri", &metadata.tos_uri),
        ("policy_uri", &metadata.policy_uri),
        ("software_id", &metadata.software_id),
        ("software_version", &metadata.software_version),
        ("spiffe_bundle_endpoint", &metadata.spiffe_bundle_endpoint),
        ("software_statement", &requested.software_statement),
    ];
    for (name, value) in labels {
        put(name, value.as_ref().map(|text| object!(text)));
    }
    for (name, value) in &metadata.tagged {
        put(name, Some(object!(value)));
    }
    for (name, list) in [
        ("redirect_uris", &metadata.redirect_uris),
        ("contacts", &metadata.contacts),
    ] {
        put(name, (!list.is_empty()).then(|| object!(list)));
    }
    Value::Object(body).to_string().into_bytes()
}
