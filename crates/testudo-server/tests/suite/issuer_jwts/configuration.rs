//! Entries of issuers and the rules for them: what is refused, and what is warned of.

use super::{Ci, granted};
use crate::world::load_with;
use std::path::Path;
use testudo_testkit::scratch::folder;

const GOOD: &str = "name = \"ci\"\nkind = \"jwt\"\nuse = [\"client\"]\nissuer = \"https://ci.example\"\njwks = { file = \"ci.json\" }\n";
const RULE: &str = "name = \"ci\"\nidentities = [\"ci:team/*\"]\n";

/// The report of a configuration with these entries, whether it is accepted or not.
fn report(folder: &Path, issuers: &[&str], rules: &[&str]) -> (bool, String) {
    let list = |name: &str, entries: &[&str]| -> String {
        entries
            .iter()
            .map(|entry| format!("[[{name}]]\n{entry}\n"))
            .collect()
    };
    let entries = list("issuers", issuers) + &list("rules", rules);
    match load_with(folder, &entries) {
        Ok((_, report)) => (true, report.to_string()),
        Err(report) => (false, report.to_string()),
    }
}

#[test]
fn each_fault_of_an_entry_is_reported_at_its_key() {
    let folder = folder("issuer-jwts");
    assert!(report(&folder, &[GOOD], &[RULE]).0);
    let with = |more: &str| format!("{GOOD}{more}\n");
    let instead = |from: &str, to: &str| GOOD.replace(from, to);
    for (case, entry, key, problem) in [
        (
            "no use",
            instead("use = [\"client\"]\n", ""),
            "use",
            "must name one or more of",
        ),
        (
            "empty use",
            instead("[\"client\"]", "[]"),
            "use",
            "must name one or more of",
        ),
        (
            "grant",
            instead("[\"client\"]", "[\"client\", \"grant\"]"),
            "use[1]",
            "is not a use of kind",
        ),
        (
            "other use",
            instead("[\"client\"]", "[\"login\"]"),
            "use[0]",
            "is not a use of kind",
        ),
        (
            "no issuer",
            instead("issuer = \"https://ci.example\"\n", ""),
            "issuer",
            "is missing",
        ),
        (
            "own issuer",
            instead("https://ci.example", "https://as.example"),
            "issuer",
            "is this server itself",
        ),
        (
            "no keys",
            instead("jwks = { file = \"ci.json\" }\n", ""),
            "jwks",
            "exactly one of",
        ),
        (
            "no time",
            with("lifetime_max = \"0s\""),
            "lifetime_max",
            "is zero",
        ),
        (
            "no duration",
            with("lifetime_max = \"1\""),
            "lifetime_max",
            "\"1\"",
        ),
        (
            "empty audience",
            with("accept_audiences = [\"\"]"),
            "accept_audiences[0]",
            "is empty",
        ),
        (
            "empty subject",
            with("subject_claim = \"\""),
            "subject_claim",
            "is empty",
        ),
        (
            "no pointer",
            with("subject_claim = \"/a~2\""),
            "subject_claim",
            "is not a JSON Pointer",
        ),
        (
            "name of a capture",
            with("captures = { A = \"a\" }"),
            "captures.A",
            "is not the name of a capture",
        ),
        (
            "reserved capture",
            with("captures = { instance = \"a\" }"),
            "captures.instance",
            "is reserved",
        ),
        (
            "source of a capture",
            with("captures = { a = \"/~\" }"),
            "captures.a",
            "is not a JSON Pointer",
        ),
        ("no limit", with("clients_max = 0"), "clients_max", "is zero"),
    ] {
        let (is_accepted, report) = report(&folder, &[&entry], &[RULE]);
        let place = format!("issuers[0].{key} ");
        assert!(
            !is_accepted && report.contains(&place) && report.contains(problem),
            "{case}: {report}"
        );
    }
    for (case, entry, key) in [
        ("challenge", with("challenge = \"none\""), "challenge"),
        ("age", with("attestation_age_max = \"1h\""), "attestation_age_max"),
        ("status", with("status = \"required\""), "status"),
        (
            "registration alone",
            instead("[\"client\"]", "[\"registration\"]"),
            "use",
        ),
    ] {
        let (is_accepted, report) = report(&folder, &[&entry], &[RULE]);
        let place = format!("issuers[0].{key} ");
        assert!(is_accepted && report.contains(&place), "{case}: {report}");
    }
    let second = GOOD.replace("name = \"ci\"", "name = \"two\"");
    let (is_accepted, text) = report(&folder, &[GOOD, &second], &[RULE]);
    assert!(
        !is_accepted && text.contains("issuers[1].issuer ") && text.contains("is also the issuer of `ci`"),
        "{text}"
    );
    let attester = second.replace("\"jwt\"", "\"attester\"");
    let (is_accepted, text) = report(&folder, &[GOOD, &attester], &[RULE]);
    assert!(
        !is_accepted && text.contains("is also the issuer of `ci`"),
        "{text}"
    );
}

