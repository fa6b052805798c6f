//! A bundle endpoint with the profile `https_spiffe`: which server must be at its URL. [SPIFFE-FED §5.2.2]

use testudo_core::Authority;
use testudo_core::doors::AuthorityKeys;
use testudo_fetch::SpiffeServer;
use testudo_protocol::Timestamp;
use testudo_protocol::spiffe::SpiffeId;

/// A bundle endpoint whose server is verified by its X.509-SVID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpiffeEndpoint {
    /// The URL of the document.
    pub url: url::Url,
    /// The SPIFFE ID that the server must show.
    pub spiffe_id: SpiffeId,
    /// The keys that verify the server.
    pub verified_with: EndpointKeys,
}

/// The keys that verify the server of a bundle endpoint. [SPIFFE-FED §5.2.2.2]
#[derive(Clone, PartialEq, Eq)]
pub enum EndpointKeys {
    /// The server has an SVID of the trust domain whose bundle it serves. It is verified with the bundle that was
    /// fetched last, and for the first time with this document.
    Own {
        /// The content of the file `bootstrap`.
        bootstrap: Vec<u8>,
    },
    /// The server has an SVID of another configured trust domain, and is verified with the bundle of that one.
    Of(Authority),
}

impl std::fmt::Debug for EndpointKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EndpointKeys::Own { bootstrap } => write!(f, "Own({} bytes)", bootstrap.len()),
            EndpointKeys::Of(authority) => write!(f, "Of({authority})"),
        }
    }
}

impl std::fmt::Display for SpiffeEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.url, self.spiffe_id.as_str())
    }
}

impl SpiffeEndpoint {
    /// The server that must be at the URL, verified with these keys at the time `now`.
    pub(crate) fn server(&self, keys: &AuthorityKeys, now: Timestamp) -> Result<SpiffeServer, String> {
        let bundle = keys
            .bundle()
            .ok_or("the keys that verify the server are no bundle")?;
        let authorities = &bundle.x509_authorities;
        let last = authorities.iter().map(|known| known.valid_until()).max();
        if let Some(last) = last
            && !authorities.iter().any(|known| known.is_valid(now))
        {
            return Err(format!(
                "no X.509 authority of the bundle that verifies the server is valid now: the last one expires at {last}"
            ));
        }
        Ok(SpiffeServer {
            spiffe_id: self.spiffe_id.clone(),
            bundle: bundle.clone(),
            now,
        })
    }
}
