//! One HTTP exchange, with a bounded body.

use crate::address::is_public;
use crate::connect::connect;
use crate::tls_problem;
use crate::{FetchFault, Fetched, Fetcher, Outgoing, UrlOrigin};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use testudo_protocol::is_loopback;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use url::{Host, Url};

/// Sends the request to its URL, which comes from `origin`, over a connection of its own, and reads the answer.
pub(crate) async fn exchange(
    fetcher: &Fetcher,
    tls: &Arc<ClientConfig>,
    outgoing: &Outgoing<'_>,
    origin: UrlOrigin,
    body_bytes_max: usize,
) -> Result<Fetched, FetchFault> {
    let is_tls = check_url(outgoing.url, origin)?;
    let request = outgoing.request().map_err(FetchFault::Http)?;
    let exchanged = async {
        let mut connection = Connection::open(fetcher, outgoing.url, origin, is_tls.then_some(tls)).await?;
        let response = connection.send(request).await?;
        read(response, body_bytes_max).await
    };
    exchanged.await.map_err(|fault| perhaps_tls(fault, is_tls))
}

/// An open connection of HTTP/1.1. It is closed when it is dropped.
pub(crate) struct Connection {
    /// When it was opened.
    pub(crate) opened: Instant,
    sender: SendRequest<Full<Bytes>>,
    _driver: AbortOnDrop<hyper::Result<()>>,
}

impl Connection {
    /// Connects to the server of the URL, with TLS if a configuration is given.
    pub(crate) async fn open(
        fetcher: &Fetcher,
        url: &Url,
        origin: UrlOrigin,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Connection, FetchFault> {
        let addresses = addresses(fetcher, url, origin).await?;
        let stream = connect(addresses).await?;
        // Without TCP_NODELAY, small requests wait for the delayed acknowledgement of the other side.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else {
            return Connection::over(stream).await;
        };
        let name = match url.host().ok_or(FetchFault::NoHost)? {
            Host::Domain(name) => {
                ServerName::try_from(name.to_owned()).map_err(|error| FetchFault::Tls(error.to_string()))?
            }
            Host::Ipv4(address) => ServerName::IpAddress(IpAddr::V4(address).into()),
            Host::Ipv6(address) => ServerName::IpAddress(IpAddr::V6(address).into()),
        };
        let stream = tokio_rustls::TlsConnector::from(tls.clone())
            .connect(name, stream)
            .await
            .map_err(|error| {
                FetchFault::Tls(tls_problem::describe(url.host_str().unwrap_or_default(), &error))
            })?;
        Connection::over(stream).await
    }

    async fn over<S>(stream: S) -> Result<Connection, FetchFault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(64 * 1024)
            .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(http)?;
        Ok(Connection {
            opened: Instant::now(),
            sender,
            _driver: AbortOnDrop(tokio::spawn(connection)),
        })
    }

    /// Sends a request, and waits for the beginning of the answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, FetchFault> {
        self.sender.ready().await.map_err(http)?;
        self.sender.send_request(request).await.map_err(http)
    }

    /// True if the server closed the connection, or announced that it will.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

fn http(error: hyper::Error) -> FetchFault {
    FetchFault::Http(error.to_string())
}

impl Outgoing<'_> {
    pub(crate) fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let body = Full::new(Bytes::from(self.body.clone()));
        let request = request(self.url, self.method).body(body);
        let mut request = request.map_err(|error| error.to_string())?;
        let parsed = self.headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(*name).map_err(|_| format!("{name:?} is no header name"))?;
            let mut value = HeaderValue::try_from(*value)
                .map_err(|_| format!("the value of the header {name} has control characters"))?;
            value.set_sensitive(name == header::AUTHORIZATION);
            Ok((name, value))
        });
        let parsed = parsed.collect::<Result<Vec<_>, String>>()?;
        // A header replaces the default of the same name.
        for (name, _) in &parsed {
            request.headers_mut().remove(name);
        }
        for (name, value) in parsed {
            request.headers_mut().append(name, value);
        }
        Ok(request)
    }
}

