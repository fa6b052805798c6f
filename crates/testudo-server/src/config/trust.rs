//! `[[trust_domains]]`: which trust domains are trusted, for what, and where their trust anchors come from.

use super::bundle_origin::{BundleOrigin, BundleSource, KeyChanges};
use super::checker::Checker;
use crate::socket_path::too_long;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use testudo_core::members::attestable;
use testudo_core::policy::{ATTESTATION_AGE_MAX, AuthorityPolicy, AuthorityUse, ChallengeUse, StatusPolicy};
use testudo_core::rules::FirstUse;
use testudo_core::velocity::Rate;
use testudo_core::{Authority, AuthorityKind, CredentialKind};
use testudo_protocol::Seconds;
use testudo_protocol::spiffe::TrustDomain;

/// `[[trust_domains]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrustDomainSection {
    /// Name of the trust domain, without `spiffe://`. Required.
    pub name: String,
    /// Where its bundle comes from: one of `url`, `file` and `workload_api`. Required.
    pub bundle: BundleSection,
    /// Kinds of SVID that its workloads may show. Default: `["jwt_svid"]`.
    pub credentials: Option<Vec<CredentialKind>>,
    /// For `wit_svid`: whether the proof of its key must have a challenge of this server. A DPoP proof in the place of a
    /// PoP then needs a nonce. Default: `"required"`.
    pub challenge: Option<ChallengeUse>,
    /// What happens to an identity that was never seen. Default: `"on"`.
    pub first_use: Option<FirstUse>,
    /// Further exact audience values, for a migration. Default: none, the issuer only.
    pub accept_audiences: Vec<String>,
    /// True: a JWT-SVID must have `jti` and is accepted once. Default: `false`.
    pub single_use: bool,
    /// Longest lifetime of an SVID; one with a longer lifetime is refused. Default: `"30d"` for JWT-SVIDs and
    /// WIT-SVIDs, `"400d"` for X.509-SVIDs, counted from now.
    pub lifetime_max: Option<String>,
    /// Claims of this domain's SVIDs that may become client metadata.
    pub attested_metadata: Vec<String>,
    /// `iss` that a software statement of this domain must have. Default: `iss` is not checked.
    pub statement_issuer: Option<String>,
    /// New clients per minute. Default: `600`.
    pub registrations_per_minute: Option<u32>,
    /// New clients at once. Default: the rate.
    pub registrations_burst: Option<u32>,
    /// New clients per minute under one path prefix. Default: no limit besides the domain's.
    pub registrations_per_minute_per_prefix: Option<u32>,
    /// New clients at once under one path prefix. Default: that rate.
    pub registrations_burst_per_prefix: Option<u32>,
    /// Path segments that make a prefix. Default: `2`.
    pub velocity_prefix_segments: Option<usize>,
    /// Clients of this domain, active and frozen. Default: `100000`.
    pub clients_max: Option<u64>,
}

/// `trust_domains.bundle`: exactly one of `url`, `file`, `workload_api`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BundleSection {
    /// https URL of a SPIFFE bundle endpoint.
    pub url: Option<String>,
    /// Profile of the bundle endpoint: `https_web` verifies its server by the host name, `https_spiffe` by its
    /// X.509-SVID. Default: `"https_web"`.
    pub profile: Option<String>,
    /// For `https_spiffe`: SPIFFE ID of the endpoint's server. If it is of another trust domain, that one must be
    /// configured, and its bundle verifies the server. Default: none, required with `https_spiffe`.
    pub endpoint_spiffe_id: Option<String>,
    /// For `https_spiffe` with a server of the same trust domain: path of the bundle with which the server is verified
    /// until a bundle was fetched. It is read with the configuration. If its content changes, the server is verified with
    /// the new content again. Default: none, required for such a server.
    pub bootstrap: Option<String>,
    /// SPIFFE bundle document on disk; read again when it changes.
    pub file: Option<String>,
    /// Workload API socket: `unix:///run/spire/sockets/agent.sock`.
    pub workload_api: Option<String>,
    /// How long the last good bundle is used while fetching fails. Default: `"1h"`.
    pub max_staleness: Option<String>,
    /// PEM file with the only roots that verify the server of `url`, in place of those of the system and of `outbound.ca`.
    /// It is read with the configuration. Default: the roots of the system and of `outbound.ca`.
    pub ca: Option<String>,
}

