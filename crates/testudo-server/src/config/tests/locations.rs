//! Tests of what `check` reports for a problem: location, entry, value, expected form, hint. A problem that only follows
//! from another one is not reported.

use super::super::*;
use super::{GOOD, judge};

fn report(text: &str) -> Report {
    match judge(text) {
        Ok((_, report)) | Err(report) => report,
    }
}

/// The lines that the problems begin with.
fn lines(text: &str) -> Vec<String> {
    let report = report(text).to_string();
    let is_first = |line: &&str| line.starts_with("error: ") || line.starts_with("warning: ");
    report.lines().filter(is_first).map(str::to_owned).collect()
}

#[test]
fn problem_names_line_and_column_of_the_value_and_the_entry_it_belongs_to() {
    let text = "issuer = \"https://as.example\"\n\
                [store]\n  url = \"memory:\"\n\
                [[trust_domains]]\nname = \"a.example\"\nbundle = { file = \"b.json\", max_staleness = \"1 h\" }\n\
                [[rules]]\nname = \"payments\"\nidentities = [\n  \"spiffe://a.example/x\",\n  \"spiffe://a.example/ns*\",\n]\n\
                scopes = [\"orders.read\", \"a b\"]\nscope = \"x\"\n\
                [[rules]]\nidentities = [\"spiffe://a.example/y\"]\n\
                [[clients]]\nclient_id = \"batch\"\n";
    let report = report(text);
    let found: Vec<(String, &str, Option<&str>)> = report
        .errors()
        .map(|problem| {
            let place = problem.place.as_ref().unwrap().to_string();
            (place, problem.key.as_str(), problem.entry.as_deref())
        })
        .collect();
    let payments = Some("rule `payments`");
    assert_eq!(
        found,
        [
            (
                "/nowhere/testudo.toml:6:45".to_owned(),
                "trust_domains[0].bundle.max_staleness",
                Some("trust domain `a.example`")
            ),
            (
                "/nowhere/testudo.toml:11:3".to_owned(),
                "rules[0].identities[1]",
                payments
            ),
            (
                "/nowhere/testudo.toml:13:26".to_owned(),
                "rules[0].scopes[1]",
                payments
            ),
            (
                "/nowhere/testudo.toml:14:1".to_owned(),
                "rules[0].scope",
                payments
            ),
            // What is missing, is missing in the entry that begins there.
            ("/nowhere/testudo.toml:15:1".to_owned(), "rules[1].name", None),
            (
                "/nowhere/testudo.toml:17:1".to_owned(),
                "clients[0].jwks",
                Some("client `batch`")
            ),
        ]
    );
    let staleness = report.errors().next().unwrap();
    assert_eq!(staleness.value.as_deref(), Some("\"1 h\""));
    let expected = staleness.expected.as_deref().unwrap();
    assert!(expected.contains("such as \"1h\""), "{expected}");
}

#[test]
fn columns_count_characters_and_a_file_without_the_key_is_named_at_its_beginning() {
    let lines = self::lines(&format!("server = {{ \"\u{e9}\" = 1, listn = 2 }}{GOOD}"));
    let expected = "error: /nowhere/testudo.toml:1:21: server.listn is not a known key";
    assert!(lines.iter().any(|line| line == expected), "{lines:?}");
    let lines = self::lines(&GOOD.replace("issuer = \"https://as.example\"", ""));
    let expected = "error: /nowhere/testudo.toml:1:1: issuer is missing";
    assert!(lines.iter().any(|line| line == expected), "{lines:?}");
}

#[test]
fn every_syntax_error_has_its_line_and_column() {
    assert_eq!(
        lines("issuer = \"x\"\nx = = 1\n[server\ny = 1\n[a]\nissuer = 1\nissuer = 2\n")
            .iter()
            .map(|line| line.split(": ").nth(1).unwrap().to_owned())
            .collect::<Vec<_>>(),
        [
            "/nowhere/testudo.toml:2:5",
            "/nowhere/testudo.toml:3:8",
            "/nowhere/testudo.toml:7:1"
        ],
    );
}

#[test]
fn place_is_right_after_other_entries_of_the_same_list_could_not_be_read() {
    let text = GOOD.replace("identities = [", "scopes = [1, 2, \"a b\"]\nidentities = [");
    let lines = lines(&text);
    for at in [
        "rules[0].scopes[0] cannot",
        "rules[0].scopes[1] cannot",
        "rules[0].scopes[2] \"a b\"",
    ] {
        assert_eq!(
            lines.iter().filter(|line| line.contains(at)).count(),
            1,
            "{at}: {lines:?}"
        );
    }
    for column in [11, 14, 17] {
        let at = format!("/nowhere/testudo.toml:10:{column}: ");
        assert_eq!(
            lines.iter().filter(|line| line.contains(&at)).count(),
            1,
            "{at}: {lines:?}"
        );
    }
}

