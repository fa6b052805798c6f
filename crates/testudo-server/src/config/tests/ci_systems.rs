//! Warnings about tokens of CI systems.

use super::*;

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const GITLAB: &str = "https://gitlab.com";

/// An entry named `ci` with this issuer and more lines, and a rule with these lines.
fn set_up(issuer: &str, entry: &str, rule: &str) -> String {
    format!(
        r#"{GOOD}
[[issuers]]
name = "ci"
kind = "jwt"
use = ["client"]
issuer = "{issuer}"
jwks = {{ discovery = true }}
{entry}
[[rules]]
name = "ci"
{rule}
"#
    )
}

/// The warnings of a configuration, which must be accepted, as key and sentence.
#[track_caller]
fn warnings(text: &str) -> Vec<(String, String)> {
    let (_, report) = judge(text).unwrap_or_else(|report| panic!("{report}"));
    // The store in memory of these tests is warned of as well.
    let of_entries = report
        .problems
        .iter()
        .filter(|problem| problem.key != "store.url");
    let warnings = of_entries.map(|problem| {
        let hint = problem.hint.clone().unwrap_or_default();
        (problem.key.clone(), format!("{}; {hint}", problem.problem))
    });
    warnings.collect()
}

/// The warning at this key has all of these words; without words, there must be no warning at all.
#[track_caller]
fn check(case: &str, text: &str, expected: &[(&str, &[&str])]) {
    let found = warnings(text);
    assert_eq!(found.len(), expected.len(), "{case}: {found:?}");
    for ((key, sentence), (expected_key, words)) in found.iter().zip(expected) {
        assert_eq!(key, expected_key, "{case}");
        for word in *words {
            assert!(sentence.contains(word), "{case}: {word:?} is not in {sentence:?}");
        }
    }
}

const BY_ID: &str =
    "authorities = [\"ci\"]\nclaims = { repository_id = \"1\", environment = \"production\" }";
const BY_PROJECT: &str = "authorities = [\"ci\"]\nclaims = { project_id = \"1\", ref_protected = \"true\" }";

#[test]
fn entry_of_a_ci_system_whose_clients_are_branches_or_names_is_warned_of() {
    let key = "issuers[0].subject_claim";
    let branches: &[&str] = &[
        "is missing",
        "each of them becomes a client",
        "subject_claim = \"repository_id\"",
    ];
    let names: &[&str] = &["can be renamed", "subject_claim = \"repository_id\""];
    let of_gitlab: &[&str] = &["is missing", "subject_claim = \"project_id\""];
    let renamed: &[&str] = &["can be renamed", "subject_claim = \"project_id\""];
    for (issuer, entry, rule, expected) in [
        (GITHUB, "", BY_ID, Some(branches)),
        (
            "https://token.actions.githubusercontent.com/acme",
            "",
            BY_ID,
            Some(branches),
        ),
        ("https://token.actions.acme.ghe.com", "", BY_ID, Some(branches)),
        (
            "https://github.acme.example/_services/token",
            "",
            BY_ID,
            Some(branches),
        ),
        (GITHUB, "subject_claim = \"sub\"", BY_ID, Some(names)),
        (GITHUB, "subject_claim = \"repository\"", BY_ID, Some(names)),
        (GITHUB, "subject_claim = \"/repository\"", BY_ID, Some(names)),
        (GITHUB, "subject_claim = \"repository_id\"", BY_ID, None),
        (GITHUB, "subject_claim = \"repository_owner_id\"", BY_ID, None),
        (GITLAB, "", BY_PROJECT, Some(of_gitlab)),
        ("https://gitlab.acme.example", "", BY_PROJECT, Some(of_gitlab)),
        (
            GITLAB,
            "subject_claim = \"project_path\"",
            BY_PROJECT,
            Some(renamed),
        ),
        (GITLAB, "subject_claim = \"project_id\"", BY_PROJECT, None),
        // Nothing is known of the tokens of other issuers.
        ("https://login.example.net", "", BY_ID, None),
    ] {
        let expected: Vec<(&str, &[&str])> = expected.into_iter().map(|words| (key, words)).collect();
        check(
            &format!("{issuer} {entry}"),
            &set_up(issuer, entry, rule),
            &expected,
        );
    }
}

