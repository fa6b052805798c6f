//! `[[issuers]]`: authorities other than SPIFFE trust domains.

use super::judge::Judge;
use schemars::JsonSchema;
use serde::Deserialize;
use testudo_core::Authority;
use testudo_core::rules::FirstUse;
use testudo_core::rules::reserved_ids::ReservedIds;

/// `[[issuers]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(
    missing_docs,
    reason = "no door uses these yet; their documentation comes with the doors"
)]
pub struct IssuerSection {
    pub name: String,
    pub kind: String,
    pub issuer: Option<String>,
    pub jwks: Option<serde_json::Map<String, serde_json::Value>>,
    pub token_review: Option<serde_json::Map<String, serde_json::Value>>,
    pub r#use: Option<Vec<String>>,
    pub types: Option<Vec<String>>,
    pub formats: Option<Vec<String>>,
    pub attests: Option<Vec<String>>,
    pub holder_binding: Option<String>,
    pub status: Option<String>,
    pub status_origins: Option<Vec<String>>,
    pub status_max_stale: Option<String>,
    pub lifetime_max: Option<String>,
    pub accept_audiences: Option<Vec<String>>,
    pub first_use: Option<FirstUse>,
    pub registrations_per_minute: Option<u32>,
    pub clients_max: Option<u64>,
}

impl Judge<'_> {
    /// Judges the names: what an identity or a record key begins with must name one entry. Yields the ids that no rule's
    /// template makes: those of this server, and those in the names of these issuers.
    pub(super) fn issuers(&mut self, ours: Option<&str>, sections: &[IssuerSection]) -> ReservedIds {
        let mut reserved = ReservedIds::default();
        let issuers = sections.iter().filter_map(|section| section.issuer.as_deref());
        reserved.issuers = ours.into_iter().chain(issuers).map(Box::from).collect();
        for (position, section) in sections.iter().enumerate() {
            let key = format!("issuers[{position}]");
            let Some(authority) = Authority::issuer(&section.name) else {
                self.report.error(
                    format!("{key}.name"),
                    format!("{:?} is not the name of an issuer", section.name),
                    Some("expected: a-z, then a-z, 0-9 and -, and none of spiffe, http, https, urn, did, vc"),
                );
                continue;
            };
            let prefix = Box::from(authority.key());
            let mut before = sections.iter().take(position);
            if let Some(first) = before.position(|known| known.name == section.name) {
                let first = format!("issuers[{first}].name");
                self.report.twice(&format!("{key}.name"), &section.name, &first);
                continue;
            }
            reserved.prefixes.push(prefix);
            self.report.warn(
                key,
                format!("{authority} has no door in this version: its credentials are refused"),
                None,
            );
        }
        reserved
    }
}