/// One mistake each. What is there and could not be read is not missing, and what uses it is not wrong.
#[test]
fn nothing_is_said_to_be_missing_that_is_there_and_has_an_error() {
    let rule = "identities = [\"spiffe://a.example/ns/{namespace}/sa/{service}\"]";
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replacen(from, to, 1)
    };
    let uses = "client_name = \"{service}\"\nredirect_uris = [\"https://{service}.a.example/cb\"]";
    for (text, about) in [
        (with(rule, "identities = [\"spiffe://a.example/ns*\"]"), "ns*"),
        (
            with(rule, "identities = \"spiffe://a.example/x\""),
            "rules[0].identities",
        ),
        (
            with(
                rule,
                &format!("identities = \"spiffe://a.example/{{service}}\"\n{uses}"),
            ),
            "rules[0].identities",
        ),
        (
            with(
                rule,
                &format!("identities = [\"spiffe://a.example/{{service}}/*x\"]\n{uses}"),
            ),
            "*x",
        ),
        (
            with(
                rule,
                &format!("identity = [\"spiffe://a.example/{{service}}\"]\n{uses}"),
            ),
            "rules[0].identity",
        ),
        (with("[[rules]]", "[[rule]]"), "rule is not"),
        (with("[[rules]]", "[rules]"), "rules cannot"),
        (
            with("name = \"a.example\"", "name = \"spiffe://a.example\""),
            "trust_domains[0].name",
        ),
        (with("name = \"a.example\"", "name = 7"), "trust_domains[0].name"),
        (with("url = \"https://spire.a.example\"", "url = 7"), "bundle.url"),
        (
            with(
                "url = \"https://spire.a.example\"",
                "ulr = \"https://spire.a.example\"",
            ),
            "bundle.ulr",
        ),
        (with("issuer = \"https://as.example\"", "issuer = 7"), "issuer"),
        (with("issuer = ", "isuer = "), "isuer"),
        (with("name = \"r\"", "name = 7"), "rules[0].name"),
        (
            with(
                "name = \"r\"",
                "name = \"r\"\nscopes = \"x\"\ndefault_scopes = [\"x\"]",
            ),
            "rules[0].scopes",
        ),
        (
            format!(
                "{GOOD}[server]\nproxy = {{ trusted = [\"10.0.0.0/99\"], client_certificate_header = \"x\" }}"
            ),
            "10.0.0.0/99",
        ),
        (
            format!(
                "{GOOD}[server]\ntls = \"x\"\nlisten = [\"0.0.0.0:1\"]\nmtls = {{ listen = [\"127.0.0.1:2\"], url = \"https://m.example\" }}"
            ),
            "server.tls",
        ),
        (
            format!(
                "{GOOD}[admin]\nlisten = \"nowhere\"\ntls = {{ certificate = \"x\", private_key = \"x\" }}"
            )
            .replace("tls = {", "administrators = []\n# {"),
            "admin.listen",
        ),
        (format!("{GOOD}[server]\nlisten = [7]"), "server.listen[0]"),
        (
            format!("{GOOD}[registration]\ninitial_access_tokens = true\n")
                .replace("name = \"r\"", "name = \"r\"\nscopes = \"client.register\""),
            "rules[0].scopes",
        ),
        (
            format!("{GOOD}[[clients]]\nclient_id = \"c\"\njwks = \"x\""),
            "clients[0].jwks",
        ),
        (
            format!("{GOOD}[[clients]]\nclient_id = 7\njwks = {{ file = \"x\" }}").replace("{ file", "{ fil"),
            "clients[0]",
        ),
        (
            with(
                "url = \"memory:\"",
                "url = \"postgres://localhost/x\"\nkey_encryption_key = 7",
            ),
            "store.key_encryption_key",
        ),
    ] {
        let lines = lines(&text);
        let said: Vec<_> = lines.iter().filter(|line| !line.contains("memory:")).collect();
        let mistakes = 1 + usize::from(about == "clients[0]");
        assert_eq!(said.len(), mistakes, "{text}\n{said:#?}");
        assert!(said[0].contains(about), "{about}: {said:?}");
    }
}

#[test]
fn one_look_reports_the_problems_of_every_section_beside_those_of_connections() {
    let text = GOOD.replace(
        "[store]\nurl = \"memory:\"",
        "[store]\nurl = { file = \"absent\" }\nserve_without_store = \"x\"\nkey_encryption_key = \"short\"",
    );
    let text = format!(
        "{text}[server]\nidle_timeout = \"0s\"\nwrite_timeout = \"x\"\ndrain = \"x\"\nstreams_max = 0\nproxy = {{ trusted = [\"x\"] }}"
    );
    let report = report(&text);
    let keys: Vec<&str> = report.errors().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "store.url",
            "store.serve_without_store",
            "store.key_encryption_key",
            "server.idle_timeout",
            "server.write_timeout",
            "server.drain",
            "server.streams_max",
            "server.proxy.trusted[0]",
        ]
    );
}

