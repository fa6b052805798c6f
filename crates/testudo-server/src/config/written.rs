//! The content of the files of a configuration, in a form in which two configurations can be compared: settings by their
//! keys, rules, trust domains, issuers and clients by their names, each with a digest of its value.
//!
//! Values are kept as digests, since they may be secrets. A file that a value names counts with its content. Certificates
//! of this server and bundles are excepted: they are read again without a reload, with events of their own.

use super::keys::KEYS;
use std::collections::BTreeMap;
use std::path::Path;
use testudo_core::records::{ConfigurationChange, Names};
use testudo_protocol::jose::sha256;
use toml::{Table, Value};

/// Digests of values by their names.
type Digests = BTreeMap<String, [u8; 32]>;

/// The content of the files of a configuration.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// SHA-256 of all files.
    pub digest: [u8; 32],
    settings: Digests,
    rules: Digests,
    /// The names of the rules in their order: the first rule that matches governs.
    order: Vec<String>,
    trust_domains: Digests,
    issuers: Digests,
    clients: Digests,
}

impl Written {
    /// The tables of the files, with the variables of the environment; `folder` is where relative paths begin.
    pub(super) fn of(table: &Table, folder: &Path, digest: [u8; 32]) -> Written {
        let entries = |list: &str, name: &str| {
            let entries = table.get(list).and_then(Value::as_array);
            let named = entries.into_iter().flatten().filter_map(|entry| {
                let name = entry.get(name)?.as_str()?.to_owned();
                Some((name, digest_of(list, entry, folder)))
            });
            named.collect::<Vec<(String, [u8; 32])>>()
        };
        let rules = entries("rules", "name");
        let mut written = Written {
            digest,
            order: rules.iter().map(|(name, _)| name.clone()).collect(),
            rules: rules.into_iter().collect(),
            trust_domains: entries("trust_domains", "name").into_iter().collect(),
            issuers: entries("issuers", "name").into_iter().collect(),
            clients: entries("clients", "client_id").into_iter().collect(),
            settings: Digests::new(),
        };
        written.note_settings("", table, folder);
        written
    }

    fn note_settings(&mut self, section: &str, table: &Table, folder: &Path) {
        for (name, value) in table {
            let key = match section {
                "" => name.clone(),
                _ => format!("{section}.{name}"),
            };
            let inner = value.as_table().filter(|_| has_keys_below(&key));
            if let Some(inner) = inner {
                self.note_settings(&key, inner, folder);
            } else if !super::include::LISTS.contains(&key.as_str()) {
                // The lists of tables are compared entry by entry.
                let digest = digest_of(&key, value, folder);
                self.settings.insert(key, digest);
            }
        }
    }

    /// What is different in the configuration `after`.
    pub fn changes_to(&self, after: &Written) -> ConfigurationChange {
        let in_both = |order: &[String], other: &Digests| {
            let names = order.iter().filter(|name| other.contains_key(*name));
            names.cloned().collect::<Vec<String>>()
        };
        ConfigurationChange {
            digest_before: hex::encode(self.digest),
            digest_after: hex::encode(after.digest),
            rules: Names::between(&self.rules, &after.rules),
            are_rules_reordered: in_both(&self.order, &after.rules) != in_both(&after.order, &self.rules),
            trust_domains: Names::between(&self.trust_domains, &after.trust_domains),
            issuers: Names::between(&self.issuers, &after.issuers),
            clients: Names::between(&self.clients, &after.clients),
            settings: Names::between(&self.settings, &after.settings),
            at_next_start: Vec::new(),
        }
    }
}

