//! The one guarded outbound HTTP client. [decision 0013]
//!
//! Parse, judge the addresses, connect to one of *those*, TLS with the original name. No redirects, no proxy
//! variables, no cookies; the body is bounded, one deadline covers everything, and a URL has at most one fetch
//! in flight. What strangers make us fetch is bounded apart from what the operator configured, and shares nothing
//! with it. Server and SDKs use the same client: three copies of a guard are two too many.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod address;
mod connect;
mod exchange;
mod flights;
mod kept;
mod names;

pub use address::is_public;
pub use flights::{STRANGER_FETCHES_MAX, STRANGER_FETCHES_PER_SITE_MAX};
pub use kept::{Held, Kept, Moment, NotFetched, Pauses, Running};
pub use names::{NameLookup, OPERATOR_LOOKUPS_MAX, STRANGER_LOOKUPS_MAX};

use flights::Flights;
use names::Names;

use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Who wrote the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UrlOrigin {
    /// The configuration: private addresses are allowed.
    Operator,
    /// A request: only public addresses and port 443 will do, and the operator's name map is not consulted.
    Stranger,
}

/// Bounds of one fetch.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// Body, bytes.
    pub body_bytes_max: usize,
    /// From the first look at the name to the last byte.
    pub deadline: Duration,
}

impl Default for FetchLimits {
    fn default() -> FetchLimits {
        FetchLimits {
            body_bytes_max: 1024 * 1024,
            deadline: Duration::from_secs(10),
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// HTTP status.
    pub status: u16,
    /// Body, within its bound.
    pub body: Vec<u8>,
    /// `Retry-After`, seconds, where the server said so.
    pub retry_after_seconds: Option<u64>,
}

/// Why nothing was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum FetchFault {
    NotHttps,
    HasUserInformation,
    NoHost,
    AddressRefused,
    NameNotFound(String),
    Connect(String),
    Tls(String),
    Http(String),
    TooLarge { body_bytes_max: usize },
    Deadline { seconds: u64 },
    Redirect { status: u16 },
    InFlight,
    PortRefused { port: u16 },
    Busy { limit: &'static str },
}

impl fmt::Display for FetchFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchFault::NotHttps => f.write_str("the URL is not https (http is for loopback only)"),
            FetchFault::HasUserInformation => f.write_str("the URL has user information"),
            FetchFault::NoHost => f.write_str("the URL has no host"),
            FetchFault::AddressRefused => f.write_str("the name resolves to an address that is not public"),
            FetchFault::NameNotFound(name) => write!(f, "{name} does not resolve"),
            FetchFault::Connect(why) => write!(f, "cannot connect: {why}"),
            FetchFault::Tls(why) => write!(f, "TLS failed: {why}"),
            FetchFault::Http(why) => write!(f, "HTTP failed: {why}"),
            FetchFault::TooLarge { body_bytes_max } => {
                write!(f, "the body is larger than {body_bytes_max} bytes")
            }
            FetchFault::Deadline { seconds } => write!(f, "no complete answer within {seconds} s"),
            FetchFault::Redirect { status } => {
                write!(f, "the server redirects ({status}); redirects are not followed")
            }
            FetchFault::InFlight => f.write_str("this URL is being fetched already"),
            FetchFault::PortRefused { port } => {
                write!(f, "the URL names port {port}; a client's URL must use port 443")
            }
            FetchFault::Busy { limit } => write!(f, "too many {limit} for clients' URLs are under way"),
        }
    }
}

impl std::error::Error for FetchFault {}

/// How a fetcher is set up.
#[derive(Debug, Default, Clone)]
pub struct FetcherOptions {
    /// Extra trust roots, PEM.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// The operator's own name map, exempt from the address check.
    pub resolve: HashMap<String, IpAddr>,
    /// Shown to servers that ask for a client certificate.
    pub client_identity: Option<ClientIdentity>,
    /// Stands in for the network, in tests. No configuration can set it.
    pub network: Network,
}

