//! The result of a reload: what changed, and which settings are not in force yet, for the answer, the log and the event.

use crate::config::{Problem, Report};
use crate::state::app::App;
use testudo_core::admission::governing::governing_client;
use testudo_core::policy::Policy;
use testudo_core::records::{Client, ConfigurationChange, Event, counted};
use testudo_core::{Authority, AuthorityKind};

/// Most clients that are read to count those that no rule governs any more. The reload waits for this, and other
/// changes by administrators wait for the reload.
const CLIENTS_COUNTED_MAX: usize = 10_000;

/// The result of a reload.
#[derive(Debug)]
pub struct Reloaded {
    /// Number of the configuration in force, counted from the start of this node.
    pub generation: u64,
    /// What changed, by name.
    pub change: ConfigurationChange,
    /// How many clients no rule governs any more, in words.
    pub ungoverned: Option<String>,
    /// Settings that take effect at the next start.
    pub at_next_start: Vec<AtNextStart>,
    /// Authorities without usable keys: their identities get no token now.
    pub without_bundle: Vec<WithoutBundle>,
    /// Warnings about the files. Those of the two lists above are in [`Reloaded::all_warnings`].
    pub warnings: Report,
}

/// A setting that differs from the one with which this server started.
#[derive(Debug, Clone)]
pub struct AtNextStart {
    /// The configuration key, or the section.
    pub key: &'static str,
    /// What happened to it: `changed`.
    pub what: &'static str,
}

impl AtNextStart {
    fn problem(&self) -> Problem {
        let problem = format!("{}: takes effect at the next start", self.what);
        Problem::warning(self.key, problem, None)
    }
}

/// An authority without usable keys.
#[derive(Debug, Clone)]
pub struct WithoutBundle {
    /// The authority.
    pub authority: Authority,
    /// Why there is none.
    pub why: String,
}

impl WithoutBundle {
    fn problem(&self) -> Problem {
        let key = match self.authority.kind() {
            AuthorityKind::Spiffe => "trust_domains.bundle",
            AuthorityKind::Issuer | AuthorityKind::Configuration | AuthorityKind::Registration => {
                "issuers.jwks"
            }
        };
        let document = self.authority.kind().document();
        let problem = format!("gives no usable {document}: {}", self.why);
        let hint = format!(
            "its identities are refused until a {document} is fetched; `testudo trust show {}` shows the state",
            self.authority.key()
        );
        Problem {
            entry: Some(self.authority.described()),
            ..Problem::warning(key, problem, Some(hint))
        }
    }
}

impl Reloaded {
    /// What changed, in one line. Examples: `+2 rules (r, s)`, `1 setting changed (server.drain), 14 clients no longer
    /// governed`.
    pub fn summary(&self) -> String {
        let mut told = self.change.describe();
        told.extend(self.ungoverned.clone());
        match (told.is_empty(), self.change.is_nothing()) {
            (false, _) => told.join(", "),
            (true, true) => "nothing changed".to_owned(),
            (true, false) => "the files changed, but no rule, authority, client or setting".to_owned(),
        }
    }

    /// All warnings: about the files, about settings that take effect at the next start, and about authorities without
    /// usable keys.
    pub fn all_warnings(&self) -> Report {
        let mut all = self.warnings.clone();
        all.problems.extend(self.consequences());
        all
    }

    fn consequences(&self) -> impl Iterator<Item = Problem> {
        let at_next_start = self.at_next_start.iter().map(AtNextStart::problem);
        at_next_start.chain(self.without_bundle.iter().map(WithoutBundle::problem))
    }

    /// Writes into an event what changed. `order` says where the reload was ordered.
    pub(crate) fn describe_in(&self, event: &mut Event, order: &str) {
        let (generation, summary) = (self.generation, self.summary());
        let mut detail = format!("configuration reloaded, generation {generation}{order}: {summary}");
        for problem in self.consequences() {
            detail.push_str(&format!("; {}", problem.sentence()));
        }
        event.detail = Some(detail);
        event.configuration = Some(Box::new(self.change.clone().shortened()));
    }
}

/// How many clients had a governing rule before and have none now.
pub(crate) async fn no_longer_governed(app: &App, old: &Policy, new: &Policy) -> Option<String> {
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
            let orphans = counted(orphans, "client");
            return Some(format!("{orphans} of the first {looked_at} no longer governed"));
        }
    }
    (orphans > 0).then(|| format!("{} no longer governed", counted(orphans, "client")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warning_of_an_authority_without_keys_names_the_document_that_its_kind_publishes() {
        for (key, path, document, entry) in [
            (
                "spiffe://a.example",
                "trust_domains.bundle",
                "bundle",
                "trust domain `a.example`",
            ),
            ("ci:", "issuers.jwks", "JWK Set", "issuer `ci`"),
        ] {
            let without = WithoutBundle {
                authority: Authority::of_key(key).unwrap(),
                why: "it is a folder".to_owned(),
            };
            let problem = without.problem();
            assert_eq!(
                (problem.key.as_str(), problem.entry.as_deref()),
                (path, Some(entry))
            );
            assert_eq!(
                problem.problem,
                format!("gives no usable {document}: it is a folder")
            );
            assert_eq!(
                problem.hint.unwrap(),
                format!(
                    "its identities are refused until a {document} is fetched; `testudo trust show {key}` shows the state"
                )
            );
        }
    }
}
