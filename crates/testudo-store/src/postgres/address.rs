//! Reads from a `postgres://` URL how the database is reached: with TLS and a verified certificate, or in plain text,
//! and whether plain text leaves this machine.
//!
//! Signing keys are encrypted in the database, but clients, events and blocks are not, and an attacker who can change
//! the traffic can unfreeze a client. So plain text to another machine is used only if the URL has `sslmode=disable`,
//! never by default.

use std::net::IpAddr;
use std::str::FromStr as _;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// A URL that passed the checks.
#[derive(Debug, Clone)]
pub struct PostgresAddress {
    pub(super) config: Config,
    /// The schema of Testudo's tables, written as in SQL.
    pub(super) schema: String,
    /// True if the URL names the schema.
    pub(super) is_schema_named: bool,
    transport: Transport,
}

/// How the database is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TLS; the server's certificate and its name are verified.
    Tls,
    /// TLS with verification, because the URL names another machine and has no `sslmode`.
    TlsAssumed,
    /// Plain text that does not leave this machine.
    PlainNearby,
    /// Plain text over a network, because the URL has `sslmode=disable`.
    PlainFar,
}

/// Why a URL cannot be used. The texts never contain the URL, which may contain a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: &'static str,
}

/// The schema if the URL names none. The `search_path` of the role is not used: any role that may create a schema could
/// put a schema of its own first there.
const DEFAULT_SCHEMA: &str = "public";

const EXPECTED: &str = "expected: postgres://user@host/database?sslmode=verify-full";

impl PostgresAddress {
    /// Checks a URL. `has_roots`: roots for the certificate of the database are configured (`store.ca`).
    pub fn parse(url: &str, has_roots: bool) -> Result<PostgresAddress, AddressError> {
        let (url, mode) = without_sslmode(url);
        let mut config = Config::from_str(&url).map_err(|error| AddressError {
            problem: format!("is not a PostgreSQL URL: {error}"),
            hint: EXPECTED,
        })?;
        let is_near =
            config.get_hosts().iter().all(is_near) && config.get_hostaddrs().iter().all(is_loopback);
        let transport = match mode.as_deref() {
            // All three modes verify the chain and the name here: without the check of the name, an attacker could use
            // any valid certificate.
            Some("require" | "verify-ca" | "verify-full") => Transport::Tls,
            Some("disable") if has_roots => {
                return Err(AddressError {
                    problem: "has sslmode=disable, but store.ca is set, which is for TLS".to_owned(),
                    hint: "write sslmode=verify-full, or remove store.ca",
                });
            }
            Some("disable") if is_near => Transport::PlainNearby,
            Some("disable") => Transport::PlainFar,
            None | Some("prefer" | "allow") if has_roots => Transport::Tls,
            None | Some("prefer" | "allow") if is_near => Transport::PlainNearby,
            None | Some("prefer" | "allow") => Transport::TlsAssumed,
            Some(other) => {
                return Err(AddressError {
                    problem: format!("has an unknown sslmode {other:?}"),
                    hint: "expected: sslmode=verify-full (verify-ca and require mean the same here) or disable",
                });
            }
        };
        config.ssl_mode(match transport {
            Transport::Tls | Transport::TlsAssumed => SslMode::Require,
            Transport::PlainNearby | Transport::PlainFar => SslMode::Disable,
        });
        let named = named_schema(config.get_options().unwrap_or_default())?;
        Ok(PostgresAddress {
            config,
            is_schema_named: named.is_some(),
            schema: named.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()),
            transport,
        })
    }

    /// How the database is reached.
    pub fn transport(&self) -> Transport {
        self.transport
    }
}

/// The schema that the administrator names with `options=-csearch_path=NAME` in the URL.
fn named_schema(options: &str) -> Result<Option<String>, AddressError> {
    let mut words = options.split_ascii_whitespace();
    let mut named = None;
    while let Some(word) = words.next() {
        let setting = match word {
            "-c" => words.next().unwrap_or_default(),
            _ => word
                .strip_prefix("--")
                .or_else(|| word.strip_prefix("-c"))
                .unwrap_or_default(),
        };
        if let Some(("search_path", value)) = setting.split_once('=') {
            named = Some(value.split(',').next().unwrap_or_default().to_owned());
        }
    }
    match named {
        Some(name) if !is_plain_name(&name) => Err(AddressError {
            problem: "names a schema in search_path that is not a plain name".to_owned(),
            hint: "expected: letters, digits and underscores, as in options=-csearch_path%3Dtestudo",
        }),
        named => Ok(named.map(|name| format!("\"{name}\""))),
    }
}

