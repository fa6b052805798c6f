//! Where a request comes from. A page changes something only by POST, and only if the browser states that the form is of
//! this server: another site can make a browser send a form (CSRF), but not change these fields.

use hyper::Uri;
use hyper::header::{self, HeaderMap};
use testudo_core::rejection::RequestReason;
use testudo_protocol::oauth::IssuerUrl;
use url::Url;

/// Refuses a form that no page of this server sent.
///
/// `Sec-Fetch-Site` decides where it is present: all current browsers send it. The pages have `Referrer-Policy:
/// no-referrer`, with which browsers send `Origin: null` for their own forms; so `null` is accepted beside
/// `same-origin`, and never alone. A program without a browser sends `Origin`.
pub fn must_be_of_this_server(headers: &HeaderMap, issuer: &IssuerUrl) -> Result<(), RequestReason> {
    let site = only(headers, "sec-fetch-site")?;
    let origin = only(headers, header::ORIGIN.as_str())?;
    let ours = Url::parse(issuer.as_str()).map_err(|_| RequestReason::OriginNotOurs)?;
    let ours = ours.origin().ascii_serialization();
    let is_ours = match (site, origin) {
        (Some("same-origin"), None | Some("null")) => true,
        (Some("same-origin") | None, Some(origin)) => origin == ours,
        (Some(_) | None, None) | (Some(_), Some(_)) => false,
    };
    match is_ours {
        true => Ok(()),
        false => Err(RequestReason::OriginNotOurs),
    }
}

/// Refuses a request for a page at another host than that of the issuer: a page at a second host would set cookies there,
/// and an attacker whose name leads to this server (DNS rebinding) could read it. [RFC9110 §15.5.20]
pub fn must_be_at_the_host(uri: &Uri, headers: &HeaderMap, issuer: &IssuerUrl) -> Result<(), RequestReason> {
    let ours = Url::parse(issuer.as_str()).map_err(|_| RequestReason::HostNotOurs)?;
    // With HTTP/2, the host is in the URI. Both are equal where both are present.
    let in_uri = uri.authority().map(|authority| authority.as_str());
    let named = in_uri.or_else(|| headers.get(header::HOST)?.to_str().ok());
    // Parsed as a URL of the same scheme, so that letter case and a default port make no difference.
    let url = named.and_then(|host| Url::parse(&format!("{}://{host}/", ours.scheme())).ok());
    match url.is_some_and(|url| url.origin() == ours.origin() && url.username().is_empty()) {
        true => Ok(()),
        false => Err(RequestReason::HostNotOurs),
    }
}

/// The only field line of this name.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, RequestReason> {
    let mut fields = headers.get_all(name).iter();
    let field = match fields.next() {
        None => return Ok(None),
        Some(field) => field.to_str().map_err(|_| RequestReason::OriginNotOurs)?,
    };
    match fields.next() {
        None => Ok(Some(field)),
        Some(_) => Err(RequestReason::OriginNotOurs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn judged(fields: &[(&str, &str)]) -> Result<(), RequestReason> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        must_be_of_this_server(&headers, &IssuerUrl::parse("https://as.example/t1").unwrap())
    }

    #[test]
    fn form_of_a_page_of_this_server_is_accepted() {
        for fields in [
            &[("origin", "https://as.example")][..],
            &[("sec-fetch-site", "same-origin")],
            // A browser, from a page with no-referrer.
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[
                ("origin", "https://as.example"),
                ("sec-fetch-site", "same-origin"),
            ],
        ] {
            assert_eq!(judged(fields), Ok(()), "{fields:?}");
        }
    }

    #[test]
    fn form_of_another_site_and_one_without_a_statement_are_refused() {
        for fields in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "https://as.example.attacker.example")],
            &[("origin", "https://attacker.example")],
            &[("origin", "http://as.example")],
            &[("origin", "https://as.example:8443")],
            &[("origin", "https://as.example/t1")],
            &[("origin", "https://AS.example")],
            &[("origin", "https://as.example https://attacker.example")],
            &[("origin", "https://as.example"), ("origin", "https://as.example")],
            &[("origin", "é")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "cross-site"),
            ],
            &[("origin", "https://as.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://as.example"), ("sec-fetch-site", "same-site")],
            &[
                ("origin", "https://attacker.example"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("referer", "https://as.example/login")],
        ] {
            assert_eq!(judged(fields), Err(RequestReason::OriginNotOurs), "{fields:?}");
        }
    }

    fn at(issuer: &str, uri: &str, host: Option<&str>) -> Result<(), RequestReason> {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        must_be_at_the_host(
            &uri.parse().unwrap(),
            &headers,
            &IssuerUrl::parse(issuer).unwrap(),
        )
    }

    #[test]
    fn page_is_served_at_the_host_of_the_issuer_alone() {
        let issuer = "https://as.example";
        for host in ["as.example", "AS.example", "as.example:443"] {
            assert_eq!(at(issuer, "/login", Some(host)), Ok(()), "{host}");
        }
        assert_eq!(at(issuer, "https://as.example/login", None), Ok(()), "HTTP/2");
        assert_eq!(at("http://[::1]:80", "/", Some("[::1]")), Ok(()));
        assert_eq!(at("http://localhost:8080", "/", Some("localhost:8080")), Ok(()));
        for (issuer, uri, host) in [
            (issuer, "/login", None),
            (issuer, "/login", Some("")),
            (issuer, "/login", Some("attacker.example")),
            (issuer, "/login", Some("as.example.attacker.example")),
            (issuer, "/login", Some("x@as.example")),
            (issuer, "/login", Some("as.example:80")),
            (issuer, "/login", Some("as.example:8443")),
            (issuer, "/login", Some("127.0.0.1")),
            (issuer, "https://attacker.example/login", Some("as.example")),
            ("http://localhost:8080", "/", Some("127.0.0.1:8080")),
            ("http://localhost:8080", "/", Some("localhost")),
        ] {
            assert_eq!(
                at(issuer, uri, host),
                Err(RequestReason::HostNotOurs),
                "{uri} {host:?}"
            );
        }
    }
}
