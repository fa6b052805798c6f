//! Listeners, limits of connections, and what would cross a network in plain text.

use super::*;

#[test]
fn listener_without_tls_beyond_loopback_is_reported() {
    let server = |text: &str| format!("{GOOD}[server]\n{text}\n");
    let warnings = |text: &str| -> Vec<String> {
        let (_, report) = judge(text).unwrap_or_else(|report| panic!("{report}"));
        let of_listen = report
            .problems
            .into_iter()
            .filter(|problem| problem.key.starts_with("server.listen["));
        of_listen.map(|problem| problem.problem).collect()
    };
    for near in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(
            warnings(&server(&format!("listen = [\"{near}\"]"))).is_empty(),
            "{near}"
        );
        assert!(
            judge(&format!("{GOOD}[admin]\nlisten = \"{near}\"")).is_ok(),
            "{near}"
        );
    }
    for far in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
        let said = warnings(&server(&format!("listen = [\"127.0.0.1:2\", \"{far}\"]")));
        assert_eq!(said.len(), 1, "{far}");
        assert!(
            said[0].contains(far) && said[0].contains("is not loopback and serves plain HTTP"),
            "{said:?}"
        );
        refused(
            &format!("{GOOD}[admin]\nlisten = \"{far}\""),
            "admin.listen",
            "is not loopback and has no TLS",
        );
    }
    let report = judge(&format!(
        "{GOOD}[admin]\nlisten = \"0.0.0.0:1\"\ntls = {{ certificate = \"c\", private_key = \"k\" }}"
    ))
    .err()
    .unwrap();
    let keys: Vec<&str> = report.errors().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        ["admin.tls.certificate", "admin.tls.private_key"],
        "the files are read"
    );
}

#[test]
fn plain_text_connection_to_the_database_is_reported() {
    const KEY: &str = "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0";
    let store = |url: &str, key: &str| {
        with(
            "url = \"memory:\"",
            &format!("url = \"{url}\"\nkey_encryption_key = \"{key}\""),
        )
    };
    let said = |url: &str| -> Vec<String> {
        let (_, report) = judge(&store(url, KEY)).unwrap_or_else(|report| panic!("{url}: {report}"));
        let of_url = report
            .problems
            .into_iter()
            .filter(|problem| problem.key == "store.url");
        of_url.map(|problem| problem.problem).collect()
    };
    for quiet in [
        "postgres://u@127.0.0.1/t",
        "postgres://u@db.example/t?sslmode=require",
        "postgres://u@db.example/t?sslmode=verify-ca",
        "postgres://u@db.example/t?sslmode=verify-full",
    ] {
        assert!(said(quiet).is_empty(), "{quiet}: {:?}", said(quiet));
    }
    assert!(said("postgres://u@db.example/t")[0].contains("TLS is required"));
    assert!(said("postgres://u@db.example/t?sslmode=prefer")[0].contains("TLS is required"));
    assert!(said("postgres://u@db.example/t?sslmode=disable")[0].contains("plain text"));
    refused(
        &store("postgres://u@db.example/t?sslmode=sometimes", KEY),
        "store.url",
        "unknown sslmode",
    );
    for weak in [
        "ERERERERERERERERERERERERERERERERERERERERERE",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    ] {
        refused(
            &store("postgres://u@127.0.0.1/t", weak),
            "store.key_encryption_key",
            "is not random",
        );
    }
}

#[test]
fn bad_connection_limits_are_refused_with_their_key() {
    let (configuration, _) = judge(GOOD).unwrap();
    assert_eq!(configuration.server.connections, ConnectionLimits::default());
    assert!(configuration.server.watch);
    for key in [
        "connections_max",
        "connections_max_per_address",
        "connections_max_per_prefix",
        "streams_max",
    ] {
        refused(
            &format!("{GOOD}[server]\n{key} = 0"),
            &format!("server.{key}"),
            "is zero",
        );
    }
    for key in [
        "first_request_timeout",
        "body_timeout",
        "write_timeout",
        "idle_timeout",
    ] {
        refused(
            &format!("{GOOD}[server]\n{key} = \"0s\""),
            &format!("server.{key}"),
            "is zero",
        );
        let (configuration, _) = judge(&format!("{GOOD}[server]\n{key} = \"7s\"")).unwrap();
        assert_ne!(configuration.server.connections, ConnectionLimits::default());
    }
}

