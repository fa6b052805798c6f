//! Rules for the redirect URIs of a client. [RFC7591 §5] [RFC8252 §7] [RFC9700 §4.1.1]
//!
//! Each URI is parsed and written again, and the result must be the same text, so that two parsers cannot read
//! different destinations from one redirect URI.

use crate::limits::IDENTIFIER_BYTES_MAX;
use std::fmt;
use std::net::Ipv6Addr;
use url::{Host, Url};

/// The form of a redirect URI, which determines which application types may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `https`, on a host that is not loopback.
    Https,
    /// `http`, on the loopback interface of the machine that runs the application. [RFC8252 §7.3]
    Loopback,
    /// A private-use scheme of an application, which is a reversed domain name. [RFC8252 §7.1]
    PrivateUse,
}

/// Why a redirect URI is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectUriError {
    /// It has a fragment, a wildcard, a character that is not allowed in a URI, or too many characters.
    Character,
    /// A `%` that is not followed by two hexadecimal digits.
    BrokenEscape,
    /// It is not an absolute URI.
    NotAbsolute,
    /// It changes when it is parsed and written again.
    NotNormal,
    /// It has a user name or a password.
    UserInformation,
    /// Its path has `.` or `..`, escaped or not.
    DotSegments,
    /// Its host ends with a dot, or its port is 0.
    ImpossibleHost,
    /// It has a scheme and nothing after it.
    NoPath,
    /// Its query has a parameter that the authorization server adds to the redirect URI in its response.
    ResponseParameter,
    /// `https` on loopback.
    HttpsOfLocalhost,
    /// `http` on a host that is not loopback.
    HttpElsewhere,
    /// Its scheme is not a reversed domain name. [RFC8252 §7.1]
    SchemeNotReversed,
}

impl fmt::Display for RedirectUriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RedirectUriError::Character => "a redirect URI has a fragment, a wildcard, or a character that is not allowed in a URI",
            RedirectUriError::BrokenEscape => "a percent-encoding in a redirect URI is broken",
            RedirectUriError::NotAbsolute => "a redirect URI is not an absolute URI",
            RedirectUriError::NotNormal => "a redirect URI is not in its normal form, with a path",
            RedirectUriError::UserInformation => "a redirect URI has user information",
            RedirectUriError::DotSegments => "a redirect URI has dot segments",
            RedirectUriError::ImpossibleHost => "a redirect URI has a host that ends with a dot, or the port 0",
            RedirectUriError::NoPath => "a redirect URI has no path: write one, as in com.example.app:/callback",
            RedirectUriError::ResponseParameter => "the query of a redirect URI has a parameter that the authorization server adds in its response, such as code or state",
            RedirectUriError::HttpsOfLocalhost => "redirect URIs to localhost must use http, not https",
            RedirectUriError::HttpElsewhere => "a redirect URI with http must have the host 127.0.0.1, [::1] or localhost",
            RedirectUriError::SchemeNotReversed => "a private-use redirect URI scheme must be a reversed domain name such as `com.example.app`",
        })
    }
}

/// Checks one redirect URI and finds its form.
pub fn form(uri: &str) -> Result<Form, RedirectUriError> {
    let is_character = |byte: u8| (0x21..=0x7e).contains(&byte) && !b"\\\"<>^`{|}*#".contains(&byte);
    if uri.is_empty() || uri.len() > IDENTIFIER_BYTES_MAX || !uri.bytes().all(is_character) {
        // [RFC6749 §3.1.2] No fragment, not even an empty one.
        return Err(RedirectUriError::Character);
    }
    if !escapes_are_whole(uri) {
        return Err(RedirectUriError::BrokenEscape);
    }
    let url = Url::parse(uri).map_err(|_| RedirectUriError::NotAbsolute)?;
    if url.as_str() != uri && !is_loopback_without_path(uri, &url) {
        return Err(RedirectUriError::NotNormal);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(RedirectUriError::UserInformation);
    }
    if has_dot_segment(url.path()) {
        return Err(RedirectUriError::DotSegments);
    }
    if url.host_str().is_some_and(|host| host.ends_with('.')) || url.port() == Some(0) {
        return Err(RedirectUriError::ImpossibleHost);
    }
    // [RFC3986 §3.3] A URI without a path has no destination, and parsers differ in what they add.
    if url.path().is_empty() && url.host_str().unwrap_or_default().is_empty() {
        return Err(RedirectUriError::NoPath);
    }
    if has_response_parameter(&url) {
        return Err(RedirectUriError::ResponseParameter);
    }
    match url.scheme() {
        "https" if is_some_loopback(&url) => Err(RedirectUriError::HttpsOfLocalhost),
        "https" => Ok(Form::Https),
        "http" if is_this_machine(&url) => Ok(Form::Loopback),
        "http" => Err(RedirectUriError::HttpElsewhere),
        // [RFC8252 §7.1] The scheme must have a dot, as a reversed domain name has. This refuses javascript, data, file
        // and similar schemes.
        scheme if scheme.contains('.') => Ok(Form::PrivateUse),
        _ => Err(RedirectUriError::SchemeNotReversed),
    }
}

