//! `[outbound]`: the HTTP client for all outgoing requests.

use super::checker::Checker;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use testudo_fetch::{Fetcher, FetcherOptions, Network};

/// `[outbound]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundSection {
    /// Path of a PEM file with trust roots, in addition to the system's.
    pub ca: Option<String>,
    /// Host names with their IP addresses, as in `/etc/hosts`. They may be private addresses.
    pub resolve: BTreeMap<String, String>,
}

/// The checked values of `[outbound]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented at its section")]
pub struct OutboundSettings {
    pub extra_roots_pem: Option<Vec<u8>>,
    pub resolve: HashMap<String, IpAddr>,
}

impl OutboundSettings {
    /// The HTTP client of all outgoing requests; tests replace the network with `network`.
    pub fn fetcher(&self, network: Network) -> Result<Fetcher, String> {
        Fetcher::new(FetcherOptions {
            extra_roots_pem: self.extra_roots_pem.clone(),
            resolve: self.resolve.clone(),
            client_identity: None,
            network,
        })
    }
}

impl Checker<'_> {
    pub(super) fn outbound(&mut self, section: &OutboundSection) -> Option<OutboundSettings> {
        let extra_roots_pem = match &section.ca {
            None => Some(None),
            Some(path) => self.certificates("outbound.ca", &self.path(path)).map(Some),
        };
        let mut resolve = HashMap::new();
        for (name, text) in &section.resolve {
            match text.parse() {
                Ok(address) => {
                    resolve.insert(name.clone(), address);
                }
                Err(_) => {
                    self.report.error(
                        format!("outbound.resolve.{name}"),
                        format!("{text:?} is not an IP address"),
                        None,
                    );
                }
            }
        }
        Some(OutboundSettings {
            extra_roots_pem: extra_roots_pem?,
            resolve,
        })
    }
}
