//! `[server]`: where the server listens, with which certificates, and behind which proxy.

use super::checker::Checker;
use super::clients::ClientSection;
use super::connections::{ConnectionLimits, ConnectionRules};
use super::server::ServerSection;
use super::tls::TlsFiles;
use super::trust::TrustDomainSection;
use crate::peer::Proxy;
use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use testudo_core::CredentialKind;
use testudo_protocol::Seconds;
use testudo_protocol::oauth::IssuerUrl;

/// The checked values of `[server]`.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented at its section")]
pub struct ServerSettings {
    pub listen: Vec<SocketAddr>,
    pub tls: Option<TlsFiles>,
    pub mtls: Option<MtlsSettings>,
    pub proxy: Option<Proxy>,
    /// True if a trust domain accepts X.509-SVIDs or a client presents certificates: then the TLS listeners request them, or
    /// those of `mtls` alone.
    pub asks_for_certificates: bool,
    pub connections: ConnectionLimits,
    pub clients_in_memory: usize,
    pub drain: Duration,
    pub watch: bool,
}

/// The separate listener for client certificates.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented at its section")]
pub struct MtlsSettings {
    pub listen: Vec<SocketAddr>,
    pub url: String,
}

impl ServerSettings {
    /// The rules for connections.
    pub fn connection_rules(&self) -> ConnectionRules {
        ConnectionRules {
            limits: self.connections.clone(),
            trusted: self
                .proxy
                .as_ref()
                .map(|proxy| proxy.trusted.clone())
                .unwrap_or_default(),
        }
    }
}

/// Converts a network of IPv4-mapped IPv6 addresses to IPv4, because the addresses of peers are converted as well.
fn canonical(net: IpNet) -> IpNet {
    let mapped = match net {
        IpNet::V6(net) if net.prefix_len() >= 96 => net.addr().to_ipv4_mapped(),
        IpNet::V4(_) | IpNet::V6(_) => None,
    };
    mapped
        .and_then(|address| Ipv4Net::new(address, net.prefix_len() - 96).ok())
        .map_or(net, IpNet::V4)
}

impl ServerSettings {
    /// True if client certificates can reach this server.
    pub fn receives_certificates(&self) -> bool {
        let is_forwarded = self.proxy.as_ref().is_some_and(Proxy::forwards_certificates);
        self.asks_for_certificates && (self.tls.is_some() || is_forwarded)
    }
}

