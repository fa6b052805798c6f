//! `[server]`: where the server listens, with which certificates, and behind which proxy.

use super::connections::{ConnectionLimits, ConnectionRules};
use super::judge::Judge;
use super::server::ServerSection;
use super::tls::TlsFiles;
use super::trust::TrustDomainSection;
use crate::peer::Proxy;
use ipnet::{IpNet, Ipv4Net};
use std::net::SocketAddr;
use std::time::Duration;
use testudo_core::CredentialKind;
use testudo_protocol::Seconds;
use testudo_protocol::oauth::IssuerUrl;

/// `[server]`, judged.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented at its section")]
pub struct ServerSettings {
    pub listen: Vec<SocketAddr>,
    pub tls: Option<TlsFiles>,
    pub mtls: Option<MtlsSettings>,
    pub proxy: Option<Proxy>,
    /// True where a door for client certificates is on: the TLS listeners ask for them.
    pub asks_for_certificates: bool,
    pub connections: ConnectionLimits,
    pub clients_in_memory: usize,
    pub drain: Duration,
    pub watch: bool,
}

/// A listener of its own for client certificates.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "documented at its section")]
pub struct MtlsSettings {
    pub listen: Vec<SocketAddr>,
    pub url: String,
}

impl ServerSettings {
    /// What connections are judged by.
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

/// A network of IPv4 addresses in IPv6 form is one of IPv4: peers are compared in that form.
fn canonical(net: IpNet) -> IpNet {
    let mapped = match net {
        IpNet::V6(net) if net.prefix_len() >= 96 => net.addr().to_ipv4_mapped(),
        IpNet::V4(_) | IpNet::V6(_) => None,
    };
    mapped
        .and_then(|address| Ipv4Net::new(address, net.prefix_len() - 96).ok())
        .map_or(net, IpNet::V4)
}

impl Judge<'_> {
    pub(super) fn server(
        &mut self,
        section: &ServerSection,
        trust_domains: &[TrustDomainSection],
    ) -> Option<ServerSettings> {
        let default = vec!["127.0.0.1:8080".to_owned()];
        let texts = section.listen.as_ref().unwrap_or(&default);
        if texts.is_empty() {
            self.report.error("server.listen", "is empty", None);
        }
        let listen: Vec<SocketAddr> = texts
            .iter()
            .filter_map(|text| self.address("server.listen", text))
            .collect();
        let tls = section.tls.as_ref().map(|tls| self.tls("server.tls", tls));
        self.plain_public_listeners(&listen, tls.is_some());
        let connections = self.connections(section)?;
        let drain = self.duration("server.drain", section.drain.as_deref(), Seconds(10))?;
        let asks_for_certificates = trust_domains
            .iter()
            .filter_map(|domain| domain.credentials.as_ref())
            .any(|kinds| kinds.contains(&CredentialKind::X509Svid));
        let mtls = self.mtls(section);
        let proxy = self.proxy(section);
        let is_told = proxy.as_ref().is_some_and(Proxy::forwards_certificates);
        if asks_for_certificates && tls.is_none() && !is_told {
            self.report.warn(
                "server.tls",
                "is absent although a trust domain accepts \"x509_svid\": there is no TLS to show a certificate in",
                Some("set server.tls, or server.proxy behind a TLS terminator"),
            );
        }
        Some(ServerSettings {
            listen,
            tls,
            mtls,
            proxy,
            asks_for_certificates,
            connections,
            clients_in_memory: section.clients_in_memory.unwrap_or(100_000).max(1),
            drain: Duration::from_secs(drain.0.unsigned_abs()),
            watch: section.watch.unwrap_or(true),
        })
    }

    pub(super) fn mtls(&mut self, section: &ServerSection) -> Option<MtlsSettings> {
        let mtls = section.mtls.as_ref()?;
        if section.tls.is_none() {
            self.report.error("server.mtls", "needs server.tls", None);
        }
        if let Err(problem) = IssuerUrl::parse(&mtls.url) {
            let hint = Some("expected: https://mtls.as.example.net, without a trailing slash");
            self.report
                .error("server.mtls.url", format!("{:?} {problem}", mtls.url), hint);
        }
        let listen: Vec<SocketAddr> = mtls
            .listen
            .iter()
            .filter_map(|text| self.address("server.mtls.listen", text))
            .collect();
        if mtls.listen.is_empty() {
            self.report.error("server.mtls.listen", "is empty", None);
        }
        Some(MtlsSettings {
            listen,
            url: mtls.url.clone(),
        })
    }

    pub(super) fn proxy(&mut self, section: &ServerSection) -> Option<Proxy> {
        let proxy = section.proxy.as_ref()?;
        let mut trusted = Vec::new();
        for text in &proxy.trusted {
            match text.parse() {
                Ok(net) => trusted.push(canonical(net)),
                Err(_) => {
                    let hint = Some("expected: 10.0.0.0/8 or 127.0.0.1/32");
                    self.report
                        .error("server.proxy.trusted", format!("{text:?} is not a network"), hint);
                }
            }
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
            certificate_fields = Some((field(key, name)?, field(key, chain)?));
        }
        let mut address_field = None;
        if let Some(name) = &proxy.client_address_header {
            address_field = Some(field("client_address_header", name.to_ascii_lowercase())?);
        }
        let is_heard = certificate_fields.is_some() || address_field.is_some();
        if is_heard && trusted.is_empty() {
            let problem = "is empty although a header of the proxy is to be believed";
            self.report.error("server.proxy.trusted", problem, None);
        }
        (is_heard || !trusted.is_empty()).then_some(Proxy {
            trusted,
            certificate_fields,
            address_field,
        })
    }
}
