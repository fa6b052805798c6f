//! `[[issuers]]` entries with `kind = "attester"`: who attests the keys of clients, and where its own keys are.

use super::checker::Checker;
use super::issuers::{IssuerSection, Issuers};
use super::trust::{CLIENTS_MAX, PREFIX_SEGMENTS, REGISTRATIONS_PER_MINUTE, TO_REGISTER_NONE};
use testudo_core::policy::{ATTESTATION_AGE_MAX, AuthorityPolicy};
use testudo_core::rules::FirstUse;
use testudo_core::velocity::Rate;
use testudo_core::{Authority, CredentialKind};
use testudo_protocol::Seconds;

impl Checker<'_> {
    /// Checks an entry and adds it to those that were found.
    pub(super) fn attester(
        &mut self,
        key: &str,
        authority: &Authority,
        section: &IssuerSection,
        found: &mut Issuers,
    ) {
        self.attester_use(key, section);
        self.without_effect(key, section);
        self.attested_metadata(key, &section.attested_metadata);
        let has_same_issuer =
            |policy: &AuthorityPolicy| section.issuer.is_some() && policy.issuer == section.issuer;
        if let Some((other, _)) = found.policies.iter().find(|(_, policy)| has_same_issuer(policy)) {
            let problem = format!("is also the issuer of `{other}`: an attestation must name one attester");
            self.report.error(format!("{key}.issuer"), problem, None);
        }
        let limits = [
            (
                "registrations_per_minute",
                section.registrations_per_minute.map(u64::from),
            ),
            ("clients_max", section.clients_max),
        ];
        self.limits_are_not_zero(key, &limits, TO_REGISTER_NONE);
        let age_key = format!("{key}.attestation_age_max");
        let age_max = self.duration(
            &age_key,
            section.attestation_age_max.as_deref(),
            ATTESTATION_AGE_MAX,
        );
        if age_max == Some(Seconds(0)) {
            self.report
                .error(age_key, "is zero: every attestation would be refused", None);
        }
        found.sources.extend(self.issuer_keys(
            key,
            authority,
            section.issuer.as_deref(),
            section.jwks.as_ref(),
        ));
        let policy = AuthorityPolicy {
            credentials: vec![CredentialKind::Attestation],
            first_use: section.first_use.unwrap_or(FirstUse::On),
            accept_audiences: Vec::new(),
            single_use: false,
            lifetime_max: None,
            attested_metadata: section.attested_metadata.clone(),
            issuer: section.issuer.clone(),
            challenge: section.challenge.unwrap_or_default(),
            attestation_age_max: age_max.unwrap_or(ATTESTATION_AGE_MAX),
            statement_issuer: None,
            registrations: Rate::new(
                section
                    .registrations_per_minute
                    .unwrap_or(REGISTRATIONS_PER_MINUTE),
                None,
            ),
            registrations_per_prefix: None,
            velocity_prefix_segments: PREFIX_SEGMENTS,
            clients_max: Some(section.clients_max.unwrap_or(CLIENTS_MAX)),
        };
        found.policies.insert(authority.clone(), policy);
    }

    /// Checks `use`: an attester attests the keys of clients and nothing else, and the entry must state that.
    fn attester_use(&mut self, key: &str, section: &IssuerSection) {
        let key = format!("{key}.use");
        let uses = section.r#use.as_deref();
        match uses {
            Some([only]) if only == "client" => {}
            None if self.report.is_unread(&key) => {}
            _ => {
                let hint = Some("write use = [\"client\"]");
                self.report
                    .error(key, "of an attester must be [\"client\"]", hint);
            }
        }
    }

    /// Warns of keys that are for other kinds of issuer.
    fn without_effect(&mut self, key: &str, section: &IssuerSection) {
        for (name, is_written) in [
            ("token_review", section.token_review.is_some()),
            ("types", section.types.is_some()),
            ("formats", section.formats.is_some()),
            ("attests", section.attests.is_some()),
            ("holder_binding", section.holder_binding.is_some()),
            ("status", section.status.is_some()),
            ("status_origins", section.status_origins.is_some()),
            ("status_max_stale", section.status_max_stale.is_some()),
            ("lifetime_max", section.lifetime_max.is_some()),
            ("accept_audiences", section.accept_audiences.is_some()),
        ] {
            if is_written {
                let problem = "has no effect: it is not for kind \"attester\"";
                self.report
                    .warn(format!("{key}.{name}"), problem, Some("remove it"));
            }
        }
    }
}
