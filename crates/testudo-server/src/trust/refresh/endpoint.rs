//! The keys that verify the server of a bundle endpoint with the profile `https_spiffe`. [SPIFFE-FED §5.2.2]

use super::super::anchor::Anchor;
use super::super::own_keys::{Found, OwnKeys};
use crate::config::{BundleOrigin, EndpointKeys};
use crate::state::app::App;
use testudo_core::Authority;
use testudo_core::doors::AuthorityKeys;
use testudo_fetch::SpiffeServer;

/// A server that must be at the URL of a source.
pub(super) struct Verified {
    pub(super) server: SpiffeServer,
    /// True if it is verified with the first bundle.
    pub(super) is_by_bootstrap: bool,
}

impl Anchor {
    /// For the event of a fetch: whether the first bundle verified the server, as the end of a sentence.
    pub(super) fn verified_by(&self) -> &'static str {
        match self.kept.held() {
            Some(held) if held.value.is_by_bootstrap => ", from a server that `bootstrap` verified",
            Some(_) | None => "",
        }
    }

    /// The server that must be at the URL of the source. `None` where another profile or kind of source needs none.
    /// `is_accepted`: an administrator orders that the first bundle may be used again.
    pub(super) async fn server(&self, app: &App, is_accepted: bool) -> Result<Option<Verified>, String> {
        let BundleOrigin::HttpsSpiffe(endpoint) = &self.source.origin else {
            return Ok(None);
        };
        let (keys, is_by_bootstrap) = match &endpoint.verified_with {
            EndpointKeys::Own { bootstrap } => {
                let OwnKeys { keys, is_bootstrap } = self.own_keys(bootstrap, app, is_accepted).await?;
                (keys, is_bootstrap)
            }
            EndpointKeys::Of(other) => (self.keys_of(other, app).await?, false),
        };
        let server = endpoint.server(&keys, app.now())?;
        Ok(Some(Verified {
            server,
            is_by_bootstrap,
        }))
    }

    /// The bundle that was fetched last, also one that is too old for credentials: its authorities have a validity of
    /// their own, and without them no later bundle could be fetched. [SPIFFE-FED §5.2.2.2]
    async fn own_keys(&self, bootstrap: &[u8], app: &App, is_accepted: bool) -> Result<OwnKeys, String> {
        if let Some(keys) = self.of_any_age() {
            return Ok(OwnKeys {
                keys,
                is_bootstrap: false,
            });
        }
        let found = Found {
            store: &app.store,
            encryption: &app.encryption,
            source: &self.source,
            is_accepted,
            now: app.now(),
        };
        found.keys(bootstrap).await
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
