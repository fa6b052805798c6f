//! Warnings about tokens of CI systems, whose claims are known: what identifies a project for ever, what can be renamed,
//! and what a job of a pull request states too.

use super::checker::Checker;
use super::issuers::IssuerSection;
use std::collections::HashMap;
use testudo_core::identity::{ClaimSource, ClaimValue};
use testudo_core::policy::AuthorityPolicy;
use testudo_core::rules::{Pattern, Rule};
use testudo_core::{Authority, CredentialKind};
use url::Url;

/// A CI system, by its tokens.
struct CiSystem {
    name: &'static str,
    /// The issuer of the jobs of all customers.
    public_issuer: &'static str,
    /// The claim that should name the client.
    project_id: &'static str,
    /// The claims that name a project or an owner for ever.
    ids: &'static [&'static str],
    /// The claims with a name that can be given up, and is then free for others.
    names: &'static [&'static str],
    /// The claims by which jobs of branches, tags and environments differ from those of proposed changes.
    branches: &'static [&'static str],
    /// What its users call a proposed change.
    change: &'static str,
    /// What the claims of a job of a proposed change contain.
    of_change: &'static [&'static str],
}

/// docs.github.com/en/actions/reference/security/oidc
const GITHUB: CiSystem = CiSystem {
    name: "GitHub Actions",
    public_issuer: "https://token.actions.githubusercontent.com",
    project_id: "repository_id",
    ids: &["repository_id", "repository_owner_id", "enterprise_id"],
    names: &[
        "repository",
        "repository_owner",
        "enterprise",
        "workflow_ref",
        "job_workflow_ref",
        "sub",
    ],
    branches: &[
        "event_name",
        "ref",
        "ref_protected",
        "base_ref",
        "head_ref",
        "environment",
        "workflow_ref",
        "sub",
    ],
    change: "pull requests",
    of_change: &["pull_request", "refs/pull/"],
};

/// docs.gitlab.com/ci/secrets/id_token_authentication
const GITLAB: CiSystem = CiSystem {
    name: "GitLab",
    public_issuer: "https://gitlab.com",
    project_id: "project_id",
    ids: &["project_id", "namespace_id"],
    names: &["project_path", "namespace_path", "ci_config_ref_uri", "sub"],
    branches: &[
        "pipeline_source",
        "ref",
        "ref_path",
        "ref_protected",
        "environment",
        "environment_protected",
        "ci_config_ref_uri",
        "sub",
    ],
    change: "merge requests",
    of_change: &["merge_request", "refs/merge-requests/", "external_pull_request"],
};

impl CiSystem {
    /// The system with this issuer. Servers that a company runs itself are known by their address: GitHub Enterprise by the
    /// path of its issuer or the first labels of its host, GitLab by the first label.
    fn of(issuer: &str) -> Option<&'static CiSystem> {
        let url = Url::parse(issuer).ok()?;
        let host = url.host_str()?;
        if host.starts_with("token.actions.") || url.path() == "/_services/token" {
            return Some(&GITHUB);
        }
        host.starts_with("gitlab.").then_some(&GITLAB)
    }

    fn is_id(&self, claim: &str) -> bool {
        self.ids.contains(&top_level(claim))
    }

    fn is_name(&self, claim: &str) -> bool {
        self.names.contains(&top_level(claim))
    }

    /// True if no job of a proposed change has this claim with this value.
    fn excludes_changes(&self, claim: &str, value: &str) -> bool {
        self.branches.contains(&top_level(claim)) && self.is_not_of_change(value)
    }

    fn is_not_of_change(&self, value: &str) -> bool {
        !self.of_change.iter().any(|part| value.contains(part))
    }
}

/// `/repository_id` is the same claim as `repository_id`.
fn top_level(claim: &str) -> &str {
    claim.strip_prefix('/').unwrap_or(claim)
}

/// What a rule states about the projects whose jobs it admits.
enum Named<'r> {
    ById,
    /// The claim with the name.
    ByName(&'r str),
    NotAtAll,
}

/// One way in which a rule matches the jobs of a CI system: a pattern, or the name of the entry.
struct Way<'r> {
    key: String,
    pattern: Option<&'r Pattern>,
    system: &'static CiSystem,
    is_public: bool,
    /// The claim that is the subject, if it is not `sub`.
    subject_claim: Option<&'r ClaimSource>,
}

