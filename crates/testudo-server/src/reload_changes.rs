//! Describes what a reload changed, for the answer, the log and the event.

use crate::state::app::App;
use crate::state::in_force::InForce;
use std::collections::BTreeMap;
use testudo_core::AuthorityKind;
use testudo_core::admission::governing::governing_client;
use testudo_core::policy::Policy;
use testudo_core::records::Client;

/// Most clients that are read to count those that no rule governs any more. The reload waits for this, and other
/// changes by administrators wait for the reload.
const CLIENTS_COUNTED_MAX: usize = 10_000;

/// The differences between two configurations. Examples: `+2 rules`, `-1 trust domain`, `14 clients no longer
/// governed`.
pub(crate) async fn changes(app: &App, before: &InForce, after: &InForce) -> Vec<String> {
    let mut changes = Vec::new();
    let (old, new) = (&before.policy, &after.policy);
    let rules = |policy: &Policy| {
        let rules = policy.rules.iter();
        rules
            .enumerate()
            .map(|(place, rule)| (rule.name.to_string(), format!("{place} {rule:?}")))
            .collect()
    };
    let authorities = |in_force: &InForce, kind: AuthorityKind| {
        let trusted = in_force.policy.authorities.iter();
        trusted
            .filter(|(authority, _)| authority.kind() == kind)
            .map(|(authority, trusted)| {
                let source = in_force.anchor(authority).map(|anchor| anchor.source());
                (authority.to_string(), format!("{source:?} {trusted:?}"))
            })
            .collect()
    };
    let clients = |policy: &Policy| {
        let clients = policy.clients.iter();
        clients
            .map(|(id, client)| (id.to_string(), format!("{client:?}")))
            .collect()
    };
    let of_rules = differences("rule", &rules(old), &rules(new));
    let of_authorities = [AuthorityKind::Spiffe, AuthorityKind::Issuer].map(|kind| {
        let (before, after) = (authorities(before, kind), authorities(after, kind));
        differences(kind.noun(), &before, &after)
    });
    let may_orphan = !of_rules.is_empty() || of_authorities.iter().any(|changes| !changes.is_empty());
    changes.extend(of_rules);
    changes.extend(of_authorities.into_iter().flatten());
    changes.extend(differences("configured client", &clients(old), &clients(new)));
    if may_orphan {
        changes.extend(no_longer_governed(app, old, new).await);
    }
    changes
}

/// The number of entries that were added, removed or changed, by name.
fn differences(
    what: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<String> {
    let added = after.keys().filter(|name| !before.contains_key(*name)).count();
    let removed = before.keys().filter(|name| !after.contains_key(*name)).count();
    let changed = after
        .iter()
        .filter(|(name, value)| before.get(*name).is_some_and(|old| old != *value))
        .count();
    let counted = [("+", added, ""), ("-", removed, ""), ("", changed, " changed")];
    let lines = counted.into_iter().filter(|(_, count, _)| *count > 0);
    lines
        .map(|(sign, count, end)| format!("{sign}{}{end}", counted_name(count, what)))
        .collect()
}

fn counted_name(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// How many clients had a governing rule before and have none now.
async fn no_longer_governed(app: &App, old: &Policy, new: &Policy) -> Option<String> {
    let (mut orphans, mut looked_at) = (0, 0);
    let mut pages = app.store.pages::<Client>(Vec::new());
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(fault) => {
                return Some(format!(
                    "clients no longer governed could not be counted: {fault}"
                ));
            }
        };
        looked_at += page.len();
        // Records that cannot be read are reported by the sweep.
        let clients = page.into_iter().filter_map(|row| row.record.ok());
        orphans += clients
            .filter(|client| {
                governing_client(client, old).is_some() && governing_client(client, new).is_none()
            })
            .count();
        if looked_at >= CLIENTS_COUNTED_MAX {
            let orphans = counted_name(orphans, "client");
            return Some(format!("{orphans} of the first {looked_at} no longer governed"));
        }
    }
    (orphans > 0).then(|| format!("{} no longer governed", counted_name(orphans, "client")))
}
