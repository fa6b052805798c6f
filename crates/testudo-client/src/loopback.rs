//! A program on the computer of a person signs the person in: the browser brings the response to a port on loopback.
//! [RFC8252 §7.3]
//!
//! Every page that is open in a browser, and every program of the computer, can send requests to that port. A request
//! counts only if its `state` is that of the sign-in; all others are answered and change nothing.

use crate::{ClientError, PersonTokens, SignIn, TokenClient};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::{Host, Url};

/// The redirect URI of most native programs. The server accepts any port for it.
pub const LOOPBACK_REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// Bytes of the head of a request. A code and a state are some hundred bytes; browsers add their header fields.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long one connection may take to send the head of a request, or to take the answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections at once. Browsers open more than they use.
const CONNECTIONS_MAX: usize = 32;

/// A sign-in whose response is awaited on loopback.
#[derive(Debug)]
pub struct LocalSignIn {
    sign_in: SignIn,
    listener: TcpListener,
    /// The path of the redirect URI.
    path: String,
    /// What a request of the browser has in `Host`.
    host: String,
}

impl TokenClient {
    /// Starts to sign in the person at this computer. `redirect_uri` is that of the client at the issuer, such as
    /// [`LOOPBACK_REDIRECT_URI`]; without a port in it, a free one is used.
    pub async fn listen_for_sign_in(&self, redirect_uri: &str) -> Result<LocalSignIn, ClientError> {
        let mut url = Url::parse(redirect_uri).map_err(|_| not_local(redirect_uri))?;
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) if address.is_loopback() => address.into(),
            Some(Host::Ipv6(address)) if address.is_loopback() => address.into(),
            // [RFC8252 §8.3] `localhost` may be the address of another network interface.
            Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) | None => {
                return Err(not_local(redirect_uri));
            }
        };
        if url.scheme() != "http" || url.query().is_some() || url.fragment().is_some() {
            return Err(not_local(redirect_uri));
        }
        let wanted = SocketAddr::new(address, port_of(&url, redirect_uri).unwrap_or(0));
        let failed = |error: std::io::Error| ClientError::Listen(format!("{wanted}: {error}"));
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        url.set_port(Some(bound.port()))
            .map_err(|()| not_local(redirect_uri))?;
        Ok(LocalSignIn {
            sign_in: self.sign_in(url.as_str()).await?,
            path: url.path().to_owned(),
            host: host_of(&url),
            listener,
        })
    }
}

impl LocalSignIn {
    /// The address that the person opens in a browser.
    pub fn address(&self) -> &Url {
        self.sign_in.address()
    }

    /// How soon after the start the browser must open the address, if the request was pushed.
    pub fn open_within(&self) -> Option<Duration> {
        self.sign_in.open_within()
    }

    /// Waits for the response, shows the person a page, and redeems the code. The port is closed then.
    pub async fn finish(self, client: &TokenClient, limit: Duration) -> Result<PersonTokens, ClientError> {
        let response = timeout(limit, self.response()).await;
        let (mut stream, query) = response.map_err(|_| ClientError::NoResponse)??;
        let code = client.code_of(&self.sign_in, &query).await;
        let page = match code.is_ok() {
            true => Page::Done,
            false => Page::Failed,
        };
        // The person may have closed the window.
        let _ = timeout(CONNECTION_TIMEOUT, page.send(&mut stream)).await;
        drop((stream, self.listener));
        client.redeem(self.sign_in, &code?).await
    }

