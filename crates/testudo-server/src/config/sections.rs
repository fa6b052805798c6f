//! The sections of `testudo.toml`, as they are written. Meaning is judged in `compile`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use testudo_core::CredentialKind;
use testudo_core::rules::FirstUse;
use testudo_core::rules::RuleSpec;

/// The whole file.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// Our issuer identifier: https, no trailing slash; http only where the host is a loopback address.
    pub issuer: Option<String>,
    /// The public listeners.
    pub server: ServerSection,
    /// Where records are kept.
    pub store: StoreSection,
    /// How administrators get in.
    pub admin: AdminSection,
    /// How tokens are made.
    pub tokens: TokensSection,
    /// SPIFFE trust domains.
    pub trust_domains: Vec<TrustDomainSection>,
    /// Everything that vouches and is not a SPIFFE trust domain.
    pub issuers: Vec<IssuerSection>,
    /// The registration endpoint; off when absent.
    pub registration: Option<RegistrationSection>,
    /// The one client for all fetches.
    pub outbound: OutboundSection,
    /// Who may have what; the first match governs.
    pub rules: Vec<RuleSpec>,
    /// Ordinary clients with keys of their own.
    pub clients: Vec<ClientSection>,
}

/// `[server]`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// Addresses with ports. Default: `127.0.0.1:8080`.
    pub listen: Option<Vec<String>>,
    /// Certificate and key; plain HTTP where absent.
    pub tls: Option<TlsSection>,
    /// A listener of its own for client certificates; without it, the TLS listeners above ask for them.
    pub mtls: Option<MtlsSection>,
    /// A TLS terminator in front.
    pub proxy: Option<ProxySection>,
    /// Connections at once, over all listeners; kept below the limit of open files, with a reserve. When full, the
    /// oldest one without a running request goes. Default: 10000.
    pub connections_max: Option<usize>,
    /// Connections at once from one IPv4 address or IPv6 /64; addresses in `proxy.trusted` are exempt. Default: 2500.
    pub connections_max_per_address: Option<usize>,
    /// Connections at once from one IPv4 /24 or IPv6 /48. Default: 5000.
    pub connections_max_per_prefix: Option<usize>,
    /// From accept to the end of the first request's head, handshake included. Default: `"10s"`.
    pub first_request_timeout: Option<String>,
    /// How long a request's body may take. Default: `"10s"`.
    pub body_timeout: Option<String>,
    /// How long a client may take nothing of what is written to it. Default: `"20s"`.
    pub write_timeout: Option<String>,
    /// How long a connection may stay without a request; PING frames are none. Default: `"60s"`.
    pub idle_timeout: Option<String>,
    /// Requests at once on one HTTP/2 connection. Default: 128.
    pub streams_max: Option<u32>,
    /// Clients kept in memory. Default: 100000.
    pub clients_in_memory: Option<usize>,
    /// How long running requests may finish on shutdown. Default: `"10s"`.
    pub drain: Option<String>,
    /// Whether the configuration file and the TLS files are read again when they change, on this node, without a
    /// reload. Bundle files are read again in any case. Default: true.
    pub watch: Option<bool>,
}

/// `server.tls`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSection {
    /// PEM file: leaf first, then intermediates.
    pub certificate: String,
    /// PEM file.
    pub private_key: String,
}

/// `server.mtls`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MtlsSection {
    /// Addresses with ports.
    pub listen: Vec<String>,
    /// How clients reach it: `https://mtls.as.example.net`. Published in `mtls_endpoint_aliases`.
    pub url: String,
}

/// `server.proxy`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProxySection {
    /// Networks that the proxy connects from.
    pub trusted: Vec<String>,
    /// Header with the client's certificate. [RFC 9440]
    pub client_certificate_header: Option<String>,
    /// Header with the addresses that a request came through, of which the proxy appended the last:
    /// `x-forwarded-for`. Default: the proxy's own address is the client's.
    pub client_address_header: Option<String>,
}

/// `[store]`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// `sqlite:PATH`, `postgres://…?sslmode=verify-full` or `memory:`. Beyond this machine, PostgreSQL is reached
    /// over TLS unless the URL says `sslmode=disable`. Default: `sqlite:testudo.db`.
    pub url: Option<SecretText>,
    /// PEM file with roots for the database's certificate, beside the system's. With it, the connection is TLS and verified.
    pub ca: Option<String>,
    /// How long known clients are served from memory while the store is away, or changes by other nodes cannot be
    /// read. After that the node serves nothing and is not ready. Default: `"5m"`.
    pub serve_without_store: Option<String>,
    /// Wraps signing keys at rest: 32 bytes, base64url or raw in a file. Default for SQLite: a file beside the
    /// database, made at the first start. Required for PostgreSQL.
    pub key_encryption_key: Option<SecretText>,
}