/// What stands in for the network, in tests.
#[derive(Debug, Default, Clone)]
pub struct Network {
    /// Finds names in place of the system's resolver.
    pub lookup: NameLookup,
    /// Where names in strangers' URLs lead; those are not judged, because a test has no public addresses.
    pub stranger_routes: HashMap<String, SocketAddr>,
}

/// A client certificate with its key. Its `Debug` does not show the key.
#[derive(Clone)]
pub struct ClientIdentity {
    /// DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// DER, PKCS #8.
    pub private_key: Vec<u8>,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentity({} certificates)", self.chain.len())
    }
}

impl ClientIdentity {
    /// Reads PEM: the certificates, leaf first, and the key.
    pub fn from_pem(certificates: &[u8], private_key: &[u8]) -> Result<ClientIdentity, String> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .map(|der| der.map(|der| der.to_vec()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("no PEM certificates: {error}"))?;
        if chain.is_empty() {
            return Err("no PEM certificates".into());
        }
        let key = PrivateKeyDer::from_pem_slice(private_key)
            .map_err(|error| format!("no PEM private key: {error}"))?;
        Ok(ClientIdentity {
            chain,
            private_key: key.secret_der().to_vec(),
        })
    }
}

/// The client. Cheap to share behind an `Arc`.
pub struct Fetcher {
    tls: Arc<ClientConfig>,
    resolve: HashMap<String, IpAddr>,
    stranger_routes: HashMap<String, SocketAddr>,
    names: Names,
    flights: Flights,
}

impl Fetcher {
    /// Builds the client over the system's trust roots and the extra ones.
    pub fn new(options: FetcherOptions) -> Result<Fetcher, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots: Vec<CertificateDer<'static>> = match &options.extra_roots_pem {
            None => Vec::new(),
            Some(pem) => CertificateDer::pem_slice_iter(pem)
                .collect::<Result<_, _>>()
                .map_err(|error| format!("the extra roots are not PEM certificates: {error}"))?,
        };
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider.clone())
            .map_err(|error| format!("the system's trust roots cannot be used: {error}"))?;
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut tls = match &options.client_identity {
            None => tls.with_no_client_auth(),
            Some(identity) => {
                let chain = identity
                    .chain
                    .iter()
                    .map(|der| CertificateDer::from(der.clone()))
                    .collect();
                let key = PrivateKeyDer::try_from(identity.private_key.clone())
                    .map_err(|error| format!("the client key cannot be used: {error}"))?;
                tls.with_client_auth_cert(chain, key)
                    .map_err(|error| format!("the client certificate cannot be used: {error}"))?
            }
        };
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Fetcher {
            tls: Arc::new(tls),
            resolve: options.resolve,
            stranger_routes: options.network.stranger_routes,
            names: Names::new(options.network.lookup),
            flights: Flights::default(),
        })
    }

    /// Gets a document. A redirect is a fault, and so is a second fetch of a URL while one is in flight.
    pub async fn get(
        &self,
        url: &Url,
        origin: UrlOrigin,
        limits: FetchLimits,
    ) -> Result<Fetched, FetchFault> {
        let _flight = self.flights.begin(url, origin)?;
        self.bounded(exchange::get(self, url, origin, limits.body_bytes_max), limits)
            .await
    }

    /// Posts a form, as the SDKs do.
    pub async fn post_form(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        limits: FetchLimits,
    ) -> Result<Fetched, FetchFault> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        self.bounded(
            exchange::post_form(self, url, body, limits.body_bytes_max),
            limits,
        )
        .await
    }

    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, FetchFault>>,
        limits: FetchLimits,
    ) -> Result<T, FetchFault> {
        tokio::time::timeout(limits.deadline, work)
            .await
            .unwrap_or(Err(FetchFault::Deadline {
                seconds: limits.deadline.as_secs(),
            }))
    }
}

#[cfg(test)]
mod tests;
