//! Issuer identifiers. [RFC8414 §2]

use crate::is_loopback;
use std::fmt;

/// An issuer identifier: https (http only on loopback), no query, no fragment, compared as it was written.
#[derive(Clone, PartialEq, Eq, Hash, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct IssuerUrl(Box<str>);

impl IssuerUrl {
    /// Parses an issuer identifier; the error is a sentence for the administrator who wrote it.
    pub fn parse(text: &str) -> Result<IssuerUrl, &'static str> {
        let url = url::Url::parse(text).map_err(|_| "is not a URL")?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err("uses http although its host is not a loopback address"),
            _ => return Err("is not an https URL"),
        }
        if url.query().is_some() || url.fragment().is_some() || text.contains(['?', '#']) {
            return Err("has a query or a fragment");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has user information");
        }
        if text
            .chars()
            .any(|character| character.is_whitespace() || character.is_control())
        {
            return Err("contains white space");
        }
        // A client compares the strings. `https://as.example/` and `https://as.example` are two issuers, and
        // appending paths to the former makes double slashes.
        if text.ends_with('/') {
            return Err("ends with a slash");
        }
        Ok(IssuerUrl(text.into()))
    }

    /// The identifier, byte for byte as configured.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for http on loopback, which is for trials only.
    pub fn is_cleartext(&self) -> bool {
        self.0.starts_with("http://")
    }

    /// The path component, without a trailing slash: empty for most issuers.
    pub fn path(&self) -> &str {
        let after_scheme = self.0.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme
            .find('/')
            .and_then(|slash| after_scheme.get(slash..))
            .unwrap_or("")
    }

    /// [RFC8414 §3] The well-known part goes between host and path.
    pub fn metadata_path(&self) -> String {
        format!("/.well-known/oauth-authorization-server{}", self.path())
    }

    /// URL of the metadata document.
    pub fn metadata_url(&self) -> String {
        let origin = self.0.strip_suffix(self.path()).unwrap_or(&self.0);
        format!("{origin}{}", self.metadata_path())
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8414_2_issuer_is_an_https_url_without_query_and_fragment() {
        for good in [
            "https://as.example",
            "https://as.example/t1",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
        ] {
            assert!(IssuerUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "as.example",
            "http://as.example",
            "ftp://as.example",
            "https://as.example/",
            "https://as.example?x",
            "https://as.example#x",
            "https://u@as.example",
            "https://as.example/a b",
            "",
        ] {
            assert!(IssuerUrl::parse(bad).is_err(), "{bad}");
        }
    }

    // Row AZ-25.
    #[test]
    fn rfc8414_3_metadata_path_is_inserted_before_the_path_of_the_issuer() {
        let at = |issuer: &str| IssuerUrl::parse(issuer).unwrap().metadata_url();
        assert_eq!(
            at("https://as.example"),
            "https://as.example/.well-known/oauth-authorization-server"
        );
        assert_eq!(
            at("https://h.example/t/1"),
            "https://h.example/.well-known/oauth-authorization-server/t/1"
        );
    }
}
