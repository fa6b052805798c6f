//! What every page has: its frame (name, logo, style sheet, request id), and the header fields that protect it.

use crate::state::look::Look;
use askama::Template;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};
use testudo_core::rejection::Answer;

/// The parts of a page that do not depend on what it is about.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The name of this server for people.
    pub name: &'a str,
    /// The path of the style sheet.
    pub style: &'a str,
    /// The path of the script, on a page that asks the browser for a passkey.
    pub script: Option<&'a str>,
    /// The path of the logo.
    pub logo: Option<&'a str>,
    /// The path of the icon at the tab.
    pub icon: &'a str,
    /// The request, by which an administrator finds its events.
    pub request_id: &'a str,
}

impl<'a> Frame<'a> {
    /// The frame of the answer to a request.
    pub fn of(look: &'a Look, request_id: &'a str) -> Frame<'a> {
        Frame {
            name: &look.name,
            style: &look.style.path,
            script: None,
            logo: look.logo.as_ref().map(|logo| logo.path.as_str()),
            icon: &look.icon.path,
            request_id,
        }
    }

    /// The frame of a page that asks the browser for a passkey, if `is_one`.
    pub fn with_script(look: &'a Look, request_id: &'a str, is_one: bool) -> Frame<'a> {
        Frame {
            script: is_one.then_some(look.script.path.as_str()),
            ..Frame::of(look, request_id)
        }
    }
}

/// A page, which may load nothing but the style sheet and the logo of this server, runs no script, and is shown in no
/// frame. Its forms go to this server; `redirects_to` is the origin to which the answer of a form may redirect, because
/// browsers apply `form-action` to redirects as well.
pub fn page(
    status: StatusCode,
    template: &impl Template,
    redirects_to: Option<&str>,
) -> Response<Full<Bytes>> {
    // A template fails only where a value that it prints fails.
    let (status, html) = match template.render() {
        Ok(html) => (status, html),
        Err(error) => {
            tracing::error!(event = "page.unwritten", fault = %error, "a page could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, String::new())
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy(redirects_to));
    response
}

/// The same page, which runs the script of its frame, if it has one. The script may send requests to this server.
pub fn allow_script(mut response: Response<Full<Bytes>>, frame: Frame<'_>) -> Response<Full<Bytes>> {
    if frame.script.is_none() {
        return response;
    }
    let policy = response.headers().get(header::CONTENT_SECURITY_POLICY);
    let text = policy.and_then(|policy| policy.to_str().ok()).unwrap_or(POLICY);
    if let Ok(policy) = HeaderValue::try_from(format!("{text}; {SCRIPT_POLICY}")) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

const SCRIPT_POLICY: &str = "script-src 'self'; connect-src 'self'";

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

fn policy(redirects_to: Option<&str>) -> HeaderValue {
    let source = redirects_to.and_then(form_target);
    let whole = source.map(|source| format!("{POLICY} {source}"));
    let whole = whole.and_then(|policy| HeaderValue::try_from(policy).ok());
    whole.unwrap_or(HeaderValue::from_static(POLICY))
}

/// The origin, or the scheme with its colon of a URI without host, as a source of a Content Security Policy. `None` for a
/// text that could add a directive or another source.
fn form_target(origin: &str) -> Option<String> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-+:/[]".contains(&byte);
    let (scheme, _) = origin.split_once(':')?;
    if scheme.is_empty() || !origin.bytes().all(is_legal) {
        return None;
    }
    // A source cannot contain the address of an IPv6 host.
    Some(match origin.contains('[') {
        true => format!("{scheme}:"),
        false => origin.to_owned(),
    })
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused<'a> {
    frame: Frame<'a>,
    heading: &'a str,
    sentence: &'a str,
}

/// The page of a request that is refused and not redirected.
pub fn refused(frame: Frame<'_>, answer: &Answer) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    let template = Refused {
        frame,
        heading: match answer.retry_after_seconds {
            Some(_) => "Please try again later",
            None => "This request is refused",
        },
        sentence: &answer.sentence,
    };
    let mut response = page(status, &template, None);
    if let Some(seconds) = answer.retry_after_seconds {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PagesSettings;
    use http_body_util::BodyExt as _;
    use testudo_core::rejection::{Endpoint, Rejection, RequestReason};
    use testudo_protocol::oauth::IssuerUrl;

    fn look() -> Look {
        let settings = PagesSettings {
            name: "<b>\"Corp\" & Co".to_owned(),
            logo: Some(b"\x89PNG".as_slice().into()),
            ..PagesSettings::default()
        };
        Look::of(&settings, &IssuerUrl::parse("https://as.example/t1").unwrap())
    }

    fn answer(reason: RequestReason) -> Answer {
        Rejection::from(reason).answer(Endpoint::None)
    }

    async fn text(response: Response<Full<Bytes>>) -> String {
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn refused_page_escapes_what_it_prints_and_names_the_request() {
        let look = look();
        let frame = Frame::of(&look, "r-1");
        let response = refused(frame, &answer(RequestReason::FlowExpired));
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let html = text(response).await;
        assert!(!html.contains("<b>") && html.contains("&#60;b&#62;"), "{html}");
        assert!(html.contains("<code>r-1</code>"), "{html}");
        for path in [&look.style.path, &look.logo.as_ref().unwrap().path] {
            assert!(
                html.contains(&format!("\"{path}\"")) && path.starts_with("/t1/assets/"),
                "{html}"
            );
        }
        assert!(
            !html.contains("<script") && !html.contains("style=") && !html.contains("<style"),
            "{html}"
        );
        assert!(!html.contains("autofocus"), "{html}");
    }

    #[test]
    fn refused_host_and_form_have_their_own_statuses() {
        let look = look();
        for (reason, status) in [
            (RequestReason::HostNotOurs, 421),
            (RequestReason::OriginNotOurs, 403),
            (RequestReason::FlowNotOurs, 400),
        ] {
            let response = refused(Frame::of(&look, "r"), &answer(reason));
            assert_eq!(response.status().as_u16(), status);
        }
    }

    #[test]
    fn every_page_has_the_header_fields_that_protect_it() {
        let look = look();
        let response = refused(Frame::of(&look, "r"), &answer(RequestReason::FlowExpired));
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("content-security-policy", POLICY),
        ] {
            assert_eq!(response.headers()[name], value, "{name}");
        }
        for directive in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(POLICY.contains(directive), "{directive}");
        }
        assert!(
            !POLICY.contains("unsafe") && !POLICY.contains("script-src"),
            "{POLICY}"
        );
    }

    #[test]
    fn form_may_redirect_to_the_origin_of_the_client_and_to_nothing_else() {
        for (origin, expected) in [
            ("https://app.example", "https://app.example"),
            ("https://app.example:8443", "https://app.example:8443"),
            ("http://127.0.0.1:4711", "http://127.0.0.1:4711"),
            ("http://[::1]:4711", "http:"),
            ("com.example.app:", "com.example.app:"),
        ] {
            let policy = policy(Some(origin));
            assert_eq!(policy.to_str().unwrap(), format!("{POLICY} {expected}"));
        }
        for bad in [
            "",
            "https",
            ":",
            "*",
            "https://app.example; script-src *",
            "https://app.example https://other.example",
            "https://app.example, default-src *",
            "https://*.example",
            "'unsafe-inline':",
            "https://app.example\r\nx: y",
        ] {
            assert_eq!(policy(Some(bad)), POLICY, "{bad}");
        }
    }
}