#[test]
fn names_that_are_there_twice_are_reported_with_both_places() {
    let domain = "[[trust_domains]]\nname = \"a.example\"\nbundle = { file = \"x\" }\n";
    let rule = "[[rules]]\nname = \"r\"\nidentities = [\"spiffe://a.example/y\"]\n";
    let client = "[[clients]]\nclient_id = \"c\"\njwks = { file = \"x\" }\n";
    for (text, expected) in [
        (
            format!("{GOOD}{domain}"),
            "error: /nowhere/testudo.toml:12:8: trust domain `a.example`, trust_domains[1].name \"a.example\" is used twice: first at /nowhere/testudo.toml:6:8",
        ),
        (
            format!("{GOOD}{rule}"),
            "error: /nowhere/testudo.toml:12:8: rule `r`, rules[1].name \"r\" is used twice: first at /nowhere/testudo.toml:9:8",
        ),
        (
            format!("{GOOD}{client}{client}"),
            "error: /nowhere/testudo.toml:15:13: client `c`, clients[1].client_id \"c\" is used twice: first at /nowhere/testudo.toml:12:13",
        ),
        (
            format!(
                "{GOOD}[[issuers]]\nname = \"i\"\nkind = \"jwt\"\n[[issuers]]\nname = \"i\"\nkind = \"jwt\"\n"
            ),
            "error: /nowhere/testudo.toml:15:8: issuer `i`, issuers[1].name \"i\" is used twice: first at /nowhere/testudo.toml:12:8",
        ),
    ] {
        let lines = lines(&text);
        assert!(
            lines.iter().any(|line| line == expected),
            "{expected}\n{lines:#?}"
        );
    }
}

#[test]
fn secrets_are_not_shown_whatever_is_wrong_with_them() {
    for store in [
        "store = \"postgres://u:hunter2@db/x\"",
        "store = [\"hunter2\"]",
        "store.url = [\"hunter2\"]",
        "store.url = { text = \"hunter2\" }",
        "store.url = { file = [\"hunter2\"] }",
        "store.url = \"file://hunter2\"",
        "store.url = \"postgres://u:hunter2@db:x/y\"",
        "store.ulr = \"postgres://u:hunter2@db/x\"",
        "store.key_encryption_key = \"hunter2\"",
        "store.key_encryption_key = \"hunter2",
        "key_encryption_key = \"hunter2\"",
    ] {
        let text = GOOD.replace("[store]\nurl = \"memory:\"", store);
        let report = report(&text);
        assert!(report.has_errors(), "{store}");
        let as_json = serde_json::to_string(&report).unwrap();
        for said in [report.to_string(), as_json, format!("{report:?}")] {
            assert!(!said.contains("hunter2"), "{store}: {said}");
        }
    }
}

#[test]
fn secret_that_names_an_unknown_place_or_two_is_refused_by_its_key() {
    let store = |url: &str| GOOD.replace("url = \"memory:\"", &format!("url = {url}"));
    for (url, expected) in [
        ("{ fil = \"x\" }", vec!["store.url.fil"]),
        ("{ file = \"x\", env = \"Y\" }", vec!["store.url"]),
        // The file is not there either.
        ("{ file = \"x\", mode = 1 }", vec!["store.url", "store.url.mode"]),
        ("7", vec!["store.url"]),
    ] {
        let report = report(&store(url));
        let keys: Vec<_> = report.errors().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, expected, "{url}: {report}");
    }
}

/// Each example is accepted at its key, so that the expected form in a message can be used as it is.
#[test]
fn examples_of_all_keys_can_be_read_and_keys_are_in_order() {
    assert!(KEYS.is_sorted_by_key(|key| key.path));
    for key in KEYS {
        let names: Vec<&str> = key.path.split('.').collect();
        let (first, rest) = names.split_first().unwrap();
        let is_list = ["rules", "trust_domains", "issuers", "clients"].contains(first);
        let value = key.example();
        let text = match (is_list, rest) {
            (false, ["providers", rest @ ..]) => {
                format!("[[login.providers]]\n{} = {value}", rest.join("."))
            }
            (true, rest) => format!("[[{first}]]\n{} = {value}", rest.join(".")),
            (false, _) => format!("{} = {value}", key.path),
        };
        let mut report = Report::default();
        let read = read::read(Path::new("testudo.toml"), &text, &Overlay::default(), &mut report);
        assert!(read.is_some() && !report.has_errors(), "{text}\n{report}");
    }
}
