//! Checks of a bundle source for `doctor`, which put nothing in force.

use super::workload_api::Expected;
use super::{floor, source};
use crate::config::BundleSource;
use crate::key_encryption::KeyEncryption;
use std::time::SystemTime;
use testudo_core::doors::AuthorityKeys;
use testudo_fetch::Fetcher;
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

/// Fetches the keys of a source once and parses the document.
pub(crate) async fn fetch_once(source: &BundleSource, fetcher: &Fetcher) -> Result<SourceKeys, NoKeys> {
    let document = source::fetch(source, fetcher, Expected::AsMuchAs(None))
        .await
        .map_err(NoKeys::Unreachable)?;
    let keys = AuthorityKeys::parse(source.authority.kind(), &document.bytes).map_err(NoKeys::Malformed)?;
    Ok(SourceKeys {
        keys,
        date: document.date,
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
    remembered.floor.check(&floor::offered(keys)).map_err(|held_back| {
        format!(
            "{held_back}: if the publisher restarted its sequence, run `testudo trust accept {authority}` on the machine of the server"
        )
    })
}
