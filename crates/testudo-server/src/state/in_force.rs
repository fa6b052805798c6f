//! The configuration in force. A reload replaces it as a whole, and a request uses the same one from beginning to end:
//! it is never judged by the keys of one configuration and the policy of another.

use crate::config::{Configuration, Listening, LoginSettings, Reviews, Written, listening};
use crate::peer::{Peer, Proxy};
use crate::state::look::Look;
use crate::state::moment::Moment;
use crate::trust::{Anchor, BundleChanges, CertificateIssuers, ClusterGroup};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use testudo_core::doors::AuthorityKeys;
use testudo_core::identity::VerifiedBy;
use testudo_core::policy::Policy;
use testudo_core::{Authority, CredentialKind};
use testudo_protocol::oauth::RequestUri;

/// Trust anchors by authority.
pub type Anchors = HashMap<Authority, Arc<Anchor>>;

/// The clusters that share an issuer, by the issuer.
pub type ClusterGroups = HashMap<Box<str>, ClusterGroup>;

/// The groups of the configured clusters.
pub fn cluster_groups(policy: &Policy, anchors: &Anchors, changes: &Arc<BundleChanges>) -> ClusterGroups {
    let mut groups: HashMap<Box<str>, Vec<Arc<Anchor>>> = HashMap::new();
    for (authority, settings) in &policy.authorities {
        let issuer = settings.issuer.as_deref();
        if let (Some(issuer), true, Some(anchor)) = (issuer, settings.shares_issuer(), anchors.get(authority))
        {
            groups.entry(issuer.into()).or_default().push(anchor.clone());
        }
    }
    let groups = groups.into_iter();
    groups
        .map(|(issuer, anchors)| (issuer, ClusterGroup::new(anchors, changes.clone())))
        .collect()
}

/// One configuration, in the form in which requests use it.
pub struct InForce {
    /// Authorities, rules, clients, limits and lifetimes.
    pub policy: Policy,
    /// The sources of the authorities' keys, and the keys that were fetched last.
    pub anchors: Anchors,
    /// The clusters that share an issuer, by the issuer.
    pub clusters: ClusterGroups,
    /// The issuers of credentials that are found by their certificate.
    pub certificate_issuers: CertificateIssuers,
    /// Where tokens of clusters are reviewed.
    pub reviews: Reviews,
    /// The proxy, TLS and client certificates with which requests arrive.
    pub arrival: Arrival,
    /// How people sign in; `None`: they cannot.
    pub login: Option<LoginSettings>,
    /// Name, style sheet and logo of the pages for people.
    pub look: Look,
    /// Settings of background work and of the shutdown.
    pub serving: Serving,
    /// The content of the files of this configuration, to be compared with the next one.
    pub written: Written,
}

/// Settings that no decision needs.
#[derive(Debug, Clone, Copy)]
pub struct Serving {
    /// How long requests that are running at the shutdown may take to finish.
    pub drain: Duration,
    /// Whether TLS and configuration files are read again when they change.
    pub watch: bool,
    /// Whether every token is logged.
    pub logs_tokens: bool,
}

impl Serving {
    /// The settings of a configuration.
    pub fn of(configuration: &Configuration) -> Serving {
        Serving {
            drain: configuration.server.drain,
            watch: configuration.server.watch,
            logs_tokens: configuration.log.token_issued,
        }
    }
}

/// How requests of clients reach this server.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    /// The proxy in front of this server that terminates TLS.
    pub proxy: Option<Proxy>,
    /// URL of the separate listener for client certificates, if there is one. A reload does not change it, since it
    /// opens no listener.
    pub mtls_url: Option<String>,
    /// The URIs of the token endpoint, which a DPoP proof must name: that of the issuer, and that of the listener for
    /// client certificates.
    pub token_uris: Vec<RequestUri>,
    /// The URIs of the registration endpoint, in the same way.
    pub registration_uris: Vec<RequestUri>,
    /// The URIs of the endpoint for pushed authorization requests.
    pub push_uris: Vec<RequestUri>,
    /// The URIs of the introspection endpoint.
    pub introspection_uris: Vec<RequestUri>,
    /// The URIs of the revocation endpoint.
    pub revocation_uris: Vec<RequestUri>,
    /// True where client certificates can reach this server.
    pub takes_certificates: bool,
    /// True where the public listeners have TLS. A reload does not change it.
    has_tls: bool,
    /// True where other machines can reach a listener of this server. A reload does not change it.
    is_beyond_loopback: bool,
}