/// True if the `redirect_uri` of a request (`requested`) matches a registered one (`registered`): both are equal, byte
/// for byte.
/// [RFC9700 §2.1] The port of a loopback URI is not compared [RFC8252 §7.3], since the application listens on any free
/// port, and its empty path equals `/`, as in every browser.
pub fn is_same(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    let without_port = |uri: &str| {
        let mut url = Url::parse(uri).ok().filter(|_| form(uri) == Ok(Form::Loopback))?;
        url.set_port(None).ok()?;
        Some(url)
    };
    without_port(registered).is_some_and(|registered| without_port(requested) == Some(registered))
}

/// True for `http://127.0.0.1:33418`, a loopback URI to which a parser adds only the path `/`. Other URIs without a
/// path are refused, because [RFC9700 §2.1] compares them byte for byte.
fn is_loopback_without_path(uri: &str, url: &Url) -> bool {
    let (authority, query) = uri.find('?').map_or((uri, ""), |at| uri.split_at(at));
    url.scheme() == "http" && is_this_machine(url) && format!("{authority}/{query}") == url.as_str()
}

/// True for exactly these three hosts; other spellings of loopback are refused. [RFC8252 §8.3]
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.octets() == [127, 0, 0, 1],
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// True for every other host that reaches this machine: an address of the loopback network, the unspecified address, an
/// IPv4 address inside an IPv6 address (`[::ffff:7f00:1]`), a name under `localhost`.
fn is_some_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.is_unspecified() || carries_an_ipv4_address(&address)
        }
        None => false,
    }
}

/// True for mapped, compatible, NAT64 and 6to4 addresses: such an address reaches the IPv4 address inside it.
fn carries_an_ipv4_address(address: &Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    address.to_ipv4().is_some() || (a == 0x64 && b == 0xff9b) || a == 0x2002
}

/// The parameters that an authorization server adds to a redirect URI. [RFC6749 §4.1.2] [RFC6749 §4.2.2] [RFC9207 §2] A
/// client that receives one of them twice may use the wrong one.
const RESPONSE_PARAMETERS: [&str; 13] = [
    "code",
    "state",
    "iss",
    "error",
    "error_description",
    "error_uri",
    "response",
    "access_token",
    "id_token",
    "token_type",
    "expires_in",
    "scope",
    "session_state",
];

fn has_response_parameter(url: &Url) -> bool {
    url.query_pairs()
        .any(|(name, _)| RESPONSE_PARAMETERS.contains(&name.as_ref()))
}

