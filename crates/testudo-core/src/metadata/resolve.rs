//! Where a client's metadata comes from, member by member.
//!
//! Limits are the intersection of what is configured, attested and requested; labels go configured, then attested.

use super::attested::attested;
use super::redirect_uris::{derived, fits};
use super::requested::Requested;
use crate::identity::AttestedIdentity;
use crate::records::ClientMetadata;
use crate::rejection::Rejection;
use crate::rules::Match;
use crate::rules::pieces::{fill, pieces};
use crate::rules::redirect_uris::RedirectTemplate;
use testudo_protocol::oauth::is_label_url;

/// The metadata of `identity`'s client under the rule that governs it: what the rule says, and then the attester.
pub fn resolve(identity: &AttestedIdentity, found: &Match<'_>) -> Result<ClientMetadata, Rejection> {
    Ok(vouched(attested(identity)?, found))
}

/// The same, of what was attested.
pub(crate) fn vouched(attested: Requested, found: &Match<'_>) -> ClientMetadata {
    let rule = found.rule;
    // Configured beats attested.
    let label = |configured: &Option<String>, attested: Option<String>| {
        let template = configured.as_ref().and_then(|template| pieces(template).ok());
        template.map(|pieces| fill(&pieces, &found.captures)).or(attested)
    };
    // One that an identity cannot fill, or that no client could request, is left out, and the request cannot set it either.
    let label_uri = |configured: &Option<RedirectTemplate>, attested: Option<String>| match configured {
        Some(template) => {
            let filled = template.derive(&found.captures).ok();
            filled.filter(|uri| is_label_url(uri))
        }
        None => attested,
    };
    ClientMetadata {
        client_name: label(&rule.client_name, attested.client_name),
        client_uri: label_uri(&rule.client_uri, attested.client_uri),
        logo_uri: label_uri(&rule.logo_uri, attested.logo_uri),
        tos_uri: attested.tos_uri,
        policy_uri: attested.policy_uri,
        tagged: attested.tagged,
        contacts: attested.contacts.unwrap_or_default(),
        software_id: attested.software_id,
        software_version: attested.software_version,
        redirect_uris: redirect_uris(found, attested.redirect_uris.as_deref().unwrap_or_default()),
        scope: attested.scope.map(|scope| scope.to_string()),
        grant_types: attested.grant_types,
        ..ClientMetadata::default()
    }
}

/// Those that the rule derives, and those attested ones that fit it. A rule that says nothing of redirect URIs
/// leaves them to the attester.
///
/// A template that an identity cannot fill (a service named `x.y` in a host) yields no redirect URI: the
/// redirecting flows refuse what is not registered, and a client that never redirects misses nothing.
fn redirect_uris(found: &Match<'_>, attested: &[String]) -> Vec<String> {
    let mut uris = derived(found);
    for uri in attested {
        if fits(uri, found) && !uris.contains(uri) {
            uris.push(uri.clone());
        }
    }
    uris
}