/// True for a name that needs no quotes in SQL and that PostgreSQL does not change to lower case.
fn is_plain_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The driver supports fewer values of `sslmode` than PostgreSQL's own tools, so the parameter is removed from the URL
/// and checked here.
fn without_sslmode(url: &str) -> (String, Option<String>) {
    let Some((place, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut mode = None;
    let mut rest = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            _ => rest.push(parameter),
        }
    }
    match rest.is_empty() {
        true => (place.to_owned(), mode),
        false => (format!("{place}?{}", rest.join("&")), mode),
    }
}

fn is_near(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name.eq_ignore_ascii_case("localhost")
                || name
                    .trim_matches(['[', ']'])
                    .parse()
                    .is_ok_and(|address| is_loopback(&address))
        }
    }
}

fn is_loopback(address: &IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, has_roots: bool, expected: Result<Transport, &str>) {
        match (PostgresAddress::parse(url, has_roots), expected) {
            (Ok(address), Ok(transport)) => assert_eq!(address.transport(), transport, "{url}"),
            (Err(fault), Err(part)) => assert!(fault.problem.contains(part), "{url}: {fault:?}"),
            (found, expected) => panic!("{url}: {found:?}, expected {expected:?}"),
        }
    }

    const FAR: &str = "postgres://u:p@db.example/t";

    #[test]
    fn every_sslmode_of_tls_verifies_the_certificate() {
        for mode in ["require", "verify-ca", "verify-full"] {
            check(&format!("{FAR}?sslmode={mode}"), false, Ok(Transport::Tls));
            check(
                &format!("{FAR}?connect_timeout=3&sslmode={mode}&application_name=x"),
                true,
                Ok(Transport::Tls),
            );
        }
        check(
            &format!("{FAR}?sslmode=verify_full"),
            false,
            Err("unknown sslmode"),
        );
        check(&format!("{FAR}?sslmode="), false, Err("unknown sslmode"));
    }

    #[test]
    fn url_without_sslmode_never_means_plain_text_to_another_machine() {
        for query in ["", "?sslmode=prefer", "?sslmode=allow"] {
            check(&format!("{FAR}{query}"), false, Ok(Transport::TlsAssumed));
            check(&format!("{FAR}{query}"), true, Ok(Transport::Tls));
        }
        check(
            "postgres://u@127.0.0.1,db.example/t",
            false,
            Ok(Transport::TlsAssumed),
        );
        check(&format!("{FAR}?sslmode=disable"), false, Ok(Transport::PlainFar));
        check(&format!("{FAR}?sslmode=disable"), true, Err("store.ca"));
    }

    #[test]
    fn plain_text_on_this_machine_needs_no_sslmode() {
        for url in [
            "postgres://u@127.0.0.1:5433/t",
            "postgresql://u@localhost/t",
            "postgres://u@[::1]/t",
            "postgres://u@%2Frun%2Fpostgresql/t",
            "postgres:///t?host=/run/postgresql",
        ] {
            check(url, false, Ok(Transport::PlainNearby));
        }
        check("postgres://u@127.0.0.1/t", true, Ok(Transport::Tls));
        check(
            "postgres://u@127.0.0.1:x/t",
            false,
            Err("is not a PostgreSQL URL"),
        );
    }

    #[test]
    fn schema_is_public_unless_the_url_names_another() {
        for (query, expected) in [
            ("", Ok(("public", false))),
            ("?options=-cwork_mem%3D1MB", Ok(("public", false))),
            ("?options=-csearch_path%3Dauth_1", Ok(("\"auth_1\"", true))),
            (
                "?options=-c%20search_path%3Dauth,public%20-cx.y%3D1",
                Ok(("\"auth\"", true)),
            ),
            ("?options=--search_path%3Dauth", Ok(("\"auth\"", true))),
            ("?options=-csearch_path%3D", Err(())),
            ("?options=-csearch_path%3D%22$user%22,public", Err(())),
            ("?options=-csearch_path%3DAuth", Err(())),
        ] {
            let found = PostgresAddress::parse(&format!("{FAR}{query}"), false);
            let found = found
                .as_ref()
                .map(|found| (found.schema.as_str(), found.is_schema_named));
            assert_eq!(found.map_err(drop), expected, "{query}");
        }
    }

    #[test]
    fn error_about_a_database_url_never_contains_the_password() {
        let fault = PostgresAddress::parse("postgres://u:secret@h:x/t?sslmode=y", false).unwrap_err();
        assert!(!fault.problem.contains("secret"), "{fault:?}");
    }
}
