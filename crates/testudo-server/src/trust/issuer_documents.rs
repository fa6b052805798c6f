//! The documents in which issuers of verifiable credentials publish their keys. [SD-JWT-VC §4] [DID-WEB]

use std::time::Duration;
use testudo_fetch::{Access, FetchLimits, Fetcher};
use testudo_protocol::credentials::issuer_metadata::{self, IssuerKeys};
use testudo_protocol::limits::{CREDENTIAL_ISSUER_METADATA_BYTES_MAX, DID_DOCUMENT_BYTES_MAX};
use url::Url;

const DEADLINE: Duration = Duration::from_secs(5);

/// The document of a DID that was deactivated. [DID-CORE §7.1.2]
const DEACTIVATED: &[u8] = b"null";

/// The metadata of an issuer. The body of an answer with another status than 200 is never used. [SD-JWT-VC §4.1]
pub(super) async fn metadata(
    fetcher: &Fetcher,
    issuer: &str,
    url: &Url,
    access: Access<'_>,
) -> Result<IssuerKeys, String> {
    let limits = FetchLimits {
        body_bytes_max: CREDENTIAL_ISSUER_METADATA_BYTES_MAX,
        deadline: DEADLINE,
    };
    let fetched = fetcher.get_with(url, access, limits).await;
    let fetched = fetched.map_err(|fault| format!("the metadata of the issuer: {fault}"))?;
    match fetched.status {
        200 => issuer_metadata::read(issuer, &fetched.body),
        status => Err(format!("the server of the issuer answers {status} at {url}")),
    }
}

/// The document of a `did:web`. Its owner deactivates the DID by removing the document, so that is an answer: its keys are
/// not used any more at once. [DID-WEB]
pub(super) async fn did(fetcher: &Fetcher, url: &Url, access: Access<'_>) -> Result<Vec<u8>, String> {
    let limits = FetchLimits {
        body_bytes_max: DID_DOCUMENT_BYTES_MAX,
        deadline: DEADLINE,
    };
    let fetched = fetcher.get_with(url, access, limits).await;
    let fetched = fetched.map_err(|fault| format!("the DID document: {fault}"))?;
    match fetched.status {
        200 => Ok(fetched.body),
        404 | 410 => Ok(DEACTIVATED.to_vec()),
        status => Err(format!("the server of the DID answers {status} at {url}")),
    }
}