    /// The connection and the query of the request with the response.
    async fn response(&self) -> Result<(TcpStream, String), ClientError> {
        let failed = |error: std::io::Error| ClientError::Listen(format!("{}: {error}", self.host));
        let mut heads = JoinSet::new();
        loop {
            let (mut stream, target) = tokio::select! {
                accepted = self.listener.accept(), if heads.len() < CONNECTIONS_MAX => {
                    let (stream, _) = accepted.map_err(failed)?;
                    heads.spawn(timeout(CONNECTION_TIMEOUT, read_head(stream)));
                    continue;
                }
                Some(read) = heads.join_next() => match read {
                    Ok(Ok(Some((stream, head)))) => (stream, self.target(&head)),
                    // Too slow, too long, or closed.
                    Ok(Ok(None) | Err(_)) | Err(_) => continue,
                },
            };
            match target {
                Some(query) if self.sign_in.is_answered_by(&query) => return Ok((stream, query)),
                // The other side may have closed the connection.
                Some(_) | None => _ = timeout(CONNECTION_TIMEOUT, Page::Unknown.send(&mut stream)).await,
            }
        }
    }

    /// The query of a request to the redirect URI. A page of another site whose name was made to lead to this computer has
    /// its name in `Host`.
    fn target(&self, head: &str) -> Option<String> {
        let mut lines = head.split("\r\n");
        let mut request = lines.next()?.split(' ');
        let (method, target) = (request.next()?, request.next()?);
        let hosts: Vec<&str> = lines
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map(|(_, value)| value.trim())
            .collect();
        let (path, query) = target.split_once('?')?;
        let is_ours = method == "GET" && path == self.path && hosts == [self.host.as_str()];
        is_ours.then(|| query.to_owned())
    }
}

/// The port of a redirect URI. `Url` drops the default port of its scheme, also where it is written.
fn port_of(url: &Url, redirect_uri: &str) -> Option<u16> {
    let authority = redirect_uri.split(['/', '\\']).nth(2).unwrap_or_default();
    let is_default = || authority.ends_with(":80").then_some(80);
    url.port().or_else(is_default)
}

/// What a browser sends in `Host`: the port unless it is the default one. [RFC9110 §7.2]
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Reads up to the end of the head; `None` if it is too long or does not end.
async fn read_head(mut stream: TcpStream) -> Option<(TcpStream, String)> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(head) = end.and_then(|end| bytes.get(..end)) {
            let head = String::from_utf8(head.to_vec()).ok()?;
            return Some((stream, head));
        }
        if bytes.len() >= HEAD_BYTES_MAX || stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn not_local(redirect_uri: &str) -> ClientError {
    ClientError::RedirectUri(redirect_uri.to_owned())
}

/// What the browser shows. Nothing of the request is in it.
#[derive(Clone, Copy)]
enum Page {
    Done,
    Failed,
    Unknown,
}

impl Page {
    async fn send(self, stream: &mut TcpStream) -> std::io::Result<()> {
        let (status, text) = match self {
            Page::Done => ("200 OK", "Go back to the program. You can close this page."),
            Page::Failed => (
                "400 Bad Request",
                "The sign-in failed. The program states the reason. You can close this page.",
            ),
            Page::Unknown => (
                "404 Not Found",
                "This is not the page of a sign-in that is under way.",
            ),
        };
        let body = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Sign-in</title></head>\
             <body><p>{text}</p></body></html>\n"
        );
        // [RFC6749 §10.12] The code is in the URL of this page, which must not get to another site.
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\nreferrer-policy: no-referrer\r\n\
             content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n\
             x-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_80_is_used_where_it_is_written_and_browsers_leave_it_out_of_the_host_field() {
        for (uri, port, host) in [
            ("http://127.0.0.1:80/callback", Some(80), "127.0.0.1"),
            ("http://[::1]:80/callback", Some(80), "[::1]"),
            ("http://127.0.0.1:80", Some(80), "127.0.0.1"),
            ("http://127.0.0.1/callback", None, "127.0.0.1"),
            ("http://127.0.0.1/callback:80", None, "127.0.0.1"),
            ("http://[::80]/callback", None, "[::80]"),
            ("http://127.0.0.1:8080/callback", Some(8080), "127.0.0.1:8080"),
            ("http://[::1]:8080/callback", Some(8080), "[::1]:8080"),
        ] {
            let url = Url::parse(uri).unwrap();
            assert_eq!(port_of(&url, uri), port, "{uri}");
            assert_eq!(host_of(&url), host, "{uri}");
        }
    }
}
