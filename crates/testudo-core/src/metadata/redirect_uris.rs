//! The redirect URIs that a client may have: those that its rule derives, and those that the rule allows.

use crate::records::ApplicationType;
use crate::rejection::MetadataReason;
use crate::rules::Match;
use testudo_protocol::oauth::redirect_uri::{Form, form, is_same};

/// The redirect URIs that the rule derives for the identity.
pub(crate) fn derived(found: &Match<'_>) -> Vec<String> {
    found
        .rule
        .redirect_uris
        .iter()
        .filter_map(|template| template.derive(&found.captures).ok())
        .collect()
}

/// True if the rule allows an attester to state this redirect URI.
pub(crate) fn fits(uri: &str, found: &Match<'_>) -> bool {
    let rule = found.rule;
    let is_silent = rule.redirect_uris.is_empty() && rule.redirect_uri_hosts.is_empty();
    is_silent || is_allowed(uri, found)
}

/// True if the rule lists this redirect URI or its host.
pub(crate) fn is_allowed(uri: &str, found: &Match<'_>) -> bool {
    is_on_a_host(uri, found) || derived(found).iter().any(|derived| is_same(derived, uri))
}

/// True if the host of the URI is one of the rule's hosts.
pub(crate) fn is_on_a_host(uri: &str, found: &Match<'_>) -> bool {
    let mut hosts = found.rule.redirect_uri_hosts.iter();
    hosts.any(|host| host.admits(uri, &found.captures))
}

/// The application type: the requested one, which must fit the redirect URIs, or the one that follows from them.
pub fn application_type(
    uris: &[String],
    said: Option<ApplicationType>,
) -> Result<ApplicationType, MetadataReason> {
    let forms = uris
        .iter()
        .map(|uri| form(uri))
        .collect::<Result<Vec<Form>, _>>()
        .map_err(MetadataReason::RedirectUri)?;
    let is_web = forms.iter().all(|form| *form == Form::Https);
    let is_local = forms.iter().all(|form| *form != Form::Https);
    match said {
        Some(ApplicationType::Web) if !is_web => Err(MetadataReason::RedirectUrisOfWeb),
        Some(said) => Ok(said),
        None if is_web => Ok(ApplicationType::Web),
        None if is_local => Ok(ApplicationType::Native),
        None => Err(MetadataReason::RedirectUrisMixed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows DR-43, DR-45.
    #[test]
    fn application_type_must_fit_the_redirect_uris() {
        let kind = |uris: &[&str], said| {
            let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
            application_type(&uris, said).ok()
        };
        let (web, native) = (Some(ApplicationType::Web), Some(ApplicationType::Native));
        assert_eq!(kind(&["http://127.0.0.1/cb"], web), None);
        assert_eq!(kind(&["https://localhost/cb"], native), None);
        assert_eq!(kind(&["http://127.0.0.1/cb"], None), native);
        assert_eq!(kind(&["https://a.example/cb"], None), web);
        assert_eq!(kind(&["http://127.0.0.1/cb", "https://a.example/cb"], None), None);
        assert_eq!(
            kind(&["http://127.0.0.1/cb", "https://a.example/cb"], native),
            native
        );
        assert_eq!(kind(&["https://a.example/cb"], native), native);
        assert_eq!(kind(&[], None), web);
    }
}
