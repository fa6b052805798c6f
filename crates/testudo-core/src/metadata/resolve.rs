//! Where a client's metadata comes from, member by member.
//!
//! Limits are the intersection of what is configured, attested and requested; labels go configured, then
//! attested. Only claims that the authority is trusted to state get here at all
//! ([`AttestedIdentity::attested_claims`]); a claim outside that list has no effect.

use crate::identity::AttestedIdentity;
use crate::metadata::requested::{Requested, is_label_url};
use crate::records::ClientMetadata;
use crate::rejection::Rejection;
use crate::rules::Match;
use crate::rules::pieces::{fill, pieces};
use crate::rules::redirect_uris::{RedirectTemplate, named};
use serde_json::Value;
use testudo_protocol::limits::IDENTIFIER_BYTES_MAX;
use testudo_protocol::oauth::ScopeSet;

/// Claims that a trust domain's `attested_metadata` may list.
pub const ATTESTABLE: [&str; 11] = [
    "client_name",
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "contacts",
    "software_id",
    "software_version",
    "redirect_uris",
    "scope",
    "grant_types",
];

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

/// What the authority says, held to the same rules as what a client says. An attester that says it wrongly must
/// notice: nothing is dropped.
pub(crate) fn attested(identity: &AttestedIdentity) -> Result<Requested, Rejection> {
    if identity.attested_claims.is_empty() {
        return Ok(Requested::default());
    }
    let claims = identity.attested_claims.clone().into_iter().collect();
    let attested = Requested::of(claims).map_err(|rejection| match rejection {
        Rejection::Metadata { member, .. } => Rejection::AttestedClaimMalformed { claim: member },
        Rejection::RedirectUri { .. } => Rejection::AttestedClaimMalformed {
            claim: "redirect_uris",
        },
        other => other,
    })?;
    let uris = attested.redirect_uris.as_deref().unwrap_or_default();
    if uris.iter().any(|uri| named::form(uri).is_err()) {
        return Err(Rejection::AttestedClaimMalformed {
            claim: "redirect_uris",
        });
    }
    Ok(attested)
}

/// The attested ceiling on scope, where there is one. It lowers the rule's, never raises it.
pub fn attested_scope(identity: &AttestedIdentity) -> Result<Option<ScopeSet>, Rejection> {
    let malformed = Rejection::AttestedClaimMalformed { claim: "scope" };
    match identity.attested_claims.get("scope") {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= IDENTIFIER_BYTES_MAX => {
            ScopeSet::parse(text).map(Some).map_err(|_| malformed)
        }
        Some(_) => Err(malformed),
    }
}

/// Attested grant types, where the authority states them.
pub fn attested_grant_types(identity: &AttestedIdentity) -> Result<Option<Vec<String>>, Rejection> {
    let malformed = Rejection::AttestedClaimMalformed { claim: "grant_types" };
    let Some(value) = identity.attested_claims.get("grant_types") else {
        return Ok(None);
    };
    let items = value
        .as_array()
        .filter(|items| items.len() <= 32)
        .ok_or_else(|| malformed.clone())?;
    let texts: Option<Vec<String>> = items
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect();
    texts.map(Some).ok_or(malformed)
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

fn derived(found: &Match<'_>) -> Vec<String> {
    found
        .rule
        .redirect_uris
        .iter()
        .filter_map(|template| template.derive(&found.captures).ok())
        .collect()
}

/// True where the rule allows an attester to state this redirect URI.
pub(crate) fn fits(uri: &str, found: &Match<'_>) -> bool {
    let rule = found.rule;
    let is_silent = rule.redirect_uris.is_empty() && rule.redirect_uri_hosts.is_empty();
    is_silent || is_allowed(uri, found)
}

/// True where the rule says this redirect URI, or its host.
pub(crate) fn is_allowed(uri: &str, found: &Match<'_>) -> bool {
    is_on_a_host(uri, found) || derived(found).iter().any(|derived| derived == uri)
}

/// True where the URI leads to one of the rule's hosts.
pub(crate) fn is_on_a_host(uri: &str, found: &Match<'_>) -> bool {
    let mut hosts = found.rule.redirect_uri_hosts.iter();
    hosts.any(|host| host.admits(uri, &found.captures))
}
