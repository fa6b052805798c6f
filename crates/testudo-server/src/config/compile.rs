//! From sections to meaning: settings for the server, a policy for the core.

use super::problem::Report;
use super::sections::{
    BundleSection, ClientSection, ConfigFile, JwksSection, SecretText, ServerSection, TrustDomainSection,
};
use crate::http::Proxy;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use testudo_core::CredentialKind;
use testudo_core::policy::{ConfiguredClient, Policy, TokenPolicy, TrustDomainPolicy};
use testudo_core::registration::metadata::ATTESTABLE;
use testudo_core::registration::rules::{FirstUse, Pattern};
use testudo_core::registration::velocity::Rate;
use testudo_core::registration::{Rule, RuleSet, RuleSpec};
use testudo_protocol::Seconds;
use testudo_protocol::jose::{Algorithm, KeySet};
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::{IssuerUrl, is_vschar};
use testudo_protocol::spiffe::TrustDomain;
use zeroize::Zeroizing;

/// A configuration that passed every check.
#[derive(Debug)]
pub struct Configuration {
    /// For the core. Replaced by a reload.
    pub policy: Policy,
    /// Where bundles come from. Replaced by a reload.
    pub bundles: Vec<BundleSource>,
    /// Listeners. Fixed at start.
    pub server: ServerSettings,
    /// Store. Fixed at start.
    pub store: StoreSettings,
    /// Administrators' way in. Fixed at start.
    pub admin: AdminSettings,
    /// Fetching. Fixed at start.
    pub outbound: OutboundSettings,
}

/// `[server]`, judged.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented in sections.rs")]
pub struct ServerSettings {
    pub listen: Vec<SocketAddr>,
    pub tls: Option<TlsFiles>,
    pub mtls: Option<MtlsSettings>,
    pub proxy: Option<Proxy>,
    /// True where a door for client certificates is on: the TLS listeners ask for them.
    pub asks_for_certificates: bool,
    pub connections_max: usize,
    pub clients_in_memory: usize,
    pub drain: Duration,
}

/// A listener of its own for client certificates.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented in sections.rs")]
pub struct MtlsSettings {
    pub listen: Vec<SocketAddr>,
    pub url: String,
}

/// PEM files.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented in sections.rs")]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub private_key: PathBuf,
}

/// `[store]`, judged.
#[derive(Debug)]
pub struct StoreSettings {
    /// Engine and place.
    pub url: StoreUrl,
    /// 32 bytes, where configured.
    pub key_encryption_key: Option<Zeroizing<[u8; 32]>>,
    /// Extra roots for the database's certificate.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// How long known clients are served from memory while the store is away.
    pub serve_without_store: Duration,
}

/// Engine and place of the store.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// Forgets with the process.
    Memory,
    /// A file.
    Sqlite(PathBuf),
    /// A server. The URL may hold a password: it is never shown.
    Postgres(Zeroizing<String>),
}

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StoreUrl::Memory => f.write_str("memory:"),
            StoreUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            StoreUrl::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

/// `[admin]`, judged.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented in sections.rs")]
pub struct AdminSettings {
    pub socket: PathBuf,
    pub listen: Option<SocketAddr>,
    pub administrators: Vec<Pattern>,
}

/// `[outbound]`, judged.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "documented in sections.rs")]
pub struct OutboundSettings {
    pub extra_roots_pem: Option<Vec<u8>>,
    pub resolve: HashMap<String, IpAddr>,
}

/// Where a trust domain's bundle comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleSource {
    /// Whose bundle.
    pub trust_domain: TrustDomain,
    /// From where.
    pub origin: BundleOrigin,
    /// How long the last good one is used while fetching fails.
    pub max_staleness: Seconds,
}

/// The three kinds of source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleOrigin {
    /// A document on disk.
    File(PathBuf),
    /// A bundle endpoint with a web certificate. [SPIFFE-FED §5.2.1]
    HttpsWeb(url::Url),
    /// A Workload API socket.
    WorkloadApi(String),
}

