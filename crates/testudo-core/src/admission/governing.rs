//! Finds the rule that governs a client today, which may differ from the rule at its admission.

use crate::identity::{Authority, AuthorityKind};
use crate::policy::Policy;
use crate::records::Client;
use crate::rules::{GrainOfClient, INSTANCE, Match, Rule};

/// The rule that governs a client today: its own, or that of its sponsor. `None` if no rule matches any more.
pub fn governing_client<'p>(client: &Client, policy: &'p Policy) -> Option<&'p Rule> {
    governing_match(client, policy).map(|found| found.rule)
}

/// The same rule with the captures of its pattern.
pub fn governing_match<'p>(client: &Client, policy: &'p Policy) -> Option<Match<'p>> {
    let sponsored = client.sponsor.as_ref();
    let authority = match sponsored {
        Some(sponsor) => sponsor.authority.clone(),
        None => Authority::of_key(&client.authority)?,
    };
    let subject = sponsored.map_or(client.identity(), |sponsor| &sponsor.subject);
    match authority.kind() {
        AuthorityKind::Configuration => Some(Match::plain(&policy.clients.get(subject)?.rule)),
        AuthorityKind::Registration => Some(Match::plain(&policy.registration.open.as_ref()?.rule)),
        AuthorityKind::Spiffe | AuthorityKind::Issuer => {
            policy.authority(&authority)?;
            // A client that instances share has identities with one more segment; any of them gives the same rule.
            let subject = match subject.strip_suffix("/*") {
                Some(prefix) => format!("{prefix}/x"),
                None => subject.to_owned(),
            };
            // The claims of a sponsor are not stored, and no rule governs where the first one requires some.
            if sponsored.is_some() {
                let found = policy.rules.first_match(&authority, &subject, |_| true);
                return found.filter(|found| found.rule.claims.is_empty());
            }
            // The claims of its credentials are not stored. A rule that requires some governs only the clients that were
            // registered under it.
            let may_govern = |rule: &Rule| rule.claims.is_empty() || rule.name == client.rule;
            policy.rules.first_match(&authority, &subject, may_govern)
        }
    }
}

/// The workload and the instance of a client that is one of several instances, `found` being the rule that governs it
/// today. The workload is the identity that all of them have, or, if the identity ends in the instance, the identity with
/// `*` in its place.
pub fn workload_and_instance(client: &Client, found: Option<&Match<'_>>) -> Option<(String, String)> {
    let workload = client.identity();
    let braced = client
        .subject
        .strip_prefix(workload)
        .filter(|rest| !rest.is_empty());
    if let Some(named) = braced.and_then(|rest| rest.strip_prefix('{')?.strip_suffix('}')) {
        return Some((workload.to_owned(), named.to_owned()));
    }
    let found =
        found.filter(|found| found.rule.client == GrainOfClient::Instance && client.sponsor.is_none())?;
    let instance = found.captures.segment(INSTANCE)?;
    let before = client.subject.strip_suffix(instance)?;
    Some((format!("{before}*"), instance.to_owned()))
}
