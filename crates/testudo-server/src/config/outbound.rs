//! `[outbound]`: the one client for all fetches.

use super::judge::Judge;
use super::sections::ConfigFile;
use std::collections::HashMap;
use std::net::IpAddr;

/// `[outbound]`, judged.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "documented in sections.rs")]
pub struct OutboundSettings {
    pub extra_roots_pem: Option<Vec<u8>>,
    pub resolve: HashMap<String, IpAddr>,
}

impl Judge<'_> {
    pub(super) fn outbound(&mut self, file: &ConfigFile) -> Option<OutboundSettings> {
        let extra_roots_pem = match &file.outbound.ca {
            None => None,
            Some(path) => Some(self.certificates("outbound.ca", &self.path(path))?),
        };
        let mut resolve = HashMap::new();
        for (name, text) in &file.outbound.resolve {
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
