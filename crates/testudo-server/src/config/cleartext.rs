//! What crosses a network without encryption: SVIDs and tokens are bearer credentials, and a listener on that
//! network can use them. Each such listener is named; the administrators' is refused.

use super::judge::Judge;
use std::net::SocketAddr;

/// True where others than this machine may be at the other end.
fn is_beyond_loopback(address: &SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

impl Judge<'_> {
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
                    "\"{address}\" takes plain HTTP beyond loopback: SVIDs and tokens can be read on the way"
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
                    "\"{address}\" is beyond loopback without TLS: an administrator's token could be read on the way"
                ),
                Some("set admin.tls = { certificate = \"...\", private_key = \"...\" }, or listen on 127.0.0.1"),
            ),
            None if has_tls => self.report.warn(
                "admin.tls",
                "is there without admin.listen",
                Some("set admin.listen, or remove admin.tls"),
            ),
            _ => {}
        }
    }
}
