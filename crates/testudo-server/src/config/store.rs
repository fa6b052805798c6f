//! `[store]`: the database engine, its address, and the key that encrypts the secrets in it.

use super::checker::Checker;
use super::key_strength::weakness;
use crate::private_files::{Exposure, exposure};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testudo_protocol::Seconds;
use testudo_store::{PostgresAddress, Transport};
use zeroize::Zeroizing;

/// `[store]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// `sqlite:PATH`, `postgres://…?sslmode=verify-full` or `memory:`. Beyond this machine, PostgreSQL is reached
    /// over TLS unless the URL has `sslmode=disable`. Default: `"sqlite:testudo.db"`.
    pub url: Option<SecretText>,
    /// PEM file with roots for the database's certificate, beside the system's. With it, the connection is TLS and verified.
    pub ca: Option<String>,
    /// How long known clients are served from memory while the store is away, or changes by other nodes cannot be
    /// read. After that the node serves nothing and is not ready. Default: `"5m"`.
    pub serve_without_store: Option<String>,
    /// Encrypts signing keys at rest: 32 bytes, base64url or raw in a file. Default: for SQLite a file beside the
    /// database, made at the first start. Required for PostgreSQL.
    pub key_encryption_key: Option<SecretText>,
}

/// A secret: the text itself, or where it is.
#[derive(JsonSchema, Clone)]
#[schemars(untagged)]
pub enum SecretText {
    /// The secret is the content of a file.
    File {
        /// Path of the file.
        file: String,
    },
    /// The secret is in an environment variable.
    Env {
        /// Name of the variable.
        env: String,
    },
    /// The secret is written in the configuration itself.
    Text(String),
}

/// Not derived: the error that serde derives for an untagged enum does not name the unknown key of a table.
impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Elsewhere {
            file: Option<String>,
            env: Option<String>,
        }
        struct TextOrPlace;
        impl<'de> serde::de::Visitor<'de> for TextOrPlace {
            type Value = SecretText;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, { file = \"…\" } or { env = \"…\" }")
            }
            fn visit_str<E>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText::Text(text.to_owned()))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<SecretText, A::Error> {
                let place = Elsewhere::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                match (place.file, place.env) {
                    (Some(file), None) => Ok(SecretText::File { file }),
                    (None, Some(env)) => Ok(SecretText::Env { env }),
                    _ => Err(serde::de::Error::custom("must have exactly one of file, env")),
                }
            }
        }
        deserializer.deserialize_any(TextOrPlace)
    }
}

/// Prints where the secret is and never the secret itself, so that a printed section does not contain it.
impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SecretText::File { file } => write!(f, "a secret in the file {file}"),
            SecretText::Env { env } => write!(f, "a secret in the variable {env}"),
            SecretText::Text(_) => f.write_str("a secret"),
        }
    }
}

/// The checked values of `[store]`.
#[derive(Debug)]
pub struct StoreSettings {
    /// The engine, and the path or URL of the database.
    pub url: StoreUrl,
    /// The configured key-encryption key, 32 bytes. `None`: the file beside the SQLite database.
    pub key_encryption_key: Option<Zeroizing<[u8; 32]>>,
    /// Extra roots for the database's certificate.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// How long known clients are served from memory while the store is away.
    pub serve_without_store: Duration,
}

/// The engine, and the path or URL of the database.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In memory only: all records are lost when the process ends.
    Memory,
    /// Path of the SQLite database file.
    Sqlite(PathBuf),
    /// URL of a PostgreSQL server. It may contain a password, so it is never shown.
    Postgres(Zeroizing<String>),
}

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StoreUrl::Memory => f.write_str("memory:"),
            StoreUrl::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            StoreUrl::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

/// Where the key-encryption key of a SQLite database is, unless the configuration names another place.
pub fn key_encryption_key_beside(database: &Path) -> PathBuf {
    database.with_added_extension("kek")
}

/// The files in which SQLite keeps a database.
pub(super) fn database_files(database: &Path) -> Vec<PathBuf> {
    let file = |suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    ["", "-wal", "-shm"].map(file).into()
}

