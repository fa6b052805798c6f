//! Receives a request that a client sends as a form: the token endpoint, and the endpoints at which a client
//! authenticates in the same way. Nothing in the request is verified here.

use crate::fault::Stop;
use crate::http::bearer::bearer;
use crate::http::body::{self, RequestBody, is_form};
use crate::http::{proofs, proxy};
use crate::peer::Peer;
use crate::state::in_force::Arrival;
use hyper::{Request, header};
use std::net::IpAddr;
use testudo_core::doors::{Evidence, Presented, RequestHeaders};
use testudo_core::possession::PresentedProofs;
use testudo_core::rejection::{Authorization, CertificateUse, CredentialReason, Rejection, RequestReason};
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::{Form, is_vschar};

/// How a client authenticates, as it arrived. Nothing of it is verified yet.
pub(in crate::http) struct Arrived {
    /// The credential.
    pub(super) presented: Presented,
    /// The attestations beside it.
    pub(super) attestations: Vec<String>,
    /// The parameter `client_id`, as the client sent it.
    pub(super) client_id: Option<String>,
    /// The proofs of possession.
    pub(super) proofs: PresentedProofs,
    /// If the request has no credential: the certificate in a header field that this server does not read.
    pub(super) unread_certificate: Option<CredentialReason>,
    /// The address of the caller; `None` at a Unix socket.
    pub(super) address: Option<IpAddr>,
}

const NO_CREDENTIAL: Rejection = Rejection::Credential(CredentialReason::NoCredential);

impl Arrived {
    /// The reason of a refusal. A client that has no credential may have sent one in a field that is not read.
    pub(super) fn explained(unread: Option<CredentialReason>, refused: Rejection) -> Rejection {
        match unread {
            Some(unread) if refused == NO_CREDENTIAL => unread.into(),
            Some(_) | None => refused,
        }
    }
}

/// parse: the body within its bounds, the form, what the client asks for (`parse`), the client authentication method.
pub(in crate::http) async fn receive<B: RequestBody, T>(
    arrival: &Arrival,
    peer: &Peer,
    request: Request<B>,
    parse: impl FnOnce(&mut Form) -> Result<T, Rejection>,
) -> Result<(T, Arrived), Stop> {
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
    let mut form = Form::parse(&body).map_err(RequestReason::MalformedForm)?;
    let client_id = client_id(&form)?;
    let asked = parse(&mut form)?;
    let unread = || proxy::certificate_not_read(arrival, peer, &head.headers, CertificateUse::Authentication);
    let (presented, attestations) =
        Presented::find(&mut form, headers).map_err(|rejection| match rejection == NO_CREDENTIAL {
            true => unread().map_or(rejection, Rejection::from),
            false => rejection,
        })?;
    let is_absent = matches!(presented.evidence, Evidence::Absent(_));
    let arrived = Arrived {
        unread_certificate: is_absent.then(unread).flatten(),
        address: proxy::address_of(arrival, peer, &head.headers),
        presented,
        attestations,
        client_id,
        proofs,
    };
    Ok((asked, arrived))
}

/// The parameter `client_id`.
fn client_id(form: &Form) -> Result<Option<String>, Rejection> {
    let client_id = form.get("client_id").map(str::to_owned);
    let is_malformed = |id: &String| id.len() > IDENTIFIER_BYTES_MAX || !is_vschar(id);
    match client_id.as_ref().is_some_and(is_malformed) {
        true => Err(RequestReason::MalformedClientId.into()),
        false => Ok(client_id),
    }
}

/// The scheme of `Authorization`, on which the answer to a failed authentication depends.
pub(in crate::http) fn authorization<B>(request: &Request<B>) -> Authorization {
    match request.headers().contains_key(header::AUTHORIZATION) {
        false => Authorization::Absent,
        true if bearer(request.headers()).is_some() => Authorization::Bearer,
        true => Authorization::Other,
    }
}
