//! Files that the configuration names, and problems that must be reported together.

use super::*;
use testudo_testkit::scratch;

fn problem_of(report: &Report, key: &str) -> Problem {
    let mut found = report.problems.iter().filter(|problem| problem.key == key);
    found.next().cloned().unwrap_or_else(|| panic!("{key}: {report}"))
}

#[test]
fn rule_with_an_error_hides_no_other_problem() {
    let text = format!(
        "{}[[rules]]\nname = \"r\"\nidentities = [\"spiffe://b.example/x\"]\nscopes = [\"a b\"]\ngrant_types = [\"implicit\"]\n",
        GOOD
    );
    let report = judge(&text).err().unwrap();
    for (key, saying) in [
        ("rules[1].scopes[0]", "is not a scope value"),
        ("rules[1].name", "used twice"),
        ("rules[1].identities[0]", "outside every configured trust domain"),
        ("rules[1].grant_types[0]", "is not served"),
    ] {
        let problem = problem_of(&report, key);
        assert!(problem.problem.contains(saying), "{problem:?}");
    }
}

#[test]
fn problem_of_the_ca_file_hides_no_problem_of_the_name_map() {
    let text = format!("{GOOD}[outbound]\nca = \"none.pem\"\nresolve = {{ \"x.example\" = \"x\" }}\n");
    let report = judge(&text).err().unwrap();
    problem_of(&report, "outbound.ca");
    problem_of(&report, "outbound.resolve.x.example");
}

#[test]
fn configuration_file_that_cannot_be_read_has_a_fitting_hint() {
    let folder = scratch::folder("configuration-faults");
    let not_text = folder.join("binary.toml");
    std::fs::write(&not_text, b"issuer = \"\xff\"").unwrap();
    let socket = folder.join("s.toml");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, problem, hint) in [
        (folder.join("absent.toml"), "cannot be read", "testudo init"),
        (folder.clone(), "is a folder", "name the file in the folder"),
        (not_text, "is not UTF-8", "encoding UTF-8"),
        (socket, "is a pipe, a socket or a device", "regular file"),
    ] {
        let found = load(&path, 1).err().unwrap().problems.remove(0);
        let found_hint = found.hint.as_deref().unwrap_or_default();
        assert!(
            found.problem.contains(problem) && found_hint.contains(hint),
            "{found:?}"
        );
    }
}

#[test]
fn key_that_is_there_twice_is_named() {
    for (text, key) in [
        ("[server]\ndrain = \"1s\"\n[server]\nwatch = true\n", "server"),
        ("[log]\nformat = \"json\"\nformat = \"text\"\n", "format"),
    ] {
        let found = judge(&format!("{GOOD}{text}")).err().unwrap().problems.remove(0);
        assert_eq!(found.problem, format!("contains the key `{key}` twice"));
        assert!(found.hint.unwrap().contains("in one place"));
    }
}

#[test]
fn value_of_the_wrong_type_is_described_apart_from_the_expected_values() {
    let report = judge(&with("bundle =", "first_use = true\nbundle ="))
        .err()
        .unwrap();
    let found = problem_of(&report, "trust_domains[0].first_use");
    assert_eq!(found.problem, "cannot be read: it is a boolean");
    assert!(found.expected.unwrap().contains("\"observe\""));
}

#[test]
fn secret_that_cannot_be_read_has_a_hint() {
    let key = "store.key_encryption_key";
    for (secret, problem, hint) in [
        ("{ file = \"absent\" }", "cannot be read", "create the file"),
        (
            "{ env = \"TESTUDO_NOT_SET\" }",
            "TESTUDO_NOT_SET, which is not in the environment",
            "EnvironmentFile=",
        ),
    ] {
        let text = with(
            "url = \"memory:\"",
            &format!("url = \"memory:\"\nkey_encryption_key = {secret}"),
        );
        let found = problem_of(&judge(&text).err().unwrap(), key);
        let found_hint = found.hint.as_deref().unwrap_or_default();
        assert!(
            found.problem.contains(problem) && found_hint.contains(hint),
            "{found:?}"
        );
    }
}

#[test]
fn address_with_the_prefix_length_of_a_network_is_not_trusted_as_proxy() {
    let proxy = |text: &str| format!("{GOOD}[server.proxy]\ntrusted = [\"{text}\"]\n");
    for text in ["10.0.0.5/8", "fd00::1/8"] {
        refused(
            &proxy(text),
            "server.proxy.trusted[0]",
            "is an address with the prefix length",
        );
    }
    for text in ["10.0.0.5", "10.0.0.5/32", "10.0.0.0/8", "fd00::/8"] {
        assert!(judge(&proxy(text)).is_ok(), "{text}");
    }
}

#[test]
fn proxy_without_client_address_header_is_warned_of_the_shared_limits() {
    let is_warned = |more: &str| {
        let text = format!("{GOOD}[server.proxy]\ntrusted = [\"10.0.0.0/8\"]\n{more}\n");
        judge(&text)
            .unwrap()
            .1
            .to_string()
            .contains("has no client_address_header")
    };
    assert!(is_warned(""));
    assert!(!is_warned("client_address_header = \"x-forwarded-for\""));
}

#[test]
fn empty_audience_is_refused() {
    let text = |audience: &str| {
        with(
            "bundle =",
            &format!("accept_audiences = [\"{audience}\"]\nbundle ="),
        )
    };
    assert!(judge(&text("https://old.example")).is_ok());
    refused(&text(""), "trust_domains[0].accept_audiences[0]", "is empty");
}

#[test]
fn lifetime_of_a_rule_that_has_no_effect_is_warned_of() {
    let is_warned = |lifetime: &str| {
        let text = with(
            "name = \"r\"",
            &format!("name = \"r\"\naccess_token_lifetime = \"{lifetime}\""),
        );
        let report = judge(&text).unwrap().1;
        report
            .problems
            .iter()
            .any(|problem| problem.key == "rules[0].access_token_lifetime")
    };
    assert!(!is_warned("5m"));
    assert!(is_warned("301s"));
}
