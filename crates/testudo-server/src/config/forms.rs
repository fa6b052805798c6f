//! What can stand at a key of the configuration, for error messages, and whether its value may be shown.

use super::keys::KEYS;

/// What can stand where a table must.
const TABLES: &[(&str, &str)] = &[
    ("admin", "a table: [admin]"),
    (
        "admin.tls",
        "{ certificate = \"tls.crt\", private_key = \"tls.key\" }",
    ),
    ("clients", "a list of tables, each beginning with [[clients]]"),
    (
        "clients.jwks",
        "a table with one of file, keys, such as { file = \"batch.jwks.json\" }",
    ),
    ("experiments", "a table: [experiments]"),
    ("issuers", "a list of tables, each beginning with [[issuers]]"),
    (
        "issuers.jwks",
        "a table with one of file, url, such as { file = \"jwks.json\" }",
    ),
    ("login", "a table: [login]"),
    (
        "login.providers",
        "a list of tables, each beginning with [[login.providers]]",
    ),
    (
        "login.providers.claims",
        "a table, such as { groups = \"groups\" }",
    ),
    ("outbound", "a table: [outbound]"),
    ("pages", "a table: [pages]"),
    ("registration", "a table: [registration]"),
    ("rules", "a list of tables, each beginning with [[rules]]"),
    ("server", "a table: [server]"),
    (
        "server.mtls",
        "{ listen = [\"127.0.0.1:8444\"], url = \"https://mtls.as.example.net\" }",
    ),
    (
        "server.proxy",
        "{ trusted = [\"10.0.0.0/8\"], client_certificate_header = \"client-cert\" }",
    ),
    (
        "server.tls",
        "{ certificate = \"tls.crt\", private_key = \"tls.key\" }",
    ),
    ("store", "a table: [store]"),
    ("tokens", "a table: [tokens]"),
    (
        "trust_domains",
        "a list of tables, each beginning with [[trust_domains]]",
    ),
    (
        "trust_domains.bundle",
        "a table with one of url, file, workload_api, such as { file = \"bundle.json\" }",
    ),
];

/// The key without the numbers of entries, and whether it ends with one.
fn path_of(key: &str) -> (String, bool) {
    let mut path = String::new();
    for part in key.split('[') {
        path.push_str(part.split_once(']').map_or(part, |(_, rest)| rest));
    }
    (path, key.ends_with(']'))
}

/// What can stand at a key, with an example.
pub(super) fn form(key: &str) -> Option<String> {
    let (path, is_entry) = path_of(key);
    if let Some((_, form)) = TABLES.iter().find(|(table, _)| *table == path) {
        return Some((*form).to_owned());
    }
    let key = KEYS.iter().find(|key| key.path == path)?;
    // A form that lists its values in quotes is an example of itself.
    let lists_values = key.form.contains(key.example);
    Some(match (key.is_list && !is_entry, lists_values) {
        (true, _) => format!("a list, each entry {}, such as {}", key.form, key.example()),
        (false, true) => key.form.to_owned(),
        (false, false) => format!("{}, such as {}", key.form, key.example),
    })
}

/// True where the value may contain a secret, or is a part of one.
pub(super) fn is_secret(key: &str) -> bool {
    let (path, _) = path_of(key);
    let is_in = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut secrets = KEYS.iter().filter(|key| key.is_secret);
    secrets.any(|secret| is_in(&path, secret.path) || is_in(secret.path, &path))
}