impl Checker<'_> {
    pub(super) fn store(&mut self, section: &StoreSection) -> Option<StoreSettings> {
        let url = self.store_url(section);
        let key_encryption_key = match &section.key_encryption_key {
            None => Some(None),
            Some(secret) => self.key_encryption_key(secret).map(Some),
        };
        let extra_roots_pem = match &section.ca {
            None => Some(None),
            Some(path) => self.certificates("store.ca", &self.path(path)).map(Some),
        };
        let text = section.serve_without_store.as_deref();
        let serve_without_store = self.duration("store.serve_without_store", text, Seconds(300));
        Some(StoreSettings {
            url: url?,
            key_encryption_key: key_encryption_key?,
            extra_roots_pem: extra_roots_pem?,
            serve_without_store: Duration::from_secs(serve_without_store?.0.unsigned_abs()),
        })
    }

    fn store_url(&mut self, section: &StoreSection) -> Option<StoreUrl> {
        let bytes = match &section.url {
            None => Zeroizing::new(b"sqlite:testudo.db".to_vec()),
            Some(secret) => self.secret("store.url", secret)?,
        };
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        match text.split_once(':') {
            Some(("memory", "")) => {
                self.report.warn(
                    "store.url",
                    "\"memory:\" keeps clients in memory only: all are lost when the server stops",
                    None,
                );
                Some(StoreUrl::Memory)
            }
            Some(("sqlite", path)) if !path.is_empty() => {
                let path = self.path(path);
                if path.is_dir() {
                    let hint = format!(
                        "name a file in it, such as sqlite:{}",
                        path.join("testudo.db").display()
                    );
                    self.report.refuse(
                        "store.url",
                        format!("names the folder {}", path.display()),
                        Some(&hint),
                    );
                    return None;
                }
                let has_key =
                    self.is_written(section.key_encryption_key.as_ref(), "store.key_encryption_key");
                self.sqlite_files(&path, !has_key);
                Some(StoreUrl::Sqlite(path))
            }
            Some(("postgres" | "postgresql", _)) => {
                if !self.is_written(section.key_encryption_key.as_ref(), "store.key_encryption_key") {
                    // With a database on another machine, there is no folder that all nodes share.
                    self.report.error(
                        "store.key_encryption_key",
                        "is missing, and PostgreSQL needs it: every node must decrypt the same signing keys",
                        Some("make one with `testudo init`, and give every node the same"),
                    );
                }
                self.postgres(text, section.ca.is_some());
                Some(StoreUrl::Postgres(Zeroizing::new(text.to_owned())))
            }
            _ => {
                self.report.error("store.url", "is not a store", None);
                None
            }
        }
    }

    fn key_encryption_key(&mut self, secret: &SecretText) -> Option<Zeroizing<[u8; 32]>> {
        let key = "store.key_encryption_key";
        if let SecretText::File { file } = secret {
            self.key_encryption_key_file(key, &self.path(file));
        }
        let bytes = self.secret(key, secret)?;
        let parsed = crate::key_encryption::parse_key_encryption_key(&bytes);
        let problem = match &parsed {
            Some(key) => weakness(key),
            None => Some("is not 32 bytes, raw or as base64url"),
        };
        if let Some(problem) = problem {
            let hint = Some("make one with `testudo init`");
            self.report.error(key, problem, hint);
        }
        parsed
    }

    /// Checks the connection to the database: it must be encrypted, or within this machine.
    fn postgres(&mut self, url: &str, has_roots: bool) {
        match PostgresAddress::parse(url, has_roots).map(|address| address.transport()) {
            Ok(Transport::Tls | Transport::PlainNearby) => {}
            Ok(Transport::TlsAssumed) => self.report.warn(
                "store.url",
                "names another machine without sslmode: TLS is required, as with sslmode=verify-full",
                Some("add sslmode=verify-full, or sslmode=disable for plain text in a network protected otherwise"),
            ),
            Ok(Transport::PlainFar) => self.report.warn(
                "store.url",
                "has sslmode=disable: everything in the store crosses the network in plain text",
                Some("sslmode=verify-full encrypts it and verifies the server"),
            ),
            Err(fault) => self.report.refuse("store.url", fault.problem, Some(fault.hint)),
        }
    }

    /// Checks the permissions of the database and of the files beside it. An earlier version created databases that all
    /// users can read: that is a warning and no error.
    fn sqlite_files(&mut self, path: &Path, has_key_beside: bool) {
        for file in database_files(path) {
            self.warn_if_exposed("store.url", &file);
        }
        if has_key_beside {
            self.key_encryption_key_file("store.key_encryption_key", &key_encryption_key_beside(path));
        }
    }

    /// Refuses a key file that other users can read, as ssh does: with this key and a copy of the database, an attacker
    /// can sign tokens.
    fn key_encryption_key_file(&mut self, key: &str, path: &Path) {
        match exposure(path) {
            Some(exposure @ Exposure::Ours(_)) => self.report.refuse(
                key,
                format!("{} {exposure}", path.display()),
                Some(&format!(
                    "chmod 600 {}; where others may have read it, replace it and the database together",
                    path.display()
                )),
            ),
            Some(Exposure::Foreign(_)) => self.warn_if_exposed(key, path),
            None => {}
        }
    }

    pub(super) fn warn_if_exposed(&mut self, key: &str, path: &Path) {
        if let Some(exposure) = exposure(path) {
            let hint = format!("chmod 600 {}", path.display());
            let problem = format!("{} {exposure}", path.display());
            self.report.warn(key, problem, Some(&hint));
        }
    }

    pub(super) fn secret(&mut self, key: &str, secret: &SecretText) -> Option<Zeroizing<Vec<u8>>> {
        match secret {
            SecretText::Text(text) => Some(Zeroizing::new(text.as_bytes().to_vec())),
            SecretText::File { file } => {
                let path = self.path(file);
                self.file(key, &path).map(Zeroizing::new)
            }
            SecretText::Env { env } => match std::env::var(env) {
                Ok(text) => Some(Zeroizing::new(text.into_bytes())),
                Err(_) => {
                    let problem = format!("names the variable {env}, which is not in the environment");
                    let hint = format!(
                        "start testudo with {env} in its environment; a systemd unit sets it with Environment= or EnvironmentFile="
                    );
                    self.report.refuse(key, problem, Some(&hint));
                    None
                }
            },
        }
    }
}
