//! The other end of a connection: a client, or a proxy that forwards the client's certificates [RFC9440 §2] and its
//! address in header fields.
//!
//! These fields are used only on connections from the addresses of `server.proxy`. On other connections, a request with
//! certificate fields is refused, since the fields are forged, and an address field is ignored. The certificates of the
//! TLS handshake with the proxy are never used as a client's: otherwise every client behind a proxy that authenticates
//! itself would have the identity of the proxy.

mod client_address;

use crate::chain_memory::ChainMemory;
use crate::local_process::LocalProcess;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;
use testudo_core::doors::PeerCertificates;
use testudo_core::rejection::{CredentialReason, Rejection};
use testudo_protocol::limits::CHAIN_CERTIFICATES_MAX;
use testudo_protocol::spiffe::X509Error;

/// The other end of a connection.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// IP address of the other end; `None` at a Unix socket.
    pub address: Option<IpAddr>,
    /// Client certificates of the TLS handshake.
    pub certificates: Option<Arc<PeerCertificates>>,
    /// The last refused certificate chain of this connection.
    pub chains: Arc<ChainMemory>,
    /// The process at the other end of a Unix socket.
    pub process: Option<LocalProcess>,
}

/// `server.proxy`, checked.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Networks from which the proxy connects.
    pub trusted: Vec<IpNet>,
    /// Names of the fields with the client's certificate and with the rest of its chain.
    pub certificate_fields: Option<(HeaderName, HeaderName)>,
    /// Name of the field with the addresses that a request came through. The proxy appends the last one.
    pub address_field: Option<HeaderName>,
}

impl Proxy {
    /// True where the proxy forwards client certificates.
    pub fn forwards_certificates(&self) -> bool {
        self.certificate_fields.is_some()
    }

    /// True where the other end of a connection is the proxy.
    pub(crate) fn is_at(&self, peer: Option<IpAddr>) -> bool {
        // On a listener at `[::]`, an IPv4 peer has the address `::ffff:a.b.c.d`.
        peer.is_some_and(|peer| {
            let peer = peer.to_canonical();
            self.trusted.iter().any(|net| net.contains(&peer))
        })
    }
}

/// The address of the client: the last one in the proxy's address field, or that of the other end of the connection.
pub(crate) fn address(proxy: Option<&Proxy>, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let field = proxy
        .filter(|proxy| proxy.is_at(peer))
        .and_then(|proxy| proxy.address_field.as_ref());
    let forwarded = field.and_then(|field| client_address::last_in(headers, field));
    forwarded.or(peer)
}

/// The client's certificates that the proxy forwards; `None` where it forwards none.
pub(crate) fn certificates(
    proxy: Option<&Proxy>,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
) -> Result<Option<Arc<PeerCertificates>>, Rejection> {
    let Some((proxy, (leaf_field, chain_field))) =
        proxy.and_then(|proxy| Some((proxy, proxy.certificate_fields.as_ref()?)))
    else {
        return Ok(None);
    };
    let malformed = |field: &HeaderName, problem| {
        let header = field.to_string();
        Rejection::Credential(CredentialReason::CertificateHeaderMalformed { header, problem })
    };
    // Some proxies write empty fields where the client sent no certificate.
    let values_of = |field: &HeaderName| -> Vec<&HeaderValue> {
        let is_filled = |value: &&HeaderValue| !value.as_bytes().trim_ascii().is_empty();
        headers.get_all(field).iter().filter(is_filled).collect()
    };
    let (leaves, rest) = (values_of(leaf_field), values_of(chain_field));
    if leaves.is_empty() && rest.is_empty() {
        return Ok(None);
    }
    // [RFC9440 §4] A field that does not come from the proxy is forged.
    if !proxy.is_at(peer) {
        return Err(CredentialReason::ForeignCertificateHeader.into());
    }
    let leaf = match leaves.as_slice() {
        [leaf] => text_of(leaf),
        [] => {
            return Err(malformed(
                leaf_field,
                "is missing beside the header with the chain",
            ));
        }
        _ => return Err(malformed(leaf_field, "is there more than once")),
    };
    let mut chain = vec![byte_sequence(leaf).map_err(|problem| malformed(leaf_field, problem))?];
    for value in rest {
        for item in text_of(value).split(',') {
            if chain.len() == CHAIN_CERTIFICATES_MAX {
                return Err(CredentialReason::Certificate(X509Error::TooLong).into());
            }
            chain.push(byte_sequence(item).map_err(|problem| malformed(chain_field, problem))?);
        }
    }
    Ok(Some(Arc::new(PeerCertificates::new(chain))))
}

