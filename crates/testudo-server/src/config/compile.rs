//! From sections to meaning: settings for the server, a policy for the core.

use super::admin::AdminSettings;
use super::judge::Judge;
use super::listeners::ServerSettings;
use super::log::LogSettings;
use super::outbound::OutboundSettings;
use super::problem::Report;
use super::sections::ConfigFile;
use super::store::StoreSettings;
use super::trust::BundleSource;
use super::written::Written;
use std::path::Path;
use testudo_core::policy::Policy;

/// A configuration that passed every check.
#[derive(Debug)]
pub struct Configuration {
    /// What the files say, to be compared with the next configuration.
    pub written: Written,
    /// For the core. Replaced by a reload.
    pub policy: Policy,
    /// Where bundles come from. Replaced by a reload.
    pub bundles: Vec<BundleSource>,
    /// Listeners and their limits. What of it a reload takes is in `reloading.rs`.
    pub server: ServerSettings,
    /// Store. Opened at the start.
    pub store: StoreSettings,
    /// Administrators' way in. Bound at the start.
    pub admin: AdminSettings,
    /// The log. What of it a reload takes is in `reloading.rs`.
    pub log: LogSettings,
    /// Fetching. Replaced by a reload.
    pub outbound: OutboundSettings,
}

pub(super) fn compile(
    file: &ConfigFile,
    folder: &Path,
    generation: u64,
    report: &mut Report,
) -> Option<Configuration> {
    let mut judge = Judge::new(folder, report);
    let issuer = judge.issuer(file.issuer.as_deref());
    let server = judge.server(&file.server, &file.trust_domains);
    let store = judge.store(&file.store);
    let admin = judge.admin(&file.admin);
    let administration = judge.administration(&file.admin, &file.rules);
    let log = judge.log(&file.log);
    let tokens = judge.tokens(&file.tokens);
    let outbound = judge.outbound(&file.outbound);
    let (authorities, bundles) = judge.trust_domains(&file.trust_domains);
    let reserved_ids = judge.issuers(file.issuer.as_deref(), &file.issuers);
    let rules = judge.rules(&file.rules, &authorities);
    let clients = judge.clients(&file.clients);
    let registration = judge.registration(file.registration.as_ref(), &file.rules);
    Some(Configuration {
        written: Written::default(),
        policy: Policy {
            generation,
            issuer: issuer?,
            authorities,
            clients,
            rules,
            reserved_ids,
            tokens: tokens?,
            registration,
            administration,
        },
        bundles,
        server: server?,
        store: store?,
        admin: admin?,
        log,
        outbound: outbound?,
    })
}
