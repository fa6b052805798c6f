//! What all kinds of `[[issuers]]` entries have that have a door.

use super::checker::Checker;
use super::issuers::{IssuerEntry, IssuerSection, Issuers};
use super::trust::{CLIENTS_MAX, PREFIX_SEGMENTS, REGISTRATIONS_PER_MINUTE, TO_REGISTER_NONE};
use testudo_core::CredentialKind;
use testudo_core::identity::ClaimSource;
use testudo_core::policy::{ATTESTATION_AGE_MAX, AuthorityPolicy, AuthorityUse, StatusPolicy};
use testudo_core::rules::{FirstUse, INSTANCE};
use testudo_core::velocity::Rate;
use testudo_protocol::Seconds;

/// A kind of entry.
pub(super) struct IssuerKind {
    /// Its name.
    pub(super) name: &'static str,
    /// The kind of its credentials.
    pub(super) credential: CredentialKind,
    /// What its credentials can be used for.
    pub(super) uses: &'static [AuthorityUse],
    /// The keys that not every kind has, and that have an effect for this one.
    pub(super) keys: &'static [&'static str],
    /// True if its keys may also come from a DID, from the metadata of the issuer, or from a certificate (`x5c`).
    pub(super) has_documents: bool,
    /// Checks the settings that only this kind has, and adds them to the policy.
    pub(super) add: fn(&mut Checker<'_>, IssuerEntry<'_>, AuthorityPolicy, &mut Issuers) -> AuthorityPolicy,
}

