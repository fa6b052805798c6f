//! `[[issuers]]`: authorities other than SPIFFE trust domains.

use super::judge::Judge;
use schemars::JsonSchema;
use serde::Deserialize;
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

/// Ids that no rule's template makes: those of this server, and those in the names of other issuers.
pub(super) fn reserved_ids(ours: Option<&str>, sections: &[IssuerSection]) -> ReservedIds {
    let issuers = sections.iter().filter_map(|issuer| issuer.issuer.as_deref());
    ReservedIds {
        prefixes: sections
            .iter()
            .map(|issuer| format!("{}:", issuer.name).into())
            .collect(),
        issuers: ours.into_iter().chain(issuers).map(Box::from).collect(),
    }
}

impl Judge<'_> {
    /// Known keys that this version does not act on. Where silence would weaken something, it is an error
    /// elsewhere; here it is only absent.
    pub(super) fn what_this_version_leaves_out(&mut self, sections: &[IssuerSection]) {
        for (position, issuer) in sections.iter().enumerate() {
            let first = sections.iter().position(|known| known.name == issuer.name);
            if let Some(first) = first.filter(|first| *first < position && !issuer.name.is_empty()) {
                let key = format!("issuers[{position}].name");
                self.report
                    .twice(&key, &issuer.name, &format!("issuers[{first}].name"));
            }
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
