//! The keys that verify the server of a bundle endpoint with an SVID of the trust domain that it serves, while this node has
//! no bundle of it in memory. [SPIFFE-FED §5.2.2.2]
//!
//! The first bundle (`bootstrap`) verifies the server once. With its keys, which the trust domain may have withdrawn since,
//! an attacker could answer in the place of the server. So that neither a restart nor a lost or damaged record brings them
//! back, the record of the lowest accepted sequence contains which first bundle was used.

use super::floor;
use super::shared::{self, Stored};
use crate::config::BundleSource;
use crate::key_encryption::KeyEncryption;
use testudo_core::doors::AuthorityKeys;
use testudo_protocol::Timestamp;
use testudo_store::Store;

/// The keys, and where they are from.
pub(super) struct OwnKeys {
    pub(super) keys: AuthorityKeys,
    /// True if they are those of `bootstrap`.
    pub(super) is_bootstrap: bool,
}

/// What the keys are found with.
pub(super) struct Found<'a> {
    pub(super) store: &'a Store,
    pub(super) encryption: &'a KeyEncryption,
    pub(super) source: &'a BundleSource,
    /// True if an administrator orders that `bootstrap` may be used again.
    pub(super) is_accepted: bool,
    pub(super) now: Timestamp,
}

impl Found<'_> {
    /// The bundle in the store, or the first bundle if none was ever fetched with it.
    pub(super) async fn keys(&self, bootstrap: &[u8]) -> Result<OwnKeys, String> {
        let authority = &self.source.authority;
        let parse = |document: &[u8], is_bootstrap| {
            let keys = AuthorityKeys::parse(authority.kind(), document)?;
            Ok(OwnKeys { keys, is_bootstrap })
        };
        let stored = shared::read(self.store, self.encryption, self.source).await;
        let stored = stored.map_err(|fault| format!("the stored bundle cannot be read: {fault}"))?;
        let remembered = match floor::read(self.store, self.encryption, authority.key()).await {
            Ok((remembered, _)) => remembered,
            Err(_) if self.is_accepted => return parse(bootstrap, true),
            Err(fault) => return Err(fault.explain(authority)),
        };
        let digest = self.source.origin.bootstrap_digest();
        let was_used = remembered.bootstrap.is_some() && remembered.bootstrap == digest;
        let is_new = remembered.bootstrap.is_some() && remembered.bootstrap != digest;
        let lost = match stored {
            Stored::Bundle { shared, .. } if shared.is_last(remembered.floor, self.now) => {
                return parse(shared.document.as_bytes(), false);
            }
            // The administrator wrote another first bundle into the file since.
            Stored::Unreadable { .. } if is_new => return parse(bootstrap, true),
            Stored::Unreadable { .. } => "cannot be decrypted with this server's key-encryption key",
            Stored::Bundle { .. } => "is older than one that was accepted since, or than 30 days",
            Stored::Nothing { .. } if was_used => "is not in the store any more",
            Stored::Nothing { .. } => return parse(bootstrap, true),
        };
        match self.is_accepted {
            true => parse(bootstrap, true),
            false => Err(format!(
                "the bundle that was fetched last {lost}, and `bootstrap` may contain keys that were withdrawn since: write \
                 the bundle of today of {name} into the file, or run `testudo trust accept {name}` if `bootstrap` is still right",
                name = authority.name()
            )),
        }
    }
}