impl Checker<'_> {
    /// Checks what all kinds have in common, adds keys and captures of the entry to those that were found, and returns its
    /// policy, to which the kind adds its own settings.
    pub(super) fn issuer_entry(
        &mut self,
        entry: IssuerEntry<'_>,
        kind: &IssuerKind,
        found: &mut Issuers,
    ) -> AuthorityPolicy {
        let IssuerEntry {
            key,
            authority,
            section,
        } = entry;
        self.without_effect(key, section, kind);
        self.issuer_is_its_own(key, section, kind, found);
        let limits = [
            (
                "registrations_per_minute",
                section.registrations_per_minute.map(u64::from),
            ),
            ("clients_max", section.clients_max),
        ];
        self.limits_are_not_zero(key, &limits, TO_REGISTER_NONE);
        let issuer = section.issuer.as_deref();
        let source = match self.keys_are_of_kind(key, section, kind) {
            true => self.issuer_keys(key, authority, issuer, section.jwks.as_ref()),
            false => None,
        };
        found.sources.extend(source);
        self.attested_metadata(key, &section.attested_metadata);
        let captures = self.captures(key, section);
        found.captures.insert(authority.clone(), captures);
        for (entry, audience) in section.accept_audiences.iter().flatten().enumerate() {
            if audience.is_empty() {
                let key = format!("{key}.accept_audiences[{entry}]");
                self.report
                    .error(key, "is empty", Some("remove it, or write an audience value"));
            }
        }
        AuthorityPolicy {
            credentials: vec![kind.credential],
            uses: self.uses(key, section, kind),
            subject_claim: None,
            first_use: section.first_use.unwrap_or(FirstUse::On),
            accept_audiences: section.accept_audiences.clone().unwrap_or_default(),
            single_use: false,
            lifetime_max: self.longest(&format!("{key}.lifetime_max"), section.lifetime_max.as_deref()),
            attested_metadata: section.attested_metadata.clone(),
            issuer: section.issuer.clone(),
            challenge: section.challenge.unwrap_or_default(),
            attestation_age_max: ATTESTATION_AGE_MAX,
            statement_issuer: None,
            review: None,
            takes_default_accounts: false,
            status: StatusPolicy::default(),
            verifiable: None,
            registrations: Rate::new(
                section
                    .registrations_per_minute
                    .unwrap_or(REGISTRATIONS_PER_MINUTE),
                None,
            ),
            registrations_per_prefix: None,
            velocity_prefix_segments: PREFIX_SEGMENTS,
            clients_max: Some(section.clients_max.unwrap_or(CLIENTS_MAX)),
        }
    }

    /// Refuses the sources of keys that are for credentials only: tokens of other kinds are verified with key sets.
    fn keys_are_of_kind(&mut self, key: &str, section: &IssuerSection, kind: &IssuerKind) -> bool {
        let Some(keys) = section.jwks.as_ref().filter(|_| !kind.has_documents) else {
            return true;
        };
        let mut is_of_kind = true;
        for (name, is_written) in [
            ("did", keys.did.unwrap_or_default()),
            ("jwt_vc_issuer", keys.jwt_vc_issuer.unwrap_or_default()),
            ("x5c", keys.x5c.is_some()),
        ] {
            if is_written {
                let problem = format!("is not for kind {:?}", kind.name);
                let hint = Some("set file, url or discovery in its place");
                self.report.error(format!("{key}.jwks.{name}"), problem, hint);
                is_of_kind = false;
            }
        }
        is_of_kind
    }

    /// `use`: what the issuer may speak for, which the entry must state.
    fn uses(&mut self, key: &str, section: &IssuerSection, kind: &IssuerKind) -> Vec<AuthorityUse> {
        let key = format!("{key}.use");
        let named = section.r#use.as_deref().unwrap_or_default();
        let all: Vec<String> = kind
            .uses
            .iter()
            .map(|known| format!("{:?}", known.name()))
            .collect();
        if named.is_empty() && !self.report.is_unread(&key) {
            let hint = format!("write use = [{}]", all.first().map_or("", String::as_str));
            let problem = format!(
                "of kind {:?} must name one or more of {}",
                kind.name,
                all.join(", ")
            );
            self.report.error(key.clone(), problem, Some(&hint));
        }
        let mut uses = Vec::new();
        for (entry, name) in named.iter().enumerate() {
            match kind.uses.iter().find(|known| known.name() == name) {
                Some(known) if !uses.contains(known) => uses.push(*known),
                Some(_) => {}
                None => {
                    let problem = format!("{name:?} is not a use of kind {:?}", kind.name);
                    let hint = format!("known uses: {}", all.join(", "));
                    self.report.error(format!("{key}[{entry}]"), problem, Some(&hint));
                }
            }
        }
        uses
    }

    /// `captures`: names, and the claims that they stand for.
    fn captures(&mut self, key: &str, section: &IssuerSection) -> Vec<(String, ClaimSource)> {
        let mut captures = Vec::new();
        for (name, source) in section.captures.iter().flatten() {
            let key = format!("{key}.captures.{name}");
            let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if !name.bytes().all(is_name) || name.is_empty() {
                let hint = Some("names are lower-case letters, digits and _");
                self.report.error(key, "is not the name of a capture", hint);
                continue;
            }
            if name == INSTANCE {
                let problem = "is reserved: {instance} in a pattern names the instance of a workload";
                self.report.error(key, problem, Some("choose another name"));
                continue;
            }
            match ClaimSource::parse(source) {
                Ok(source) => captures.push((name.clone(), source)),
                Err(problem) => self.report.error(key, format!("{source:?} {problem}"), None),
            }
        }
        captures
    }

    /// The `iss` of a token names one entry, unless the kind tells entries apart by the keys of their tokens.
    fn issuer_is_its_own(&mut self, key: &str, section: &IssuerSection, kind: &IssuerKind, found: &Issuers) {
        let Some(issuer) = &section.issuer else {
            return;
        };
        let key = format!("{key}.issuer");
        if found.ours.as_ref() == Some(issuer) {
            let problem = "is this server itself: its access tokens would authenticate clients";
            self.report.error(key.clone(), problem, None);
        }
        let mut others = found
            .policies
            .iter()
            .filter(|(_, policy)| policy.issuer.as_ref() == Some(issuer));
        let is_of_this_kind = |policy: &AuthorityPolicy| policy.credentials == [kind.credential];
        if let Some((other, _)) =
            others.find(|(_, policy)| !(kind.credential.shares_issuer() && is_of_this_kind(policy)))
        {
            let problem = format!("is also the issuer of `{other}`: a credential must name one entry");
            self.report.error(key, problem, None);
        }
    }

    /// A longest time. Zero would refuse every credential, so it is an error.
    pub(super) fn longest(&mut self, key: &str, text: Option<&str>) -> Option<Seconds> {
        let time = self.duration(key, Some(text?), Seconds(0));
        if time == Some(Seconds(0)) {
            self.report
                .error(key, "is zero: every credential would be refused", None);
        }
        time
    }

    /// Warns of keys that are for other kinds of issuer.
    fn without_effect(&mut self, key: &str, section: &IssuerSection, kind: &IssuerKind) {
        for (name, is_written) in [
            ("token_review", section.token_review.is_some()),
            (
                "default_service_accounts",
                section.default_service_accounts.is_some(),
            ),
            ("types", section.types.is_some()),
            ("formats", section.formats.is_some()),
            ("attests", section.attests.is_some()),
            ("holder_binding", section.holder_binding.is_some()),
            ("attesters", section.attesters.is_some()),
            ("unbound", section.unbound.is_some()),
            ("status", section.status.is_some()),
            ("status_origins", section.status_origins.is_some()),
            ("status_max_stale", section.status_max_stale.is_some()),
            ("lifetime_max", section.lifetime_max.is_some()),
            ("accept_audiences", section.accept_audiences.is_some()),
            ("subject_claim", section.subject_claim.is_some()),
            ("challenge", section.challenge.is_some()),
            ("attested_metadata", !section.attested_metadata.is_empty()),
            ("attestation_age_max", section.attestation_age_max.is_some()),
        ] {
            if is_written && !kind.keys.contains(&name) {
                let problem = format!("has no effect: it is not for kind {:?}", kind.name);
                self.report
                    .warn(format!("{key}.{name}"), problem, Some("remove it"));
            }
        }
    }
}