impl Arrival {
    /// The proxy, on a connection that it opened.
    pub(crate) fn proxy_at(&self, peer: &Peer) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|proxy| proxy.is_at(peer.address))
    }

    /// The settings of the configuration at the start.
    pub fn of(configuration: &Configuration) -> Arrival {
        let server = &configuration.server;
        let at_start = Arrival {
            mtls_url: server.mtls.as_ref().map(|mtls| mtls.url.clone()),
            has_tls: server.tls.is_some(),
            is_beyond_loopback: listening(server, &configuration.admin)
                .iter()
                .any(Listening::is_beyond_loopback),
            ..Arrival::default()
        };
        at_start.reloaded(configuration)
    }

    /// True if a configuration would let visitors sign in without proof at listeners that other machines can reach. Its
    /// own listeners are checked with it; but a reload opens no listener, and these are the listeners in use.
    pub fn exposes_development(&self, configuration: &Configuration) -> bool {
        let login = configuration.login.as_ref();
        self.is_beyond_loopback && login.is_some_and(|login| !login.development.is_empty())
    }

    /// These settings with the proxy of a reloaded configuration. Listeners do not change.
    pub fn reloaded(&self, configuration: &Configuration) -> Arrival {
        let server = &configuration.server;
        let forwards = server.proxy.as_ref().is_some_and(Proxy::forwards_certificates);
        let bases = [
            Some(configuration.policy.issuer.as_str()),
            self.mtls_url.as_deref(),
        ];
        let uris = |path: &str| {
            let bases = bases.into_iter().flatten();
            let uris = bases.filter_map(|base| RequestUri::parse(&format!("{base}{path}")));
            uris.collect()
        };
        Arrival {
            token_uris: uris("/token"),
            registration_uris: uris("/register"),
            push_uris: uris("/par"),
            introspection_uris: uris("/introspect"),
            revocation_uris: uris("/revoke"),
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

    /// The keys of an authority that may be used at this moment.
    pub fn authority_keys(&self, authority: &Authority, moment: Moment) -> Option<AuthorityKeys> {
        self.anchor(authority)?.current(moment)
    }

    /// The kinds of credential that can be verified at this moment.
    pub fn usable_credentials(&self, moment: Moment) -> Vec<CredentialKind> {
        let policy = &self.policy;
        // True where an authority may issue this kind of credential and has a key that verifies it.
        let is_judged = |kind, by| {
            policy.authorities.iter().any(|(authority, trusted)| {
                let keys = || self.authority_keys(authority, moment);
                trusted.credentials.contains(&kind)
                    && keys().is_some_and(|keys| keys.can_verify(by, moment.wall()))
            })
        };
        // True where a client authenticates with this kind, or may register that it does.
        let is_of_clients = |kind: CredentialKind| {
            let is_registered = kind != CredentialKind::TlsClientAuth;
            let by_credential = || {
                policy
                    .authorities
                    .values()
                    .any(|trusted| trusted.verifiable.is_some())
            };
            let registers =
                is_registered && (policy.registration.registers_without_evidence() || by_credential());
            let is_received = !kind.is_certificate() || self.arrival.takes_certificates;
            is_received && (registers || policy.has_client_with(kind))
        };
        let is_usable = |kind: &CredentialKind| match kind.verified_by() {
            Some(by @ VerifiedBy::Certificates) => self.arrival.takes_certificates && is_judged(*kind, by),
            Some(by @ (VerifiedBy::TokenKeys | VerifiedBy::WitKeys)) => is_judged(*kind, by),
            Some(VerifiedBy::ClientKeys) => is_of_clients(*kind),
            // All that a public client can get is granted by people.
            None => {
                let registers = policy.registration.registers_without_evidence();
                policy.login.is_some() && (registers || policy.has_client_with(*kind))
            }
        };
        CredentialKind::ALL.into_iter().filter(is_usable).collect()
    }
}
