//! The kinds of `[[issuers]]` entries, one row each, and the check of all entries.

use super::checker::Checker;
use super::issuer_entry::IssuerKind;
use super::issuers::{IssuerEntry, IssuerSection, Issuers};
use super::{attesters, jwt_issuers, kubernetes, verifiable_credentials};
use testudo_core::Authority;

/// The kinds. Their files state what differs between them.
const KINDS: [&IssuerKind; 4] = [
    &kubernetes::KIND,
    &attesters::KIND,
    &verifiable_credentials::KIND,
    &jwt_issuers::KIND,
];

impl Checker<'_> {
    /// Checks the names: the first part of an identity or a record key must name exactly one entry. Client ids that this
    /// server assigns, and those that begin with the name of an issuer, are reserved.
    pub(super) fn issuers(&mut self, ours: Option<&str>, sections: &[IssuerSection]) -> Issuers {
        let mut found = Issuers {
            ours: ours.map(str::to_owned),
            ..Issuers::default()
        };
        let issuers = sections.iter().filter_map(|section| section.issuer.as_deref());
        found.reserved.issuers = ours.into_iter().chain(issuers).map(Box::from).collect();
        for (position, section) in sections.iter().enumerate() {
            let key = format!("issuers[{position}]");
            let Some(authority) = Authority::issuer(&section.name) else {
                self.knows_all_authorities = false;
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
            found.reserved.prefixes.push(prefix);
            let entry = IssuerEntry {
                key: &key,
                authority: &authority,
                section,
            };
            match KINDS.iter().find(|kind| kind.name == section.kind) {
                Some(kind) => {
                    let common = self.issuer_entry(entry, kind, &mut found);
                    let policy = (kind.add)(self, entry, common, &mut found);
                    found.policies.insert(authority.clone(), policy);
                }
                None if section.kind.is_empty() => {
                    let problem = format!("{authority} has no kind: its credentials are refused");
                    self.report.warn(key, problem, Some("add `kind`"));
                }
                None => {
                    let problem = format!("{:?} is not a kind of issuer", section.kind);
                    self.report.error(format!("{key}.kind"), problem, None);
                }
            }
        }
        self.attesters_of_credentials(sections, &found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::KEYS;

    #[test]
    fn reference_names_every_kind_and_each_kind_has_a_credential_of_its_own() {
        let key = KEYS.iter().find(|key| key.path == "issuers.kind").unwrap();
        let names: Vec<String> = KINDS.iter().map(|kind| format!("{:?}", kind.name)).collect();
        assert_eq!(key.form, format!("one of {}", names.join(", ")));
        for (position, kind) in KINDS.iter().enumerate() {
            let mut before = KINDS.iter().take(position);
            assert!(before.all(|other| other.credential != kind.credential && other.name != kind.name));
        }
    }
}
