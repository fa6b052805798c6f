//! The keys that verify the server of a bundle endpoint with the profile `https_spiffe`. [SPIFFE-FED §5.2.2]

use super::super::anchor::Anchor;
use crate::config::{BundleOrigin, EndpointKeys};
use crate::state::app::App;
use testudo_core::doors::AuthorityKeys;
use testudo_core::{Authority, AuthorityKind};
use testudo_fetch::SpiffeServer;

impl Anchor {
    /// The server that must be at the URL of the source. `None` where another profile or kind of source needs none.
    pub(super) async fn server(&self, app: &App) -> Result<Option<SpiffeServer>, String> {
        let BundleOrigin::HttpsSpiffe(endpoint) = &self.source.origin else {
            return Ok(None);
        };
        let keys = match &endpoint.verified_with {
            EndpointKeys::Own { bootstrap } => self.own_keys(bootstrap)?,
            EndpointKeys::Of(other) => self.keys_of(other, app).await?,
        };
        endpoint.server(&keys, app.now()).map(Some)
    }

    /// The bundle that was fetched last, also one that is too old for credentials: its authorities have a validity of
    /// their own, and without them no later bundle could be fetched. [SPIFFE-FED §5.2.2.2]
    ///
    /// If no bundle was fetched since `bootstrap` was written, the bundle in `bootstrap`. It is not tried after a failure:
    /// with its keys, which the trust domain may have withdrawn since, an attacker could answer in the place of the server.
    fn own_keys(&self, bootstrap: &[u8]) -> Result<AuthorityKeys, String> {
        let held = self.kept.held();
        let digest = self.source.origin.bootstrap_digest();
        match held.filter(|held| held.value.bootstrap == digest) {
            Some(held) => Ok(held.value.keys.clone()),
            None => AuthorityKeys::parse(AuthorityKind::Spiffe, bootstrap),
        }
    }

    /// The bundle of another trust domain, while it may be used. While its first fetch is running, waits for the end.
    async fn keys_of(&self, other: &Authority, app: &App) -> Result<AuthorityKeys, String> {
        let name = other.name();
        if !app.switches.load().is_enabled(other) {
            return Err(format!(
                "the server is verified with the bundle of {name}, which an administrator disabled"
            ));
        }
        let verifier = self.verifier.load_full();
        let verifier = verifier.ok_or_else(|| format!("the trust domain {name} is not configured"))?;
        let mut ended = verifier.ended.subscribe();
        if verifier.current(app.moment()).is_none() && *ended.borrow_and_update() == 0 {
            // The error means that the server stops.
            let _ = ended.changed().await;
        }
        verifier.current(app.moment()).ok_or_else(|| {
            format!(
                "the server is verified with the bundle of {name}, and there is no usable one: `testudo trust show {name}` shows why"
            )
        })
    }
}
