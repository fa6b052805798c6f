//! What every request must be like, before any endpoint sees it.

use hyper::{HeaderMap, Version, header};
use testudo_core::rejection::Rejection;

/// One `Host` over HTTP/1.1, and no body that we would read as something that it is not.
pub(crate) fn judge(version: Version, headers: &HeaderMap, has_body: bool) -> Result<(), Rejection> {
    // [RFC9112 §3.2] None or several: two parties on the way could each believe another one.
    let hosts = headers.get_all(header::HOST).iter().take(2).count();
    let is_good = match version {
        Version::HTTP_11 => hosts == 1,
        // [RFC9113 §8.3.1] `:authority` stands for it; HTTP/1.0 knew none.
        _ => hosts <= 1,
    };
    if !is_good {
        return Err(Rejection::HostNotOne);
    }
    // [RFC9110 §15.5.16] A coding that is not undone is not overlooked.
    let is_encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"));
    match has_body && is_encoded {
        true => Err(Rejection::BodyEncoded),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: Version, fields: &[(&'static str, &'static str)], expected: Result<(), Rejection>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, header::HeaderValue::from_static(value));
        }
        assert_eq!(judge(version, &headers, true), expected, "{version:?} {fields:?}");
    }

    #[test]
    fn rfc9112_3_2_http_1_1_has_exactly_one_host() {
        check(Version::HTTP_11, &[("host", "a")], Ok(()));
        check(Version::HTTP_11, &[("host", "")], Ok(()));
        check(Version::HTTP_11, &[], Err(Rejection::HostNotOne));
        let twice = [("host", "a"), ("host", "a")];
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            check(version, &twice, Err(Rejection::HostNotOne));
        }
        check(Version::HTTP_10, &[], Ok(()));
        check(Version::HTTP_2, &[], Ok(()));
    }

    #[test]
    fn rfc9110_15_5_16_an_encoded_body_is_refused() {
        let host = ("host", "a");
        check(
            Version::HTTP_11,
            &[host, ("content-encoding", "Identity")],
            Ok(()),
        );
        for coding in ["gzip", "br", "identity, gzip", "x"] {
            check(
                Version::HTTP_11,
                &[host, ("content-encoding", coding)],
                Err(Rejection::BodyEncoded),
            );
        }
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, header::HeaderValue::from_static("a"));
        headers.append(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
        assert_eq!(
            judge(Version::HTTP_11, &headers, false),
            Ok(()),
            "nothing is encoded"
        );
    }
}
