//! Which settings a reload takes, and which take effect at the next start: one list of every configuration key.

use super::Configuration;
use testudo_protocol::jose::sha256;

/// Settings that a reload takes. For keys below `server.tls` and `admin.tls` that means the files: a section that
/// appears or disappears takes effect at the next start, and the reload says so.
pub const TAKEN_BY_RELOAD: &[&str] = &[
    "admin.administrators",
    "admin.auditors",
    "admin.tls.certificate",
    "admin.tls.private_key",
    "clients.access_token_lifetime",
    "clients.client_id",
    "clients.client_name",
    "clients.default_scopes",
    "clients.grant_types",
    "clients.jwks.file",
    "clients.jwks.keys",
    "clients.resources",
    "clients.scopes",
    "clients.token_endpoint_auth_method",
    "issuer",
    "issuers.accept_audiences",
    "issuers.attests",
    "issuers.clients_max",
    "issuers.first_use",
    "issuers.formats",
    "issuers.holder_binding",
    "issuers.issuer",
    "issuers.jwks",
    "issuers.kind",
    "issuers.lifetime_max",
    "issuers.name",
    "issuers.registrations_per_minute",
    "issuers.status",
    "issuers.status_max_stale",
    "issuers.status_origins",
    "issuers.token_review",
    "issuers.types",
    "issuers.use",
    "outbound.ca",
    "outbound.resolve",
    "registration.initial_access_tokens",
    "registration.open",
    "registration.statements",
    "rules.access_token_lifetime",
    "rules.client",
    "rules.client_id",
    "rules.client_idle_lifetime",
    "rules.client_lifetime",
    "rules.client_name",
    "rules.client_uri",
    "rules.clients_max",
    "rules.credentials",
    "rules.default_scopes",
    "rules.enabled",
    "rules.entire_trust_domain",
    "rules.first_use",
    "rules.grant_types",
    "rules.identities",
    "rules.logo_uri",
    "rules.name",
    "rules.occasions",
    "rules.redirect_uri_hosts",
    "rules.redirect_uris",
    "rules.registration",
    "rules.registrations_burst",
    "rules.registrations_per_minute",
    "rules.resources",
    "rules.scopes",
    "rules.sender_constraint",
    "server.body_timeout",
    "server.clients_in_memory",
    "server.connections_max_per_address",
    "server.connections_max_per_prefix",
    "server.drain",
    "server.first_request_timeout",
    "server.idle_timeout",
    "server.proxy.client_address_header",
    "server.proxy.client_certificate_header",
    "server.proxy.trusted",
    "server.tls.certificate",
    "server.tls.private_key",
    "server.watch",
    "server.write_timeout",
    "store.serve_without_store",
    "tokens.access_token_lifetime",
    "trust_domains.accept_audiences",
    "trust_domains.attested_metadata",
    "trust_domains.bundle.bootstrap",
    "trust_domains.bundle.endpoint_spiffe_id",
    "trust_domains.bundle.file",
    "trust_domains.bundle.max_staleness",
    "trust_domains.bundle.profile",
    "trust_domains.bundle.url",
    "trust_domains.bundle.workload_api",
    "trust_domains.clients_max",
    "trust_domains.credentials",
    "trust_domains.first_use",
    "trust_domains.lifetime_max",
    "trust_domains.name",
    "trust_domains.registrations_burst",
    "trust_domains.registrations_burst_per_prefix",
    "trust_domains.registrations_per_minute",
    "trust_domains.registrations_per_minute_per_prefix",
    "trust_domains.single_use",
    "trust_domains.statement_issuer",
    "trust_domains.velocity_prefix_segments",
];

/// A setting that takes effect at the next start.
pub struct FixedSetting {
    /// The configuration key.
    pub key: &'static str,
    /// Its value in a form that can be compared; a digest where it may hold a secret.
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
    /// Those of a configuration.
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
