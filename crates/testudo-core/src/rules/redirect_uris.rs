//! Redirect URIs derived from an identity.
//!
//! A capture fills a whole host label, a whole path segment, or a query value, and nothing else. The result is
//! parsed again and must have the template's scheme, port and literal labels: an attacker who can choose a path segment
//! of an identity cannot change the host.

use super::pattern::Captures;
use testudo_protocol::oauth::redirect_uri;
use url::Url;

/// A parsed redirect URI or label URL with captures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectTemplate {
    text: String,
    sample: String,
    scheme: String,
    labels: Vec<Slot>,
    port: Option<u16>,
    segments: Vec<Slot>,
    query: Vec<(String, Slot)>,
}

/// An allowed host of redirect URIs, with captures as whole labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTemplate(RedirectTemplate);

impl HostTemplate {
    /// Parses `{service}.{namespace}.apps.example`; `captures` are the names that may be used.
    pub fn parse(text: &str, captures: &[&str]) -> Result<HostTemplate, String> {
        let is_host = !text.is_empty() && !text.contains([':', '/', '?', '@', '#']);
        if !is_host {
            return Err("is not a host name".into());
        }
        RedirectTemplate::parse(&format!("https://{text}/"), captures).map(HostTemplate)
    }

    /// True if `uri` is an https URI with the host of this template, after the captures are inserted.
    pub fn admits(&self, uri: &str, captures: &Captures) -> bool {
        let host = |text: &str| {
            Url::parse(text)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned))
        };
        let Ok(expected) = self.0.derive(captures) else {
            return false;
        };
        redirect_uri::form(uri) == Ok(redirect_uri::Form::Https)
            && host(uri).is_some()
            && host(uri) == host(&expected)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    Literal(String),
    Capture(String),
}

impl RedirectTemplate {
    /// Parses a template; `captures` are the names that may be used.
    pub fn parse(text: &str, captures: &[&str]) -> Result<RedirectTemplate, String> {
        let (scheme, rest) = text.split_once("://").ok_or("is not an absolute URL")?;
        if text.contains('#') {
            return Err("has a fragment".into());
        }
        let (rest, query) = rest
            .split_once('?')
            .map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = rest
            .split_once('/')
            .map_or((rest, ""), |(authority, path)| (authority, path));
        if authority.contains('@') {
            return Err("has user information".into());
        }
        // An IPv6 address has colons of its own, in brackets.
        let (address, rest_of_host) = authority.split_at(authority.rfind(']').map_or(0, |end| end + 1));
        let (host, port) = match rest_of_host.rsplit_once(':') {
            Some((host, port)) => (
                format!("{address}{host}"),
                Some(
                    port.parse::<u16>()
                        .map_err(|_| "has a port that is not a number")?,
                ),
            ),
            None => (authority.to_owned(), None),
        };
        let is_loopback = matches!(&*host, "127.0.0.1" | "[::1]" | "localhost");
        if scheme != "https" && !(scheme == "http" && is_loopback) {
            return Err("must use https (http only on loopback)".into());
        }
        let slot = |part: &str| slot(part, captures);
        let labels: Vec<Slot> = host.split('.').map(slot).collect::<Result<_, _>>()?;
        if matches!(labels.last(), Some(Slot::Capture(_))) && !is_loopback {
            return Err("must end with a literal host label".into());
        }
        let segments = path.split('/').map(slot).collect::<Result<_, _>>()?;
        let mut pairs = Vec::new();
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if name.contains(['{', '}']) {
                return Err("has a capture in the name of a query parameter".into());
            }
            pairs.push((name.to_owned(), slot(value)?));
        }
        let template = RedirectTemplate {
            text: text.to_owned(),
            sample: String::new(),
            scheme: scheme.to_owned(),
            labels,
            port,
            segments,
            query: pairs,
        };
        // The literal parts must form a valid URL, which is checked once with a harmless value for each capture.
        let sample = template.fill(|_| Some("x")).map_err(|_| "is not a URL")?;
        Ok(RedirectTemplate { sample, ..template })
    }

    /// The template as the administrator wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URI with a harmless value for each capture, for checks of the literal parts.
    pub fn sample(&self) -> &str {
        &self.sample
    }

    /// The redirect URI of an identity, or why there is none.
    pub fn derive(&self, captures: &Captures) -> Result<String, &'static str> {
        self.fill(|name| captures.get(name))
    }

    fn fill<'c>(&self, value: impl Fn(&str) -> Option<&'c str>) -> Result<String, &'static str> {
        let capture = |name: &str| value(name).ok_or("a capture is missing");
        let mut host = Vec::with_capacity(self.labels.len());
        for label in &self.labels {
            host.push(match label {
                Slot::Literal(text) => text.as_str(),
                Slot::Capture(name) => dns_label(capture(name)?)?,
            });
        }
        let host = host.join(".");
        let mut uri = format!("{}://{host}", self.scheme);
        if let Some(port) = self.port {
            uri.push_str(&format!(":{port}"));
        }
        for segment in &self.segments {
            uri.push('/');
            match segment {
                Slot::Literal(text) => uri.push_str(text),
                Slot::Capture(name) => uri.push_str(&path_segment(capture(name)?)?),
            }
        }
        for (position, (name, value)) in self.query.iter().enumerate() {
            uri.push(if position == 0 { '?' } else { '&' });
            uri.push_str(name);
            uri.push('=');
            match value {
                Slot::Literal(text) => uri.push_str(text),
                Slot::Capture(name) => uri.push_str(&percent_encode(capture(name)?)),
            }
        }
        // Parses the result as a browser does: scheme, host and port must be those of the template.
        let parsed = Url::parse(&uri).map_err(|_| "the result is not a URL")?;
        if parsed.host_str() != Some(host.as_str())
            || parsed.scheme() != self.scheme
            || parsed.as_str() != uri
        {
            return Err("a URL parser changes the result");
        }
        Ok(uri)
    }
}

