//! From sections to meaning: settings for the server, a policy for the core.

use super::listeners::{ServerSettings, TlsFiles};
use super::problem::Report;
use super::sections::ConfigFile;
use super::store::StoreSettings;
use super::trust::BundleSource;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use testudo_core::policy::{Policy, TokenPolicy};
use testudo_protocol::Seconds;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::IssuerUrl;

/// A configuration that passed every check.
#[derive(Debug)]
pub struct Configuration {
    /// SHA-256 of the file.
    pub digest: [u8; 32],
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
    let administration = judge.administration(file);
    let tokens = judge.tokens(file);
    let outbound = judge.outbound(file);
    let (trust_domains, bundles) = judge.trust_domains(&file.trust_domains);
    let rules = judge.rules(&file.rules, &trust_domains);
    let clients = judge.clients(&file.clients);
    let registration = judge.registration(file);
    let reserved_ids = super::rules::reserved_ids(file);
    judge.what_this_version_leaves_out(file);
    Some(Configuration {
        digest: [0; 32],
        policy: Policy {
            generation,
            issuer: issuer?,
            trust_domains,
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
        outbound: outbound?,
    })
}

/// `[admin]`, judged.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented in sections.rs")]
pub struct AdminSettings {
    pub socket: PathBuf,
    pub listen: Option<SocketAddr>,
    pub tls: Option<TlsFiles>,
}

/// `[outbound]`, judged.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "documented in sections.rs")]
pub struct OutboundSettings {
    pub extra_roots_pem: Option<Vec<u8>>,
    pub resolve: HashMap<String, IpAddr>,
}

impl Judge<'_> {
    pub(super) fn path(&self, text: &str) -> PathBuf {
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

    pub(super) fn address(&mut self, key: &str, text: &str) -> Option<SocketAddr> {
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

    pub(super) fn duration(&mut self, key: &str, text: Option<&str>, default: Seconds) -> Option<Seconds> {
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

    pub(super) fn certificates(&mut self, key: &str, path: &Path) -> Option<Vec<u8>> {
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

    fn admin(&mut self, file: &ConfigFile) -> Option<AdminSettings> {
        let listen = match &file.admin.listen {
            None => None,
            Some(text) => Some(self.address("admin.listen", text)?),
        };
        let tls = file.admin.tls.as_ref().map(|tls| self.tls("admin.tls", tls));
        self.plain_admin_listener(listen, tls.is_some());
        let socket = self.path(file.admin.socket.as_deref().unwrap_or("testudo.sock"));
        Some(AdminSettings { socket, listen, tls })
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
