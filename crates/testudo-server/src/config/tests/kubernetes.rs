//! `[[issuers]]` entries of the kind `kubernetes`.

use super::*;
use std::time::Duration;
use testudo_core::{Authority, CredentialKind};
use testudo_protocol::Seconds;

const ENTRY: &str = r#"
[[issuers]]
name = "k1"
kind = "kubernetes"
use = ["client"]
issuer = "https://kubernetes.default.svc.cluster.local"
jwks = { url = "https://k1.example:6443/openid/v1/jwks" }
"#;

const REVIEW: &str = "token_review = { url = \"https://k1.example/apis/authentication.k8s.io/v1/tokenreviews\", token = \"abc\"";

fn k1() -> Authority {
    Authority::issuer("k1").unwrap()
}

#[test]
fn entry_of_a_cluster_has_safe_defaults() {
    let (configuration, report) = judge(&format!("{GOOD}{ENTRY}{REVIEW} }}")).unwrap();
    assert!(
        report
            .problems
            .iter()
            .all(|problem| !problem.key.contains("issuers")),
        "{report:?}"
    );
    let settings = &configuration.policy.authorities[&k1()];
    assert_eq!(settings.credentials, [CredentialKind::Kubernetes]);
    assert_eq!(settings.lifetime_max, None, "the bound of the door");
    assert!(!settings.takes_default_accounts);
    assert_eq!(settings.review.unwrap().accept_for, None, "an outage refuses");
    let review = &configuration.reviews[&k1()];
    assert_eq!(
        (review.timeout, review.cache),
        (Duration::from_secs(2), Duration::from_secs(10))
    );
    let (configuration, _) = judge(&format!("{GOOD}{ENTRY}")).unwrap();
    assert!(configuration.reviews.is_empty());
    assert_eq!(configuration.policy.authorities[&k1()].review, None);
}

#[test]
fn clusters_may_share_an_issuer_and_no_other_issuer_may_have_it() {
    let second = ENTRY.replace("\"k1\"", "\"k2\"");
    let (configuration, _) = judge(&format!("{GOOD}{ENTRY}{second}")).unwrap();
    let issuer = "https://kubernetes.default.svc.cluster.local";
    assert_eq!(configuration.policy.issuers.entries(issuer).len(), 2);
    let attester = second.replace("\"kubernetes\"", "\"attester\"");
    for text in [format!("{ENTRY}{attester}"), format!("{attester}{ENTRY}")] {
        refused(
            &format!("{GOOD}{text}"),
            "issuers[1].issuer",
            "is also the issuer of",
        );
    }
}

#[test]
fn settings_of_a_cluster_are_applied() {
    let more = "default_service_accounts = true\nlifetime_max = \"24h\"\naccept_audiences = [\"https://as.example/k1\"]\n";
    let review = format!("{REVIEW}, timeout = \"1s\", cache = \"30s\", on_outage = \"accept\" }}");
    let (configuration, _) = judge(&format!("{GOOD}{ENTRY}{more}{review}")).unwrap();
    let settings = &configuration.policy.authorities[&k1()];
    assert!(settings.takes_default_accounts);
    assert_eq!(settings.lifetime_max, Some(Seconds(86_400)));
    assert_eq!(settings.accept_audiences, ["https://as.example/k1"]);
    assert_eq!(settings.review.unwrap().accept_for, Some(Seconds(300)));
    let review = &configuration.reviews[&k1()];
    assert_eq!(
        (review.timeout, review.cache),
        (Duration::from_secs(1), Duration::from_secs(30))
    );
}

#[test]
fn entry_that_could_not_work_is_refused_with_the_key() {
    let review = |more: &str| format!("{ENTRY}{REVIEW}{more} }}");
    let without = |line: &str| {
        assert!(ENTRY.contains(line), "{line}");
        ENTRY.replace(line, "")
    };
    for (text, key, problem) in [
        (
            without("issuer = \"https://kubernetes.default.svc.cluster.local\""),
            "issuers[0].issuer",
            "is missing",
        ),
        (
            without("use = [\"client\"]"),
            "issuers[0].use",
            "must name one or more of \"client\"",
        ),
        (
            ENTRY.replace("[\"client\"]", "[\"grant\"]"),
            "issuers[0].use[0]",
            "is not a use of kind",
        ),
        (
            without("jwks = { url = \"https://k1.example:6443/openid/v1/jwks\" }"),
            "issuers[0].jwks",
            "exactly one of",
        ),
        (
            format!("{ENTRY}clients_max = 0"),
            "issuers[0].clients_max",
            "is zero",
        ),
        (
            format!("{ENTRY}lifetime_max = \"long\""),
            "issuers[0].lifetime_max",
            "long",
        ),
        (
            format!("{ENTRY}token_review = {{ token = \"abc\" }}"),
            "issuers[0].token_review.url",
            "is required",
        ),
        (
            format!("{ENTRY}token_review = {{ url = \"https://k1.example/\" }}"),
            "issuers[0].token_review.token",
            "is required",
        ),
        (
            format!("{ENTRY}token_review = {{ url = \"http://k1.example/\", token = \"abc\" }}"),
            "issuers[0].token_review.url",
            "is not an https URL",
        ),
        (
            format!("{ENTRY}token_review = {{ url = \"https://u:p@k1.example/\", token = \"abc\" }}"),
            "issuers[0].token_review.url",
            "has user information",
        ),
        (
            review(", timeout = \"0s\""),
            "issuers[0].token_review.timeout",
            "between 1 s and 10 s",
        ),
        (
            review(", timeout = \"11s\""),
            "issuers[0].token_review.timeout",
            "between 1 s and 10 s",
        ),
        (
            review(", cache = \"301s\""),
            "issuers[0].token_review.cache",
            "between 1 s and 300 s",
        ),
        (
            review(", on_outage = \"accept\", accept_for = \"25h\""),
            "issuers[0].token_review.accept_for",
            "between 1 s and 86400 s",
        ),
        (
            review(", on_outage = \"ignore\""),
            "issuers[0].token_review.on_outage",
            "",
        ),
        (review(", ca = \"missing.pem\""), "issuers[0].token_review.ca", ""),
        (review(", unknown = 1"), "issuers[0].token_review.unknown", ""),
    ] {
        refused(&format!("{GOOD}{text}"), key, problem);
    }
}

#[test]
fn setting_without_effect_is_warned_of() {
    let warned = |more: &str| {
        let report = judge(&format!("{GOOD}{ENTRY}{more}")).unwrap().1;
        let keys = report.problems.iter().map(|problem| problem.key.clone());
        keys.filter(|key| key.starts_with("issuers")).collect::<Vec<_>>()
    };
    assert_eq!(
        warned("attestation_age_max = \"1h\""),
        ["issuers[0].attestation_age_max"]
    );
    assert_eq!(warned("challenge = \"none\""), ["issuers[0].challenge"]);
    // The tokens state nothing but namespace, account, pod and node.
    assert_eq!(
        warned("attested_metadata = [\"client_name\"]"),
        ["issuers[0].attested_metadata"]
    );
    assert!(warned("attested_metadata = []").is_empty());
    assert_eq!(
        warned(&format!("{REVIEW}, accept_for = \"1m\" }}")),
        ["issuers[0].token_review.accept_for"]
    );
    assert!(warned("").is_empty());
}
