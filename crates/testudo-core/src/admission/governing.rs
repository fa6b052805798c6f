//! Finds the rule that governs a client today, which may differ from the rule at its admission.

use crate::identity::{Authority, AuthorityKind};
use crate::policy::Policy;
use crate::records::Client;
use crate::rules::Rule;

/// The rule that governs a client today: its own, or that of its sponsor. `None` if no rule matches any more.
pub fn governing_client<'p>(client: &Client, policy: &'p Policy) -> Option<&'p Rule> {
    let sponsored = client.sponsor.as_ref();
    let authority = match sponsored {
        Some(sponsor) => sponsor.authority.clone(),
        None => Authority::of_key(&client.authority)?,
    };
    let subject = sponsored.map_or(client.identity(), |sponsor| &sponsor.subject);
    match authority.kind() {
        AuthorityKind::Configuration => Some(&policy.clients.get(subject)?.rule),
        AuthorityKind::Registration => Some(&policy.registration.open.as_ref()?.rule),
        AuthorityKind::Spiffe | AuthorityKind::Issuer => {
            policy.authority(&authority)?;
            // A client that instances share has identities with one more segment; any of them gives the same rule.
            let subject = match subject.strip_suffix("/*") {
                Some(prefix) => format!("{prefix}/x"),
                None => subject.to_owned(),
            };
            let found = policy.rules.first_match(&authority, &subject, |_| true)?;
            Some(found.rule)
        }
    }
}