fn has_keys_below(key: &str) -> bool {
    KEYS.iter().any(|known| {
        known
            .path
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// A digest of the value, and of the contents of the files that it names.
fn digest_of(key: &str, value: &Value, folder: &Path) -> [u8; 32] {
    let mut bytes = sha256(value.to_string().as_bytes()).to_vec();
    note_files(key, value, folder, &mut bytes);
    sha256(&bytes)
}

/// Adds the digests of the files that are read with the configuration.
fn note_files(key: &str, value: &Value, folder: &Path, bytes: &mut Vec<u8>) {
    if let Some(path) = value.as_str().filter(|_| is_read_with_the_configuration(key)) {
        // A file that cannot be read makes the configuration unusable.
        bytes.extend(sha256(&std::fs::read(folder.join(path)).unwrap_or_default()));
    }
    for (name, value) in value.as_table().into_iter().flatten() {
        note_files(&format!("{key}.{name}"), value, folder, bytes);
    }
}

fn is_read_with_the_configuration(key: &str) -> bool {
    [
        "clients.jwks.file",
        "clients.tls_client_ca",
        "issuers.jwks.ca",
        "outbound.ca",
        "pages.logo",
        "store.ca",
        "store.key_encryption_key.file",
        "store.url.file",
        "trust_domains.bundle.bootstrap",
        "trust_domains.bundle.ca",
    ]
    .contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"
        issuer = "https://as.example"
        [server]
        drain = "1s"
        [store]
        url = "postgres://secret@db/x"
        [outbound]
        ca = "roots.pem"
        resolve = { "spire.example" = "127.0.0.1" }
        [[rules]]
        name = "one"
        [[rules]]
        name = "two"
        [[trust_domains]]
        name = "a.example"
        bundle = { file = "a.json" }
        [[trust_domains]]
        name = "b.example"
        bundle = { url = "https://b.example/", ca = "b.pem", bootstrap = "b.json" }
        [[issuers]]
        name = "agents"
        jwks = { url = "https://agents.example/", ca = "agents.pem" }
        [[clients]]
        client_id = "batch"
        jwks = { file = "batch.json" }
        "#;

    fn change(folder: &Path, before: &Written, edit: impl FnOnce(String) -> String) -> Vec<String> {
        let after = edit(BEFORE.to_owned()).parse().unwrap();
        before
            .changes_to(&Written::of(&after, folder, [1; 32]))
            .describe()
    }

    #[test]
    fn what_was_added_removed_and_changed_is_named_and_an_equal_text_is_no_change() {
        let folder = testudo_testkit::scratch::folder("written");
        for file in [
            "roots.pem",
            "batch.json",
            "a.json",
            "b.pem",
            "b.json",
            "agents.pem",
        ] {
            std::fs::write(folder.join(file), "first").unwrap();
        }
        let before = Written::of(&BEFORE.parse().unwrap(), &folder, [0; 32]);
        let cases: &[(&str, &str, &str)] = &[
            (
                "drain = \"1s\"",
                "drain = \"2s\"",
                "1 setting changed (server.drain)",
            ),
            ("drain = \"1s\"", "", "-1 setting (server.drain)"),
            ("drain = \"1s\"", "drain = \"1s\" # as before", ""),
            (
                "[server]",
                "[server]\ntls = { certificate = \"c\", private_key = \"k\" }",
                "+2 settings (server.tls.certificate, server.tls.private_key)",
            ),
            ("secret@", "other@", "1 setting changed (store.url)"),
            ("127.0.0.1", "127.0.0.2", "1 setting changed (outbound.resolve)"),
            (
                "name = \"one\"",
                "name = \"one\"\nenabled = false",
                "1 rule changed (one)",
            ),
            ("\"two\"", "\"three\"", "+1 rule (three)-1 rule (two)"),
            ("\"a.json\"", "\"b.json\"", "1 trust domain changed (a.example)"),
            (
                "\"batch\"",
                "\"night\"",
                "+1 configured client (night)-1 configured client (batch)",
            ),
            (
                "name = \"one\"\n        [[rules]]\n        name = \"two\"",
                "name = \"two\"\n        [[rules]]\n        name = \"one\"",
                "the order of the rules changed",
            ),
            (
                "[[rules]]\n        name = \"one\"",
                "[[rules]]\n        name = \"zero\"\n        [[rules]]\n        name = \"one\"",
                "+1 rule (zero)",
            ),
        ];
        for (from, to, expected) in cases {
            assert!(BEFORE.contains(from), "{from}");
            let told = change(&folder, &before, |text| text.replacen(from, to, 1));
            assert_eq!(told.concat(), *expected, "{from} became {to}");
        }
        // The content of files that are read only with the configuration.
        for (file, expected) in [
            ("roots.pem", "1 setting changed (outbound.ca)"),
            ("batch.json", "1 configured client changed (batch)"),
            ("b.pem", "1 trust domain changed (b.example)"),
            ("b.json", "1 trust domain changed (b.example)"),
            ("agents.pem", "1 issuer changed (agents)"),
            ("a.json", ""),
        ] {
            std::fs::write(folder.join(file), "second").unwrap();
            assert_eq!(change(&folder, &before, |text| text).concat(), expected, "{file}");
            std::fs::write(folder.join(file), "first").unwrap();
        }
    }
}