impl Checker<'_> {
    /// Warns of an entry with which each branch, or each name that a project ever has, is a client.
    pub(super) fn ci_subject(&mut self, key: &str, section: &IssuerSection) {
        let Some(system) = section.issuer.as_deref().and_then(CiSystem::of) else {
            return;
        };
        let (name, id) = (system.name, system.project_id);
        let problem = match section.subject_claim.as_deref() {
            None => format!(
                "is missing: `sub` of the tokens of {name} names a branch, a tag or an environment, so each of them becomes a client"
            ),
            Some(claim) if system.is_name(claim) => {
                format!("{claim:?} can be renamed: a project that gets the name later is the same client")
            }
            Some(_) => return,
        };
        let hint = format!("write subject_claim = {id:?}");
        self.report
            .warn(format!("{key}.subject_claim"), problem, Some(&hint));
    }

    /// Warns of a rule that admits jobs of every project, of a project that takes a name over, or of a proposed change.
    pub(super) fn rule_of_ci_systems(
        &mut self,
        key: &str,
        rule: &Rule,
        authorities: &HashMap<Authority, AuthorityPolicy>,
    ) {
        for way in ways(key, rule, authorities) {
            let system = way.system;
            let ids = system.ids.join("`, `");
            match way.named(rule) {
                Named::NotAtAll if way.is_public => {
                    let problem = format!(
                        "admits the jobs of all projects of {}, also those of other owners: neither a claim nor a pattern names a project or an owner",
                        system.name
                    );
                    let hint = format!("write one of `{ids}` in `claims`");
                    self.report.warn(way.key.clone(), problem, Some(&hint));
                    continue;
                }
                Named::ByName(claim) => {
                    let problem = format!(
                        "names projects by `{claim}`, which can be renamed: the jobs of a project that takes the name over are admitted"
                    );
                    let hint = format!("write one of `{ids}` in `claims`, beside the name or in its place");
                    self.report.warn(way.key.clone(), problem, Some(&hint));
                }
                Named::NotAtAll | Named::ById => {}
            }
            if !way.excludes_changes(rule) {
                let problem = format!(
                    "admits the jobs of {}: the author of a change gets tokens before the change is approved",
                    system.change
                );
                let branches: Vec<&str> = system.branches.iter().take(2).copied().collect();
                let hint = format!(
                    "write one of `{}`, `environment` in `claims`",
                    branches.join("`, `")
                );
                self.report.warn(way.key, problem, Some(&hint));
            }
        }
    }
}

/// The ways in which the rule matches jobs of CI systems.
fn ways<'r>(key: &str, rule: &'r Rule, authorities: &'r HashMap<Authority, AuthorityPolicy>) -> Vec<Way<'r>> {
    let patterns = rule.patterns.iter().enumerate().map(|(entry, pattern)| {
        let place = format!("{key}.identities[{entry}]");
        (place, pattern.authority(), Some(pattern))
    });
    let named = rule.authorities.iter().enumerate();
    let named = named.map(|(entry, authority)| (format!("{key}.authorities[{entry}]"), authority, None));
    patterns
        .chain(named)
        .filter_map(|(key, authority, pattern)| {
            let policy = authorities.get(authority)?;
            if !policy.credentials.contains(&CredentialKind::IssuerJwt) {
                return None;
            }
            let issuer = policy.issuer.as_deref()?;
            let system = CiSystem::of(issuer)?;
            Some(Way {
                key,
                pattern,
                system,
                is_public: issuer == system.public_issuer,
                subject_claim: policy.subject_claim.as_ref(),
            })
        })
        .collect()
}

impl<'r> Way<'r> {
    fn named(&self, rule: &'r Rule) -> Named<'r> {
        let claims = || rule.claims.iter().map(|(claim, value)| (claim.as_str(), value));
        let literals: Vec<&str> = self.pattern.into_iter().flat_map(Pattern::literals).collect();
        let subject = self.subject_claim.map_or("sub", ClaimSource::as_str);
        let is_id = claims().any(|(claim, value)| self.system.is_id(claim) || contains_id(value))
            || literals.iter().any(|literal| is_immutable(literal))
            || (!literals.is_empty() && self.system.is_id(subject));
        if is_id {
            return Named::ById;
        }
        let of_pattern = (!literals.is_empty()).then_some(subject);
        let mut names = claims().map(|(claim, _)| claim).chain(of_pattern);
        match names.find(|claim| self.system.is_name(claim)) {
            Some(claim) => Named::ByName(claim),
            None => Named::NotAtAll,
        }
    }

    fn excludes_changes(&self, rule: &Rule) -> bool {
        let by_claim = rule.claims.iter().any(|(claim, value)| match value {
            ClaimValue::Text(text) => self.system.excludes_changes(claim.as_str(), text),
            ClaimValue::Number(_) | ClaimValue::Switch(_) => false,
        });
        // `sub` ends with the branch or the environment.
        let is_sub = self
            .subject_claim
            .is_none_or(|claim| top_level(claim.as_str()) == "sub");
        let last = self.pattern.and_then(Pattern::last_literal);
        by_claim || (is_sub && last.is_some_and(|last| self.system.is_not_of_change(last)))
    }
}

/// `octocat@123456`: the name of an owner or a repository with its id, as newer repositories of GitHub have them in `sub`.
fn is_immutable(part: &str) -> bool {
    let mut after = part.split('@').skip(1);
    after.any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn contains_id(value: &ClaimValue) -> bool {
    matches!(value, ClaimValue::Text(text) if text.starts_with("repo:") && is_immutable(text))
}
