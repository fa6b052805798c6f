//! One HTTP exchange: from a URL to a bounded body.

use crate::address::is_public;
use crate::connect::connect;
use crate::{FetchFault, Fetched, Fetcher, UrlOrigin};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Host, Url};

pub(crate) async fn get(
    fetcher: &Fetcher,
    url: &Url,
    origin: UrlOrigin,
    body_bytes_max: usize,
) -> Result<Fetched, FetchFault> {
    let request = request(url, "GET").body(Full::new(Bytes::new()));
    exchange(fetcher, url, origin, request, body_bytes_max).await
}

pub(crate) async fn post_form(
    fetcher: &Fetcher,
    url: &Url,
    body: String,
    body_bytes_max: usize,
) -> Result<Fetched, FetchFault> {
    let request = request(url, "POST")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)));
    exchange(fetcher, url, UrlOrigin::Operator, request, body_bytes_max).await
}

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
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("testudo/", env!("CARGO_PKG_VERSION")))
}

async fn exchange(
    fetcher: &Fetcher,
    url: &Url,
    origin: UrlOrigin,
    request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    body_bytes_max: usize,
) -> Result<Fetched, FetchFault> {
    let request = request.map_err(|error| FetchFault::Http(error.to_string()))?;
    let is_tls = judge_url(url, origin)?;
    let addresses = addresses(fetcher, url, origin).await?;
    let stream = connect(addresses).await?;
    // Without it, small requests wait for the other side's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    if !is_tls {
        return speak(stream, request, body_bytes_max).await;
    }
    let name = match url.host().ok_or(FetchFault::NoHost)? {
        Host::Domain(name) => {
            ServerName::try_from(name.to_owned()).map_err(|error| FetchFault::Tls(error.to_string()))?
        }
        Host::Ipv4(address) => ServerName::IpAddress(IpAddr::V4(address).into()),
        Host::Ipv6(address) => ServerName::IpAddress(IpAddr::V6(address).into()),
    };
    let stream = tokio_rustls::TlsConnector::from(fetcher.tls.clone())
        .connect(name, stream)
        .await
        .map_err(|error| FetchFault::Tls(error.to_string()))?;
    speak(stream, request, body_bytes_max).await
}

/// https, or http where the host is a loopback address and an operator wrote the URL; true for TLS. A stranger's
/// URL names the one port of https: behind any other may be a service that was never meant for strangers.
fn judge_url(url: &Url, origin: UrlOrigin) -> Result<bool, FetchFault> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchFault::HasUserInformation);
    }
    match (url.scheme(), origin) {
        ("https", UrlOrigin::Stranger) => match url.port_or_known_default() {
            Some(443) => Ok(true),
            port => Err(FetchFault::PortRefused {
                port: port.unwrap_or_default(),
            }),
        },
        ("https", UrlOrigin::Operator) => Ok(true),
        ("http", UrlOrigin::Operator) => {
            let is_loopback = match url.host().ok_or(FetchFault::NoHost)? {
                Host::Domain(name) => name == "localhost",
                Host::Ipv4(address) => address.is_loopback(),
                Host::Ipv6(address) => address.is_loopback(),
            };
            if is_loopback {
                Ok(false)
            } else {
                Err(FetchFault::NotHttps)
            }
        }
        _ => Err(FetchFault::NotHttps),
    }
}

/// Where to connect to. Every address that a stranger's name has is judged: one bad one is an attempt. The
/// operator's name map is for the operator's URLs.
async fn addresses(fetcher: &Fetcher, url: &Url, origin: UrlOrigin) -> Result<Vec<SocketAddr>, FetchFault> {
    let port = url.port_or_known_default().ok_or(FetchFault::NoHost)?;
    let found = match url.host().ok_or(FetchFault::NoHost)? {
        Host::Ipv4(address) => vec![IpAddr::V4(address)],
        Host::Ipv6(address) => vec![IpAddr::V6(address)],
        Host::Domain(name) => match origin {
            UrlOrigin::Operator => match fetcher.resolve.get(name) {
                Some(address) => vec![*address],
                None => fetcher.names.find(name, origin).await?,
            },
            UrlOrigin::Stranger => match fetcher.stranger_routes.get(name) {
                Some(route) => return Ok(vec![*route]),
                None => fetcher.names.find(name, origin).await?,
            },
        },
    };
    if origin == UrlOrigin::Stranger && !found.iter().all(|address| is_public(*address)) {
        return Err(FetchFault::AddressRefused);
    }
    Ok(found
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect())
}

async fn speak<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    body_bytes_max: usize,
) -> Result<Fetched, FetchFault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let http = |error: hyper::Error| FetchFault::Http(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 * 1024)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(http)?;
    // The connection lives as long as this exchange: dropping the handle on return ends it.
    let driver = AbortOnDrop(tokio::spawn(connection));
    let response = sender.send_request(request).await.map_err(http)?;
    let fetched = read(response, body_bytes_max).await;
    drop(driver);
    fetched
}

async fn read(
    response: Response<hyper::body::Incoming>,
    body_bytes_max: usize,
) -> Result<Fetched, FetchFault> {
    let status = response.status().as_u16();
    if response.status().is_redirection() {
        return Err(FetchFault::Redirect { status });
    }
    let retry_after_seconds = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok());
    let body = Limited::new(response.into_body(), body_bytes_max)
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
    })
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