/// Default of `registrations_per_minute` of an authority.
pub(super) const REGISTRATIONS_PER_MINUTE: u32 = 600;
/// Default of `clients_max` of an authority.
pub(super) const CLIENTS_MAX: u64 = 100_000;
/// Default of `velocity_prefix_segments`.
pub(super) const PREFIX_SEGMENTS: usize = 2;
/// How long the last good keys of an authority are used while fetching fails, if the configuration does not set it.
pub(super) const MAX_STALENESS: Seconds = Seconds(3_600);
/// The hint for a limit of new clients that is 0.
pub(super) const TO_REGISTER_NONE: &str = "to register no client, set first_use = \"off\"";

/// Shortest maximum age of a bundle: a bundle is fetched again after half of it, and at most twice in a second.
const MAX_STALENESS_MIN: Seconds = Seconds(1);

fn is_svid(kind: &CredentialKind) -> bool {
    kind.issued_by() == Some(AuthorityKind::Spiffe)
}

impl Checker<'_> {
    pub(super) fn trust_domains(
        &mut self,
        sections: &[TrustDomainSection],
    ) -> (HashMap<Authority, AuthorityPolicy>, Vec<BundleSource>) {
        let mut policies = HashMap::new();
        let mut bundles = Vec::new();
        for (position, section) in sections.iter().enumerate() {
            let key = format!("trust_domains[{position}]");
            let name = match TrustDomain::parse(&section.name) {
                Ok(name) => name,
                Err(problem) => {
                    self.knows_all_authorities = false;
                    let key = format!("{key}.name");
                    if !self.report.is_unread(&key) {
                        self.report
                            .error(key, format!("{:?} {problem}", section.name), None);
                    }
                    continue;
                }
            };
            let authority = Authority::from(&name);
            if policies.contains_key(&authority) {
                let first = sections.iter().position(|known| known.name == section.name);
                let first = format!("trust_domains[{}].name", first.unwrap_or_default());
                self.report.twice(&format!("{key}.name"), &section.name, &first);
                continue;
            }
            if let Some(source) = self.bundle(&key, &authority, &section.bundle) {
                bundles.push((key.clone(), source));
            }
            if let Some(policy) = self.trust_domain(&key, section) {
                policies.insert(authority, policy);
            }
        }
        self.endpoints_are_verifiable(&bundles);
        let bundles = bundles.into_iter().map(|(_, source)| source).collect();
        (policies, bundles)
    }

    /// The longest lifetime of an SVID. Zero would refuse every SVID, so it is an error.
    fn lifetime_max(&mut self, key: &str, text: Option<&str>) -> Option<Seconds> {
        let key = format!("{key}.lifetime_max");
        let lifetime = self.duration(&key, Some(text?), Seconds(0));
        if lifetime == Some(Seconds(0)) {
            self.report
                .error(key, "is zero: every SVID would be refused", None);
        }
        lifetime
    }

    pub(super) fn trust_domain(
        &mut self,
        key: &str,
        section: &TrustDomainSection,
    ) -> Option<AuthorityPolicy> {
        self.attested_metadata(key, &section.attested_metadata);
        let credentials = section
            .credentials
            .clone()
            .unwrap_or_else(|| vec![CredentialKind::JwtSvid]);
        if credentials.is_empty() {
            let hint = "to refuse the trust domain, remove its entry or run `testudo trust disable`";
            let problem = "is empty: every credential of the trust domain would be refused";
            self.report
                .error(format!("{key}.credentials"), problem, Some(hint));
        }
        for (entry, kind) in credentials.iter().enumerate() {
            if !is_svid(kind) {
                let key = format!("{key}.credentials[{entry}]");
                self.report
                    .error(key, format!("`{kind}` is not a kind of SVID"), None);
            }
        }
        self.wit_svids(key, section, &credentials);
        if !section.attested_metadata.is_empty() && credentials == [CredentialKind::X509Svid] {
            self.report.warn(
                format!("{key}.attested_metadata"),
                "has no effect: X.509-SVIDs, the only kind in `credentials`, have no claims",
                Some("remove it, or add \"jwt_svid\" or \"wit_svid\" to `credentials`"),
            );
        }
        for (entry, audience) in section.accept_audiences.iter().enumerate() {
            if audience.is_empty() {
                let key = format!("{key}.accept_audiences[{entry}]");
                self.report
                    .error(key, "is empty", Some("remove it, or write an audience value"));
            }
        }
        let limits = [
            (
                "registrations_per_minute",
                section.registrations_per_minute.map(u64::from),
            ),
            ("registrations_burst", section.registrations_burst.map(u64::from)),
            (
                "registrations_per_minute_per_prefix",
                section.registrations_per_minute_per_prefix.map(u64::from),
            ),
            ("clients_max", section.clients_max),
        ];
        self.limits_are_not_zero(key, &limits, TO_REGISTER_NONE);
        Some(AuthorityPolicy {
            credentials,
            uses: vec![AuthorityUse::Client, AuthorityUse::Registration],
            subject_claim: None,
            first_use: section.first_use.unwrap_or(FirstUse::On),
            accept_audiences: section.accept_audiences.clone(),
            single_use: section.single_use,
            lifetime_max: self.lifetime_max(key, section.lifetime_max.as_deref()),
            attested_metadata: section.attested_metadata.clone(),
            issuer: None,
            challenge: section.challenge.unwrap_or_default(),
            attestation_age_max: ATTESTATION_AGE_MAX,
            statement_issuer: section.statement_issuer.clone(),
            review: None,
            takes_default_accounts: false,
            status: StatusPolicy::default(),
            verifiable: None,
            registrations: Rate::new(
                section
                    .registrations_per_minute
                    .unwrap_or(REGISTRATIONS_PER_MINUTE),
                section.registrations_burst,
            ),
            registrations_per_prefix: section
                .registrations_per_minute_per_prefix
                .map(|rate| Rate::new(rate, section.registrations_burst_per_prefix)),
            velocity_prefix_segments: section.velocity_prefix_segments.unwrap_or(PREFIX_SEGMENTS),
            clients_max: Some(section.clients_max.unwrap_or(CLIENTS_MAX)),
        })
    }

    /// Checks the claims of an authority that may become client metadata.
    pub(super) fn attested_metadata(&mut self, key: &str, claims: &[String]) {
        self.may_be_attested(&format!("{key}.attested_metadata"), claims, &[]);
    }

    /// Checks that an authority may state these members of client metadata, or the one that only its kind may state.
    pub(super) fn may_be_attested(&mut self, key: &str, claims: &[String], also: &[&'static str]) {
        let known = || attestable().chain(also.iter().copied());
        for (entry, claim) in claims.iter().enumerate() {
            if !known().any(|name| name == claim) {
                let names: Vec<&str> = known().collect();
                let hint = format!("known members: {}", names.join(", "));
                self.report.error(
                    format!("{key}[{entry}]"),
                    format!("{claim:?} is not client metadata that an authority may state"),
                    Some(&hint),
                );
            }
        }
    }

    /// Warns of settings for WIT-SVIDs that have no effect.
    fn wit_svids(&mut self, key: &str, section: &TrustDomainSection, credentials: &[CredentialKind]) {
        let position = credentials
            .iter()
            .position(|kind| *kind == CredentialKind::WitSvid);
        if let (Some(entry), Some(_)) = (position, &section.bundle.workload_api) {
            self.report.warn(
                format!("{key}.credentials[{entry}]"),
                "has no effect: this version reads no keys of WIT-SVIDs from a Workload API",
                Some("set bundle.url or bundle.file in the place of bundle.workload_api"),
            );
        }
        if let (None, Some(_)) = (position, section.challenge) {
            self.report.warn(
                format!("{key}.challenge"),
                "has no effect: it is for WIT-SVIDs, which are not in `credentials`",
                Some("remove it, or add \"wit_svid\" to `credentials`"),
            );
        }
    }

    pub(super) fn bundle(
        &mut self,
        key: &str,
        authority: &Authority,
        section: &BundleSection,
    ) -> Option<BundleSource> {
        let key = format!("{key}.bundle");
        let max_staleness = self.duration(
            &format!("{key}.max_staleness"),
            section.max_staleness.as_deref(),
            MAX_STALENESS,
        );
        if max_staleness.is_some_and(|age| age < MAX_STALENESS_MIN) {
            let problem = "is shorter than 1s: the bundle would be too old between two fetches";
            self.report.error(format!("{key}.max_staleness"), problem, None);
        }
        let is_of_web = matches!(section.profile.as_deref(), None | Some("https_web"));
        if section.url.is_none() || is_of_web {
            self.has_no_spiffe_settings(&key, section)?;
        }
        let origin = match (&section.url, &section.file, &section.workload_api) {
            (Some(url), None, None) => self.bundle_url(&key, authority, (url, section))?,
            (None, Some(file), None) => BundleOrigin::File(self.path(file)),
            (None, None, Some(socket)) if socket.starts_with("unix:") => {
                let path = socket.trim_start_matches("unix:").trim_start_matches("//");
                if let Some(why) = too_long(Path::new(path)) {
                    let key = format!("{key}.workload_api");
                    let hint = "let the agent create its socket in a folder with a shorter path";
                    self.report.refuse(key, why, Some(hint));
                    return None;
                }
                BundleOrigin::WorkloadApi(socket.clone())
            }
            (None, None, Some(socket)) => {
                self.report.error(
                    format!("{key}.workload_api"),
                    format!("{socket:?} is not a Unix socket"),
                    None,
                );
                return None;
            }
            _ if self.report.is_unread(&key) => return None,
            _ => {
                self.report
                    .error(&key, "must have exactly one of url, file, workload_api", None);
                return None;
            }
        };
        let origin = self.with_roots(&key, section.ca.as_deref(), origin)?;
        Some(BundleSource {
            authority: authority.clone(),
            origin,
            max_staleness: max_staleness?,
            key_changes: KeyChanges::default(),
        })
    }

    /// Refuses the settings of `https_spiffe` beside another profile: no profile is inferred, and the server would be
    /// verified otherwise than the administrator expects. [SPIFFE-FED §5.1] They have no effect beside another source.
    fn has_no_spiffe_settings(&mut self, key: &str, section: &BundleSection) -> Option<()> {
        let mut is_usable = true;
        for (name, value) in [
            ("endpoint_spiffe_id", &section.endpoint_spiffe_id),
            ("bootstrap", &section.bootstrap),
        ] {
            let key = format!("{key}.{name}");
            match (value, &section.url) {
                (None, _) => {}
                (Some(_), None) => {
                    let problem = "has no effect: it is for a `url` with the profile \"https_spiffe\"";
                    self.report.warn(key, problem, Some("remove it"));
                }
                (Some(_), Some(_)) => {
                    let hint = "set profile = \"https_spiffe\", or remove it";
                    let problem = "is for the profile \"https_spiffe\", and the profile is \"https_web\"";
                    self.report.refuse(key, problem, Some(hint));
                    is_usable = false;
                }
            }
        }
        is_usable.then_some(())
    }

    /// [SPIFFE-FED §5.2.1.1] https, no user information; http for loopback trials with `https_web`.
    fn bundle_url(
        &mut self,
        key: &str,
        authority: &Authority,
        (url, section): (&str, &BundleSection),
    ) -> Option<BundleOrigin> {
        match section.profile.as_deref() {
            None | Some("https_web") => self.keys_url(key, url),
            Some("https_spiffe") => self.spiffe_endpoint(key, authority, (url, section)),
            Some(other) => {
                self.report.error(
                    format!("{key}.profile"),
                    format!("{other:?} is not a profile of a bundle endpoint"),
                    None,
                );
                None
            }
        }
    }
}