/// The API server of Kubernetes publishes its keys as `application/jwk-set+json` and answers 406 to a request that does not
/// list it. [RFC7517 §8.5.2]
const ACCEPTED: &str = "application/json, application/jwk-set+json";

fn request(url: &Url, method: &str) -> hyper::http::request::Builder {
    let host = url.host_str().unwrap_or_default();
    let authority = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let path = url.query().map_or_else(
        || url.path().to_owned(),
        |query| format!("{}?{query}", url.path()),
    );
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::ACCEPT, ACCEPTED)
        .header(header::USER_AGENT, concat!("testudo/", env!("CARGO_PKG_VERSION")))
}

/// A server that expects TLS answers a request in plain text with an alert, or closes the connection.
pub(crate) fn perhaps_tls(fault: FetchFault, is_tls: bool) -> FetchFault {
    if let (FetchFault::Http(why), false) = (&fault, is_tls) {
        return FetchFault::Http(format!(
            "{why}; if the server expects TLS at this port, write https:// instead of http://"
        ));
    }
    fault
}

/// Checks that the URL is https, or http with a loopback address in the configuration; returns true for TLS. A URL of a
/// client must use port 443: another port may belong to an internal service that must not receive requests from
/// outside.
pub(crate) fn check_url(url: &Url, origin: UrlOrigin) -> Result<bool, FetchFault> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchFault::HasUserInformation);
    }
    match (url.scheme(), origin) {
        ("https", UrlOrigin::Client) => match url.port_or_known_default() {
            Some(443) => Ok(true),
            port => Err(FetchFault::PortRefused {
                port: port.unwrap_or_default(),
            }),
        },
        ("https", UrlOrigin::Configuration) => Ok(true),
        ("http", UrlOrigin::Configuration) if is_loopback(url) => Ok(false),
        _ => Err(FetchFault::NotHttps),
    }
}

/// The addresses to connect to. For a URL of a client, every address of the name must be public: a name with one
/// private address is an attempt to reach an internal server. The name map of the configuration is used only for URLs
/// of the configuration.
async fn addresses(fetcher: &Fetcher, url: &Url, origin: UrlOrigin) -> Result<Vec<SocketAddr>, FetchFault> {
    let port = url.port_or_known_default().ok_or(FetchFault::NoHost)?;
    let found = match url.host().ok_or(FetchFault::NoHost)? {
        Host::Ipv4(address) => vec![IpAddr::V4(address)],
        Host::Ipv6(address) => vec![IpAddr::V6(address)],
        Host::Domain(name) => match origin {
            UrlOrigin::Configuration => match fetcher.resolve.get(name) {
                Some(address) => vec![*address],
                None => fetcher.names.find(name, origin).await?,
            },
            UrlOrigin::Client => match fetcher.client_url_routes.get(name) {
                Some(route) => return Ok(vec![*route]),
                None => fetcher.names.find(name, origin).await?,
            },
        },
    };
    if origin == UrlOrigin::Client && !found.iter().all(|address| is_public(*address)) {
        return Err(FetchFault::AddressRefused);
    }
    Ok(found
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect())
}

/// Longer than any id in use; it is repeated in errors and logs.
const REQUEST_ID_BYTES_MAX: usize = 128;

pub(crate) async fn read(response: Response<Incoming>, body_bytes_max: usize) -> Result<Fetched, FetchFault> {
    let status = response.status().as_u16();
    if response.status().is_redirection() {
        return Err(FetchFault::Redirect { status });
    }
    let text_of = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after_seconds = text_of(header::RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
    let request_id = text_of("request-id")
        .filter(|id| (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()))
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(str::to_owned);
    let date = text_of(header::DATE.as_str()).and_then(|text| httpdate::parse_http_date(text).ok());
    let (head, body) = response.into_parts();
    let body = Limited::new(body, body_bytes_max)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                FetchFault::TooLarge { body_bytes_max }
            } else {
                FetchFault::Http(error.to_string())
            }
        })?;
    Ok(Fetched {
        status,
        body: body.to_bytes().to_vec(),
        retry_after_seconds,
        request_id,
        date,
        headers: head.headers,
    })
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