impl Checker<'_> {
    pub(super) fn server(
        &mut self,
        section: &ServerSection,
        trust_domains: &[TrustDomainSection],
        clients: &[ClientSection],
    ) -> Option<ServerSettings> {
        let default = vec!["127.0.0.1:8080".to_owned()];
        let texts = section.listen.as_ref().unwrap_or(&default);
        let listen = self.addresses("server.listen", texts);
        let tls = section.tls.as_ref().map(|tls| self.tls("server.tls", tls));
        let is_encrypted = self.is_written(tls.as_ref(), "server.tls");
        self.plain_public_listeners(texts, is_encrypted);
        let connections = self.connections(section);
        let drain = self.duration("server.drain", section.drain.as_deref(), Seconds(10));
        let has_svids = trust_domains
            .iter()
            .filter_map(|domain| domain.credentials.as_ref())
            .any(|kinds| kinds.contains(&CredentialKind::X509Svid));
        let mtls = self.mtls(section);
        // Of a client that can use a key in place of a certificate, the listeners at which people sign in request none:
        // their browsers would show them a choice of certificates.
        let is_asked_elsewhere = section.mtls.is_some() || section.tls.is_none();
        let asks_for_certificates = has_svids
            || clients.iter().any(ClientSection::needs_certificates)
            || (is_asked_elsewhere && clients.iter().any(ClientSection::takes_certificates));
        let proxy = self.proxy(section);
        let is_forwarded = proxy.as_ref().is_some_and(Proxy::forwards_certificates);
        if asks_for_certificates && !is_encrypted && !is_forwarded {
            let who = match has_svids {
                true => "a trust domain accepts \"x509_svid\"",
                false => "a client presents a certificate",
            };
            self.report.warn(
                "server.tls",
                format!("is absent although {who}: clients can present a certificate only over TLS"),
                Some("set server.tls, or server.proxy behind a TLS terminator"),
            );
            // A proxy with an error is already reported.
            if section.proxy.is_none() || proxy.is_some() {
                self.public_clients_without_certificates(clients);
            }
        }
        Some(ServerSettings {
            listen,
            tls,
            mtls,
            proxy,
            asks_for_certificates,
            connections: connections?,
            clients_in_memory: section.clients_in_memory.unwrap_or(100_000).max(1),
            drain: Duration::from_secs(drain?.0.unsigned_abs()),
            watch: section.watch.unwrap_or(true),
        })
    }

    pub(super) fn mtls(&mut self, section: &ServerSection) -> Option<MtlsSettings> {
        let mtls = section.mtls.as_ref()?;
        if !self.is_written(section.tls.as_ref(), "server.tls") {
            let hint = Some("set server.tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }");
            self.report.refuse("server.mtls", "needs server.tls", hint);
        }
        if let Err(problem) = IssuerUrl::parse(&mtls.url)
            && !self.report.is_unread("server.mtls.url")
        {
            self.report
                .error("server.mtls.url", format!("{:?} {problem}", mtls.url), None);
        }
        Some(MtlsSettings {
            listen: self.addresses("server.mtls.listen", &mtls.listen),
            url: mtls.url.clone(),
        })
    }

    pub(super) fn proxy(&mut self, section: &ServerSection) -> Option<Proxy> {
        let proxy = section.proxy.as_ref()?;
        let mut trusted = Vec::new();
        for (entry, text) in proxy.trusted.iter().enumerate() {
            // An address without a prefix length is the network of that one address.
            let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            match net {
                Ok(net) if net != net.trunc() => {
                    let problem = format!("{text:?} is an address with the prefix length of a network");
                    let hint = format!(
                        "write \"{}\" for the one address, or \"{}\" for the whole network",
                        net.addr(),
                        net.trunc()
                    );
                    let key = format!("server.proxy.trusted[{entry}]");
                    self.report.refuse(key, problem, Some(&hint));
                }
                Ok(net) => trusted.push(canonical(net)),
                Err(_) => {
                    let key = format!("server.proxy.trusted[{entry}]");
                    self.report.error(key, format!("{text:?} is not a network"), None);
                }
            }
        }
        let is_envoys = |name: &String| name.eq_ignore_ascii_case("x-forwarded-client-cert");
        if proxy.client_certificate_header.as_ref().is_some_and(is_envoys) {
            self.report.warn(
                    "server.proxy.client_certificate_header",
                    "names the header that Envoy writes in a form of its own (By=…;Hash=…): such a request is refused",
                    Some("configure the proxy to write the certificate (DER) in base64 between colons (RFC 9440), as Client-Cert"),
                );
        }
        let mut field = |key: &str, name: String| match name.parse() {
            Ok(field) => Some(field),
            Err(_) => {
                self.report
                    .error(format!("server.proxy.{key}"), "is not a header field name", None);
                None
            }
        };
        let mut certificate_fields = None;
        if let Some(name) = &proxy.client_certificate_header {
            let name = name.to_ascii_lowercase();
            let chain = format!("{name}-chain");
            let key = "client_certificate_header";
            certificate_fields = Some(field(key, name).zip(field(key, chain)));
        }
        let mut address_field = None;
        if let Some(name) = &proxy.client_address_header {
            address_field = Some(field("client_address_header", name.to_ascii_lowercase()));
        }
        let uses_a_header = certificate_fields.is_some() || address_field.is_some();
        if uses_a_header && proxy.trusted.is_empty() && !self.report.is_unread("server.proxy.trusted") {
            let problem = "is empty although a header of the proxy is configured";
            self.report.error("server.proxy.trusted", problem, None);
        }
        let is_shared = address_field.is_none() && !trusted.is_empty();
        if is_shared && !self.report.is_unread("server.proxy.client_address_header") {
            self.report.warn(
                "server.proxy",
                "has no client_address_header: all requests of the proxy count as one address, so all clients share the limits per address",
                Some("set client_address_header to the header to which the proxy appends the address of the client, such as \"x-forwarded-for\""),
            );
        }
        let proxy = Proxy {
            trusted,
            certificate_fields: certificate_fields.map_or(Some(None), |fields| fields.map(Some))?,
            address_field: address_field.map_or(Some(None), |field| field.map(Some))?,
        };
        (uses_a_header || !proxy.trusted.is_empty()).then_some(proxy)
    }
}
