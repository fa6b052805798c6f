//! The three kinds of bundle source. Each returns a SPIFFE bundle document.

use super::workload_api::{self, Expected};
use crate::config::{BundleOrigin, BundleSource};
use std::time::SystemTime;
use testudo_fetch::{FetchLimits, Fetcher, UrlOrigin};
use testudo_protocol::limits::BUNDLE_BYTES_MAX;

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

pub(super) async fn fetch(
    source: &BundleSource,
    fetcher: &Fetcher,
    expected: Expected<'_>,
) -> Result<Document, String> {
    match &source.origin {
        BundleOrigin::File(path) => read_file(path).await.map(Document::from),
        BundleOrigin::HttpsWeb { url, roots } => {
            let limits = FetchLimits {
                body_bytes_max: BUNDLE_BYTES_MAX,
                ..FetchLimits::default()
            };
            let fetched = match roots {
                None => fetcher.get(url, UrlOrigin::Configuration, limits).await,
                Some(roots) => fetcher.get_trusting(url, roots, limits).await,
            };
            let fetched = fetched.map_err(|fault| fault.to_string())?;
            match fetched.status {
                200 => Ok(Document {
                    bytes: fetched.body,
                    date: fetched.date,
                }),
                status => Err(format!("the server of the keys answers {status}")),
            }
        }
        BundleOrigin::WorkloadApi(socket) => {
            let asked = workload_api::ask(socket, source.authority.name(), expected);
            asked.await.map(Document::from)
        }
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