/// A secret: the text itself, or where it is.
#[derive(Debug, Deserialize, Serialize, JsonSchema, Clone)]
#[serde(untagged)]
pub enum SecretText {
    /// In a file.
    File {
        /// Path.
        file: String,
    },
    /// In the environment.
    Env {
        /// Variable.
        env: String,
    },
    /// In the configuration itself.
    Text(String),
}

/// `[admin]`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSection {
    /// Unix socket, mode 0600; who may open it is an administrator. Default: `testudo.sock`.
    pub socket: Option<String>,
    /// Address for metrics and probes, and the admin API with a token. Takes the limits of `[server]`.
    pub listen: Option<String>,
    /// Certificate and key for `listen`; required beyond loopback.
    pub tls: Option<TlsSection>,
    /// Identities whose tokens open the admin API on `listen`: with the scope value `admin.read` to look, with
    /// `admin.write` to change things.
    pub administrators: Vec<String>,
    /// Identities whose tokens, with the scope value `admin.read`, may look and change nothing.
    pub auditors: Vec<String>,
}

/// `[tokens]`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokensSection {
    /// `ES256` (default), `EdDSA`, `ES384`, `RS256` or `PS256`.
    pub signing_algorithm: Option<String>,
    /// Default: `"5m"`; at most `"1h"`.
    pub access_token_lifetime: Option<String>,
}

/// `[[trust_domains]]`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrustDomainSection {
    /// Bare name, without `spiffe://`.
    pub name: String,
    /// Where its bundle comes from.
    pub bundle: BundleSection,
    /// Kinds of SVID it may show. Default: `["jwt_svid"]`.
    pub credentials: Option<Vec<CredentialKind>>,
    /// What happens to an identity that was never seen. Default: `on`.
    pub first_use: Option<FirstUse>,
    /// Further exact audience values, for a migration. Default: none, the issuer only.
    pub accept_audiences: Vec<String>,
    /// True: a JWT-SVID must have `jti` and is accepted once.
    pub single_use: bool,
    /// Longest life of an SVID; one that lives longer is refused. Default: `"30d"` for JWT-SVIDs, `"400d"` for
    /// X.509-SVIDs, counted from now.
    pub lifetime_max: Option<String>,
    /// Claims of this domain's SVIDs that may become client metadata.
    pub attested_metadata: Vec<String>,
    /// `iss` that a software statement of this domain must have. Default: `iss` is not looked at.
    pub statement_issuer: Option<String>,
    /// New clients per minute. Default: 600.
    pub registrations_per_minute: Option<u32>,
    /// New clients at once. Default: the rate.
    pub registrations_burst: Option<u32>,
    /// New clients per minute under one path prefix. Default: no limit besides the domain's.
    pub registrations_per_minute_per_prefix: Option<u32>,
    /// New clients at once under one path prefix. Default: that rate.
    pub registrations_burst_per_prefix: Option<u32>,
    /// Path segments that make a prefix. Default: 2.
    pub velocity_prefix_segments: Option<usize>,
    /// Clients of this domain, active and frozen. Default: 100000.
    pub clients_max: Option<u64>,
}

/// `trust_domains.bundle`: exactly one of `url`, `file`, `workload_api`.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BundleSection {
    /// SPIFFE bundle endpoint.
    pub url: Option<String>,
    /// `https_web` (default).
    pub profile: Option<String>,
    /// For `https_spiffe`: the endpoint's SPIFFE ID.
    pub endpoint_spiffe_id: Option<String>,
    /// For `https_spiffe`: the first bundle.
    pub bootstrap: Option<String>,
    /// SPIFFE bundle document on disk; read again when it changes.
    pub file: Option<String>,
    /// Workload API socket: `unix:///run/spire/sockets/agent.sock`.
    pub workload_api: Option<String>,
    /// How long the last good bundle is used while fetching fails. Default: `"1h"`.
    pub max_staleness: Option<String>,
}

/// `[[issuers]]`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(
    missing_docs,
    reason = "no door uses these yet; their documentation comes with the doors"
)]
pub struct IssuerSection {
    pub name: String,
    pub kind: String,
    pub issuer: Option<String>,
    pub jwks: Option<serde_json::Map<String, serde_json::Value>>,
    pub token_review: Option<serde_json::Map<String, serde_json::Value>>,
    pub r#use: Option<Vec<String>>,
    pub types: Option<Vec<String>>,
    pub formats: Option<Vec<String>>,
    pub attests: Option<Vec<String>>,
    pub holder_binding: Option<String>,
    pub status: Option<String>,
    pub status_origins: Option<Vec<String>>,
    pub status_max_stale: Option<String>,
    pub lifetime_max: Option<String>,
    pub accept_audiences: Option<Vec<String>>,
    pub first_use: Option<FirstUse>,
    pub registrations_per_minute: Option<u32>,
    pub clients_max: Option<u64>,
}

