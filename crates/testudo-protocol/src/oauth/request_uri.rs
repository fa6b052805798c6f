//! The URI of a request, compared as DPoP requires it. [RFC9449 §4.3]

use url::Url;

/// Longest accepted `htu`, in bytes. A longer one names no endpoint that a configuration can have.
const URI_BYTES_MAX: usize = 2_048;

/// The `http` or `https` URI of a request, normalised, without query and fragment. [RFC3986 §6.2.2] [RFC3986 §6.2.3]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestUri(Box<str>);

impl RequestUri {
    /// Parses and normalises a URI; `None` if it is not an absolute `http` or `https` URI.
    pub fn parse(text: &str) -> Option<RequestUri> {
        // The URL library accepts white space, control characters and `\`, which no URI may contain.
        let is_plain =
            text.len() <= URI_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !is_plain {
            return None;
        }
        // [RFC9449 §4.3 (9)] Query and fragment are ignored.
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let url = Url::parse(text.get(..end)?).ok()?;
        let has_authority = url.host_str().is_some_and(|host| !host.is_empty());
        let is_request = matches!(url.scheme(), "http" | "https") && has_authority;
        if !is_request || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        Some(RequestUri(normalised_escapes(url.as_str()).into()))
    }

    /// True if `text` is the same URI.
    pub fn is(&self, text: &str) -> bool {
        // Nearly every client sends the URI exactly as it is in the metadata.
        *self.0 == *text || RequestUri::parse(text).is_some_and(|parsed| parsed == *self)
    }

    /// The normalised URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// [RFC3986 §6.2.2.1] [RFC3986 §6.2.2.2] Escapes of unreserved characters are decoded; others get upper-case digits.
/// The URL library has normalised all other parts.
fn normalised_escapes(uri: &str) -> String {
    let mut out = String::with_capacity(uri.len());
    let mut rest = uri;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let digits = escape.get(1..3);
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, digits) {
            (Some(byte), _) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte));
            }
            (Some(_), Some(digits)) => {
                out.push('%');
                out.push_str(&digits.to_ascii_uppercase());
            }
            (None, _) | (_, None) => {
                out.push('%');
                rest = escape.get(1..).unwrap_or_default();
                continue;
            }
        }
        rest = escape.get(3..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9449_4_3_uris_that_differ_only_in_spelling_are_the_same() {
        let expected = RequestUri::parse("https://as.example/a~b/token").unwrap();
        for same in [
            "https://as.example/a~b/token",
            "HTTPS://AS.Example/a~b/token",
            "https://as.example:443/a~b/token",
            "https://as.example/a%7Eb/token",
            "https://as.example/a%7eb/token",
            "https://as.example/x/../a~b/./token",
            "https://as.example/a~b/token?a=b#c",
            "https://as.example/a~b/token#c?d",
        ] {
            assert!(expected.is(same), "{same}");
        }
        let root = RequestUri::parse("https://as.example").unwrap();
        assert!(root.is("https://as.example/"));
        let escaped = RequestUri::parse("https://as.example/a%2fb").unwrap();
        assert!(escaped.is("https://as.example/a%2Fb") && !escaped.is("https://as.example/a/b"));
    }

    #[test]
    fn rfc9449_4_3_other_uris_and_texts_that_are_no_request_uri_differ() {
        let expected = RequestUri::parse("https://as.example/token").unwrap();
        for other in [
            "http://as.example/token",
            "https://as.example:8443/token",
            "https://as.example.evil/token",
            "https://as.example/token/",
            "https://as.example/Token",
            "https://user@as.example/token",
            "https://as.example\\token",
            " https://as.example/token",
            "https://as.example/to\tken",
            "//as.example/token",
            "/token",
            "https:as.example/token ",
            "urn:as.example:token",
            "",
        ] {
            assert!(!expected.is(other), "{other:?}");
        }
        let long = format!("https://as.example/token?{}", "a".repeat(URI_BYTES_MAX));
        assert!(!expected.is(&long));
        assert_eq!(
            RequestUri::parse("https://a.example/%"),
            RequestUri::parse("https://a.example/%")
        );
        assert_eq!(RequestUri::parse("file:///token"), None);
    }
}