fn escapes_are_whole(uri: &str) -> bool {
    let mut parts = uri.split('%');
    parts.next();
    parts.all(|part| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

fn has_dot_segment(path: &str) -> bool {
    path.split('/')
        .map(|segment| segment.to_ascii_lowercase().replace("%2e", "."))
        .any(|segment| segment == "." || segment == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows DR-33 to DR-41, DR-44.
    #[test]
    fn dangerous_redirect_uris_are_refused() {
        for uri in [
            "javascript:alert(1)//",
            "JaVaScRiPt:alert(1)//",
            "\u{1}javascript:alert(1)",
            " javascript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "blob:https://a.example/1",
            "file:///etc/passwd",
            "about:blank",
            "view-source:https://a.example/",
            "intent://scan/#Intent;end",
            "intent:x",
            "mailto:a@b.example",
            "myapp:/cb",
            "https://a.example/cb#x",
            "https://a.example/cb#",
            "https://a.example@evil.example/cb",
            "https://:p@evil.example/cb",
            "https://evil.example\\@a.example/cb",
            "https://a.example/call\tback",
            "https://a.example/call\nback",
            "https://evil.example%2f.apps.example/",
            "https://a.example/a/%2e%2e/cb",
            "https://a.example/a/%2E/cb",
            "https://a.example/a/../cb",
            "https://a.example./cb",
            "https://b\u{fc}cher.example/cb",
            "https://a\u{ff0e}example/cb",
            "https://A.example/cb",
            "HTTPS://a.example/cb",
            "https://*.a.example/cb",
            "https://a.example:0/cb",
            "https://a.example:65536/cb",
            "https://a.example:/cb",
            "https://a.example:443/cb",
            "https://a.example/%zz",
            "https://a.example/%a",
            "https:///cb",
            "https://",
            "//a.example/cb",
            "/cb",
            "",
            "http://a.example/cb",
            "https://a.example",
            "http://a.example",
            "http://127.0.0.1:",
            "http://127.0.0.1:80",
            "http://127.0.0.1:x",
            "http:127.0.0.1",
            "http://127.0.0.1#",
            "http://LOCALHOST:8080",
            "http://127.0.0.1:33418?code=x",
            "http://localhost.evil.example/cb",
            "http://127.0.0.1.nip.io/cb",
            "http://2130706433/cb",
            "http://127.1/cb",
            "http://[::ffff:127.0.0.1]/cb",
            "http://127.0.0.2/cb",
            "https://localhost/cb",
            "https://127.0.0.1/cb",
            "com.example.app:/a/../cb",
            "com.example.app:",
            "com.example.app:?x=1",
            "com.example.app://",
            "https://[::ffff:7f00:1]/",
            "https://[::ffff:808:808]/cb",
            "https://[::7f00:1]/cb",
            "https://[64:ff9b::7f00:1]/cb",
            "https://[2002:7f00:1::]/cb",
            "https://[::]/cb",
            "https://[::1]/cb",
            "https://0.0.0.0/cb",
            "https://127.0.0.2/cb",
            "https://x.localhost/cb",
            "http://x.localhost/cb",
            "https://a.example/cb?code=x",
            "https://a.example/cb?x=1&state=x",
            "https://a.example/cb?%63ode=x",
            "https://a.example/cb?iss",
            "https://a.example/cb?error=",
            "https://a.example/cb?response=x",
            "https://a.example/cb?access_token=x",
            "http://127.0.0.1/cb?code=x",
            "com.example.app:/cb?code=x",
            &format!("https://a.example/{}", "x".repeat(2048)),
        ] {
            assert!(form(uri).is_err(), "{uri:?}");
        }
    }

    // Rows DR-34, DR-42.
    #[test]
    fn https_loopback_and_private_use_redirect_uris_are_recognised() {
        for (uri, expected) in [
            ("https://a.example/", Form::Https),
            ("https://a.example:8443/cb?x=1&y=%2F", Form::Https),
            ("https://xn--bcher-kva.example/cb", Form::Https),
            ("http://127.0.0.1/cb", Form::Loopback),
            ("http://127.0.0.1:33418/cb", Form::Loopback),
            ("http://127.0.0.1:33418", Form::Loopback),
            ("http://127.0.0.1", Form::Loopback),
            ("http://localhost:8080", Form::Loopback),
            ("http://[::1]:8080", Form::Loopback),
            ("http://127.0.0.1:33418?x=1", Form::Loopback),
            ("http://[::1]/cb", Form::Loopback),
            ("http://localhost:33418/callback", Form::Loopback),
            ("https://a.example/cb?Code=1&codes=2&x=code", Form::Https),
            ("https://[2001:db8::1]/cb", Form::Https),
            ("com.example.app:/cb", Form::PrivateUse),
            ("com.example.app:/", Form::PrivateUse),
            ("com.example.app://callback", Form::PrivateUse),
        ] {
            assert_eq!(form(uri), Ok(expected), "{uri}");
        }
    }

    // Row DR-42.
    #[test]
    fn rfc8252_7_3_only_the_port_of_a_loopback_redirect_uri_may_differ_from_the_registered_one() {
        for (registered, requested) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
            ("http://127.0.0.1:33418", "http://127.0.0.1:33418"),
            ("http://127.0.0.1:33418", "http://127.0.0.1:33418/"),
            ("http://127.0.0.1:33418/", "http://127.0.0.1:51004"),
            ("http://127.0.0.1", "http://127.0.0.1:51004/"),
            ("http://[::1]/cb", "http://[::1]:51004/cb"),
            (
                "http://localhost:3118/callback",
                "http://localhost:49152/callback",
            ),
            ("http://127.0.0.1:1?x=1", "http://127.0.0.1:2/?x=1"),
            ("https://a.example/cb", "https://a.example/cb"),
            ("com.example.app:/cb", "com.example.app:/cb"),
        ] {
            assert!(is_same(registered, requested), "{registered} {requested}");
        }
        for (registered, requested) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/other"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb/"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?x=1"),
            ("http://127.0.0.1/cb", "http://localhost:51004/cb"),
            ("http://127.0.0.1/cb", "http://[::1]/cb"),
            ("http://127.0.0.1/cb", "https://127.0.0.1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
            ("http://127.0.0.1:33418", "http://127.0.0.1:33418/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
            ("https://a.example/cb", "https://a.example:8443/cb"),
            ("https://a.example/", "https://a.example"),
            ("com.example.app:/cb", "com.example.app:/cb/"),
        ] {
            assert!(!is_same(registered, requested), "{registered} {requested}");
        }
    }

    proptest::proptest! {
        #[test]
        fn accepted_redirect_uri_is_unchanged_by_a_url_parser(uri in "(https?|[a-z.]{1,9})://?[!-~]{0,40}") {
            if form(&uri).is_ok() {
                let read = Url::parse(&uri).unwrap();
                let is_whole = read.as_str() == uri || is_loopback_without_path(&uri, &read);
                proptest::prop_assert!(is_whole, "{} is read as {}", uri, read);
                proptest::prop_assert!(!uri.contains(['#', '\\', '*']));
            }
        }
    }
}