/// `[registration]`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegistrationSection {
    /// Clients register by evidence: a software statement or a certificate. Default: true.
    pub statements: Option<bool>,
    /// Clients are registered by whoever holds a token of ours for the registration endpoint, with the scope
    /// value `client.register`. Default: false.
    pub initial_access_tokens: bool,
    /// Clients register without evidence, for a while and within limits: `true`, or what they may have.
    /// Default: false.
    pub open: OpenDoor,
}

/// `registration.open`: closed, open, or open with settings of its own.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OpenDoor {
    /// Closed or open.
    Switch(bool),
    /// Open, with these settings.
    Settings(Box<OpenSection>),
}

impl Default for OpenDoor {
    fn default() -> OpenDoor {
        OpenDoor::Switch(false)
    }
}

/// By hand, so that an unknown key in the settings is named, and not only called a misfit.
impl<'de> Deserialize<'de> for OpenDoor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchOrSettings;
        impl<'de> serde::de::Visitor<'de> for SwitchOrSettings {
            type Value = OpenDoor;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or a table")
            }
            fn visit_bool<E>(self, open: bool) -> Result<OpenDoor, E> {
                Ok(OpenDoor::Switch(open))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<OpenDoor, A::Error> {
                let settings = OpenSection::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(OpenDoor::Settings(Box::new(settings)))
            }
        }
        deserializer.deserialize_any(SwitchOrSettings)
    }
}

/// `[registration.open]`: what clients may have that nobody vouches for.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpenSection {
    /// Scope values that may be registered. Default: none.
    pub scopes: Vec<String>,
    /// Scope values given when none is asked for. Default: none.
    pub default_scopes: Vec<String>,
    /// Resources that tokens may be for; the first is the default.
    pub resources: Vec<String>,
    /// Grants. Default: `authorization_code` and `refresh_token`.
    pub grant_types: Option<Vec<String>>,
    /// A client older than this is gone. Default: `"30d"`.
    pub client_lifetime: Option<String>,
    /// Unused that long, a client is removed by the sweep. Default: `"7d"`.
    pub client_idle_lifetime: Option<String>,
    /// Overrides `tokens.access_token_lifetime`; can only shorten it.
    pub access_token_lifetime: Option<String>,
    /// New clients per minute in all. Default: 60.
    pub registrations_per_minute: Option<u32>,
    /// New clients at once. Default: the rate.
    pub registrations_burst: Option<u32>,
    /// New clients per minute from one address, or one /64 of IPv6. Default: 10.
    pub registrations_per_minute_per_address: Option<u32>,
    /// Clients of this kind. Default: 1000.
    pub clients_max: Option<u64>,
    /// Clients may say where their keys are, and we fetch them from there. Default: false, keys by value only.
    pub jwks_uri: bool,
}

/// `[outbound]`
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundSection {
    /// PEM file with roots beside the system's.
    pub ca: Option<String>,
    /// Names and their addresses, as in `/etc/hosts`; exempt from the address check.
    pub resolve: BTreeMap<String, String>,
}

/// `[[clients]]`: a client that the configuration names, with keys of its own (`private_key_jwt`).
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientSection {
    /// Its identifier. Neither a SPIFFE ID nor an https URL.
    pub client_id: String,
    /// Its public keys.
    pub jwks: Option<JwksSection>,
    /// Only `private_key_jwt`.
    pub token_endpoint_auth_method: Option<String>,
    /// Display name.
    pub client_name: Option<String>,
    /// Scope values that may be asked for.
    pub scopes: Vec<String>,
    /// Scope values given when none is asked for.
    pub default_scopes: Vec<String>,
    /// Resources that tokens may be for; the first is the default.
    pub resources: Vec<String>,
    /// Grants. Default: `client_credentials`.
    pub grant_types: Option<Vec<String>>,
    /// Overrides `tokens.access_token_lifetime`; can only shorten it.
    pub access_token_lifetime: Option<String>,
}

/// Public keys: in a file, or written here.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JwksSection {
    /// JWK Set on disk.
    pub file: Option<String>,
    /// The keys themselves.
    pub keys: Option<Vec<serde_json::Map<String, serde_json::Value>>>,
}
