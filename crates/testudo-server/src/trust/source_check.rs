//! Checks of a bundle source for `doctor`, which put nothing in force.

use super::own_keys::Found;
use super::workload_api::Expected;
use super::{floor, source};
use crate::config::{BundleOrigin, BundleSource, EndpointKeys};
use crate::key_encryption::KeyEncryption;
use std::time::SystemTime;
use testudo_core::Authority;
use testudo_core::admin::bundle::Offered;
use testudo_core::doors::AuthorityKeys;
use testudo_fetch::{Fetcher, SpiffeServer};
use testudo_protocol::Timestamp;
use testudo_store::Store;

/// What a source gives.
pub(crate) struct SourceKeys {
    pub(crate) keys: AuthorityKeys,
    /// The clock of the source, where it states one.
    pub(crate) date: Option<SystemTime>,
}

/// Why a source gives no keys.
pub(crate) enum NoKeys {
    /// Nothing came.
    Unreachable(String),
    /// What came is not a document with keys of this kind of authority.
    Malformed(String),
}

/// What a check of sources needs.
pub(crate) struct Asking<'a> {
    /// All sources of the configuration: the bundle of one may verify the server of another.
    pub(crate) sources: &'a [BundleSource],
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) now: Timestamp,
    /// The store, if it can be opened and decrypted.
    pub(crate) stored: Option<(&'a Store, &'a KeyEncryption)>,
}

/// Fetches the keys of a source once and parses the document.
pub(crate) async fn fetch_once(source: &BundleSource, asking: &Asking<'_>) -> Result<SourceKeys, NoKeys> {
    let server = server(source, asking).await.map_err(NoKeys::Unreachable)?;
    let document = source::fetch(source, asking.fetcher, Expected::AsMuchAs(None), server)
        .await
        .map_err(NoKeys::Unreachable)?;
    let keys = source.read(&document.bytes).map_err(NoKeys::Malformed)?;
    Ok(SourceKeys {
        keys,
        date: document.date,
    })
}

/// The server of a bundle endpoint with the profile `https_spiffe`, with the keys that a server would verify it with.
async fn server(source: &BundleSource, asking: &Asking<'_>) -> Result<Option<SpiffeServer>, String> {
    let BundleOrigin::HttpsSpiffe(endpoint) = &source.origin else {
        return Ok(None);
    };
    let keys = match &endpoint.verified_with {
        EndpointKeys::Own { bootstrap } => own_keys(source, bootstrap, asking).await?,
        EndpointKeys::Of(other) => bundle_of(other, asking).await?,
    };
    endpoint.server(&keys, asking.now).map(Some)
}

/// The bundle in the store, or the first bundle; the first bundle if the store cannot be opened.
async fn own_keys(
    source: &BundleSource,
    bootstrap: &[u8],
    asking: &Asking<'_>,
) -> Result<AuthorityKeys, String> {
    let Some((store, encryption)) = asking.stored else {
        return AuthorityKeys::parse(source.authority.kind(), bootstrap);
    };
    let found = Found {
        store,
        encryption,
        source,
        is_accepted: false,
        now: asking.now,
    };
    found.keys(bootstrap).await.map(|found| found.keys)
}

/// The bundle of the trust domain that verifies the server of another one.
async fn bundle_of(other: &Authority, asking: &Asking<'_>) -> Result<AuthorityKeys, String> {
    let found = asking.sources.iter().find(|known| known.authority == *other);
    let found = found.ok_or_else(|| format!("the trust domain {} is not configured", other.name()))?;
    let fetched = Box::pin(fetch_once(found, asking)).await;
    fetched.map(|fetched| fetched.keys).map_err(|fault| {
        let (NoKeys::Unreachable(why) | NoKeys::Malformed(why)) = fault;
        format!("the bundle of {}, which verifies the server: {why}", other.name())
    })
}

/// Whether a server with this store would put the keys in force, by the sequences that were accepted before.
pub(crate) async fn check_sequence(
    source: &BundleSource,
    keys: &AuthorityKeys,
    store: &Store,
    encryption: &KeyEncryption,
) -> Result<(), String> {
    let authority = &source.authority;
    let (remembered, _) = floor::read(store, encryption, authority.key())
        .await
        .map_err(|fault| fault.explain(authority))?;
    let offered = Offered {
        new_key: remembered.news(source, keys),
        ..floor::offered(keys)
    };
    remembered.floor.check(&offered).map_err(|held_back| {
        format!(
            "{held_back}: if the publisher confirms the change, run `testudo trust accept {authority}` on the machine of the server"
        )
    })
}
