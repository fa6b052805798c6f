//! `[outbound]`: the one client for all fetches.

use super::judge::Judge;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// `[outbound]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundSection {
    /// PEM file with roots beside the system's.
    pub ca: Option<String>,
    /// Names and their addresses, as in `/etc/hosts`; exempt from the address check.
    pub resolve: BTreeMap<String, String>,
}

/// `[outbound]`, judged.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "documented at its section")]
pub struct OutboundSettings {
    pub extra_roots_pem: Option<Vec<u8>>,
    pub resolve: HashMap<String, IpAddr>,
}

impl Judge<'_> {
    pub(super) fn outbound(&mut self, section: &OutboundSection) -> Option<OutboundSettings> {
        let extra_roots_pem = match &section.ca {
            None => None,
            Some(path) => Some(self.certificates("outbound.ca", &self.path(path))?),
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
            extra_roots_pem,
            resolve,
        })
    }
}
