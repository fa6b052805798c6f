//! `[admin]`: how administrators reach the admin API, and who they are.

use super::checker::Checker;
use super::tls::{TlsFiles, TlsSection};
use crate::socket_path::too_long_to_create;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `[admin]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSection {
    /// Path of a Unix socket with mode 0600; a process that may open it acts as an administrator. Default: `"testudo.sock"`.
    pub socket: Option<String>,
    /// Address for metrics and probes, and the admin API with a token. Takes the limits of `[server]`.
    pub listen: Option<String>,
    /// Certificate and key for `listen`; required beyond loopback.
    pub tls: Option<TlsSection>,
    /// Identities that may use the admin API on `listen` with a token: with the scope value `admin.read` to read, with
    /// `admin.write` to read and to change.
    pub administrators: Vec<String>,
    /// Identities whose tokens, with the scope value `admin.read`, may read and change nothing.
    pub auditors: Vec<String>,
}

/// The checked values of `[admin]`.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented at its section")]
pub struct AdminSettings {
    pub socket: PathBuf,
    pub listen: Option<SocketAddr>,
    pub tls: Option<TlsFiles>,
}

/// The hint where the path of the socket is too long.
const SHORTER: &str = "name a socket in a folder with a shorter path, such as admin.socket = \"/run/testudo/admin.sock\"; a relative path begins in the folder of the configuration file";

impl Checker<'_> {
    pub(super) fn admin(&mut self, section: &AdminSection) -> Option<AdminSettings> {
        let text = section.listen.as_deref();
        let listen = text.and_then(|text| self.address("admin.listen", text));
        let tls = section.tls.as_ref().map(|tls| self.tls("admin.tls", tls));
        let is_read = text.is_none() == listen.is_none() && !self.report.is_unread("admin");
        if is_read {
            self.plain_admin_listener(listen, tls.is_some());
        }
        let socket = self.path(section.socket.as_deref().unwrap_or("testudo.sock"));
        if section.socket.as_deref() == Some("") {
            self.report.error("admin.socket", "is empty", None);
        } else if let Some(why) = too_long_to_create(&socket) {
            self.report.refuse("admin.socket", why, Some(SHORTER));
        }
        Some(AdminSettings { socket, listen, tls })
    }
}