fn slot(part: &str, captures: &[&str]) -> Result<Slot, String> {
    match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) if captures.contains(&name) => Ok(Slot::Capture(name.to_owned())),
        Some(name) => Err(format!(
            "uses {{{name}}}, which not every pattern of the rule captures"
        )),
        None if part.contains(['{', '}']) => {
            Err("has a capture that is not a whole host label, path segment or query value".into())
        }
        None => Ok(Slot::Literal(part.to_owned())),
    }
}

/// True for 1 to 63 lower-case letters, digits and inner hyphens, which are safe as a host label.
fn dns_label(value: &str) -> Result<&str, &'static str> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = (1..=63).contains(&value.len())
        && value.bytes().all(legal)
        && !value.starts_with('-')
        && !value.ends_with('-')
        // A label of digits only could make the host an IPv4 address, and `xn--` could make it look like another name.
        && !value.bytes().all(|byte| byte.is_ascii_digit())
        && !value.starts_with("xn--");
    if is_label {
        Ok(value)
    } else {
        Err("a captured value is not a DNS label")
    }
}

fn path_segment(value: &str) -> Result<String, &'static str> {
    if value.is_empty() || value == "." || value == ".." {
        return Err("a captured value is empty or a dot segment");
    }
    Ok(percent_encode(value))
}

fn percent_encode(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Pattern;
    use proptest::prelude::*;

    const TEMPLATE: &str = "https://{service}.{namespace}.apps.example/cb";
    const NAMES: [&str; 2] = ["namespace", "service"];

    fn derive(service: &str) -> Result<String, &'static str> {
        let pattern = Pattern::parse("spiffe://a.example/ns/{namespace}/sa/{service}").unwrap();
        let captures = pattern
            .matches(
                pattern.authority(),
                &format!("spiffe://a.example/ns/pay/sa/{service}"),
            )
            .unwrap();
        RedirectTemplate::parse(TEMPLATE, &NAMES)
            .unwrap()
            .derive(&captures)
    }

    #[test]
    fn redirect_uris_are_derived_from_captures() {
        assert_eq!(derive("api").unwrap(), "https://api.pay.apps.example/cb");
    }

    // Row RF-90.
    #[test]
    fn crafted_segments_yield_no_redirect_uri() {
        for crafted in [
            "evil.com%2f",
            "..",
            "-x",
            "x-",
            "x.y",
            "123",
            "A",
            "xn--e1afmkfd",
            "a_b",
            &"a".repeat(64),
        ] {
            assert!(derive(crafted).is_err(), "{crafted}");
        }
    }

    // [RFC8252 §7.3]
    #[test]
    fn loopback_has_the_addresses_of_both_families() {
        for uri in [
            "http://127.0.0.1/cb",
            "http://[::1]/cb",
            "http://[::1]:8080/cb",
            "http://localhost/cb",
        ] {
            let template = RedirectTemplate::parse(uri, &[]).unwrap();
            assert_eq!(template.fill(|_| None).unwrap(), uri);
        }
        for uri in [
            "http://[::2]/cb",
            "http://[::1/cb",
            "http://::1/cb",
            "http://[::1]x/cb",
            "http://x[::1]/cb",
            "http://[::1]:/cb",
            "http://[0:0:0:0:0:0:0:1]/cb",
            "http://127.0.0.2/cb",
        ] {
            assert!(RedirectTemplate::parse(uri, &[]).is_err(), "{uri}");
        }
    }

    #[test]
    fn redirect_uri_templates_with_an_unsafe_place_for_a_capture_are_refused() {
        for bad in [
            "api.example/cb",
            "http://{service}.apps.example/cb",
            "https://{service}/cb",
            "https://x.{service}/cb",
            "https://a-{service}.apps.example/cb",
            "https://{other}.apps.example/cb",
            "https://u@{service}.apps.example/cb",
            "https://{service}.apps.example/cb#x",
            "https://{service}.apps.example/x{service}",
            "https://{service}.apps.example/cb?{service}=1",
        ] {
            assert!(RedirectTemplate::parse(bad, &NAMES).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn host_always_ends_in_the_literal_labels(service in "\\PC{0,70}") {
            let template = RedirectTemplate::parse(TEMPLATE, &NAMES).unwrap();
            if let Ok(uri) = template.fill(|name| Some(if name == "service" { &service } else { "pay" })) {
                let parsed = Url::parse(&uri).unwrap();
                prop_assert!(parsed.host_str().unwrap().ends_with(".pay.apps.example"));
                prop_assert_eq!(parsed.path(), "/cb");
                prop_assert_eq!(parsed.scheme(), "https");
            }
        }

        #[test]
        fn path_captures_stay_in_their_segment(value in "\\PC{1,40}") {
            let template = RedirectTemplate::parse("https://apps.example/{service}/cb", &NAMES).unwrap();
            if let Ok(uri) = template.fill(|_| Some(&value)) {
                let parsed = Url::parse(&uri).unwrap();
                prop_assert_eq!(parsed.host_str(), Some("apps.example"));
                prop_assert_eq!(parsed.path_segments().unwrap().count(), 2);
                prop_assert!(parsed.query().is_none());
            }
        }
    }
}
