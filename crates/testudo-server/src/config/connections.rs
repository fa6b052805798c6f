//! `[server]`: limits and deadlines of connections, the same for every listener.

use super::checker::Checker;
use super::server::ServerSection;
use ipnet::IpNet;
use std::time::Duration;
use testudo_protocol::Seconds;

/// The checked limits of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented at its section")]
pub struct ConnectionLimits {
    pub connections_max: usize,
    pub connections_max_per_address: usize,
    pub connections_max_per_prefix: usize,
    pub first_request_timeout: Duration,
    pub body_timeout: Duration,
    pub write_timeout: Duration,
    pub idle_timeout: Duration,
    pub streams_max: u32,
}

/// The rules for connections. A reload replaces them for all listeners at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionRules {
    /// The limits in force.
    pub limits: ConnectionLimits,
    /// Networks of proxies, which forward the requests of many clients: the limits per address and per prefix do not
    /// apply to them.
    pub trusted: Vec<IpNet>,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            connections_max: 10_000,
            connections_max_per_address: 2_500,
            connections_max_per_prefix: 5_000,
            first_request_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(60),
            streams_max: 128,
        }
    }
}

impl ConnectionLimits {
    /// `connections_max` of the admin socket. It is enough for the administrators of one machine, and leaves most of the
    /// reserved open files free.
    pub const ADMIN_SOCKET_MAX: usize = 64;

    /// Pause between two checks of the deadlines: an eighth of the shortest deadline, so that a connection is closed soon
    /// after its deadline.
    pub fn pause_between_checks(&self) -> Duration {
        let others = self.idle_timeout.min(self.write_timeout);
        let shortest = self.first_request_timeout.min(others);
        (shortest / 8).clamp(Duration::from_millis(50), Duration::from_millis(500))
    }
}

impl Checker<'_> {
    pub(super) fn connections(&mut self, section: &ServerSection) -> Option<ConnectionLimits> {
        let defaults = ConnectionLimits::default();
        let connections_max = self.count(
            "connections_max",
            section.connections_max,
            defaults.connections_max,
        );
        let connections_max_per_address = self.count(
            "connections_max_per_address",
            section.connections_max_per_address,
            defaults.connections_max_per_address,
        );
        let connections_max_per_prefix = self.count(
            "connections_max_per_prefix",
            section.connections_max_per_prefix,
            defaults.connections_max_per_prefix,
        );
        let first_request_timeout = self.deadline(
            "first_request_timeout",
            section.first_request_timeout.as_deref(),
            defaults.first_request_timeout,
        );
        let body_timeout = self.deadline(
            "body_timeout",
            section.body_timeout.as_deref(),
            defaults.body_timeout,
        );
        let write_timeout = self.deadline(
            "write_timeout",
            section.write_timeout.as_deref(),
            defaults.write_timeout,
        );
        let idle_timeout = self.deadline(
            "idle_timeout",
            section.idle_timeout.as_deref(),
            defaults.idle_timeout,
        );
        if section.streams_max == Some(0) {
            self.zero("streams_max", "1");
        }
        // Returns only after every value was checked, so that all problems are reported at once.
        let limits = ConnectionLimits {
            connections_max: connections_max?,
            connections_max_per_address: connections_max_per_address?,
            connections_max_per_prefix: connections_max_per_prefix?,
            first_request_timeout: first_request_timeout?,
            body_timeout: body_timeout?,
            write_timeout: write_timeout?,
            idle_timeout: idle_timeout?,
            streams_max: section.streams_max.unwrap_or(defaults.streams_max),
        };
        if limits.connections_max_per_prefix < limits.connections_max_per_address {
            self.report.warn(
                "server.connections_max_per_prefix",
                format!(
                    "is {}, less than connections_max_per_address ({}): no address can have that many",
                    limits.connections_max_per_prefix, limits.connections_max_per_address
                ),
                Some("a prefix contains many addresses: its limit must be at least the limit of one address"),
            );
        }
        Some(limits)
    }

    fn count(&mut self, key: &str, written: Option<usize>, default: usize) -> Option<usize> {
        if written == Some(0) {
            self.zero(key, "1");
            return None;
        }
        Some(written.unwrap_or(default))
    }

    fn deadline(&mut self, key: &str, text: Option<&str>, default: Duration) -> Option<Duration> {
        let default = Seconds(i64::try_from(default.as_secs()).unwrap_or(i64::MAX));
        let seconds = self.duration(&format!("server.{key}"), text, default)?;
        if seconds.0 == 0 {
            self.zero(key, "\"1s\"");
            return None;
        }
        Some(Duration::from_secs(seconds.0.unsigned_abs()))
    }

    fn zero(&mut self, key: &str, least: &str) {
        let hint = format!("write {least} or more, or leave the key out for its default");
        self.report.error(
            format!("server.{key}"),
            "is zero: no client could be served",
            Some(&hint),
        );
    }
}
