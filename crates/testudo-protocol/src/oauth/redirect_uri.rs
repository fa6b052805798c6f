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

/// A redirect URI that is registered for the client of a request: responses may be sent to it. Created by
/// [`RedirectUri::find`] and read from records.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RedirectUri(Box<str>);

/// Why no response may be sent to the redirect URI of an authorization request. The answer is a page and never a
/// redirect. [RFC9700 §4.11.2]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectUriMismatch {
    /// `redirect_uri` is not one that is registered for the client.
    NotRegistered,
    /// The request has no `redirect_uri`, and the client has several.
    Missing,
    /// The client has no redirect URI.
    NoneRegistered,
}

impl fmt::Display for RedirectUriMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RedirectUriMismatch::NotRegistered => "redirect_uri is not registered for this client",
            RedirectUriMismatch::Missing => {
                "redirect_uri is missing, and several are registered for this client"
            }
            RedirectUriMismatch::NoneRegistered => "no redirect URI is registered for this client",
        })
    }
}

impl RedirectUri {
    /// The redirect URI of a request: the requested one, if it matches a registered one ([`is_same`]), or without a
    /// request the only one that is registered. [RFC6749 §3.1.2.3]
    pub fn find<'r>(
        requested: Option<&str>,
        registered: impl IntoIterator<Item = &'r str>,
    ) -> Result<RedirectUri, RedirectUriMismatch> {
        let mut registered = registered.into_iter().peekable();
        if registered.peek().is_none() {
            return Err(RedirectUriMismatch::NoneRegistered);
        }
        match requested {
            Some(requested) if registered.any(|known| is_same(known, requested)) => {
                Ok(RedirectUri(requested.into()))
            }
            Some(_) => Err(RedirectUriMismatch::NotRegistered),
            None => match (registered.next(), registered.next()) {
                (Some(only), None) => Ok(RedirectUri(only.into())),
                (_, _) => Err(RedirectUriMismatch::Missing),
            },
        }
    }

    /// The URI, as the request or the registration has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if another application on the device of the person can receive the response, because it listens on a port
    /// of the same machine or claims the same scheme. A client that proves no key is then known by nothing that the
    /// other application does not have, so the person must consent each time. [RFC8252 §8.6]
    pub fn is_on_the_device(&self) -> bool {
        !matches!(form(&self.0), Ok(Form::Https))
    }

    /// The origin for `form-action` of a page whose form leads to this URI: scheme, host and port, or the scheme alone.
    pub fn origin(&self) -> String {
        match Url::parse(&self.0) {
            Ok(url) if url.origin().is_tuple() => url.origin().ascii_serialization(),
            Ok(url) => format!("{}:", url.scheme()),
            Err(_) => String::new(),
        }
    }
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
mod tests;
