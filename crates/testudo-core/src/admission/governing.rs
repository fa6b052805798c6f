//! The rule that governs a client today, whatever it was admitted by.

use crate::identity::{Authority, AuthorityKind};
use crate::policy::Policy;
use crate::records::Client;
use crate::rules::Rule;

/// The rule that governs a client today: its own, or its sponsor's. Nothing for an orphan.
pub fn governing_client<'p>(client: &Client, policy: &'p Policy) -> Option<&'p Rule> {
    let sponsored = client.sponsor.as_ref();
    let authority = match sponsored {
        Some(sponsor) => sponsor.authority.clone(),
        None => Authority::of_key(&client.authority)?,
    };
    let subject = sponsored.map_or(&client.subject, |sponsor| &sponsor.subject);
    match authority.kind() {
        AuthorityKind::Configuration => Some(&policy.clients.get(subject.as_str())?.rule),
        AuthorityKind::Registration => Some(&policy.registration.open.as_ref()?.rule),
        AuthorityKind::Spiffe | AuthorityKind::Issuer => {
            policy.authority(&authority)?;
            // A folded client stands for identities one segment longer; any of them will do.
            let subject = match subject.strip_suffix("/*") {
                Some(prefix) => format!("{prefix}/x"),
                None => subject.clone(),
            };
            let found = policy.rules.first_match(&authority, &subject, |_| true)?;
            Some(found.rule)
        }
    }
}