/// The text of a field; one that is not ASCII is no certificate.
fn text_of(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

/// The bytes of `:BASE64:`, or what the text is instead.
fn byte_sequence(text: &str) -> Result<Vec<u8>, &'static str> {
    let text = text.trim();
    let between = text.strip_prefix(':').and_then(|text| text.strip_suffix(':'));
    if let Some(bytes) = between.and_then(|between| STANDARD.decode(between).ok()) {
        return Ok(bytes);
    }
    let has = |word: &&str| text.contains(*word);
    Err(if has(&"-----BEGIN") {
        "has a certificate in PEM"
    } else if ["Hash=", "By=", "URI="].iter().any(has) {
        "is in the form of Envoy's X-Forwarded-Client-Cert (By=…;Hash=…)"
    } else if between.is_none() && STANDARD.decode(text).is_ok() {
        "has base64 without the colons around it"
    } else {
        "has no certificate in it"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy() -> Proxy {
        Proxy {
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            certificate_fields: Some((
                HeaderName::from_static("client-cert"),
                HeaderName::from_static("client-cert-chain"),
            )),
            address_field: Some(HeaderName::from_static("x-forwarded-for")),
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
    fn rfc9440_2_leaf_and_chain_fields_are_read() {
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
    fn empty_certificate_field_is_treated_as_absent() {
        for empty in ["", " ", "\t "] {
            assert_eq!(read("10.1.2.3", &[("client-cert", empty)]), Ok(None), "{empty:?}");
            assert_eq!(
                read("10.1.2.3", &[("client-cert-chain", empty)]),
                Ok(None),
                "{empty:?}"
            );
            let both = [("client-cert", empty), ("client-cert-chain", empty)];
            assert_eq!(read("10.1.2.3", &both), Ok(None), "{empty:?}");
            let leaf_alone = [("client-cert", ":AQI=:"), ("client-cert-chain", empty)];
            assert_eq!(read("10.1.2.3", &leaf_alone), Ok(Some(1)), "{empty:?}");
            let elsewhere = [("client-cert", empty), ("client-cert-chain", empty)];
            assert_eq!(
                read("192.0.2.1", &elsewhere),
                Ok(None),
                "an empty field is not a forged certificate"
            );
        }
        assert_eq!(
            read("10.0.0.1", &[("client-cert", "::")]),
            Ok(Some(1)),
            "a certificate of zero bytes counts as present, and is refused when it is verified"
        );
    }

    #[test]
    fn a_proxy_over_ipv4_is_recognised_on_an_ipv6_listener() {
        assert_eq!(read("::ffff:10.1.2.3", &[("client-cert", ":AQI=:")]), Ok(Some(1)));
        assert_eq!(
            read("::ffff:192.0.2.1", &[("client-cert", ":AQI=:")]),
            Err(CredentialReason::ForeignCertificateHeader.into())
        );
    }

    // Row D-21.
    #[test]
    fn certificate_fields_from_an_untrusted_address_are_refused() {
        assert_eq!(
            read("192.0.2.1", &[("client-cert", ":AQI=:")]),
            Err(CredentialReason::ForeignCertificateHeader.into())
        );
        assert_eq!(
            read("192.0.2.1", &[("client-cert-chain", ":AQI=:")]),
            Err(CredentialReason::ForeignCertificateHeader.into())
        );
        assert_eq!(read("192.0.2.1", &[]), Ok(None));
    }

    #[test]
    fn client_address_is_the_one_that_the_proxy_appended() {
        let from = |peer: &str, fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in fields {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            address(Some(&proxy()), Some(peer.parse().unwrap()), &headers)
                .unwrap()
                .to_string()
        };
        assert_eq!(from("10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(
            from("10.0.0.1", &["203.0.113.9, 192.0.2.7"]),
            "192.0.2.7",
            "the first address is written by the sender"
        );
        assert_eq!(from("10.0.0.1", &["192.0.2.7", "2001:db8::1"]), "2001:db8::1");
        assert_eq!(from("10.0.0.1", &["192.0.2.7:80"]), "192.0.2.7");
        for nothing in [&[][..], &["unknown"], &["192.0.2.7, "]] {
            assert_eq!(from("10.0.0.1", nothing), "10.0.0.1", "{nothing:?}");
        }
        assert_eq!(
            from("198.51.100.1", &["192.0.2.7"]),
            "198.51.100.1",
            "the connection is not from the proxy"
        );
    }

    #[test]
    fn malformed_fields_are_refused() {
        let envoy =
            "By=spiffe://prod.example/as;Hash=ab;Subject=\"\";URI=spiffe://prod.example/ns/shop/sa/pay";
        for (fields, says) in [
            (
                vec![("client-cert", "AQI=")],
                "client-cert has base64 without the colons",
            ),
            (vec![("client-cert", ":AQI=")], "client-cert has no certificate"),
            (vec![("client-cert", ":?:")], "client-cert has no certificate"),
            (
                vec![("client-cert", envoy)],
                "client-cert is in the form of Envoy's",
            ),
            (
                vec![("client-cert", "-----BEGIN%20CERTIFICATE-----%0AMIIB")],
                "client-cert has a certificate in PEM",
            ),
            (
                vec![("client-cert", ":AQI=:"), ("client-cert", ":AQI=:")],
                "client-cert is there more than once",
            ),
            (vec![("client-cert-chain", ":AQI=:")], "client-cert is missing"),
            (
                vec![("client-cert", ":AQI=:"), ("client-cert-chain", "AQI=")],
                "client-cert-chain has base64 without the colons",
            ),
        ] {
            let rejection = read("10.0.0.1", &fields).unwrap_err();
            assert_eq!(rejection.name(), "certificate_header_malformed", "{fields:?}");
            assert!(rejection.to_string().contains(says), "{fields:?}: {rejection}");
            assert!(
                rejection.hint().contains("base64 between colons"),
                "{}",
                rejection.hint()
            );
        }
        let long = [":AQ==:"; CHAIN_CERTIFICATES_MAX].join(",");
        let fields = [("client-cert", ":AQI=:"), ("client-cert-chain", long.as_str())];
        assert_eq!(
            read("10.0.0.1", &fields),
            Err(CredentialReason::Certificate(X509Error::TooLong).into())
        );
    }
}