#[test]
fn a_prefix_with_less_than_one_address_is_a_warning() {
    let warned = |section: &str| -> Vec<String> {
        let (_, report) = judge(&format!("{GOOD}[server]\n{section}")).unwrap();
        let warnings = report
            .problems
            .iter()
            .filter(|problem| problem.is_warning)
            .map(|problem| problem.key.clone());
        warnings.collect()
    };
    let key = "server.connections_max_per_prefix".to_owned();
    assert!(warned("connections_max_per_address = 5001").contains(&key));
    assert!(warned("connections_max_per_prefix = 2499").contains(&key));
    assert!(!warned("connections_max_per_prefix = 2500").contains(&key));
    assert!(!warned("connections_max_per_address = 1").contains(&key));
}

/// `docs/operations/limits.md` has the same defaults as the code.
#[test]
fn default_limits_are_those_of_the_page_of_limits() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations/limits.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (configuration, _) = judge(GOOD).unwrap();
    let limits = configuration.server.connections;
    let seconds = |duration: std::time::Duration| format!("{}s", duration.as_secs());
    for (key, default) in [
        ("connections_max", limits.connections_max.to_string()),
        (
            "connections_max_per_address",
            limits.connections_max_per_address.to_string(),
        ),
        (
            "connections_max_per_prefix",
            limits.connections_max_per_prefix.to_string(),
        ),
        ("streams_max", limits.streams_max.to_string()),
        ("first_request_timeout", seconds(limits.first_request_timeout)),
        ("body_timeout", seconds(limits.body_timeout)),
        ("write_timeout", seconds(limits.write_timeout)),
        ("idle_timeout", seconds(limits.idle_timeout)),
        ("drain", seconds(configuration.server.drain)),
    ] {
        let row = format!("| `{key}` | {default} |");
        assert!(page.contains(&row), "docs/operations/limits.md has no row {row}");
    }
}

#[test]
fn two_listeners_with_one_address_are_refused_with_the_keys_of_both() {
    let tls = "tls = { certificate = \"c\", private_key = \"k\" }";
    for (name, text, key, saying) in [
        (
            "one address twice in a list",
            "[server]\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:2\", \"127.0.0.1:1\"]".to_owned(),
            "server.listen[2]",
            "is also the address of server.listen[0]",
        ),
        (
            "all addresses of the machine and one of them",
            format!("[server]\nlisten = [\"127.0.0.1:1\", \"0.0.0.0:1\"]\n{tls}"),
            "server.listen[1]",
            "includes or is part of \"127.0.0.1:1\" in server.listen[0]",
        ),
        (
            "admin and public",
            "[server]\nlisten = [\"127.0.0.1:1\"]\n[admin]\nlisten = \"127.0.0.1:1\"".to_owned(),
            "admin.listen",
            "is also the address of server.listen[0]",
        ),
        (
            "admin and the default of server.listen",
            "[admin]\nlisten = \"127.0.0.1:8080\"".to_owned(),
            "admin.listen",
            "is also the address of server.listen[0]",
        ),
        (
            "client certificates and public",
            format!(
                "[server]\nlisten = [\"127.0.0.1:1\"]\n{tls}\n\
                 mtls = {{ listen = [\"127.0.0.1:1\"], url = \"https://mtls.as.example\" }}"
            ),
            "server.mtls.listen[0]",
            "is also the address of server.listen[0]",
        ),
    ] {
        let report = judge(&format!("{GOOD}{text}\n"))
            .err()
            .unwrap_or_else(|| panic!("{name}"));
        let found = report.errors().find(|problem| problem.key == key);
        assert!(
            found.is_some_and(|problem| problem.problem.contains(saying)),
            "{name}: {report}"
        );
    }
    for good in [
        "[server]\nlisten = [\"127.0.0.1:1\", \"127.0.0.2:1\", \"[::1]:1\"]",
        "[server]\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"",
    ] {
        assert!(judge(&format!("{GOOD}{good}\n")).is_ok(), "{good}");
    }
}

#[test]
fn admin_socket_without_a_path_or_at_a_file_of_the_store_is_refused() {
    refused(
        &format!("{GOOD}[admin]\nsocket = \"\""),
        "admin.socket",
        "is empty",
    );
    let store = with("memory:", "sqlite:data/testudo.db");
    for file in ["data/testudo.db", "data/testudo.db-wal", "./data/testudo.db.kek"] {
        let text = format!("{store}[admin]\nsocket = \"{file}\"");
        refused(&text, "admin.socket", "is a file of the database of store.url");
    }
    assert!(judge(&format!("{store}[admin]\nsocket = \"data/testudo.sock\"")).is_ok());
}
