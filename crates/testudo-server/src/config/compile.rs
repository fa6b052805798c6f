//! Compiles the sections of a configuration to settings of the server and a policy of the core.

use super::admin::AdminSettings;
use super::bundle_origin::BundleSource;
use super::checker::Checker;
use super::issuers::Reviews;
use super::listeners::ServerSettings;
use super::log::LogSettings;
use super::login::{LoginSettings, Places};
use super::outbound::OutboundSettings;
use super::pages::PagesSettings;
use super::problem::Report;
use super::sections::ConfigFile;
use super::store::StoreSettings;
use super::written::Written;
use std::path::Path;
use testudo_core::policy::{Issuers, LoginPolicy, Policy};

/// A configuration that passed every check.
#[derive(Debug)]
pub struct Configuration {
    /// The content of the files, to be compared with the next configuration.
    pub written: Written,
    /// The policy of the core. A reload replaces it.
    pub policy: Policy,
    /// The sources of bundles. A reload replaces them.
    pub bundles: Vec<BundleSource>,
    /// Where tokens of clusters are reviewed. A reload replaces it.
    pub reviews: Reviews,
    /// Listeners and their limits. `reloading.rs` lists what takes effect only at the next start.
    pub server: ServerSettings,
    /// The store, which is opened at the start.
    pub store: StoreSettings,
    /// The admin socket and `admin.listen`, which are opened at the start.
    pub admin: AdminSettings,
    /// The log. `reloading.rs` lists what takes effect only at the next start.
    pub log: LogSettings,
    /// How people sign in; `None`: they cannot. A reload replaces it.
    pub login: Option<LoginSettings>,
    /// Name, logo and colour of the pages for people. A reload replaces them.
    pub pages: PagesSettings,
    /// The client of outgoing requests. A reload replaces it.
    pub outbound: OutboundSettings,
}

pub(super) fn compile(
    file: &ConfigFile,
    folder: &Path,
    generation: u64,
    report: &mut Report,
) -> Option<Configuration> {
    let mut checker = Checker::new(folder, report);
    let issuer = checker.issuer(file.issuer.as_deref());
    let server = checker.server(&file.server, &file.trust_domains, &file.clients);
    let store = checker.store(&file.store);
    let admin = checker.admin(&file.admin);
    if let (Some(server), Some(admin)) = (&server, &admin) {
        checker.addresses_are_distinct(server, admin);
    }
    if let (Some(admin), Some(store)) = (&admin, &store) {
        checker.socket_is_no_file_of_the_store(&admin.socket, &store.url);
    }
    let administration = checker.administration(&file.admin, &file.rules);
    let log = checker.log(&file.log);
    let tokens = checker.tokens(&file.tokens);
    let experiments = checker.experiments(&file.experiments, &file.trust_domains);
    let places = match (&issuer, &server, &admin) {
        (Some(issuer), Some(server), Some(admin)) => Some(Places {
            issuer,
            server,
            admin,
        }),
        _ => None,
    };
    checker.people_sign_in = file.login.is_some();
    let login = checker.login(file.login.as_ref(), places.as_ref());
    let pages = checker.pages(&file.pages);
    let scopes = checker.scopes(&file.scopes);
    let outbound = checker.outbound(&file.outbound);
    let (mut authorities, mut bundles) = checker.trust_domains(&file.trust_domains);
    let issuers = checker.issuers(file.issuer.as_deref(), &file.issuers);
    authorities.extend(issuers.policies);
    bundles.extend(issuers.sources);
    let rules = checker.rules(&file.rules, &authorities, issuers.captures);
    checker.trust_domains_have_rules(&file.trust_domains, &rules);
    if let Some(tokens) = &tokens {
        checker.lifetimes_of_rules(&file.rules, tokens.access_token_lifetime);
    }
    let clients = checker.clients(&file.clients, &authorities);
    let mut registration = checker.registration(file.registration.as_ref(), &file.rules);
    registration.receives_certificates = server.as_ref().is_some_and(ServerSettings::receives_certificates);
    Some(Configuration {
        written: Written::default(),
        policy: Policy {
            generation,
            issuer: issuer?,
            issuers: Issuers::of(&authorities),
            authorities,
            clients,
            rules,
            reserved_ids: issuers.reserved,
            tokens: tokens?,
            login: login.as_ref().map(|login| LoginPolicy {
                session_idle_lifetime: login.session_idle_lifetime,
                has_passkeys: login.passkeys.is_some(),
            }),
            scopes,
            experiments,
            registration,
            administration,
        },
        bundles,
        reviews: issuers.reviews,
        server: server?,
        store: store?,
        admin: admin?,
        log,
        login,
        pages,
        outbound: outbound?,
    })
}
