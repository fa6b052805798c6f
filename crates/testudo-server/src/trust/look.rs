//! Checks of a bundle source for `doctor`, which put nothing in force.

use super::workload_api::Expected;
use super::{floor, source};
use crate::config::BundleSource;
use crate::key_encryption::KeyEncryption;
use testudo_fetch::Fetcher;
use testudo_protocol::spiffe::Bundle;
use testudo_store::Store;

/// Fetches the bundle of a source once and parses it.
pub async fn look(source: &BundleSource, fetcher: &Fetcher) -> Result<Bundle, String> {
    let document = source::fetch(source, fetcher, Expected::AsMuchAs(None)).await?;
    Bundle::parse(&document).map_err(|fault| fault.to_string())
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