/// What every judgement needs.
pub(super) struct Judge<'r> {
    folder: &'r Path,
    pub(super) report: &'r mut Report,
}

pub(super) fn compile(
    file: &ConfigFile,
    folder: &Path,
    generation: u64,
    report: &mut Report,
) -> Option<Configuration> {
    let mut judge = Judge { folder, report };
    let issuer = judge.issuer(file.issuer.as_deref());
    let server = judge.server(file);
    let store = judge.store(file);
    let admin = judge.admin(file);
    let tokens = judge.tokens(file);
    let outbound = judge.outbound(file);
    let (trust_domains, bundles) = judge.trust_domains(&file.trust_domains);
    let rules = judge.rules(&file.rules, &trust_domains);
    let clients = judge.clients(&file.clients);
    let registration = judge.registration(file);
    judge.what_this_version_leaves_out(file);
    Some(Configuration {
        policy: Policy {
            generation,
            issuer: issuer?,
            trust_domains,
            clients,
            rules,
            tokens: tokens?,
            registration,
        },
        bundles,
        server: server?,
        store: store?,
        admin: admin?,
        outbound: outbound?,
    })
}

impl Judge<'_> {
    fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    fn issuer(&mut self, text: Option<&str>) -> Option<IssuerUrl> {
        let Some(text) = text else {
            self.report.error(
                "issuer",
                "is missing",
                Some("write issuer = \"https://as.example.net\""),
            );
            return None;
        };
        match IssuerUrl::parse(text) {
            Ok(issuer) => {
                if issuer.is_cleartext() {
                    self.report
                        .warn("issuer", "uses http: fit for trials on this machine only", None);
                }
                Some(issuer)
            }
            Err(problem) => {
                self.report.error(
                    "issuer",
                    format!("{text:?} {problem}"),
                    Some("expected: https://host or https://host/path, without a trailing slash"),
                );
                None
            }
        }
    }

    fn address(&mut self, key: &str, text: &str) -> Option<SocketAddr> {
        match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                self.report.error(
                    key,
                    format!("{text:?} is not an address with a port"),
                    Some("expected: 127.0.0.1:8080 or [::1]:8080"),
                );
                None
            }
        }
    }

    fn duration(&mut self, key: &str, text: Option<&str>, default: Seconds) -> Option<Seconds> {
        match text.map(Seconds::parse) {
            None => Some(default),
            Some(Ok(seconds)) => Some(seconds),
            Some(Err(problem)) => {
                self.report
                    .error(key, format!("{:?} {problem}", text.unwrap_or_default()), None);
                None
            }
        }
    }

    fn server(&mut self, file: &ConfigFile) -> Option<ServerSettings> {
        let section = &file.server;
        let default = vec!["127.0.0.1:8080".to_owned()];
        let texts = section.listen.as_ref().unwrap_or(&default);
        if texts.is_empty() {
            self.report.error("server.listen", "is empty", None);
        }
        let listen: Vec<SocketAddr> = texts
            .iter()
            .filter_map(|text| self.address("server.listen", text))
            .collect();
        let tls = section.tls.as_ref().map(|tls| TlsFiles {
            certificate: self.path(&tls.certificate),
            private_key: self.path(&tls.private_key),
        });
        if let Some(files) = &tls {
            self.certificates("server.tls.certificate", &files.certificate);
            if let Err(error) = rustls_pki_types::PrivateKeyDer::from_pem_file(&files.private_key) {
                let path = files.private_key.display();
                self.report.error(
                    "server.tls.private_key",
                    format!("{path} has no PEM private key: {error}"),
                    None,
                );
            }
        }
        let drain = self.duration("server.drain", section.drain.as_deref(), Seconds(10))?;
        let asks_for_certificates = file
            .trust_domains
            .iter()
            .filter_map(|domain| domain.credentials.as_ref())
            .any(|kinds| kinds.contains(&CredentialKind::X509Svid));
        let mtls = self.mtls(section);
        let proxy = self.proxy(section);
        if asks_for_certificates && tls.is_none() && proxy.is_none() {
            self.report.warn(
                "server.tls",
                "is absent although a trust domain accepts \"x509_svid\": there is no TLS to show a certificate in",
                Some("set server.tls, or server.proxy behind a TLS terminator"),
            );
        }
        Some(ServerSettings {
            listen,
            tls,
            mtls,
            proxy,
            asks_for_certificates,
            connections_max: section.connections_max.unwrap_or(10_000).max(1),
            clients_in_memory: section.clients_in_memory.unwrap_or(100_000).max(1),
            drain: Duration::from_secs(drain.0.unsigned_abs()),
        })
    }

    fn mtls(&mut self, section: &ServerSection) -> Option<MtlsSettings> {
        let mtls = section.mtls.as_ref()?;
        if section.tls.is_none() {
            self.report.error("server.mtls", "needs server.tls", None);
        }
        if let Err(problem) = IssuerUrl::parse(&mtls.url) {
            let hint = Some("expected: https://mtls.as.example.net, without a trailing slash");
            self.report
                .error("server.mtls.url", format!("{:?} {problem}", mtls.url), hint);
        }
        let listen: Vec<SocketAddr> = mtls
            .listen
            .iter()
            .filter_map(|text| self.address("server.mtls.listen", text))
            .collect();
        if mtls.listen.is_empty() {
            self.report.error("server.mtls.listen", "is empty", None);
        }
        Some(MtlsSettings {
            listen,
            url: mtls.url.clone(),
        })
    }

    fn proxy(&mut self, section: &ServerSection) -> Option<Proxy> {
        let proxy = section.proxy.as_ref()?;
        let mut trusted = Vec::new();
        for text in &proxy.trusted {
            match text.parse() {
                Ok(net) => trusted.push(net),
                Err(_) => {
                    let hint = Some("expected: 10.0.0.0/8 or 127.0.0.1/32");
                    self.report
                        .error("server.proxy.trusted", format!("{text:?} is not a network"), hint);
                }
            }
        }
        let name = proxy.client_certificate_header.as_deref()?.to_ascii_lowercase();
        if trusted.is_empty() {
            self.report.error(
                "server.proxy.trusted",
                "is empty although client_certificate_header is set",
                None,
            );
        }
        match (name.parse(), format!("{name}-chain").parse()) {
            (Ok(leaf_field), Ok(chain_field)) => Some(Proxy {
                trusted,
                leaf_field,
                chain_field,
            }),
            _ => {
                self.report.error(
                    "server.proxy.client_certificate_header",
                    "is not a header field name",
                    None,
                );
                None
            }
        }
    }

    fn certificates(&mut self, key: &str, path: &Path) -> Option<Vec<u8>> {
        let pem = match std::fs::read(path) {
            Ok(pem) => pem,
            Err(error) => {
                self.report
                    .error(key, format!("{} cannot be read: {error}", path.display()), None);
                return None;
            }
        };
        match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
            Ok(list) if !list.is_empty() => Some(pem),
            _ => {
                self.report
                    .error(key, format!("{} has no PEM certificates", path.display()), None);
                None
            }
        }
    }

    fn store(&mut self, file: &ConfigFile) -> Option<StoreSettings> {
        let bytes = match &file.store.url {
            None => Zeroizing::new(b"sqlite:testudo.db".to_vec()),
            Some(secret) => self.secret("store.url", secret)?,
        };
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        let url = match text.split_once(':') {
            Some(("memory", "")) => {
                self.report.warn(
                    "store.url",
                    "\"memory:\" forgets every client when the server ends",
                    None,
                );
                Some(StoreUrl::Memory)
            }
            Some(("sqlite", path)) if !path.is_empty() => Some(StoreUrl::Sqlite(self.path(path))),
            Some(("postgres" | "postgresql", _)) => {
                if file.store.key_encryption_key.is_none() {
                    // Beside a database on another machine there is no folder that all nodes share.
                    self.report.error(
                        "store.key_encryption_key",
                        "is missing, and PostgreSQL needs it: every node unwraps the same signing keys",
                        Some("make one with `testudo init`, and give every node the same"),
                    );
                }
                Some(StoreUrl::Postgres(Zeroizing::new(text.to_owned())))
            }
            _ => {
                self.report.error(
                    "store.url",
                    "is not a store",
                    Some("expected: sqlite:PATH, postgres://host/database or memory:"),
                );
                None
            }
        };
        let key_encryption_key = match &file.store.key_encryption_key {
            None => None,
            Some(secret) => {
                let bytes = self.secret("store.key_encryption_key", secret)?;
                match crate::keys::parse_key_encryption_key(&bytes) {
                    Some(key) => Some(key),
                    None => {
                        self.report.error(
                            "store.key_encryption_key",
                            "is not 32 bytes, raw or as base64url",
                            Some("make one with `testudo init`"),
                        );
                        return None;
                    }
                }
            }
        };
        let extra_roots_pem = match &file.store.ca {
            None => None,
            Some(path) => Some(self.certificates("store.ca", &self.path(path))?),
        };
        let text = file.store.serve_without_store.as_deref();
        let serve_without_store = self.duration("store.serve_without_store", text, Seconds(300))?;
        Some(StoreSettings {
            url: url?,
            key_encryption_key,
            extra_roots_pem,
            serve_without_store: Duration::from_secs(serve_without_store.0.unsigned_abs()),
        })
    }

    fn secret(&mut self, key: &str, secret: &SecretText) -> Option<Zeroizing<Vec<u8>>> {
        match secret {
            SecretText::Text(text) => Some(Zeroizing::new(text.as_bytes().to_vec())),
            SecretText::File { file } => {
                let path = self.path(file);
                match std::fs::read(&path) {
                    Ok(bytes) => Some(Zeroizing::new(bytes)),
                    Err(error) => {
                        self.report
                            .error(key, format!("{} cannot be read: {error}", path.display()), None);
                        None
                    }
                }
            }
            SecretText::Env { env } => match std::env::var(env) {
                Ok(text) => Some(Zeroizing::new(text.into_bytes())),
                Err(_) => {
                    self.report
                        .error(key, format!("the environment has no variable {env}"), None);
                    None
                }
            },
        }
    }

    fn admin(&mut self, file: &ConfigFile) -> Option<AdminSettings> {
        let listen = match &file.admin.listen {
            None => None,
            Some(text) => Some(self.address("admin.listen", text)?),
        };
        let mut administrators = Vec::new();
        for text in &file.admin.administrators {
            match Pattern::parse(text) {
                Ok(pattern) => administrators.push(pattern),
                Err(problem) => {
                    self.report
                        .error("admin.administrators", format!("{text:?} {problem}"), None)
                }
            }
        }
        let socket = self.path(file.admin.socket.as_deref().unwrap_or("testudo.sock"));
        Some(AdminSettings {
            socket,
            listen,
            administrators,
        })
    }

    fn tokens(&mut self, file: &ConfigFile) -> Option<TokenPolicy> {
        let signing_algorithm = match file.tokens.signing_algorithm.as_deref() {
            None => Some(Algorithm::ES256),
            Some(name) => match Algorithm::parse(name) {
                Some(
                    algorithm @ (Algorithm::ES256
                    | Algorithm::EdDSA
                    | Algorithm::ES384
                    | Algorithm::RS256
                    | Algorithm::PS256),
                ) => Some(algorithm),
                _ => {
                    self.report.error(
                        "tokens.signing_algorithm",
                        format!("{name:?} cannot sign tokens"),
                        Some("expected: ES256, EdDSA, ES384, RS256 or PS256"),
                    );
                    None
                }
            },
        };
        let text = file.tokens.access_token_lifetime.as_deref();
        let lifetime = self.duration("tokens.access_token_lifetime", text, Seconds(300))?;
        if !(10..=3600).contains(&lifetime.0) {
            self.report.error(
                "tokens.access_token_lifetime",
                format!("{:?} is not between 10s and 1h", text.unwrap_or_default()),
                Some("nothing revokes an access token before it ends: keep it short"),
            );
            return None;
        }
        Some(TokenPolicy {
            signing_algorithm: signing_algorithm?,
            access_token_lifetime: lifetime,
        })
    }

    fn outbound(&mut self, file: &ConfigFile) -> Option<OutboundSettings> {
        let extra_roots_pem = match &file.outbound.ca {
            None => None,
            Some(path) => Some(self.certificates("outbound.ca", &self.path(path))?),
        };
        let mut resolve = HashMap::new();
        for (name, text) in &file.outbound.resolve {
            match text.parse() {
                Ok(address) => {
                    resolve.insert(name.clone(), address);
                }
                Err(_) => {
                    self.report.error(
                        format!("outbound.resolve.{name}"),
                        format!("{text:?} is not an IP address"),
                        None,
                    );
                }
            }
        }
        Some(OutboundSettings {
            extra_roots_pem,
            resolve,
        })
    }

    fn trust_domains(
        &mut self,
        sections: &[TrustDomainSection],
    ) -> (HashMap<Box<str>, TrustDomainPolicy>, Vec<BundleSource>) {
        let mut policies = HashMap::new();
        let mut bundles = Vec::new();
        for (position, section) in sections.iter().enumerate() {
            let key = format!("trust_domains[{position}]");
            let name = match TrustDomain::parse(&section.name) {
                Ok(name) => name,
                Err(problem) => {
                    let hint = Some("expected: a bare name such as prod.example, without spiffe://");
                    self.report.error(
                        format!("{key}.name"),
                        format!("{:?} {problem}", section.name),
                        hint,
                    );
                    continue;
                }
            };
            if policies.contains_key(name.as_str()) {
                self.report
                    .error(format!("{key}.name"), format!("{name} is there twice"), None);
                continue;
            }
            if let Some(source) = self.bundle(&key, &name, &section.bundle) {
                bundles.push(source);
            }
            if let Some(policy) = self.trust_domain(&key, section) {
                policies.insert(name.as_str().into(), policy);
            }
        }
        (policies, bundles)
    }

    fn trust_domain(&mut self, key: &str, section: &TrustDomainSection) -> Option<TrustDomainPolicy> {
        for claim in &section.attested_metadata {
            if !ATTESTABLE.contains(&claim.as_str()) {
                let hint = format!("expected some of: {}", ATTESTABLE.join(", "));
                self.report.error(
                    format!("{key}.attested_metadata"),
                    format!("{claim:?} is not client metadata"),
                    Some(&hint),
                );
            }
        }
        let credentials = section
            .credentials
            .clone()
            .unwrap_or_else(|| vec![CredentialKind::JwtSvid]);
        for kind in credentials.iter().filter(|kind| !kind.is_svid()) {
            self.report.error(
                format!("{key}.credentials"),
                format!("\"{kind}\" is no SVID"),
                Some("expected some of: jwt_svid, x509_svid, wit_svid"),
            );
        }
        for kind in [CredentialKind::WitSvid] {
            if credentials.contains(&kind) {
                self.report.warn(
                    format!("{key}.credentials"),
                    format!("\"{kind}\" has no door in this version: such credentials are refused"),
                    None,
                );
            }
        }
        for (name, value) in [
            ("registrations_per_minute", section.registrations_per_minute),
            ("registrations_burst", section.registrations_burst),
            (
                "registrations_per_minute_per_prefix",
                section.registrations_per_minute_per_prefix,
            ),
        ] {
            if value == Some(0) {
                let hint = Some("to register nobody, set first_use = \"off\"");
                self.report.error(format!("{key}.{name}"), "is zero", hint);
            }
        }
        Some(TrustDomainPolicy {
            credentials,
            first_use: section.first_use.unwrap_or(FirstUse::On),
            accept_audiences: section.accept_audiences.clone(),
            single_use: section.single_use,
            attested_metadata: section.attested_metadata.clone(),
            statement_issuer: section.statement_issuer.clone(),
            registrations: Rate::new(
                section.registrations_per_minute.unwrap_or(600),
                section.registrations_burst,
            ),
            registrations_per_prefix: section
                .registrations_per_minute_per_prefix
                .map(|rate| Rate::new(rate, section.registrations_burst_per_prefix)),
            velocity_prefix_segments: section.velocity_prefix_segments.unwrap_or(2),
            clients_max: Some(section.clients_max.unwrap_or(100_000)),
        })
    }

    fn bundle(&mut self, key: &str, name: &TrustDomain, section: &BundleSection) -> Option<BundleSource> {
        let key = format!("{key}.bundle");
        let max_staleness = self.duration(
            &format!("{key}.max_staleness"),
            section.max_staleness.as_deref(),
            Seconds(3600),
        )?;
        let origin = match (&section.url, &section.file, &section.workload_api) {
            (Some(url), None, None) => self.bundle_url(&key, url, section)?,
            (None, Some(file), None) => BundleOrigin::File(self.path(file)),
            (None, None, Some(socket)) if socket.starts_with("unix:") => {
                BundleOrigin::WorkloadApi(socket.clone())
            }
            (None, None, Some(socket)) => {
                self.report.error(
                    format!("{key}.workload_api"),
                    format!("{socket:?} is not a Unix socket"),
                    Some("expected: unix:///run/spire/sockets/agent.sock"),
                );
                return None;
            }
            _ => {
                self.report
                    .error(&key, "must have exactly one of url, file, workload_api", None);
                return None;
            }
        };
        Some(BundleSource {
            trust_domain: name.clone(),
            origin,
            max_staleness,
        })
    }

    /// [SPIFFE-FED §5.2.1.1] https, no user information; http for loopback trials.
    fn bundle_url(&mut self, key: &str, text: &str, section: &BundleSection) -> Option<BundleOrigin> {
        match section.profile.as_deref() {
            None | Some("https_web") => {}
            Some("https_spiffe") => {
                self.report.error(
                    format!("{key}.profile"),
                    "\"https_spiffe\" is not available in this version",
                    Some("use https_web, file or workload_api"),
                );
                return None;
            }
            Some(other) => {
                self.report.error(
                    format!("{key}.profile"),
                    format!("{other:?} is no profile"),
                    Some("expected: https_web"),
                );
                return None;
            }
        }
        let url = url::Url::parse(text).ok();
        let is_loopback = |url: &url::Url| match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        match url {
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                self.report
                    .error(format!("{key}.url"), "has user information", None);
                None
            }
            Some(url) if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)) => {
                if url.scheme() == "http" {
                    self.report.warn(
                        format!("{key}.url"),
                        "uses http: fit for trials on this machine only",
                        None,
                    );
                }
                Some(BundleOrigin::HttpsWeb(url))
            }
            _ => {
                self.report.error(
                    format!("{key}.url"),
                    format!("{text:?} is not an https URL"),
                    None,
                );
                None
            }
        }
    }

    fn rules(&mut self, specs: &[RuleSpec], domains: &HashMap<Box<str>, TrustDomainPolicy>) -> RuleSet {
        let mut rules: Vec<Rule> = Vec::new();
        for (position, spec) in specs.iter().enumerate() {
            let key = format!("rules[{position}]");
            match Rule::compile(spec) {
                Ok(rule) => {
                    if rules.iter().any(|known| known.name == rule.name) {
                        self.report.error(
                            format!("{key}.name"),
                            format!("{:?} is there twice", rule.name),
                            None,
                        );
                    }
                    for pattern in &rule.patterns {
                        if !domains.contains_key(pattern.trust_domain()) {
                            let problem =
                                format!("{:?} is outside every configured trust domain", pattern.as_str());
                            let hint =
                                format!("add a [[trust_domains]] entry named {:?}", pattern.trust_domain());
                            self.report
                                .warn(format!("{key}.identities"), problem, Some(&hint));
                        }
                    }
                    rules.push(rule);
                }
                Err(faults) => {
                    for fault in faults {
                        self.report
                            .error(format!("{key}.{}", fault.key), fault.problem, fault.hint);
                    }
                }
            }
        }
        let rules = RuleSet::new(rules);
        for (rule, by) in rules.shadowed() {
            let problem = format!(
                "never governs: rule `{}` before it matches everything it matches",
                by.name
            );
            self.report.warn(
                format!("rule `{}`", rule.name),
                problem,
                Some("move it up, or remove it"),
            );
        }
        if rules.iter().next().is_none() {
            self.report
                .warn("rules", "is empty: no workload gets a token", None);
        }
        rules
    }

    fn clients(&mut self, sections: &[ClientSection]) -> HashMap<Box<str>, ConfiguredClient> {
        let mut clients = HashMap::new();
        for (position, section) in sections.iter().enumerate() {
            let key = format!("clients[{position}]");
            let id = section.client_id.as_str();
            let is_legal = !id.is_empty()
                && id.len() <= IDENTIFIER_BYTES_MAX
                && is_vschar(id)
                && !id.starts_with("spiffe://")
                && !id.starts_with("https://");
            if !is_legal {
                self.report.error(
                    format!("{key}.client_id"),
                    format!("{id:?} cannot be a configured client's id"),
                    Some("expected: 1 to 2048 printable ASCII characters, neither a SPIFFE ID nor an https URL"),
                );
            }
            if clients.contains_key(id) {
                self.report
                    .error(format!("{key}.client_id"), format!("{id:?} is there twice"), None);
            }
            if section
                .token_endpoint_auth_method
                .as_deref()
                .is_some_and(|method| method != "private_key_jwt")
            {
                self.report.error(
                    format!("{key}.token_endpoint_auth_method"),
                    "must be \"private_key_jwt\": there are no client secrets here",
                    None,
                );
            }
            let keys = self.client_keys(&key, section.jwks.as_ref());
            let spec = RuleSpec {
                name: format!("client {id}"),
                scopes: section.scopes.clone(),
                default_scopes: section.default_scopes.clone(),
                resources: section.resources.clone(),
                grant_types: section.grant_types.clone(),
                client_name: section.client_name.clone(),
                access_token_lifetime: section.access_token_lifetime.clone(),
                ..RuleSpec::default()
            };
            match (Rule::compile_for_client(&spec), keys) {
                (Ok(rule), Some(keys)) => {
                    clients.insert(
                        id.into(),
                        ConfiguredClient {
                            keys: keys.into(),
                            rule,
                        },
                    );
                }
                (Ok(_), None) => {}
                (Err(faults), _) => {
                    for fault in faults {
                        self.report
                            .error(format!("{key}.{}", fault.key), fault.problem, fault.hint);
                    }
                }
            }
        }
        clients
    }

    fn client_keys(&mut self, key: &str, section: Option<&JwksSection>) -> Option<KeySet> {
        let key = format!("{key}.jwks");
        let bytes = match section {
            Some(JwksSection {
                file: Some(file),
                keys: None,
            }) => {
                let path = self.path(file);
                match std::fs::read(&path) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        self.report
                            .error(&key, format!("{} cannot be read: {error}", path.display()), None);
                        return None;
                    }
                }
            }
            Some(JwksSection {
                file: None,
                keys: Some(keys),
            }) => serde_json::json!({ "keys": keys }).to_string().into_bytes(),
            _ => {
                self.report
                    .error(&key, "must have exactly one of file, keys", None);
                return None;
            }
        };
        match KeySet::from_jwks(&bytes) {
            Ok(keys) if !keys.is_empty() => Some(keys),
            Ok(_) => {
                self.report.error(&key, "has no keys", None);
                None
            }
            Err(problem) => {
                self.report.error(
                    &key,
                    format!("is not a JWK Set of usable public keys: {problem}"),
                    None,
                );
                None
            }
        }
    }

    /// Known keys that this version does not act on. Where silence would weaken something, it is an error
    /// elsewhere; here it is only absent.
    fn what_this_version_leaves_out(&mut self, file: &ConfigFile) {
        for (position, issuer) in file.issuers.iter().enumerate() {
            self.report.warn(
                format!("issuers[{position}]"),
                format!(
                    "{:?} has no door in this version: its credentials are refused",
                    issuer.name
                ),
                None,
            );
        }
    }
}
