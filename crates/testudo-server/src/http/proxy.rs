//! A TLS terminator in front: the client's certificates in header fields. [RFC9440 §2]
//!
//! Believed only from the addresses that the configuration names; from anywhere else the fields are a forgery,
//! and a request that has them is refused rather than read without them.

use super::Peer;
use crate::app::App;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use testudo_core::doors::PeerCertificates;
use testudo_core::rejection::Rejection;
use testudo_protocol::limits::CHAIN_CERTIFICATES_MAX;
use testudo_protocol::spiffe::X509Fault;

/// `server.proxy`, judged.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Networks that the proxy connects from.
    pub trusted: Vec<IpNet>,
    /// Field with the leaf.
    pub leaf_field: HeaderName,
    /// Field with the rest of the chain.
    pub chain_field: HeaderName,
}

/// The client's certificates: those the proxy saw, or else those of its own handshake.
pub(super) fn certificates_of(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Option<Arc<PeerCertificates>>, Rejection> {
    let forwarded = certificates(app.proxy.as_ref(), peer.address, headers)?;
    Ok(forwarded.or_else(|| peer.certificates.clone()))
}

/// The client's certificates as the proxy saw them; nothing where it sent none.
fn certificates(
    proxy: Option<&Proxy>,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
) -> Result<Option<Arc<PeerCertificates>>, Rejection> {
    let Some(proxy) = proxy else { return Ok(None) };
    let malformed = || Rejection::Certificate(X509Fault::Malformed);
    let leaves: Vec<&HeaderValue> = headers.get_all(&proxy.leaf_field).iter().collect();
    let rest: Vec<&HeaderValue> = headers.get_all(&proxy.chain_field).iter().collect();
    if leaves.is_empty() && rest.is_empty() {
        return Ok(None);
    }
    let is_trusted = peer.is_some_and(|peer| proxy.trusted.iter().any(|net| net.contains(&peer)));
    // [RFC9440 §4] The field is an injection wherever it does not come from the terminator.
    if !is_trusted {
        return Err(Rejection::ForeignCertificateHeader);
    }
    let [leaf] = leaves.as_slice() else {
        return Err(malformed());
    };
    let mut chain = vec![byte_sequence(leaf.to_str().map_err(|_| malformed())?).ok_or_else(malformed)?];
    for value in rest {
        for item in value.to_str().map_err(|_| malformed())?.split(',') {
            if chain.len() == CHAIN_CERTIFICATES_MAX {
                return Err(Rejection::Certificate(X509Fault::TooLong));
            }
            chain.push(byte_sequence(item).ok_or_else(malformed)?);
        }
    }
    Ok(Some(Arc::new(PeerCertificates::new(chain))))
}

/// `:base64:`, and nothing around it.
fn byte_sequence(text: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(text.trim().strip_prefix(':')?.strip_suffix(':')?)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy() -> Proxy {
        Proxy {
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            leaf_field: HeaderName::from_static("client-cert"),
            chain_field: HeaderName::from_static("client-cert-chain"),
        }
    }

    fn read(peer: &str, fields: &[(&'static str, &str)]) -> Result<Option<usize>, Rejection> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        certificates(Some(&proxy()), Some(peer.parse().unwrap()), &headers)
            .map(|found| found.map(|certificates| certificates.chain.len()))
    }

    #[test]
    fn rfc9440_2_leaf_and_chain() {
        assert_eq!(read("10.1.2.3", &[]), Ok(None));
        assert_eq!(read("10.1.2.3", &[("client-cert", ":AQI=:")]), Ok(Some(1)));
        let chain = [
            ("client-cert", ":AQI=:"),
            ("client-cert-chain", ":AQ==:, :Ag==:"),
            ("client-cert-chain", ":Aw==:"),
        ];
        assert_eq!(read("10.1.2.3", &chain), Ok(Some(4)));
    }

    #[test]
    fn d_21_from_anywhere_else_it_is_a_forgery() {
        assert_eq!(
            read("192.0.2.1", &[("client-cert", ":AQI=:")]),
            Err(Rejection::ForeignCertificateHeader)
        );
        assert_eq!(
            read("192.0.2.1", &[("client-cert-chain", ":AQI=:")]),
            Err(Rejection::ForeignCertificateHeader)
        );
        assert_eq!(read("192.0.2.1", &[]), Ok(None));
    }

    #[test]
    fn malformed_fields_are_refused() {
        for fields in [
            vec![("client-cert", "AQI=")],
            vec![("client-cert", ":AQI=")],
            vec![("client-cert", ":?:")],
            vec![("client-cert", ":AQI=:"), ("client-cert", ":AQI=:")],
            vec![("client-cert-chain", ":AQI=:")],
        ] {
            assert_eq!(
                read("10.0.0.1", &fields),
                Err(Rejection::Certificate(X509Fault::Malformed)),
                "{fields:?}"
            );
        }
        let long = [":AQ==:"; CHAIN_CERTIFICATES_MAX].join(",");
        let fields = [("client-cert", ":AQI=:"), ("client-cert-chain", long.as_str())];
        assert_eq!(
            read("10.0.0.1", &fields),
            Err(Rejection::Certificate(X509Fault::TooLong))
        );
    }
}
