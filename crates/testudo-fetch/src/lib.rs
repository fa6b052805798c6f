//! The only outbound HTTP client, which protects internal servers from requests that clients cause. [decision 0013]
//!
//! A fetch parses the URL, resolves and checks the addresses, connects to one of the checked addresses, and uses TLS
//! with the original name. Redirects, proxy variables and cookies are not supported. The body is bounded, one deadline
//! applies to the whole fetch, and only one fetch of a URL runs at a time. Fetches of URLs of clients have their own
//! limits and do not affect fetches of the configuration. The server and the SDKs use the same client, so that the
//! checks exist once.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod address;
mod connect;
mod exchange;
mod kept;
mod kept_connections;
mod names;
mod only_roots;
mod running;
mod spiffe_server;
mod tls_problem;

pub use address::is_public;
pub use kept::{Held, Kept, Moment, NotFetched, Pauses, Running};
pub use kept_connections::{KEPT_CONNECTIONS_MAX, KEPT_CONNECTIONS_PER_SERVER_MAX};
pub use names::{CLIENT_LOOKUPS_MAX, CONFIGURATION_LOOKUPS_MAX, NameLookup};
pub use running::{CLIENT_FETCHES_MAX, CLIENT_FETCHES_PER_SITE_MAX};
pub use spiffe_server::SpiffeServer;

use kept_connections::{Destination, KeptConnections, exchange_kept};
use names::Names;
use only_roots::OnlyRoots;
use running::RunningFetches;

use hyper::HeaderMap;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use url::Url;

/// Where the URL comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UrlOrigin {
    /// The configuration: private addresses are allowed.
    Configuration,
    /// A client: only public addresses and port 443 are allowed, and the name map of the configuration is not used.
    Client,
}

/// Bounds of one fetch.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// Maximum size of the body, bytes.
    pub body_bytes_max: usize,
    /// Maximum time from resolving the name to the last byte.
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

/// An answer. Its `Debug` prints neither the body nor the header fields, which may contain a token.
#[derive(Clone)]
pub struct Fetched {
    /// HTTP status.
    pub status: u16,
    /// The complete body.
    pub body: Vec<u8>,
    /// `Retry-After`, seconds, if the server sent it.
    pub retry_after_seconds: Option<u64>,
    /// `Request-Id`, if the server sent a printable one of usual length: what its operator finds the request by.
    pub request_id: Option<String>,
    /// `Date`, the server's clock, where the server said so. [RFC9110 §6.6.1]
    pub date: Option<SystemTime>,
    headers: HeaderMap,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fetched({}, {} bytes)", self.status, self.body.len())
    }
}

impl Fetched {
    /// Names and values of all header fields that are text.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.headers.iter();
        fields.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }

    /// The values of the header fields with this name, which is in lower case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers().filter(move |(found, _)| *found == name);
        named.map(|(_, value)| value)
    }
}

/// A request.
#[derive(Clone)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: &'a str,
    /// The URL.
    pub url: &'a Url,
    /// Header fields.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: Vec<u8>,
}

impl<'a> Outgoing<'a> {
    /// A GET without header fields of its own.
    pub fn get(url: &'a Url) -> Outgoing<'a> {
        Outgoing {
            method: "GET",
            url,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// The same request with this value of the field `Authorization`.
    fn authorized(mut self, value: Option<&'a str>) -> Outgoing<'a> {
        self.headers.extend(value.map(|value| ("authorization", value)));
        self
    }

    /// A POST of a form.
    pub fn form(url: &'a Url, form: &[(&str, &str)]) -> Outgoing<'a> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        Outgoing {
            method: "POST",
            url,
            headers: vec![("content-type", "application/x-www-form-urlencoded")],
            body: body.into_bytes(),
        }
    }
}

/// How the server of one URL of the configuration is verified, and the token that it requires.
#[derive(Clone, Copy, Default)]
pub struct Access<'a> {
    /// PEM: the only roots that verify the server, in place of those of the system and the extra ones.
    pub roots_pem: Option<&'a [u8]>,
    /// The token of the field `Authorization`. It is sent to the server of this URL only: redirects are not followed.
    pub bearer_token: Option<&'a str>,
}

impl Access<'_> {
    fn authorization(self) -> Option<String> {
        self.bearer_token.map(|token| format!("Bearer {token}"))
    }
}

/// Why a fetch failed.
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
            FetchFault::InFlight => f.write_str("another fetch of this URL is running"),
            FetchFault::PortRefused { port } => {
                write!(f, "the URL names port {port}; a client's URL must use port 443")
            }
            FetchFault::Busy { limit } => write!(f, "too many {limit} are running for URLs of clients"),
        }
    }
}

