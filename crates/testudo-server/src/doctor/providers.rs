//! Checks of the OpenID providers at which people sign in: their metadata can be fetched, and is that of the configured
//! issuer.

use super::finding::{Finding, finding, problem};
use crate::config::{Configuration, ProviderSettings};
use crate::trust::discovery::key_set_of_provider;
use testudo_fetch::Fetcher;

pub(super) async fn examine(configuration: &Configuration, fetcher: &Fetcher) -> Vec<Finding> {
    let mut findings = Vec::new();
    for provider in configuration.login.iter().flat_map(|login| &login.providers) {
        let ProviderSettings {
            name,
            issuer,
            metadata,
            ..
        } = provider;
        let outcome = match key_set_of_provider(fetcher, issuer, metadata).await {
            Ok(found) => Ok(format!("keys at {}, as {metadata} states", found.url)),
            Err(why) => Err(problem(
                format!("{metadata}: {why}"),
                "set `issuer` of the provider to the `issuer` of its metadata; try the URL with curl from this machine; `outbound.ca` is for a private root certificate",
            )),
        };
        findings.push(finding(format!("provider {name}"), outcome));
    }
    findings
}
