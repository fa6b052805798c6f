//! URLs that use http, and listeners without TLS that other machines can reach. SVIDs and tokens are bearer credentials:
//! an attacker who reads the traffic can use them. A public listener causes a warning, `admin.listen` an error.

use super::checker::Checker;
use std::net::SocketAddr;

/// True if other machines can connect to this address.
pub(super) fn is_beyond_loopback(address: &SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

impl Checker<'_> {
    /// Warns of a URL that uses http.
    pub(in crate::config) fn uses_http(&mut self, key: impl AsRef<str>) {
        self.report
            .warn(key, "uses http: fit for trials on this machine only", None);
    }

    pub(super) fn plain_public_listeners(&mut self, listen: &[String], has_tls: bool) {
        let addresses = listen.iter().map(|text| text.parse::<SocketAddr>());
        for (entry, address) in addresses.enumerate() {
            let Some(address) = address
                .ok()
                .filter(|address| !has_tls && is_beyond_loopback(address))
            else {
                continue;
            };
            self.report.warn(
                format!("server.listen[{entry}]"),
                format!(
                    "\"{address}\" is not loopback and serves plain HTTP: SVIDs and tokens can be read in transit"
                ),
                Some("set server.tls; or let only a TLS terminator on this machine or in this pod reach it"),
            );
        }
    }

    pub(super) fn plain_admin_listener(&mut self, listen: Option<SocketAddr>, has_tls: bool) {
        match listen {
            Some(address) if !has_tls && is_beyond_loopback(&address) => self.report.error(
                "admin.listen",
                format!(
                    "\"{address}\" is not loopback and has no TLS: the token of an administrator could be read in transit"
                ),
                Some("set admin.tls = { certificate = \"...\", private_key = \"...\" }, or listen on 127.0.0.1"),
            ),
            None if has_tls => self.report.warn(
                "admin.tls",
                "is set without admin.listen",
                Some("set admin.listen, or remove admin.tls"),
            ),
            _ => {}
        }
    }
}