#[test]
fn rule_that_admits_every_project_of_a_public_ci_system_is_warned_of() {
    let by_id = "subject_claim = \"repository_id\"";
    let everyone: &[&str] = &[
        "all projects of GitHub Actions",
        "write one of `repository_id`, `repository_owner_id`",
    ];
    let (pattern, entry) = ("rules[1].identities[0]", "rules[1].authorities[0]");
    for (case, issuer, rule, expected) in [
        (
            "switch",
            GITHUB,
            "authorities = [\"ci\"]\nentire_authority = true",
            Some((entry, everyone)),
        ),
        (
            "one segment",
            GITHUB,
            "identities = [\"ci:*\"]",
            Some((pattern, everyone)),
        ),
        (
            "captured",
            GITHUB,
            "identities = [\"ci:{repository}\"]",
            Some((pattern, everyone)),
        ),
        (
            "claim that every project can have",
            GITHUB,
            "authorities = [\"ci\"]\nclaims = { environment = \"production\" }",
            Some((entry, everyone)),
        ),
        (
            "of one company",
            "https://github.acme.example/_services/token",
            "authorities = [\"ci\"]\nclaims = { environment = \"production\" }",
            None,
        ),
        (
            "owner",
            GITHUB,
            "identities = [\"ci:*\"]\nclaims = { repository_owner_id = \"7\", ref = \"refs/heads/main\" }",
            None,
        ),
        (
            "one project",
            GITHUB,
            "identities = [\"ci:12345\"]\nclaims = { event_name = \"push\" }",
            None,
        ),
    ] {
        let expected: Vec<(&str, &[&str])> = expected.into_iter().collect();
        check(case, &set_up(issuer, by_id, rule), &expected);
    }
    let gitlab = set_up(
        GITLAB,
        "subject_claim = \"project_id\"",
        "identities = [\"ci:*\"]\nclaims = { ref = \"main\" }",
    );
    check(
        "GitLab",
        &gitlab,
        &[(
            pattern,
            &[
                "all projects of GitLab",
                "write one of `project_id`, `namespace_id`",
            ],
        )],
    );
}

#[test]
fn rule_that_names_projects_by_what_can_be_renamed_is_warned_of() {
    let (pattern, entry) = ("rules[1].identities[0]", "rules[1].authorities[0]");
    let with_claims = |claims: &str| format!("authorities = [\"ci\"]\nclaims = {{ {claims} }}");
    let by_id = "subject_claim = \"repository_id\"";
    for (claims, name) in [
        (
            "repository = \"acme/app\", ref = \"refs/heads/main\"",
            Some("repository"),
        ),
        (
            "\"/repository\" = \"acme/app\", ref = \"refs/heads/main\"",
            Some("/repository"),
        ),
        (
            "repository_owner = \"acme\", environment = \"production\"",
            Some("repository_owner"),
        ),
        (
            "job_workflow_ref = \"acme/ci/.github/workflows/x.yml@refs/heads/main\", ref = \"refs/heads/main\"",
            Some("job_workflow_ref"),
        ),
        ("sub = \"repo:acme/app:environment:production\"", Some("sub")),
        ("sub = \"repo:acme@7/app@12345:environment:production\"", None),
        (
            "repository = \"acme/app\", repository_id = \"12345\", ref = \"refs/heads/main\"",
            None,
        ),
        (
            "repository = \"acme/app\", repository_owner_id = \"7\", ref = \"refs/heads/main\"",
            None,
        ),
        ("\"/repository_id\" = \"12345\", ref = \"refs/heads/main\"", None),
    ] {
        let named = name.map(|name| format!("names projects by `{name}`"));
        let words: Vec<&str> = named
            .iter()
            .map(String::as_str)
            .chain(["`repository_id`"])
            .collect();
        let expected: Vec<(&str, &[&str])> = named.iter().map(|_| (entry, &words[..])).collect();
        check(claims, &set_up(GITHUB, by_id, &with_claims(claims)), &expected);
    }
    let gitlab = "subject_claim = \"project_id\"";
    for (claims, name) in [
        (
            "project_path = \"acme/app\", ref_protected = \"true\"",
            Some("project_path"),
        ),
        (
            "namespace_path = \"acme\", ref_protected = \"true\"",
            Some("namespace_path"),
        ),
        (
            "namespace_path = \"acme\", namespace_id = \"7\", ref_protected = \"true\"",
            None,
        ),
    ] {
        let words = [name.unwrap_or_default(), "`project_id`, `namespace_id`"];
        let expected: Vec<(&str, &[&str])> = name.iter().map(|_| (entry, &words[..])).collect();
        check(claims, &set_up(GITLAB, gitlab, &with_claims(claims)), &expected);
    }
    // Patterns of `sub`. The entry is warned of too, because each branch is a client.
    let branch = ("issuers[0].subject_claim", &["is missing"][..]);
    for (identity, is_warned) in [
        ("ci:repo:acme/app:ref:refs/heads/main", true),
        ("ci:repo:acme@7/app@12345:ref:refs/heads/main", false),
    ] {
        let mut expected: Vec<(&str, &[&str])> = vec![branch];
        expected.extend(is_warned.then_some((pattern, &["names projects by `sub`"][..])));
        let rule = format!("identities = [\"{identity}\"]");
        check(identity, &set_up(GITHUB, "", &rule), &expected);
    }
}

