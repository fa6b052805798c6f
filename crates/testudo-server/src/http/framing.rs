//! Checks of every request before any endpoint handles it: the host and the content coding.

use hyper::{HeaderMap, Request, Version, header};
use testudo_core::rejection::{Rejection, RequestReason};

/// Refuses a request without exactly one valid host, and a request with an encoded body, which the server does not
/// decode.
pub(crate) fn judge<B>(request: &Request<B>, has_body: bool) -> Result<(), Rejection> {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, another) = (hosts.next().map(header::HeaderValue::as_bytes), hosts.next());
    // [RFC9112 §3.2] With no `Host` or several, a proxy and this server could each take another host.
    if another.is_some() {
        return Err(RequestReason::HostNotOne.into());
    }
    let authority = request.uri().authority();
    match (host, request.version()) {
        // [RFC9112 §3.2.2] `Host` is required also where the request line has an absolute URI.
        (None, Version::HTTP_11) => return Err(RequestReason::HostNotOne.into()),
        // [RFC9113 §8.3.1] `:authority` or `Host` must be present.
        (None, Version::HTTP_2) if authority.is_none() => return Err(RequestReason::HostNotOne.into()),
        // HTTP/1.0 has no `Host`.
        (None, _) => {}
        (Some(host), _) if !is_host(host) => return Err(RequestReason::HostInvalid.into()),
        // [RFC9113 §8.3.1] A `Host` that differs from `:authority` makes the request malformed.
        (Some(host), Version::HTTP_2) => {
            let port: &[u8] = match request.uri().scheme_str() {
                Some("https") => b":443",
                _ => b":80",
            };
            let without_port = |host: &[u8]| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
            let authority = authority.map(|authority| without_port(authority.as_str().as_bytes()));
            if authority.is_some_and(|authority| authority != without_port(host)) {
                return Err(RequestReason::HostInvalid.into());
            }
        }
        (Some(_), _) => {}
    }
    match has_body && is_encoded(headers) {
        true => Err(RequestReason::BodyEncoded.into()),
        false => Ok(()),
    }
}

/// True for a host with or without a port, and for an empty value, which a URI without authority has. [RFC9112 §3.2] A
/// comma is refused although the grammar allows it: a proxy that joins two `Host` fields writes a comma between them.
fn is_host(value: &[u8]) -> bool {
    let (name, rest) = match value.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = literal.iter().position(|byte| *byte == b']') else {
                return false;
            };
            let (literal, rest) = literal.split_at(end);
            let is_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if literal.is_empty() || !literal.iter().all(is_address) {
                return false;
            }
            (&b""[..], rest.get(1..).unwrap_or_default())
        }
        None => {
            let end = value.iter().position(|byte| *byte == b':');
            value.split_at(end.unwrap_or(value.len()))
        }
    };
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(byte);
    let is_port = match rest.strip_prefix(b":") {
        Some(port) => port.iter().all(u8::is_ascii_digit) && value.len() > rest.len(),
        None => rest.is_empty(),
    };
    is_port && name.iter().all(of_name)
}

/// [RFC9110 §15.5.16] True where the body has a content coding, which the server does not decode. Empty list elements
/// are ignored. [RFC9110 §5.6.1]
fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(version: Version, fields: &[(&'static str, &'static str)], expected: Result<(), Rejection>) {
        check_at("/token", version, fields, expected);
    }

    #[track_caller]
    fn check_at(
        uri: &str,
        version: Version,
        fields: &[(&'static str, &'static str)],
        expected: Result<(), Rejection>,
    ) {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        assert_eq!(judge(&request, true), expected, "{version:?} {uri} {fields:?}");
    }

    #[test]
    fn rfc9112_3_2_http_1_1_has_exactly_one_host() {
        check(Version::HTTP_11, &[("host", "")], Ok(()));
        check(
            Version::HTTP_11,
            &[],
            Err(Rejection::Request(RequestReason::HostNotOne)),
        );
        check_at(
            "http://a/token",
            Version::HTTP_11,
            &[],
            Err(RequestReason::HostNotOne.into()),
        );
        let twice = [("host", "a"), ("host", "a")];
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            check(
                version,
                &twice,
                Err(Rejection::Request(RequestReason::HostNotOne)),
            );
        }
        check(Version::HTTP_10, &[], Ok(()));
    }

    #[test]
    fn rfc9112_3_2_invalid_host_is_refused() {
        for host in [
            "a",
            "A.example:8443",
            "a:",
            "127.0.0.1:80",
            "[::1]",
            "[2001:db8::1]:443",
            "a_b",
        ] {
            check(Version::HTTP_11, &[("host", host)], Ok(()));
        }
        for host in [
            "a, b", "a,b", "a b", "a/b", "u@a", "a:b", "a:1:2", "http://a", "[::1", "[]", "[::1]a", ":80",
            "a#", "a?b", "a\\b",
        ] {
            for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
                check(
                    version,
                    &[("host", host)],
                    Err(Rejection::Request(RequestReason::HostInvalid)),
                );
            }
        }
    }

    #[test]
    fn rfc9113_8_3_1_http2_request_needs_an_authority_or_a_host_and_they_must_be_equal() {
        let http2 = |uri, fields: &[(&'static str, &'static str)], expected| {
            check_at(uri, Version::HTTP_2, fields, expected);
        };
        http2("http://a/token", &[], Ok(()));
        http2("/token", &[("host", "a")], Ok(()));
        http2("/token", &[], Err(Rejection::Request(RequestReason::HostNotOne)));
        http2("http://a/token", &[("host", "A:80")], Ok(()));
        http2("https://a:443/token", &[("host", "a")], Ok(()));
        for host in ["b", "a:81", "a.b", ""] {
            http2(
                "http://a/token",
                &[("host", host)],
                Err(Rejection::Request(RequestReason::HostInvalid)),
            );
        }
    }

    #[test]
    fn rfc9110_15_5_16_an_encoded_body_is_refused() {
        let host = ("host", "a");
        for coding in ["Identity", "", " ", ",", "identity,"] {
            check(Version::HTTP_11, &[host, ("content-encoding", coding)], Ok(()));
        }
        for coding in ["gzip", "br", "identity, gzip", "x", ",gzip"] {
            check(
                Version::HTTP_11,
                &[host, ("content-encoding", coding)],
                Err(RequestReason::BodyEncoded.into()),
            );
        }
        let request = Request::builder()
            .header("host", "a")
            .header("content-encoding", "gzip");
        assert_eq!(
            judge(&request.body(()).unwrap(), false),
            Ok(()),
            "there is no body to decode"
        );
    }
}
