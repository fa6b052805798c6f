//! Checks of a bundle source for `doctor`, which put nothing in force.

use super::workload_api::Expected;
use super::{floor, source};
use crate::config::BundleSource;
use crate::key_encryption::KeyEncryption;
use std::time::SystemTime;
use testudo_fetch::Fetcher;
use testudo_protocol::spiffe::{Bundle, BundleError};
use testudo_store::Store;

/// What a source gives.
pub(crate) struct Looked {
    pub(crate) bundle: Bundle,
    /// The clock of the source, where it states one.
    pub(crate) date: Option<SystemTime>,
}

/// Why a source gives no bundle.
pub(crate) enum NoBundle {
    /// Nothing came.
    Unreachable(String),
    /// What came is no bundle.
    Malformed(BundleError),
}

/// Fetches a source's bundle once and judges the document: for `doctor`, which keeps none.
pub(crate) async fn look(source: &BundleSource, fetcher: &Fetcher) -> Result<Looked, NoBundle> {
    let document = source::fetch(source, fetcher, Expected::AsMuchAs(None))
        .await
        .map_err(NoBundle::Unreachable)?;
    let bundle = Bundle::parse(&document.bytes).map_err(NoBundle::Malformed)?;
    Ok(Looked {
        bundle,
        date: document.date,
    })
}

/// Whether a server with this store would put the bundle in force, by the sequences that were accepted before.
pub(crate) async fn would_be_taken(
    source: &BundleSource,
    bundle: &Bundle,
    store: &Store,
    encryption: &KeyEncryption,
) -> Result<(), String> {
    let authority = &source.authority;
    let (floor, _) = floor::read(store, encryption, authority.key())
        .await
        .map_err(|fault| fault.explain(authority))?;
    floor.check(&floor::offered(bundle)).map_err(|held_back| {
        format!(
            "{held_back}: if the publisher restarted its sequence, run `testudo trust accept {authority}` on the machine of the server"
        )
    })
}
