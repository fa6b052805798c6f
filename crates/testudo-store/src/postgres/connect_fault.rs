//! Why no connection to the database could be opened: which host, port, database and user, and what to do.

use super::{causes, fault};
use crate::StoreFault;
use std::error::Error as _;
use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;

/// The database that `store.url` names, without its password.
#[derive(Debug, Clone)]
pub(super) struct Target {
    hosts: Arc<str>,
    database: Arc<str>,
    user: Arc<str>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target {
            hosts,
            database,
            user,
        } = self;
        write!(f, "{hosts}, database {database:?}, user {user:?}")
    }
}

impl Target {
    pub(super) fn new(hosts: &[Config]) -> Target {
        let names: Vec<String> = hosts.iter().map(place).collect();
        let user = hosts.first().and_then(Config::get_user).unwrap_or_default();
        let database = hosts.first().and_then(Config::get_dbname).unwrap_or(user);
        Target {
            hosts: names.join(" and ").into(),
            database: database.into(),
            user: user.into(),
        }
    }

    /// The fault of a connection that could not be opened.
    pub(super) fn fault(&self, error: &tokio_postgres::Error) -> StoreFault {
        let why = match error.as_db_error() {
            Some(answer) => format!("{} ({})", answer.message(), answer.code().code()),
            None => causes(error),
        };
        let remedy = self.remedy(error);
        fault(format!("no connection to {self}: {why}{remedy}"))
    }

    /// The fault of a connection for which the server did not answer.
    pub(super) fn no_answer(&self, within: Duration) -> StoreFault {
        fault(format!(
            "no connection to {self} within {} s: check host and port of store.url, and the firewall \
             between this machine and the database",
            within.as_secs()
        ))
    }

    /// What to do, after a colon; empty where the text of the server is enough.
    fn remedy(&self, error: &tokio_postgres::Error) -> String {
        let Target { database, user, .. } = self;
        if let Some(code) = error.code() {
            return match code {
                code if *code == SqlState::INVALID_PASSWORD => {
                    ": correct the password in store.url, or set it with ALTER ROLE … PASSWORD".to_owned()
                }
                code if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                    format!(
                        ": create the role {user:?}, or allow it to connect from this machine in pg_hba.conf"
                    )
                }
                code if *code == SqlState::INVALID_CATALOG_NAME => {
                    format!(
                        ": create it with `createdb --encoding=UTF8 --owner={user} {database}`, or correct store.url"
                    )
                }
                code if *code == SqlState::TOO_MANY_CONNECTIONS => {
                    ": raise max_connections; each node has up to 8 connections".to_owned()
                }
                _ => String::new(),
            };
        }
        let mut cause = error.source();
        while let Some(below) = cause {
            if let Some(error) = below.downcast_ref::<std::io::Error>() {
                let kind = error.kind();
                if kind == ErrorKind::ConnectionRefused || kind == ErrorKind::NotFound {
                    return ": start PostgreSQL there, or correct host and port in store.url".to_owned();
                }
                if kind == ErrorKind::TimedOut {
                    return ": check the firewall between this machine and the database".to_owned();
                }
            }
            cause = below.source();
        }
        let text = causes(error);
        let is_in = |part: &str| text.contains(part);
        if is_in("server does not support TLS") {
            ": set ssl = on in postgresql.conf, or write sslmode=disable into store.url where the network is protected otherwise".to_owned()
        } else if is_in("UnknownIssuer") || is_in("CaUsedAsEndEntity") {
            ": set store.ca to the PEM file with the root certificate of the database".to_owned()
        } else if is_in("invalid peer certificate") {
            ": the certificate of the database must be valid now and issued for the host in store.url"
                .to_owned()
        } else if is_in("password missing") {
            ": write the password into store.url, as postgres://USER:PASSWORD@HOST/DATABASE".to_owned()
        } else if is_in("lookup address") {
            ": correct the host in store.url, or make its name known to this machine".to_owned()
        } else {
            String::new()
        }
    }
}

fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => format!("host {name}"),
        Some(Host::Unix(path)) => return format!("socket {}", path.display()),
        None => match config.get_hostaddrs().first() {
            Some(address) => format!("host {address}"),
            None => "no host".to_owned(),
        },
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!("{host}, port {port}")
}
