//! Addresses and paths at which one server listens: no two of them can be the same, and the admin socket cannot be a
//! file of the store.

use super::admin::AdminSettings;
use super::checker::Checker;
use super::cleartext::is_beyond_loopback;
use super::listeners::ServerSettings;
use super::store::{StoreUrl, database_files, key_encryption_key_beside};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

/// An address on which the server listens, with the key that names it.
#[derive(Debug, Clone)]
pub struct Listening {
    /// `server.listen`, `server.mtls.listen` or `admin.listen`.
    pub key: &'static str,
    /// Its position, where the key is a list.
    entry: Option<usize>,
    /// The address.
    pub address: SocketAddr,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.address)
    }
}

/// Every TCP address of a configuration, in the order in which the server opens them.
pub fn listening(server: &ServerSettings, admin: &AdminSettings) -> Vec<Listening> {
    let entries = |key: &'static str, addresses: &[SocketAddr]| {
        let named = addresses
            .iter()
            .enumerate()
            .map(move |(entry, address)| Listening {
                key,
                entry: Some(entry),
                address: *address,
            });
        named.collect::<Vec<_>>()
    };
    let mtls = server.mtls.iter();
    let admin = admin.listen.map(|address| Listening {
        key: "admin.listen",
        entry: None,
        address,
    });
    let mut all = entries("server.listen", &server.listen);
    all.extend(mtls.flat_map(|mtls| entries("server.mtls.listen", &mtls.listen)));
    all.extend(admin);
    all
}

impl Listening {
    /// True if other machines can connect to the address.
    pub fn is_beyond_loopback(&self) -> bool {
        is_beyond_loopback(&self.address)
    }

    /// `server.listen[0]`
    fn path(&self) -> String {
        let entry = self.entry.map(|entry| format!("[{entry}]"));
        format!("{}{}", self.key, entry.unwrap_or_default())
    }

    /// True where the operating system gives one process only one of both addresses. Whether it does so for `[::]` and
    /// an IPv4 address depends on its settings, so that is not included.
    fn excludes(&self, other: &Listening) -> bool {
        self.may_exclude(other) && self.address.ip().is_ipv4() == other.address.ip().is_ipv4()
    }

    /// True where the operating system may refuse one of both addresses because the other one is in use. Port 0 is
    /// replaced by a free port.
    pub fn may_exclude(&self, other: &Listening) -> bool {
        let [one, two] = [self, other].map(|listening| listening.address.ip().to_canonical());
        let is_same_port = self.address.port() == other.address.port() && self.address.port() != 0;
        is_same_port && (one == two || one.is_unspecified() || two.is_unspecified())
    }
}

impl Checker<'_> {
    /// Two listeners of one server cannot have the same address and port.
    pub(super) fn addresses_are_distinct(&mut self, server: &ServerSettings, admin: &AdminSettings) {
        let all = listening(server, admin);
        for (position, one) in all.iter().enumerate() {
            let earlier = all.iter().take(position);
            let Some(first) = earlier.clone().find(|first| one.excludes(first)) else {
                continue;
            };
            let problem = match first.address == one.address {
                true => format!("\"{}\" is also the address of {}", one.address, first.path()),
                false => format!(
                    "\"{}\" includes or is part of \"{}\" in {}",
                    one.address,
                    first.address,
                    first.path()
                ),
            };
            let hint = "give each listener a port of its own, or remove one of the two";
            self.report.refuse(one.path(), problem, Some(hint));
        }
    }

    /// The server creates the files of the store before the admin socket, and replaces no file by a socket.
    pub(super) fn socket_is_no_file_of_the_store(&mut self, socket: &Path, store: &StoreUrl) {
        let StoreUrl::Sqlite(database) = store else {
            return;
        };
        let mut files = database_files(database);
        files.push(key_encryption_key_beside(database));
        if files.iter().any(|file| file == socket) {
            let problem = format!("{} is a file of the database of store.url", socket.display());
            let hint = "name another path, such as admin.socket = \"testudo.sock\"";
            self.report.refuse("admin.socket", problem, Some(hint));
        }
    }
}
