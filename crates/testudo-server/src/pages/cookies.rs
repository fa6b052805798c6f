//! The cookies of pages for people. Their names begin with `__Host-`: a browser accepts such a cookie only with `Secure`,
//! without `Domain` and with `Path=/`, so no other host of the domain can set it.
//!
//! Where the issuer is http on loopback, for trials, browsers do not accept `__Host-`. The names then contain the port,
//! because all ports of a host share their cookies.

use hyper::header::{self, HeaderMap, HeaderValue};
use testudo_protocol::oauth::IssuerUrl;

/// The longest value that is read. The longest that this server sets is 64 characters.
const VALUE_BYTES_MAX: usize = 128;

/// A cookie of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// A random value that binds the forms of sign-in and consent to the browser before a session exists.
    Flow,
    /// The secret of the session.
    Session,
}

/// How the cookies of an issuer are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookies {
    /// The port in the names; `None` with https.
    port: Option<u16>,
}

impl Cookies {
    /// The cookies of this issuer.
    pub fn of(issuer: &IssuerUrl) -> Cookies {
        let url = url::Url::parse(issuer.as_str()).ok();
        let port = url.and_then(|url| url.port_or_known_default());
        Cookies {
            port: port.filter(|_| issuer.is_cleartext()),
        }
    }

    /// `__Host-testudo-flow`, or `testudo-flow-8080` with http on loopback.
    pub fn name(self, cookie: Cookie) -> String {
        let name = match cookie {
            Cookie::Flow => "flow",
            Cookie::Session => "session",
        };
        match self.port {
            None => format!("__Host-testudo-{name}"),
            Some(port) => format!("testudo-{name}-{port}"),
        }
    }

    /// The value of a cookie in a request: base64url characters. `None` also if there are two of them, since one can be
    /// of another origin. HTTP/2 may send one field per cookie. [RFC9113 §8.2.3]
    pub fn read(self, headers: &HeaderMap, cookie: Cookie) -> Option<&str> {
        let name = self.name(cookie);
        let fields = headers.get_all(header::COOKIE).iter();
        let pairs = fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(';'));
        let mut values = pairs.filter_map(|pair| {
            let (found, value) = pair.trim_matches(' ').split_once('=')?;
            (found == name).then_some(value)
        });
        let value = values.next()?;
        (is_value(value) && values.next().is_none()).then_some(value)
    }

    /// The field `Set-Cookie` with a value of base64url characters. The cookie ends with the browser session; the server
    /// ends sessions earlier. `SameSite=Lax`: an application sends the browser here with a link, and the cookie must
    /// be there; a form of another site is sent without it. `None` for a value of other characters.
    pub fn set(self, cookie: Cookie, value: &str) -> Option<HeaderValue> {
        is_value(value).then(|| self.field(cookie, value, "")).flatten()
    }

    /// The field `Set-Cookie` that removes the cookie.
    pub fn clear(self, cookie: Cookie) -> Option<HeaderValue> {
        self.field(cookie, "", "; Max-Age=0")
    }

    fn field(self, cookie: Cookie, value: &str, end: &str) -> Option<HeaderValue> {
        let secure = if self.port.is_none() { "; Secure" } else { "" };
        let name = self.name(cookie);
        let field = format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{end}");
        let mut field = HeaderValue::try_from(field).ok()?;
        // Not printed by a log of headers.
        field.set_sensitive(true);
        Some(field)
    }
}

/// True for a text that this server may have set: the characters of base64url.
fn is_value(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.len() <= VALUE_BYTES_MAX && text.bytes().all(is_legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(issuer: &str) -> Cookies {
        Cookies::of(&IssuerUrl::parse(issuer).unwrap())
    }

    fn sent(fields: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::COOKIE, HeaderValue::from_str(field).unwrap());
        }
        headers
    }

    #[test]
    fn cookies_have_the_attributes_that_their_names_demand() {
        for issuer in [
            "https://as.example",
            "https://as.example:8443/t1",
            "https://127.0.0.1",
        ] {
            let field = cookies(issuer).set(Cookie::Session, "abc-_1").unwrap();
            assert_eq!(
                field.to_str().unwrap(),
                "__Host-testudo-session=abc-_1; Path=/; Secure; HttpOnly; SameSite=Lax"
            );
            assert!(field.is_sensitive());
        }
        let field = cookies("https://as.example").clear(Cookie::Flow).unwrap();
        assert_eq!(
            field.to_str().unwrap(),
            "__Host-testudo-flow=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"
        );
    }

    #[test]
    fn http_on_loopback_has_names_with_the_port_and_no_secure() {
        for (issuer, port) in [
            ("http://localhost:8080", 8080),
            ("http://127.0.0.1", 80),
            ("http://[::1]:1", 1),
        ] {
            let field = cookies(issuer).set(Cookie::Flow, "v").unwrap();
            let expected = format!("testudo-flow-{port}=v; Path=/; HttpOnly; SameSite=Lax");
            assert_eq!(field.to_str().unwrap(), expected, "{issuer}");
        }
    }

    #[test]
    fn value_that_could_add_attributes_is_not_set() {
        let longest = "x".repeat(VALUE_BYTES_MAX);
        assert!(
            cookies("https://as.example")
                .set(Cookie::Flow, &longest)
                .is_some()
        );
        for bad in [
            "",
            "a b",
            "a;Domain=example",
            "a\r\nX: y",
            "é",
            "a=b",
            &format!("{longest}x"),
        ] {
            assert_eq!(
                cookies("https://as.example").set(Cookie::Flow, bad),
                None,
                "{bad}"
            );
        }
    }

    #[test]
    fn cookie_is_found_among_others_and_in_one_field_of_several() {
        let cookies = cookies("https://as.example");
        for fields in [
            &["__Host-testudo-session=abc"][..],
            &["a=b; __Host-testudo-session=abc; c=d"],
            &["a=b;__Host-testudo-session=abc"],
            &["a=b", "__Host-testudo-session=abc", "__Host-testudo-flow=x"],
        ] {
            assert_eq!(
                cookies.read(&sent(fields), Cookie::Session),
                Some("abc"),
                "{fields:?}"
            );
        }
    }

    #[test]
    fn cookie_of_another_name_or_form_and_two_cookies_are_not_read() {
        let cookies = cookies("https://as.example");
        let longest = "x".repeat(VALUE_BYTES_MAX + 1);
        for fields in [
            &[][..],
            &["testudo-session=abc"],
            &["testudo-session-443=abc"],
            &["__host-testudo-session=abc"],
            &["__Host-testudo-flow=abc"],
            &["x__Host-testudo-session=abc"],
            &["__Host-testudo-session=abc", "__Host-testudo-session=abd"],
            &["__Host-testudo-session=abc; __Host-testudo-session=abc"],
            &["__Host-testudo-session="],
            &["__Host-testudo-session"],
            &["__Host-testudo-session=\"abc\""],
            &["__Host-testudo-session=a=b"],
            &[&format!("__Host-testudo-session={longest}")],
        ] {
            assert_eq!(cookies.read(&sent(fields), Cookie::Session), None, "{fields:?}");
        }
    }
}
