//! Where a request came from, and the certificates of its client, with or without a proxy in front.

use crate::peer::{Peer, address, certificates};
use crate::state::in_force::Arrival;
use hyper::HeaderMap;
use std::net::IpAddr;
use std::sync::Arc;
use testudo_core::doors::PeerCertificates;
use testudo_core::rejection::Rejection;

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
    let is_proxy = arrival
        .proxy
        .as_ref()
        .is_some_and(|proxy| proxy.is_at(peer.address));
    // [RFC9440 §4] On a connection from the proxy, the handshake proves the proxy and not the client.
    match is_proxy {
        true => Ok(forwarded),
        false => Ok(peer.certificates.clone()),
    }
}

/// The id that a trusted proxy gave the request: its `traceparent`, or else its `X-Request-Id`. `None` where it is
/// longer than 128 characters or contains anything but visible ASCII.
pub(super) fn request_id_of(arrival: &Arrival, peer: &Peer, headers: &HeaderMap) -> Option<String> {
    const CHARACTERS_MAX: usize = 128;
    let proxy = arrival.proxy.as_ref()?;
    if !proxy.is_at(peer.address) {
        return None;
    }
    let value = headers
        .get("traceparent")
        .or_else(|| headers.get("x-request-id"))?;
    let text = value.to_str().ok()?;
    let is_short = (1..=CHARACTERS_MAX).contains(&text.len());
    (is_short && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}
