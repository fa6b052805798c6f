//! The admin API over HTTPS, with an access token of the server.

use crate::arguments::AdminUrl;
use crate::ca::fetching;
use crate::output::Failed;
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use std::path::PathBuf;
use std::time::Duration;
use testudo_fetch::{FetchFault, FetchLimits, Fetcher, Outgoing};
use url::Url;

/// The maximum size of an answer: larger than a page of events, the largest one.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The maximum time for a request: longer than the server waits for a publisher of keys, its longest operation.
const DEADLINE: Duration = Duration::from_secs(30);
/// The maximum size of a token file: an access token is a JWT of about a kilobyte.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// A server that is reached at a URL.
pub(super) struct AtUrl {
    url: String,
    token_file: Option<PathBuf>,
    fetcher: Fetcher,
}

impl AtUrl {
    /// `None` if no URL is given. The options of a URL are an error then: an administrator who gives them does not mean the
    /// server at the socket.
    pub(super) fn of(given: &AdminUrl) -> Result<Option<AtUrl>, Failed> {
        let Some(text) = &given.admin_url else {
            let unused = [
                ("--token-file (or TESTUDO_TOKEN_FILE)", &given.token_file),
                ("--ca (or TESTUDO_ADMIN_CA)", &given.ca),
            ];
            return match unused.iter().find(|(_, value)| value.is_some()) {
                None => Ok(None),
                Some((name, _)) => Err(Failed::new(format!("{name} is given without --admin-url")).hint(
                    "name the server with --admin-url or TESTUDO_ADMIN_URL; its socket needs no token",
                )),
            };
        };
        let wrong = |why: &str| Failed::new(format!("--admin-url {text:?} {why}"));
        let url = Url::parse(text).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has a query or a fragment")
                .hint("write scheme, host and port, such as https://testudo.example.net:8081"));
        }
        let fetcher = Fetcher::new(fetching(given.ca.as_deref())?).map_err(Failed::new)?;
        Ok(Some(AtUrl {
            url: url.as_str().trim_end_matches('/').to_owned(),
            token_file: given.token_file.clone(),
            fetcher,
        }))
    }

    /// Sends a request; `body` is JSON. Probes (`/readyz`) need no token, so that they are sent none.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Bytes), Failed> {
        let authorization = match path.starts_with("/admin/") {
            true => Some(format!("Bearer {}", self.token()?)),
            false => None,
        };
        let mut headers = Vec::new();
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        headers.extend(body.as_ref().map(|_| ("content-type", "application/json")));
        let url =
            Url::parse(&format!("{}{path}", self.url)).map_err(|error| Failed::new(error.to_string()))?;
        let request = Outgoing {
            method: method.as_str(),
            url: &url,
            headers,
            body: body.unwrap_or_default(),
        };
        let limits = FetchLimits {
            body_bytes_max: ANSWER_BYTES_MAX,
            deadline: DEADLINE,
        };
        let answer = self.fetcher.send(&request, limits).await;
        let answer = answer.map_err(|fault| self.failed(&fault))?;
        let status = StatusCode::from_u16(answer.status).map_err(|error| Failed::new(error.to_string()))?;
        Ok((status, Bytes::from(answer.body)))
    }

    /// The token. The file is read again for each request, so that `event follow` goes on with a new token when the old
    /// one has expired.
    fn token(&self) -> Result<String, Failed> {
        let (place, text) = match &self.token_file {
            Some(path) => {
                let bytes = std::fs::read(path)
                    .map_err(|error| Failed::new(format!("{} cannot be read: {error}", path.display())))?;
                (
                    path.display().to_string(),
                    String::from_utf8(bytes).unwrap_or_default(),
                )
            }
            None => match std::env::var("TESTUDO_TOKEN") {
                Ok(text) => ("the variable TESTUDO_TOKEN".to_owned(), text),
                Err(_) => {
                    return Err(Failed::new("--admin-url needs an access token").hint(format!(
                        "name its file with --token-file, or set the variable TESTUDO_TOKEN; {GET_ONE}"
                    )));
                }
            },
        };
        let token = text.trim();
        let is_token =
            (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        match is_token {
            true => Ok(token.to_owned()),
            false => Err(Failed::new(format!("{place} does not contain an access token"))
                .hint(format!("expected one line of printable ASCII; {GET_ONE}"))),
        }
    }

    fn failed(&self, fault: &FetchFault) -> Failed {
        let message = format!("{}: {fault}", self.url);
        match fault {
            FetchFault::NotHttps => {
                Failed::new(message).hint("use https: over http, an attacker on the network could read the token")
            }
            FetchFault::Tls(_) => Failed::new(message)
                .hint("give the root certificates of the server with --ca, and in the URL a host name of its certificate"),
            FetchFault::Connect(_)
            | FetchFault::NameNotFound(_)
            | FetchFault::Http(_)
            | FetchFault::Deadline { .. } => Failed::unavailable(message)
                .hint("admin.listen of the server's configuration is the address where it listens"),
            FetchFault::HasUserInformation
            | FetchFault::NoHost
            | FetchFault::AddressRefused
            | FetchFault::TooLarge { .. }
            | FetchFault::Redirect { .. }
            | FetchFault::InFlight
            | FetchFault::PortRefused { .. }
            | FetchFault::Busy { .. } => Failed::new(message),
        }
    }
}

const GET_ONE: &str =
    "`testudo token get --issuer URL --resource URL --scope admin.read` gets one (both URLs: the issuer)";

/// What to do about a refused token, after the hint of the server.
pub(super) fn hint(status: StatusCode, said: Option<String>) -> Option<String> {
    let needed = match status {
        StatusCode::UNAUTHORIZED => GET_ONE,
        StatusCode::FORBIDDEN => {
            "a token needs the scope value admin.read to read and admin.write to change something, and its identity must be \
             listed in admin.administrators of the server's configuration, or in admin.auditors to read"
        }
        _ => return said,
    };
    Some(said.map_or_else(|| needed.to_owned(), |said| format!("{said}; {needed}")))
}
