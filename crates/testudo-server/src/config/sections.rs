//! The whole of `testudo.toml`, as it is written. Each section is in the file that judges it.

pub use super::admin::AdminSection;
pub use super::clients::{ClientSection, JwksSection};
pub use super::issuers::IssuerSection;
pub use super::outbound::OutboundSection;
pub use super::registration::{OpenDoor, OpenSection, RegistrationSection};
pub use super::server::{MtlsSection, ProxySection, ServerSection};
pub use super::store::{SecretText, StoreSection};
pub use super::tls::TlsSection;
pub use super::tokens::TokensSection;
pub use super::trust::{BundleSection, TrustDomainSection};
use schemars::JsonSchema;
use serde::Deserialize;
use testudo_core::rules::RuleSpec;

/// The whole file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// Our issuer identifier: https, no trailing slash; http only where the host is a loopback address.
    pub issuer: Option<String>,
    /// The public listeners.
    pub server: ServerSection,
    /// Where records are kept.
    pub store: StoreSection,
    /// How administrators get in.
    pub admin: AdminSection,
    /// How tokens are made.
    pub tokens: TokensSection,
    /// SPIFFE trust domains.
    pub trust_domains: Vec<TrustDomainSection>,
    /// Everything that vouches and is not a SPIFFE trust domain.
    pub issuers: Vec<IssuerSection>,
    /// The registration endpoint; off when absent.
    pub registration: Option<RegistrationSection>,
    /// The one client for all fetches.
    pub outbound: OutboundSection,
    /// Who may have what; the first match governs.
    pub rules: Vec<RuleSpec>,
    /// Ordinary clients with keys of their own.
    pub clients: Vec<ClientSection>,
}
