//! All sections of `testudo.toml`. The fields of a section are in the file that checks them.

pub use super::admin::AdminSection;
pub use super::clients::{ClientSection, JwksSection};
pub use super::experiments::ExperimentsSection;
pub use super::issuers::IssuerSection;
pub use super::log::LogSection;
pub use super::login::{LoginSection, ProviderClaims, ProviderSection};
pub use super::outbound::OutboundSection;
pub use super::pages::PagesSection;
pub use super::registration::{OpenDoor, OpenSection, RegistrationSection};
pub use super::scopes::{ScopeSection, ScopeWords};
pub use super::server::{MtlsSection, ProxySection, ServerSection};
pub use super::store::{SecretText, StoreSection};
pub use super::tls::TlsSection;
pub use super::tokens::TokensSection;
pub use super::trust::{BundleSection, TrustDomainSection};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use testudo_core::rules::RuleSpec;

/// The whole configuration file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// The issuer identifier of this server: https, no trailing slash; http only where the host is a loopback address.
    /// Required.
    pub issuer: Option<String>,
    /// Files with more `rules`, `trust_domains`, `issuers` and `clients`, such as `rules.d/*.toml`: paths from the folder
    /// of this file, with `*` and `?` in names; names that begin with a dot are ignored. Their entries follow those of
    /// this file, in byte order of their paths. Paths in them begin in the folder of this file as well.
    pub include: Vec<String>,
    /// Listeners for clients, and their limits.
    pub server: ServerSection,
    /// The database in which records are kept.
    pub store: StoreSection,
    /// How administrators reach the admin API, and who they are.
    pub admin: AdminSection,
    /// What is written to stderr, and in which form.
    pub log: LogSection,
    /// Signature algorithm and lifetime of access tokens.
    pub tokens: TokensSection,
    /// SPIFFE trust domains whose workloads may be clients.
    pub trust_domains: Vec<TrustDomainSection>,
    /// Authorities other than SPIFFE trust domains: of attestations (`kind = "attester"`), of tokens of Kubernetes service
    /// accounts (`kind = "kubernetes"`), of tokens of CI systems and other OpenID providers (`kind = "jwt"`), and of
    /// verifiable credentials that register clients (`kind = "verifiable_credential"`).
    pub issuers: Vec<IssuerSection>,
    /// The registration endpoint; off when absent.
    pub registration: Option<RegistrationSection>,
    /// How people sign in; without the section, people cannot sign in at this server.
    pub login: Option<LoginSection>,
    /// Name, logo and colour of the pages for people.
    pub pages: PagesSection,
    /// Names of scopes, each with the words in which the consent page asks for it: a text that continues "The application
    /// may …", or `{ text = "…", authorization_lifetime = "1d" }`, with which a person grants the scope for that time at
    /// most. A scope without words is shown by its name.
    pub scopes: BTreeMap<String, ScopeWords>,
    /// What unfinished drafts specify. Nothing of it is enabled by default.
    pub experiments: ExperimentsSection,
    /// Settings of the HTTP client for all outgoing requests.
    pub outbound: OutboundSection,
    /// Which identities may have which scopes and resources; the first rule that matches applies.
    pub rules: Vec<RuleSpec>,
    /// Clients that no platform attests, with keys of their own.
    pub clients: Vec<ClientSection>,
}
