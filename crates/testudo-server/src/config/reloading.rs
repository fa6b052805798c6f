//! Settings that take effect at the next start: their values when this server started, and which of them differ now.
//! `keys.rs` lists which settings a reload applies.

use super::Configuration;
use testudo_protocol::jose::sha256;

/// A setting that takes effect at the next start.
pub struct FixedSetting {
    /// The configuration key.
    pub key: &'static str,
    /// Its value in a form that can be compared; a digest if it may contain a secret.
    value: fn(&Configuration) -> String,
}

/// Settings that take effect at the next start: sockets are bound, and the store is opened, once.
pub const FIXED_AT_START: &[FixedSetting] = &[
    FixedSetting {
        key: "server.listen",
        value: |of| format!("{:?}", of.server.listen),
    },
    FixedSetting {
        key: "server.mtls.listen",
        value: |of| format!("{:?}", of.server.mtls.as_ref().map(|mtls| &mtls.listen)),
    },
    FixedSetting {
        key: "server.mtls.url",
        value: |of| format!("{:?}", of.server.mtls.as_ref().map(|mtls| &mtls.url)),
    },
    FixedSetting {
        key: "server.connections_max",
        value: |of| of.server.connections.connections_max.to_string(),
    },
    FixedSetting {
        key: "server.streams_max",
        value: |of| of.server.connections.streams_max.to_string(),
    },
    FixedSetting {
        key: "store.url",
        value: |of| match &of.store.url {
            super::StoreUrl::Postgres(url) => digest(url.as_bytes()),
            url @ (super::StoreUrl::Memory | super::StoreUrl::Sqlite(_)) => format!("{url:?}"),
        },
    },
    FixedSetting {
        key: "store.ca",
        value: |of| digest(of.store.extra_roots_pem.as_deref().unwrap_or_default()),
    },
    FixedSetting {
        key: "store.key_encryption_key",
        value: |of| {
            let key = of.store.key_encryption_key.as_deref();
            key.map_or_else(String::new, |key| digest(key))
        },
    },
    FixedSetting {
        key: "admin.socket",
        value: |of| format!("{:?}", of.admin.socket),
    },
    FixedSetting {
        key: "admin.listen",
        value: |of| format!("{:?}", of.admin.listen),
    },
    FixedSetting {
        key: "log.format",
        value: |of| format!("{:?}", of.log.format),
    },
    FixedSetting {
        key: "tokens.signing_algorithm",
        value: |of| format!("{:?}", of.policy.tokens.signing_algorithm),
    },
];

fn digest(bytes: &[u8]) -> String {
    format!("{:?}", sha256(bytes))
}

/// The values with which this server started.
#[derive(Debug)]
pub struct StartedWith(Vec<String>);

impl StartedWith {
    /// The values of a configuration.
    pub fn of(configuration: &Configuration) -> StartedWith {
        StartedWith(values(configuration).collect())
    }

    /// Keys whose value in a new configuration differs: they take effect at the next start.
    pub fn differ_from(&self, configuration: &Configuration) -> Vec<&'static str> {
        let keys = FIXED_AT_START.iter().map(|setting| setting.key);
        let pairs = keys.zip(self.0.iter().zip(values(configuration)));
        pairs
            .filter(|(_, (started, new))| *started != new)
            .map(|(key, _)| key)
            .collect()
    }
}

fn values(configuration: &Configuration) -> impl Iterator<Item = String> {
    FIXED_AT_START
        .iter()
        .map(|setting| (setting.value)(configuration))
}