impl std::error::Error for FetchFault {}

/// Options of a fetcher.
#[derive(Debug, Default, Clone)]
pub struct FetcherOptions {
    /// Extra trust roots, PEM.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// The name map of the configuration. Its addresses are not checked.
    pub resolve: HashMap<String, IpAddr>,
    /// The certificate for servers that request a client certificate.
    pub client_identity: Option<ClientIdentity>,
    /// Replaces the network in tests. It cannot be configured.
    pub network: Network,
}

/// A replacement of the network for tests.
#[derive(Debug, Default, Clone)]
pub struct Network {
    /// Resolves names instead of the system's resolver.
    pub lookup: NameLookup,
    /// Addresses of the names in URLs of clients. They are not checked, because a test has no public addresses.
    pub client_url_routes: HashMap<String, SocketAddr>,
}

/// A client certificate with its key. Its `Debug` does not print the key.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The certificates, DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The private key, PKCS #8 in DER.
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
            .map_err(|error| format!("there are no PEM certificates: {error}"))?;
        if chain.is_empty() {
            return Err("there are no PEM certificates".into());
        }
        let key = PrivateKeyDer::from_pem_slice(private_key)
            .map_err(|error| format!("there is no PEM private key: {error}"))?;
        let identity = ClientIdentity {
            chain,
            private_key: key.secret_der().to_vec(),
        };
        let certificates = identity.certificates();
        match CertifiedKey::from_der(certificates, key, &rustls::crypto::aws_lc_rs::default_provider()) {
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err("the private key is not that of the first certificate".into())
            }
            Err(error) => Err(format!("certificate and key cannot be used: {error}")),
            Ok(_) => Ok(identity),
        }
    }

    fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let certificates = self.chain.iter().cloned();
        certificates.map(CertificateDer::from).collect()
    }
}

/// The trust roots of a PEM file, of which there must be at least one: a file without any would be ignored.
pub fn roots_from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let roots = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("not PEM: {error}"))?;
    match roots.is_empty() {
        true => Err("contains no PEM certificate".into()),
        false => Ok(roots),
    }
}

/// The trust roots of a PEM file, in place of those of the system: each certificate in it must be usable as a root.
pub fn only_roots_from_pem(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for (position, root) in roots_from_pem(pem)?.into_iter().enumerate() {
        store
            .add(root)
            .map_err(|error| format!("certificate {} cannot be used as a root: {error}", position + 1))?;
    }
    Ok(store)
}

/// The client. Cheap to share behind an `Arc`.
pub struct Fetcher {
    tls: Arc<ClientConfig>,
    resolve: HashMap<String, IpAddr>,
    client_url_routes: HashMap<String, SocketAddr>,
    names: Names,
    running: RunningFetches,
    only_roots: OnlyRoots,
    kept_connections: KeptConnections,
}

