//! The page of the reference, compared with what this server does: where a key is left out, its default applies, and
//! a required key is missed.

use super::*;
use toml::{Table, Value};

/// A configuration with every section, and with every key that is required where its section is there.
const WHOLE: &str = r#"
issuer = "https://as.example"
[server]
tls = { certificate = "tls.crt", private_key = "tls.key" }
mtls = { listen = ["127.0.0.1:8444"], url = "https://mtls.as.example" }
proxy = { trusted = ["10.0.0.0/8"], client_certificate_header = "client-cert" }
[store]
url = "memory:"
[admin]
tls = { certificate = "tls.crt", private_key = "tls.key" }
listen = "127.0.0.1:8081"
[log]
[tokens]
[outbound]
[registration.open]
[login]
[[login.providers]]
name = "corp"
issuer = "https://login.example.net"
client_id = "testudo"
allow = { hd = "example.net" }
[pages]
[[trust_domains]]
name = "a.example"
bundle = { url = "https://spire.a.example" }
[[issuers]]
name = "cluster-a"
[[rules]]
name = "r"
identities = ["spiffe://a.example/ns/{namespace}/sa/{service}"]
[[clients]]
client_id = "batch"
jwks = { file = "batch.jwks.json" }
"#;

/// A folder with the files that the configuration names.
fn folder() -> PathBuf {
    let folder = testudo_testkit::scratch::folder("reference");
    let (certificate, _) = testudo_testkit::x509::web_certificate("as.example");
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, Some("k"));
    let jwks = serde_json::json!({ "keys": [key.public_jwk("sig", true)] });
    for (name, text) in [
        ("tls.crt", certificate.chain_pem()),
        ("tls.key", certificate.key_pem()),
        ("batch.jwks.json", jwks.to_string()),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder
}

/// Key and default of each row of the page.
fn rows() -> Vec<(String, String)> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/configuration.md"
    );
    let page = std::fs::read_to_string(path).unwrap();
    let cells = page.lines().map(|line| line.split(" | ").collect::<Vec<_>>());
    let rows = cells.filter(|cells| cells.len() == 5 && cells[0].contains('`'));
    rows.map(|cells| {
        let key = cells[0].split('`').nth(1).unwrap();
        (key.to_owned(), cells[2].to_owned())
    })
    .collect()
}

/// The table that contains a key (of a list, the first entry), and the name of the key in it.
fn place<'t, 'k>(table: &'t mut Table, path: &'k str) -> (&'t mut Table, &'k str) {
    let Some((first, rest)) = path.split_once('.') else {
        return (table, path);
    };
    let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
    let inner = match inner.is_array() {
        true => &mut inner.as_array_mut().unwrap()[0],
        false => inner,
    };
    place(inner.as_table_mut().unwrap(), rest)
}

fn judged(table: &Table, folder: &Path) -> Result<(Configuration, Report), Report> {
    parse(&toml::to_string(table).unwrap(), folder, 1)
}

/// What a configuration means: without the digest of the file and of each rule.
fn meaning(table: &Table, folder: &Path) -> String {
    let (configuration, _) = judged(table, folder).unwrap_or_else(|report| panic!("{report}"));
    let configuration = Configuration {
        written: Written::default(),
        ..configuration
    };
    let text = format!("{configuration:#?}");
    let lines = text.lines().filter(|line| !line.trim().starts_with("revision:"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A default that is a value, which another word may follow: `"5m"`; the last one is for people.
fn value_of(default: &str) -> Option<Value> {
    let (value, rest) = default.strip_prefix('`')?.split_once('`')?;
    if !rest.is_empty() && !rest.starts_with([',', ';']) {
        return None;
    }
    let table: Table = format!("value = {value}").parse().ok()?;
    table.get("value").cloned()
}

#[test]
fn default_that_the_reference_states_is_what_applies_where_the_key_is_left_out() {
    let folder = folder();
    let mut checked = 0;
    for (key, default) in rows() {
        let Some(value) = value_of(&default) else { continue };
        let mut table: Table = WHOLE.parse().unwrap();
        let (inner, name) = place(&mut table, &key);
        inner.remove(name);
        let without = meaning(&table, &folder);
        let (inner, name) = place(&mut table, &key);
        inner.insert(name.to_owned(), value);
        let is_default = without == meaning(&table, &folder);
        assert!(is_default, "{key} = {default} differs from the key left out");
        checked += 1;
    }
    assert!(checked > 35, "{checked}");
}

#[test]
fn key_that_the_reference_calls_required_is_missed_where_it_is_left_out_and_no_other_key_is() {
    let folder = folder();
    for (key, default) in rows() {
        let is_required = default.split([',', ' ']).next() == Some("required");
        let mut table: Table = WHOLE.parse().unwrap();
        let (inner, name) = place(&mut table, &key);
        let is_written = inner.remove(name).is_some();
        assert!(is_written || !is_required, "{key} is required and not in WHOLE");
        let missed = judged(&table, &folder).is_err_and(|report| {
            let mut errors = report.errors();
            errors.any(|error| error.key.replace("[0]", "").starts_with(&key))
        });
        assert_eq!(missed, is_required, "{key}: {default}");
    }
}
