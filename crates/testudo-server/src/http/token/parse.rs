//! Parsing of a token request. Nothing in the request is verified here.

use crate::fault::Stop;
use crate::http::bearer::bearer;
use crate::http::body::{self, RequestBody, content_type};
use crate::http::{proofs, proxy};
use crate::peer::Peer;
use crate::state::in_force::Arrival;
use hyper::{Request, header};
use testudo_core::doors::{Presented, RequestHeaders};
use testudo_core::grants::{self, GrantRequest};
use testudo_core::possession::PresentedProofs;
use testudo_core::rejection::{Authorization, CertificateUse, CredentialReason, Rejection, RequestReason};
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::{Form, is_vschar};

/// A token request, parsed. Nothing in it is verified yet.
pub(super) struct Arrived {
    /// The credential.
    pub(super) presented: Presented,
    /// The attestations beside it.
    pub(super) attestations: Vec<String>,
    /// The grant, with the scope and resource that are asked for.
    pub(super) grant: GrantRequest,
    /// The parameter `client_id`, as the client sent it.
    pub(super) client_id: Option<String>,
    /// The proofs of possession.
    pub(super) proofs: PresentedProofs,
}

/// parse: the body within its bounds, the form, the client authentication method, the grant.
pub(super) async fn receive<B: RequestBody>(
    arrival: &Arrival,
    peer: &Peer,
    request: Request<B>,
) -> Result<Arrived, Stop> {
    // [OAUTH-2.1 §2.4.1] Credentials in the URL are refused: URLs are written to logs.
    if request.uri().query().is_some() {
        return Err(RequestReason::CredentialsInUrl.into());
    }
    let headers = RequestHeaders {
        has_authorization: request.headers().contains_key(header::AUTHORIZATION),
        client_attestations: proofs::attestations(request.headers()),
        certificates: proxy::certificates_of(arrival, peer, request.headers())?,
    };
    let proofs = proofs::of(request.headers());
    if !is_form(&request) {
        return Err(RequestReason::NotAForm.into());
    }
    let (head, body) = request.into_parts();
    let body = body::read(body, Rejection::Request(RequestReason::NotAForm)).await?;
    let parsed = parse(&body, headers, proofs);
    Ok(parsed.map_err(|rejection| {
        if rejection != CredentialReason::NoCredential.into() {
            return rejection;
        }
        proxy::certificate_not_read(arrival, peer, &head.headers, CertificateUse::Authentication)
            .map_or(rejection, Rejection::from)
    })?)
}

/// Refuses the grants for which a person signs in, as long as people cannot: the metadata does not list them.
/// [RFC6749 §5.2]
fn is_offered(form: &Form) -> Result<(), Rejection> {
    match form.get("grant_type").filter(|name| !grants::is_offered(name)) {
        Some(name) => Err(RequestReason::UnsupportedGrantType {
            found: name.to_owned(),
        }
        .into()),
        None => Ok(()),
    }
}

/// Parses the body.
fn parse(body: &[u8], headers: RequestHeaders, proofs: PresentedProofs) -> Result<Arrived, Rejection> {
    let mut form = Form::parse(body).map_err(RequestReason::MalformedForm)?;
    let client_id = form.get("client_id").map(str::to_owned);
    if client_id
        .as_ref()
        .is_some_and(|id| id.len() > IDENTIFIER_BYTES_MAX || !is_vschar(id))
    {
        return Err(RequestReason::MalformedClientId.into());
    }
    is_offered(&form)?;
    let grant = GrantRequest::parse(&form)?;
    let (presented, attestations) = Presented::find(&mut form, headers)?;
    Ok(Arrived {
        presented,
        attestations,
        grant,
        client_id,
        proofs,
    })
}

/// True for `application/x-www-form-urlencoded`, with no charset or UTF-8. [RFC6749 B]
fn is_form<B>(request: &Request<B>) -> bool {
    let Some(parameters) = content_type(request.headers(), "application/x-www-form-urlencoded") else {
        return false;
    };
    parameters
        .split(';')
        .all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// The scheme of `Authorization`, on which the answer to a failed authentication depends.
pub(super) fn authorization<B>(request: &Request<B>) -> Authorization {
    match request.headers().contains_key(header::AUTHORIZATION) {
        false => Authorization::Absent,
        true if bearer(request.headers()).is_some() => Authorization::Bearer,
        true => Authorization::Other,
    }
}
