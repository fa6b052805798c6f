//! Links of pages that send the browser to an OpenID provider. They are links and not forms, because browsers apply
//! `form-action` to the redirect that follows a form. What they contain is sealed, so no other site can make such a link.

use super::visit::Visit;
use crate::config::LoginSettings;

/// A link that sends the browser to a provider.
pub struct ProviderLink<'a> {
    /// Its text.
    pub label: &'a str,
    /// Its URL.
    pub url: String,
}

/// The links to all providers. `flow` is where the browser goes after it, sealed.
pub fn provider_links<'a>(visit: &Visit<'_>, login: &'a LoginSettings, flow: &str) -> Vec<ProviderLink<'a>> {
    let providers = login.providers.iter();
    providers
        .map(|provider| ProviderLink {
            label: &provider.label,
            url: format!("{}?provider={}&flow={flow}", visit.path("/login"), provider.name),
        })
        .collect()
}
