//! `[admin]`: how administrators get in.

use super::judge::Judge;
use super::listeners::TlsFiles;
use super::sections::ConfigFile;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `[admin]`, judged.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented in sections.rs")]
pub struct AdminSettings {
    pub socket: PathBuf,
    pub listen: Option<SocketAddr>,
    pub tls: Option<TlsFiles>,
}

impl Judge<'_> {
    pub(super) fn admin(&mut self, file: &ConfigFile) -> Option<AdminSettings> {
        let listen = match &file.admin.listen {
            None => None,
            Some(text) => Some(self.address("admin.listen", text)?),
        };
        let tls = file.admin.tls.as_ref().map(|tls| self.tls("admin.tls", tls));
        self.plain_admin_listener(listen, tls.is_some());
        let socket = self.path(file.admin.socket.as_deref().unwrap_or("testudo.sock"));
        Some(AdminSettings { socket, listen, tls })
    }
}
