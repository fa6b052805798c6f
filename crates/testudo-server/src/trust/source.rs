//! The kinds of source of keys. Each returns a document with keys: a SPIFFE bundle, or a JWK Set.

use super::discovery;
use super::issuer_documents;
use super::workload_api::{self, Expected};
use crate::config::{BundleOrigin, BundleSource, SentSecret};
use std::time::{Duration, SystemTime};
use testudo_fetch::{Access, FetchFault, FetchLimits, Fetched, Fetcher, SpiffeServer, UrlOrigin};
use testudo_protocol::credentials::issuer_metadata::IssuerKeys;
use testudo_protocol::limits::BUNDLE_BYTES_MAX;
use testudo_protocol::oauth::{FoundKeySet, is_token68};
use url::Url;
use zeroize::Zeroizing;

const LIMITS: FetchLimits = FetchLimits {
    body_bytes_max: BUNDLE_BYTES_MAX,
    deadline: Duration::from_secs(10),
};

/// A document as its source gave it.
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    /// The clock of the source, where it states one.
    pub(super) date: Option<SystemTime>,
}

impl From<Vec<u8>> for Document {
    fn from(bytes: Vec<u8>) -> Document {
        Document { bytes, date: None }
    }
}

/// `server` is the server of a bundle endpoint with the profile `https_spiffe`; the other sources need none.
pub(super) async fn fetch(
    source: &BundleSource,
    fetcher: &Fetcher,
    expected: Expected<'_>,
    server: Option<SpiffeServer>,
) -> Result<Document, String> {
    match &source.origin {
        BundleOrigin::File(path) => read_file(path).await.map(Document::from),
        BundleOrigin::HttpsWeb { url, roots, token } => {
            let token = bearer_token(token.as_ref()).await?;
            document(fetcher, url, access(roots.as_ref(), token.as_ref())).await
        }
        BundleOrigin::Discovery {
            issuer,
            urls,
            roots,
            token,
        } => {
            let token = bearer_token(token.as_ref()).await?;
            let access = access(roots.as_ref(), token.as_ref());
            let found = discovery::key_set(fetcher, issuer, urls, access).await?;
            key_set(fetcher, &found, access).await
        }
        BundleOrigin::JwtVcIssuer {
            issuer,
            url,
            roots,
            token,
        } => {
            let token = bearer_token(token.as_ref()).await?;
            let access = access(roots.as_ref(), token.as_ref());
            match issuer_documents::metadata(fetcher, issuer, url, access).await? {
                IssuerKeys::Here(document) => Ok(Document::from(document)),
                IssuerKeys::At(found) => key_set(fetcher, &found, access).await,
            }
        }
        BundleOrigin::DidWeb { url, roots, .. } => {
            let document = issuer_documents::did(fetcher, url, access(roots.as_ref(), None));
            document.await.map(Document::from)
        }
        BundleOrigin::Did(did) => Ok(Document::from(did.as_str().as_bytes().to_vec())),
        BundleOrigin::Certificates { file, .. } => read_file(file).await.map(Document::from),
        BundleOrigin::HttpsSpiffe(endpoint) => {
            let server = server.ok_or("the keys that verify the server are not known")?;
            of_answer(fetcher.get_from_spiffe(&endpoint.url, server, LIMITS).await)
        }
        BundleOrigin::WorkloadApi(socket) => {
            let asked = workload_api::ask(socket, source.authority.name(), expected);
            asked.await.map(Document::from)
        }
    }
}

/// The token, read again from its file: the tokens that platforms write into files expire.
pub(super) async fn bearer_token(token: Option<&SentSecret>) -> Result<Option<Zeroizing<String>>, String> {
    let Some(token) = token else { return Ok(None) };
    let text = secret_text(token).await?;
    match token {
        SentSecret::File(path) if !is_token68(&text) => {
            Err(format!("{} contains no bearer token", path.display()))
        }
        SentSecret::File(_) | SentSecret::Text(_) => Ok(Some(text)),
    }
}

/// The secret, without the blanks at its ends. A file is read at each use.
pub(crate) async fn secret_text(secret: &SentSecret) -> Result<Zeroizing<String>, String> {
    match secret {
        SentSecret::Text(text) => Ok(text.clone()),
        SentSecret::File(path) => {
            let bytes = Zeroizing::new(read_file(path).await?);
            let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
            Ok(Zeroizing::new(text.to_owned()))
        }
    }
}

/// What the server of a URL of the configuration requires, and the roots that verify it.
pub(super) fn access<'a>(roots: Option<&'a Vec<u8>>, token: Option<&'a Zeroizing<String>>) -> Access<'a> {
    Access {
        roots_pem: roots.map(Vec::as_slice),
        bearer_token: token.map(|token| token.as_str()),
    }
}

/// The key set that a metadata document names.
async fn key_set(fetcher: &Fetcher, found: &FoundKeySet, access: Access<'_>) -> Result<Document, String> {
    match found.is_of_the_same_server {
        true => document(fetcher, &found.url, access).await,
        false => document_elsewhere(fetcher, &found.url).await,
    }
}

/// A document at a URL of the configuration, or of the same server.
async fn document(fetcher: &Fetcher, url: &Url, access: Access<'_>) -> Result<Document, String> {
    of_answer(fetcher.get_with(url, access, LIMITS).await)
}

/// A document at a URL that a metadata document names, and that is not on the server of the configuration.
async fn document_elsewhere(fetcher: &Fetcher, url: &Url) -> Result<Document, String> {
    let fetched = fetcher.get(url, UrlOrigin::Client, LIMITS).await;
    of_answer(fetched).map_err(|why| format!("{url}: {why}"))
}

fn of_answer(fetched: Result<Fetched, FetchFault>) -> Result<Document, String> {
    let fetched = fetched.map_err(|fault| fault.to_string())?;
    match fetched.status {
        200 => Ok(Document {
            bytes: fetched.body,
            date: fetched.date,
        }),
        status => Err(format!("the server of the keys answers {status}")),
    }
}

async fn read_file(path: &std::path::Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let size = tokio::fs::metadata(path).await.map_err(failed)?.len();
    if size > BUNDLE_BYTES_MAX as u64 {
        return Err(format!(
            "{} is larger than {BUNDLE_BYTES_MAX} bytes",
            path.display()
        ));
    }
    tokio::fs::read(path).await.map_err(failed)
}