impl Fetcher {
    /// Builds the client, which trusts the roots of the system and the extra ones.
    pub fn new(options: FetcherOptions) -> Result<Fetcher, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = match &options.extra_roots_pem {
            None => Vec::new(),
            Some(pem) => roots_from_pem(pem).map_err(|why| format!("the extra roots: {why}"))?,
        };
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider.clone())
            .map_err(|error| format!("the system's trust roots cannot be used: {error}"))?;
        let tls = tls_builder(provider)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let tls = match &options.client_identity {
            None => tls.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::try_from(identity.private_key.clone())
                    .map_err(|error| format!("the client key cannot be used: {error}"))?;
                tls.with_client_auth_cert(identity.certificates(), key)
                    .map_err(|error| format!("the client certificate cannot be used: {error}"))?
            }
        };
        Ok(Fetcher {
            tls: for_http_1_1(tls),
            resolve: options.resolve,
            client_url_routes: options.network.client_url_routes,
            names: Names::new(options.network.lookup),
            running: RunningFetches::default(),
            only_roots: OnlyRoots::default(),
            kept_connections: KeptConnections::default(),
        })
    }

    /// Gets a document. A redirect is an error, and so is a second fetch of a URL while one is running.
    pub async fn get(
        &self,
        url: &Url,
        origin: UrlOrigin,
        limits: FetchLimits,
    ) -> Result<Fetched, FetchFault> {
        self.get_over(&self.tls, &Outgoing::get(url), origin, limits)
            .await
    }

    /// Gets a document from a URL of the configuration.
    pub async fn get_with(
        &self,
        url: &Url,
        access: Access<'_>,
        limits: FetchLimits,
    ) -> Result<Fetched, FetchFault> {
        let authorization = access.authorization();
        let request = Outgoing::get(url).authorized(authorization.as_deref());
        let tls = self.tls_for(access)?;
        self.get_over(&tls, &request, UrlOrigin::Configuration, limits)
            .await
    }

    /// Sends a request to a URL of the configuration. Several requests to one URL may run at the same time, and the
    /// connection is used again for later ones. The server may receive the request twice: it is sent again if a connection
    /// that was kept open breaks before the answer begins.
    pub async fn send_with(
        &self,
        request: Outgoing<'_>,
        access: Access<'_>,
        limits: FetchLimits,
    ) -> Result<Fetched, FetchFault> {
        let authorization = access.authorization();
        let request = request.authorized(authorization.as_deref());
        let work = exchange_kept(self, &request, access, limits.body_bytes_max);
        let fetched = within(limits, work).await;
        // The server may be gone without having closed its connections.
        if matches!(fetched, Err(FetchFault::Deadline { .. })) {
            self.kept_connections.close(&Destination::of(request.url, access));
        }
        fetched
    }

    fn tls_for(&self, access: Access<'_>) -> Result<Arc<ClientConfig>, FetchFault> {
        match access.roots_pem {
            None => Ok(self.tls.clone()),
            Some(pem) => self.only_roots.tls(pem),
        }
    }

    /// Gets a document from a URL of the configuration, whose server is verified by its X.509-SVID.
    pub async fn get_from_spiffe(
        &self,
        url: &Url,
        server: SpiffeServer,
        limits: FetchLimits,
    ) -> Result<Fetched, FetchFault> {
        // [SPIFFE-FED §5.2.2.1] Without TLS nothing would be verified, so there is no exception for loopback.
        if url.scheme() != "https" {
            return Err(FetchFault::NotHttps);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = spiffe_server::Verifier {
            server,
            provider: provider.clone(),
        };
        let tls = tls_builder(provider)
            .map_err(FetchFault::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let request = Outgoing::get(url);
        self.get_over(&for_http_1_1(tls), &request, UrlOrigin::Configuration, limits)
            .await
    }

    async fn get_over(
        &self,
        tls: &Arc<ClientConfig>,
        request: &Outgoing<'_>,
        origin: UrlOrigin,
        limits: FetchLimits,
    ) -> Result<Fetched, FetchFault> {
        let _running = self.running.begin(request.url, origin)?;
        self.exchange(tls, request, origin, limits).await
    }

    /// Sends a request to a URL of the configuration; used by the SDKs and the command line.
    pub async fn send(&self, request: &Outgoing<'_>, limits: FetchLimits) -> Result<Fetched, FetchFault> {
        self.exchange(&self.tls, request, UrlOrigin::Configuration, limits)
            .await
    }

    /// Sends a request once to a URL that a document of the configuration names, such as the token endpoint in the metadata
    /// of a provider. With [`UrlOrigin::Client`], it is sent to public addresses and port 443 only.
    pub async fn send_once(
        &self,
        request: &Outgoing<'_>,
        origin: UrlOrigin,
        limits: FetchLimits,
    ) -> Result<Fetched, FetchFault> {
        self.exchange(&self.tls, request, origin, limits).await
    }

    async fn exchange(
        &self,
        tls: &Arc<ClientConfig>,
        request: &Outgoing<'_>,
        origin: UrlOrigin,
        limits: FetchLimits,
    ) -> Result<Fetched, FetchFault> {
        let work = exchange::exchange(self, tls, request, origin, limits.body_bytes_max);
        within(limits, work).await
    }
}

async fn within(
    limits: FetchLimits,
    work: impl Future<Output = Result<Fetched, FetchFault>>,
) -> Result<Fetched, FetchFault> {
    let late = FetchFault::Deadline {
        seconds: limits.deadline.as_secs(),
    };
    tokio::time::timeout(limits.deadline, work)
        .await
        .unwrap_or(Err(late))
}

/// The beginning of every TLS configuration.
fn tls_builder(provider: Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}

/// The end of every TLS configuration: the protocol that is offered in the handshake.
fn for_http_1_1(mut tls: ClientConfig) -> Arc<ClientConfig> {
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(tls)
}

#[cfg(test)]
mod tests;