#[test]
fn each_fault_of_a_rule_by_authority_and_claims_is_reported_at_its_key() {
    let folder = folder("issuer-jwts");
    let entry = format!("{GOOD}captures = {{ repository = \"repository\" }}\n");
    let rule = |more: &str| format!("name = \"r\"\n{more}\n");
    for (case, rule, key, problem) in [
        ("nothing", rule(""), "identities", "is missing or empty"),
        (
            "entire issuer",
            rule("authorities = [\"ci\"]"),
            "authorities[0]",
            "admits every identity of an issuer",
        ),
        (
            "entire pattern",
            rule("identities = [\"ci:**\"]"),
            "identities[0]",
            "admits every identity of an issuer",
        ),
        (
            "trust domain",
            rule("authorities = [\"spiffe://a.example\"]\nentire_authority = true"),
            "authorities[0]",
            "is not the name of an issuer",
        ),
        (
            "twice",
            rule("authorities = [\"ci\", \"ci\"]\nentire_authority = true"),
            "authorities[1]",
            "is named twice",
        ),
        (
            "claims of a trust domain",
            rule("identities = [\"spiffe://a.example/x\"]\nclaims = { a = \"b\" }"),
            "identities[0]",
            "`claims` are for the tokens",
        ),
        (
            "pointer",
            rule("authorities = [\"ci\"]\nclaims = { \"/~\" = \"b\" }"),
            "claims",
            "is not a JSON Pointer",
        ),
        (
            "list",
            rule("authorities = [\"ci\"]\nclaims = { a = [\"b\"] }"),
            "claims.a",
            "cannot be read",
        ),
        (
            "claim in client_id",
            rule("identities = [\"ci:*\"]\nclient_id = \"c/{repository}\""),
            "client_id",
            "uses {repository}",
        ),
        (
            "name used twice",
            rule("identities = [\"ci:{repository}\"]"),
            "identities[0]",
            "captures a name that `captures` of the issuer has too",
        ),
        (
            "unknown capture",
            rule("identities = [\"ci:*\"]\nclient_name = \"{other}\""),
            "client_name",
            "uses {other}",
        ),
        (
            "segment beside an authority",
            rule(
                "identities = [\"ci:{x}\"]\nauthorities = [\"ci\"]\nentire_authority = true\nclient_name = \"{x}\"",
            ),
            "client_name",
            "uses {x}",
        ),
    ] {
        let (is_accepted, report) = report(&folder, &[&entry], &[&rule]);
        let place = format!("rules[0].{key} ");
        assert!(
            !is_accepted && report.contains(&place) && report.contains(problem),
            "{case}: {report}"
        );
    }
    for (case, rule) in [
        (
            "claims",
            rule("authorities = [\"ci\"]\nclaims = { a = \"b\", n = 1, t = true, \"/a/b\" = \"c\" }"),
        ),
        (
            "entire authority",
            rule("authorities = [\"ci\"]\nentire_authority = true"),
        ),
        (
            "entire pattern with claims",
            rule("identities = [\"ci:**\"]\nclaims = { a = \"b\" }"),
        ),
        (
            "capture",
            rule("identities = [\"ci:*\"]\nclient_name = \"{repository}\""),
        ),
    ] {
        let (is_accepted, report) = report(&folder, &[&entry], &[&rule]);
        assert!(is_accepted, "{case}: {report}");
    }
    let (is_accepted, text) = report(
        &folder,
        &[],
        &[&rule("authorities = [\"ci\"]\nentire_authority = true")],
    );
    assert!(
        is_accepted && text.contains("is no issuer that has a door"),
        "{text}"
    );
    let first = rule("authorities = [\"ci\"]\nentire_authority = true");
    let second = first.replace("\"r\"", "\"s\"");
    let (_, text) = report(
        &folder,
        &[&entry],
        &[&first, &second, "name = \"t\"\nidentities = [\"ci:x\"]"],
    );
    assert_eq!(text.matches("never governs").count(), 2, "{text}");
    let with_claims = first.replace("entire_authority = true", "claims = { a = \"b\" }");
    let (_, text) = report(&folder, &[&entry], &[&with_claims, &second]);
    assert!(!text.contains("never governs"), "{text}");
}

#[tokio::test]
async fn reload_adds_and_removes_an_issuer_and_further_audiences() {
    let ci = Ci::start().await;
    let old = ci.github().claim("aud", "https://old.example").sign();
    assert_eq!(ci.show(&old).await.status, 400);
    let path = ci.world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let reload = async |text: &str| {
        std::fs::write(&path, text).unwrap();
        ci.world
            .admin("POST", "/admin/v1/reload", serde_json::json!({}))
            .await;
    };
    let longer = text.replace(
        "lifetime_max",
        "accept_audiences = [\"https://old.example\"]\nlifetime_max",
    );
    reload(&longer).await;
    granted(&ci.show(&old).await, "further audience");
    granted(&ci.show(&ci.github().sign()).await, "issuer");
    reload(&text.replace(
        "\nissuer = \"https://token.actions.example\"",
        "\nissuer = \"https://moved.example\"",
    ))
    .await;
    assert_eq!(ci.show(&ci.github().sign()).await.status, 400, "another issuer");
    reload(&text).await;
    granted(&ci.show(&ci.github().sign()).await, "the issuer again");
}
