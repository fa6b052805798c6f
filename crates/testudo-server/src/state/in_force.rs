//! What a configuration puts in force. A reload swaps it whole, and a request uses one of them from its beginning to
//! its end: it is never judged by the keys of one configuration and the policy of another.

use crate::config::Configuration;
use crate::peer::Proxy;
use crate::state::moment::Moment;
use crate::trust::Anchor;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use testudo_core::doors::AuthorityKeys;
use testudo_core::identity::JudgedBy;
use testudo_core::policy::Policy;
use testudo_core::{Authority, CredentialKind};

/// Trust anchors by authority.
pub type Anchors = HashMap<Authority, Arc<Anchor>>;

/// One configuration, in the form in which requests use it.
pub struct InForce {
    /// Authorities, rules, clients, limits and lifetimes.
    pub policy: Policy,
    /// The sources of the authorities' keys, and the keys that they gave last.
    pub anchors: Anchors,
    /// How requests arrive.
    pub arrival: Arrival,
    /// What background work and the end of the server need to know.
    pub serving: Serving,
}

/// Settings that no request needs.
#[derive(Debug, Clone, Copy)]
pub struct Serving {
    /// How long running requests may finish on shutdown.
    pub drain: Duration,
    /// Whether files are read again when they change.
    pub watch: bool,
}

impl Serving {
    /// What the configuration says of it.
    pub fn of(configuration: &Configuration) -> Serving {
        Serving {
            drain: configuration.server.drain,
            watch: configuration.server.watch,
        }
    }
}

/// What stands between clients and this server.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    /// A TLS terminator in front.
    pub proxy: Option<Proxy>,
    /// Where the listener for client certificates is reached, if it is another one. As at the start: a reload opens no
    /// listener.
    pub mtls_url: Option<String>,
    /// True where client certificates can arrive at all.
    pub takes_certificates: bool,
    /// The public listeners have TLS. As at the start.
    has_tls: bool,
}

impl Arrival {
    /// What the configuration says of it, at the start.
    pub fn of(configuration: &Configuration) -> Arrival {
        let server = &configuration.server;
        let at_start = Arrival {
            mtls_url: server.mtls.as_ref().map(|mtls| mtls.url.clone()),
            has_tls: server.tls.is_some(),
            ..Arrival::default()
        };
        at_start.reloaded(configuration)
    }

    /// The same with the proxy of another configuration. Listeners stay as they are.
    pub fn reloaded(&self, configuration: &Configuration) -> Arrival {
        let server = &configuration.server;
        let forwards = server.proxy.as_ref().is_some_and(Proxy::forwards_certificates);
        Arrival {
            takes_certificates: server.asks_for_certificates && (self.has_tls || forwards),
            proxy: server.proxy.clone(),
            ..self.clone()
        }
    }
}

impl InForce {
    /// The anchor of a configured authority.
    pub fn anchor(&self, authority: &Authority) -> Option<&Arc<Anchor>> {
        self.anchors.get(authority)
    }

    /// The keys by which an authority vouches at this moment.
    pub fn authority_keys(&self, authority: &Authority, moment: Moment) -> Option<AuthorityKeys> {
        let bundle = self.anchor(authority)?.current(moment)?;
        Some(AuthorityKeys::Bundle(bundle))
    }

    /// Kinds of credential that could be verified at this moment.
    pub fn usable_credentials(&self, moment: Moment) -> Vec<CredentialKind> {
        let policy = &self.policy;
        // True where an authority may issue this kind, and holds something that can judge it.
        let is_judged = |kind, by| {
            policy.authorities.iter().any(|(authority, trusted)| {
                let keys = || self.authority_keys(authority, moment);
                trusted.credentials.contains(&kind)
                    && keys().is_some_and(|keys| keys.can_judge(by, moment.wall()))
            })
        };
        let clients_have_keys =
            !policy.clients.is_empty() || policy.registration.registers_without_evidence();
        let is_usable = |kind: &CredentialKind| match kind.judged_by() {
            Some(by @ JudgedBy::Certificates) => self.arrival.takes_certificates && is_judged(*kind, by),
            Some(by @ JudgedBy::TokenKeys) => is_judged(*kind, by),
            None => *kind == CredentialKind::PrivateKeyJwt && clients_have_keys,
        };
        CredentialKind::ALL.into_iter().filter(is_usable).collect()
    }
}
