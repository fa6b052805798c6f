//! The fields of `[server]`. They are checked in `listeners.rs`, `connections.rs` and `tls.rs`.

use super::tls::TlsSection;
use schemars::JsonSchema;
use serde::Deserialize;

/// `[server]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// Addresses with ports to listen on. Default: `["127.0.0.1:8080"]`.
    pub listen: Option<Vec<String>>,
    /// Certificate and key of the listeners. Without it, they serve plain HTTP.
    pub tls: Option<TlsSection>,
    /// A listener of its own for client certificates; without it, the TLS listeners above ask for them.
    pub mtls: Option<MtlsSection>,
    /// A reverse proxy in front of this server that terminates TLS.
    pub proxy: Option<ProxySection>,
    /// Connections at once, over all listeners; kept below the limit of open files, with a reserve. When it is reached,
    /// the connection that has been idle longest is closed for a new one. Default: `10000`.
    pub connections_max: Option<usize>,
    /// Connections at once from one IPv4 address or IPv6 /64; addresses in `proxy.trusted` are exempt. Default: `2500`.
    pub connections_max_per_address: Option<usize>,
    /// Connections at once from one IPv4 /24 or IPv6 /48. Default: `5000`.
    pub connections_max_per_prefix: Option<usize>,
    /// Time from accepting a connection to the end of the first request's head, TLS handshake included. Default: `"10s"`.
    pub first_request_timeout: Option<String>,
    /// How long a request's body may take. Default: `"10s"`.
    pub body_timeout: Option<String>,
    /// How long a client may leave an answer unread, before the connection is closed. Default: `"20s"`.
    pub write_timeout: Option<String>,
    /// How long a connection may stay open without a request; PING frames do not count. Default: `"60s"`.
    pub idle_timeout: Option<String>,
    /// Requests at once on one HTTP/2 connection. Default: `128`.
    pub streams_max: Option<u32>,
    /// Clients kept in memory. Default: `100000`.
    pub clients_in_memory: Option<usize>,
    /// How long running requests may finish on shutdown. Default: `"10s"`.
    pub drain: Option<String>,
    /// Whether the configuration file, the files that it includes and the TLS files are read again when they change, on
    /// this node, without a reload. Bundle files are read again in any case. Default: `true`.
    pub watch: Option<bool>,
}

/// `server.mtls`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MtlsSection {
    /// Addresses with ports to listen on, with TLS and client certificates. Required.
    pub listen: Vec<String>,
    /// How clients reach it: `https://mtls.as.example.net`. Published in `mtls_endpoint_aliases`.
    /// Required.
    pub url: String,
}

/// `server.proxy`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProxySection {
    /// Networks that the proxy connects from. Required where one of the headers is set.
    pub trusted: Vec<String>,
    /// Header with the client's certificate. [RFC 9440] Default: certificates in headers are ignored.
    pub client_certificate_header: Option<String>,
    /// Header with the addresses that a request came through, of which the proxy appended the last:
    /// `x-forwarded-for`, or `forwarded` (RFC 7239). An address may have a port, and IPv6 brackets. Default: the
    /// proxy's own address is the client's.
    pub client_address_header: Option<String>,
}