#[test]
fn rule_that_admits_jobs_of_proposed_changes_is_warned_of() {
    let (pattern, entry) = ("rules[1].identities[0]", "rules[1].authorities[0]");
    let by_id = "subject_claim = \"repository_id\"";
    let requests: &[&str] = &[
        "admits the jobs of pull requests",
        "`event_name`, `ref`, `environment`",
    ];
    for (claims, is_warned) in [
        ("", true),
        (", actor = \"alice\"", true),
        (", event_name = \"pull_request\"", true),
        (", event_name = \"pull_request_target\"", true),
        (", ref = \"refs/pull/7/merge\"", true),
        (", sub = \"repo:acme/app:pull_request\"", true),
        (", environment = true", true),
        (", event_name = \"push\"", false),
        (", ref = \"refs/heads/main\"", false),
        (", head_ref = \"\"", false),
        (", environment = \"production\"", false),
        (", \"/ref_protected\" = \"true\"", false),
    ] {
        let rule = format!("authorities = [\"ci\"]\nclaims = {{ repository_id = \"12345\"{claims} }}");
        let expected: Vec<(&str, &[&str])> = is_warned.then_some((entry, requests)).into_iter().collect();
        check(claims, &set_up(GITHUB, by_id, &rule), &expected);
    }
    check(
        "pattern",
        &set_up(GITHUB, by_id, "identities = [\"ci:12345\"]"),
        &[(pattern, requests)],
    );
    let merges: &[&str] = &[
        "admits the jobs of merge requests",
        "`pipeline_source`, `ref`, `environment`",
    ];
    for (claims, is_warned) in [
        ("", true),
        (", pipeline_source = \"merge_request_event\"", true),
        (", user_login = \"alice\"", true),
        (", pipeline_source = \"push\"", false),
        (", ref = \"main\"", false),
        (", ref_protected = \"true\"", false),
    ] {
        let rule = format!("authorities = [\"ci\"]\nclaims = {{ project_id = \"7\"{claims} }}");
        let expected: Vec<(&str, &[&str])> = is_warned.then_some((entry, merges)).into_iter().collect();
        check(
            claims,
            &set_up(GITLAB, "subject_claim = \"project_id\"", &rule),
            &expected,
        );
    }
    // `sub` ends with the branch, unless the pattern leaves it open.
    let branch = ("issuers[0].subject_claim", &["is missing"][..]);
    for (identity, is_warned) in [
        ("ci:repo:acme@7/**", true),
        ("ci:repo:acme@7/app@12345:pull_request", true),
        ("ci:repo:acme@7/app@12345:environment:production", false),
    ] {
        let mut expected: Vec<(&str, &[&str])> = vec![branch];
        expected.extend(is_warned.then_some((pattern, requests)));
        check(
            identity,
            &set_up(GITHUB, "", &format!("identities = [\"{identity}\"]")),
            &expected,
        );
    }
}

#[test]
fn rules_for_workloads_and_clusters_have_no_warning_of_ci_systems() {
    assert_eq!(warnings(GOOD), []);
    let cluster = set_up(GITHUB, "", "identities = [\"ci:shop/*\"]").replace("\"jwt\"", "\"kubernetes\"");
    assert_eq!(warnings(&cluster), []);
    // Each warning has its place in the file.
    let (_, report) = judge(&set_up(GITHUB, "", BY_ID)).unwrap();
    assert!(
        report.problems.iter().all(|problem| problem.place.is_some()),
        "{report}"
    );
}
