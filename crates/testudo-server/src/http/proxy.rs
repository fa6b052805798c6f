//! Where a request came from, and the certificates of its client, with or without a proxy in front.

use crate::peer::{Peer, address, certificates};
use crate::state::in_force::Arrival;
use hyper::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;
use testudo_core::doors::PeerCertificates;
use testudo_core::records::RequestDetails;
use testudo_core::rejection::{CertificateUse, CredentialReason, Rejection};

/// The address of the client: the one that a trusted proxy states, or the other end of the connection.
pub(super) fn address_of(arrival: &Arrival, peer: &Peer, headers: &HeaderMap) -> Option<IpAddr> {
    address(arrival.proxy.as_ref(), peer.address, headers)
}

/// The client's certificates: those that the proxy forwards, where the proxy opened the connection; otherwise those of
/// the TLS handshake of the connection.
pub(super) fn certificates_of(
    arrival: &Arrival,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Option<Arc<PeerCertificates>>, Rejection> {
    let forwarded = certificates(arrival.proxy.as_ref(), peer.address, headers)?;
    // [RFC9440 §4] On a connection from the proxy, the handshake proves the proxy and not the client.
    match arrival.proxy_at(peer) {
        Some(_) => Ok(forwarded),
        None => Ok(peer.certificates.clone()),
    }
}

/// Names of the headers in which proxies forward certificates, besides the configured one: Envoy and Istio, Traefik,
/// ingress-nginx, RFC 9440, configurations of nginx and HAProxy, and the load balancers of AWS and Azure.
const CERTIFICATE_HEADERS: [&str; 8] = [
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-cert",
    "ssl-client-cert",
    "client-cert",
    "x-ssl-client-cert",
    "x-client-cert",
    "x-amzn-mtls-clientcert",
    "x-arr-clientcert",
];

/// The reason to refuse a request without a certificate, if it has a certificate header that is not read: the proxy is
/// probably configured differently from this server.
pub(super) fn certificate_not_read(
    arrival: &Arrival,
    peer: &Peer,
    headers: &HeaderMap,
    needed: CertificateUse,
) -> Option<CredentialReason> {
    let expected = arrival
        .proxy_at(peer)
        .and_then(|proxy| proxy.certificate_fields.as_ref())
        .map(|(leaf, _)| leaf.to_string());
    let is_sent = |name: &str| Some(name) != expected.as_deref() && headers.contains_key(name);
    let found = CERTIFICATE_HEADERS.into_iter().find(|name| is_sent(name))?;
    Some(CredentialReason::CertificateHeaderNotRead {
        found,
        expected,
        needed,
    })
}

/// Keeps the ids that a trusted proxy gave the request: its `X-Request-Id` and its `traceparent`. An id is left out
/// where it is longer than 128 characters or contains anything but visible ASCII.
pub(super) fn note_ids(details: &mut RequestDetails, arrival: &Arrival, peer: &Peer, headers: &HeaderMap) {
    const CHARACTERS_MAX: usize = 128;
    if arrival.proxy_at(peer).is_none() {
        return;
    }
    let id = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        let is_short = (1..=CHARACTERS_MAX).contains(&text.len());
        (is_short && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
    };
    details.proxy_request_id = id("x-request-id");
    details.traceparent = id("traceparent");
}
