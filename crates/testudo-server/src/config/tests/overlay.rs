//! Variables of the environment that set keys.

use super::super::*;
use super::GOOD;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

fn with(variables: &[(&str, &str)]) -> Result<(Configuration, Report), Report> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
    check_text(
        Path::new("/nowhere/testudo.toml"),
        GOOD,
        &Overlay::of(variables),
        1,
    )
}

#[track_caller]
fn good(variables: &[(&str, &str)]) -> (Configuration, Report) {
    with(variables).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn variable_goes_before_the_file_and_its_value_is_toml_or_else_a_text() {
    let (configuration, report) = good(&[
        ("TESTUDO__ISSUER", "https://other.example"),
        ("TESTUDO__SERVER__LISTEN", "[\"127.0.0.1:1\", \"[::1]:2\"]"),
        ("TESTUDO__SERVER__DRAIN", "3s"),
        ("TESTUDO__SERVER__STREAMS_MAX", "7"),
        ("TESTUDO__SERVER__WATCH", "false"),
        ("TESTUDO__ADMIN__LISTEN", "[::1]:3"),
        ("TESTUDO__ADMIN__SOCKET", "\"/run/x.sock\""),
        (
            "TESTUDO__OUTBOUND__RESOLVE",
            "{ \"spire.a.example\" = \"127.0.0.1\" }",
        ),
        ("TESTUDO_TEST_CLOCK", "not ours"),
        ("TESTUDO_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
    ]);
    assert_eq!(configuration.policy.issuer.as_str(), "https://other.example");
    let server = &configuration.server;
    assert_eq!(
        server.listen,
        ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]
    );
    assert_eq!((server.drain.as_secs(), server.connections.streams_max), (3, 7));
    assert!(!server.watch);
    assert_eq!(configuration.admin.listen, Some("[::1]:3".parse().unwrap()));
    assert_eq!(configuration.admin.socket, Path::new("/run/x.sock"));
    assert_eq!(configuration.outbound.resolve.len(), 1);
    let set: Vec<(&str, &str)> = report
        .variables
        .iter()
        .map(|set| (set.variable.as_str(), set.key.as_str()))
        .collect();
    assert_eq!(set.len(), 8);
    assert_eq!(set[0], ("TESTUDO__ADMIN__LISTEN", "admin.listen"));
    assert_eq!(set[7], ("TESTUDO__SERVER__WATCH", "server.watch"));
}

#[test]
fn variable_for_a_part_of_a_table_leaves_the_rest_and_replaces_what_is_no_table() {
    let (configuration, _) = good(&[
        (
            "TESTUDO__SERVER__PROXY",
            "{ trusted = [\"10.0.0.0/8\"], client_address_header = \"a\" }",
        ),
        ("TESTUDO__SERVER__PROXY__CLIENT_ADDRESS_HEADER", "forwarded"),
    ]);
    let proxy = configuration.server.proxy.unwrap();
    assert_eq!(proxy.trusted.len(), 1);
    assert_eq!(proxy.address_field.unwrap(), "forwarded");
    // The file has url = "memory:"; the variable sets a table that names the source of the URL.
    let report = with(&[("TESTUDO__STORE__URL__FILE", "/absent/url")])
        .err()
        .unwrap();
    assert!(
        report
            .to_string()
            .contains("error: TESTUDO__STORE__URL__FILE: store.url /absent/url cannot be read"),
        "{report}"
    );
}

#[test]
fn problems_of_a_value_from_the_environment_name_the_variable() {
    for (variable, value, says) in [
        (
            "TESTUDO__SERVER__LISTN",
            "[]",
            "error: TESTUDO__SERVER__LISTN: server.listn is not a known key\nhint: did you mean `listen`?",
        ),
        (
            "TESTUDO__NONSENSE",
            "1",
            "error: TESTUDO__NONSENSE: nonsense is not a known key",
        ),
        (
            "TESTUDO__SERVER__LISTEN",
            "127.0.0.1:1",
            "error: TESTUDO__SERVER__LISTEN: server.listen cannot be read: it is a text\nvalue: 127.0.0.1:1\nexpected: a list",
        ),
        (
            "TESTUDO__SERVER__LISTEN",
            "[\"127.0.0.1:1\", \"x\"]",
            "error: TESTUDO__SERVER__LISTEN: server.listen[1] \"x\" is not an address",
        ),
        (
            "TESTUDO__SERVER__DRAIN",
            "10",
            "error: TESTUDO__SERVER__DRAIN: server.drain cannot be read: it is a number",
        ),
        (
            "TESTUDO__SERVER__DRAIN",
            "",
            "error: TESTUDO__SERVER__DRAIN: server.drain \"\" ",
        ),
        (
            "TESTUDO__SERVER__MTLS__LISTEN",
            "[\"127.0.0.1:1\"]",
            "error: TESTUDO__SERVER__MTLS__LISTEN: server.mtls needs server.tls",
        ),
        (
            "TESTUDO__ISSUER__X",
            "1",
            "error: TESTUDO__ISSUER__X: issuer cannot be read: it is a table",
        ),
        (
            "TESTUDO__RULES",
            "[]",
            "error: TESTUDO__RULES: the variable names a list of tables, which no variable can set",
        ),
        (
            "TESTUDO__RULES__0__NAME",
            "x",
            "TESTUDO__RULES__0__NAME: the variable names a list of tables",
        ),
        ("TESTUDO__TRUST_DOMAINS", "[]", "names a list of tables"),
        ("TESTUDO__ISSUERS", "[]", "names a list of tables"),
        ("TESTUDO__CLIENTS", "[]", "names a list of tables"),
        ("TESTUDO__", "1", "error: TESTUDO__: the variable names no key"),
        (
            "TESTUDO__SERVER____DRAIN",
            "1",
            "TESTUDO__SERVER____DRAIN: the variable names no key",
        ),
        (
            "TESTUDO__server__drain",
            "1s",
            "TESTUDO__server__drain: the variable names no key",
        ),
    ] {
        let report = with(&[(variable, value)])
            .err()
            .unwrap_or_else(|| panic!("{variable} must be refused"));
        let said = report.to_string();
        assert!(said.contains(says), "{variable}: {said}");
        let place = serde_json::to_value(&report.problems).unwrap()[0].clone();
        assert_eq!(place["variable"], variable, "{place}");
        assert!(
            place.get("line").is_none() && place.get("file").is_none(),
            "{place}"
        );
    }
    let bad = ("TESTUDO__ISSUER".to_owned(), OsString::from_vec(vec![0xff]));
    let overlay = Overlay::of(std::iter::once(bad));
    let report = check_text(Path::new("testudo.toml"), GOOD, &overlay, 1)
        .err()
        .unwrap();
    assert!(
        report
            .to_string()
            .contains("TESTUDO__ISSUER: the variable is not UTF-8"),
        "{report}"
    );
}

#[test]
fn secret_in_a_variable_is_not_shown() {
    for (variable, value) in [
        ("TESTUDO__STORE__URL", "postgres://u:hunter2@db:x/y"),
        ("TESTUDO__STORE__URL", "hunter2"),
        ("TESTUDO__STORE__KEY_ENCRYPTION_KEY", "hunter2"),
        ("TESTUDO__STORE__KEY_ENCRYPTION_KEY", "[\"hunter2\"]"),
        ("TESTUDO__STORE", "hunter2"),
        ("TESTUDO__STORE__URL__FIL", "hunter2"),
        ("TESTUDO__KEY_ENCRYPTION_KEY", "hunter2"),
        ("TESTUDO__RULES__0", "hunter2"),
    ] {
        let report = with(&[(variable, value)])
            .err()
            .unwrap_or_else(|| panic!("{variable} must be refused"));
        let as_json = serde_json::to_string(&report.problems).unwrap();
        for said in [report.to_string(), as_json, format!("{report:?}")] {
            assert!(
                said.contains(variable) && !said.contains("hunter2"),
                "{variable}: {said}"
            );
        }
    }
}
