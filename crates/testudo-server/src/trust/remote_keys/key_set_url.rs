//! The normal form of a `jwks_uri`, so that several spellings of one URL share one entry and one pause.

use url::Url;

/// A `jwks_uri` in its normal form, under which the key set is fetched and cached. [RFC3986 §6.2.2]
///
/// The parser of `url` already writes scheme and host in lower case and removes the default port and dot segments. This
/// type also decodes percent-encoded characters that need no encoding, and removes the final dot of the host name, an
/// empty query and the fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySetUrl(pub(super) Url);

impl KeySetUrl {
    pub(crate) fn parse(text: &str) -> Result<KeySetUrl, String> {
        let mut url = Url::parse(text).map_err(|error| format!("jwks_uri is not a valid URL: {error}"))?;
        url.set_fragment(None);
        if let Some(name) = url.domain().map(|name| name.trim_end_matches('.').to_owned()) {
            url.set_host(Some(&name))
                .map_err(|error| format!("the host of jwks_uri is not valid: {error}"))?;
        }
        let path = decoded(url.path());
        url.set_path(&path);
        let query = url.query().filter(|query| !query.is_empty()).map(decoded);
        url.set_query(query.as_deref());
        Ok(KeySetUrl(url))
    }
}

/// Decodes percent-encoded unreserved characters, and writes the hex digits of the others in upper case. [RFC3986
/// §6.2.2.1]
fn decoded(text: &str) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let hex = after
            .get(..2)
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let octet = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match octet {
            Some(octet) if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) => {
                out.push(char::from(octet));
            }
            Some(octet) => out.push_str(&format!("%{octet:02X}")),
            None => {
                out.push('%');
                rest = after;
                continue;
            }
        }
        rest = after.get(2..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_url_have_the_same_normal_form() {
        let place = "https://keys.example/a/jwks?v=1";
        for spelling in [
            "HTTPS://KEYS.example/a/jwks?v=1",
            "https://keys.example:443/a/jwks?v=1",
            "https://keys.example./a/jwks?v=1",
            "https://keys.example/a/b/../jwks?v=1",
            "https://keys.example/%61/%6a%77ks?v=1",
            "https://keys.example/a/jwks?%76=1",
            "https://keys.example/a/jwks?v=1#x",
        ] {
            assert_eq!(
                KeySetUrl::parse(spelling).unwrap().0.as_str(),
                place,
                "{spelling}"
            );
        }
        for (one, other) in [
            ("https://keys.example/a%2fb", "https://keys.example/a%2Fb"),
            ("https://keys.example/?", "https://keys.example"),
        ] {
            assert_eq!(KeySetUrl::parse(one).unwrap(), KeySetUrl::parse(other).unwrap());
        }
        for other in [
            "https://keys.example/a/jwks?v=2",
            "https://keys.example/A/jwks?v=1",
            "https://keys.example:8443/a/jwks?v=1",
            "https://keys.example/a%2Fjwks?v=1",
        ] {
            assert_ne!(KeySetUrl::parse(other).unwrap().0.as_str(), place, "{other}");
        }
        for odd in [
            "https://keys.example/%",
            "https://keys.example/%zz%e",
            "https://keys.example/%+1",
        ] {
            assert!(KeySetUrl::parse(odd).is_ok(), "{odd}");
        }
        assert!(KeySetUrl::parse("no url").is_err());
    }
}
