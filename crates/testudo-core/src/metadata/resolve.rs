//! Combines the configured and the attested metadata of a client, member by member.
//!
//! Limits are the intersection of the configured, attested and requested ones; a configured label takes precedence over
//! an attested one.

use super::attested::attested;
use super::narrowing::{CODE, without_redirects};
use super::redirect_uris::{derived, fits};
use super::requested::RequestedMetadata;
use crate::identity::AttestedIdentity;
use crate::members::{Label, LabelName, Labels};
use crate::records::ClientMetadata;
use crate::rejection::Rejection;
use crate::rules::Match;
use crate::rules::label::{ConfiguredLabel, LabelTemplate};
use crate::rules::pieces::{Piece, fill, pieces};
use testudo_protocol::oauth::is_label_url;

/// The metadata of `identity`'s client under the rule that governs it: the values of the rule, then those of the
/// attester.
pub fn metadata_at_first_use(
    identity: &AttestedIdentity,
    found: &Match<'_>,
) -> Result<ClientMetadata, Rejection> {
    Ok(authoritative(attested(identity)?, found))
}

/// As [`resolve`], for attested metadata that was already read.
pub(crate) fn authoritative(attested: RequestedMetadata, found: &Match<'_>) -> ClientMetadata {
    ClientMetadata {
        labels: labels(attested.labels, found),
        redirect_uris: redirect_uris(found, attested.redirect_uris.as_deref().unwrap_or_default()),
        scope: attested.scope.map(|scope| scope.to_string()),
        grant_types: grant_types(attested.grant_types, attested.response_types, found),
        dpop_bound_access_tokens: attested.dpop_bound_access_tokens,
        tls_client_certificate_bound_access_tokens: attested.tls_client_certificate_bound_access_tokens,
        require_pushed_authorization_requests: attested.require_pushed_authorization_requests,
        require_signed_request_object: attested.require_signed_request_object,
        ..ClientMetadata::default()
    }
}

/// The grant types to which the attester limits the client. Without the response type `code`, no grant with a redirect
/// is left.
fn grant_types(
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    found: &Match<'_>,
) -> Option<Vec<String>> {
    if response_types.is_none_or(|types| types.iter().any(|name| name == CODE)) {
        return grant_types;
    }
    let of_rule = || found.rule.grant_types.clone();
    Some(without_redirects(grant_types.unwrap_or_else(of_rule)))
}

/// The labels that the rule sets.
pub(crate) fn configured_labels(found: &Match<'_>) -> Labels {
    labels(Labels::default(), found)
}

/// Adds the configured labels, which take precedence over attested ones. A configured label is left out if the captures
/// of the identity cannot fill it, or if its value would be refused in a request; the attested value does not replace
/// it.
fn labels(mut labels: Labels, found: &Match<'_>) -> Labels {
    for ConfiguredLabel { member, template } in &found.rule.labels {
        let name = LabelName::of(member);
        match template {
            LabelTemplate::Text(text) => {
                let pieces = pieces(text).unwrap_or_default();
                let mut captures = pieces.iter().filter_map(Piece::capture);
                if captures.all(|name| found.captures.get(name).is_some()) {
                    labels.insert(name, Label::Text(fill(&pieces, &found.captures)));
                } else {
                    labels.retain(|label| *label != name);
                }
            }
            LabelTemplate::Url(template) => {
                match template
                    .derive(&found.captures)
                    .ok()
                    .filter(|uri| is_label_url(uri))
                {
                    Some(uri) => labels.insert(name, Label::Text(uri)),
                    None => labels.retain(|label| *label != name),
                }
            }
        }
    }
    labels
}

/// The redirect URIs that the rule derives, and the attested ones that the rule allows. A rule without redirect URIs
/// and hosts allows every attested one.
///
/// If the captures of an identity cannot fill a template (a service named `x.y` in a host), there is no redirect URI
/// for it: the authorization endpoint refuses unregistered redirect URIs, and clients that do not use it need none.
fn redirect_uris(found: &Match<'_>, attested: &[String]) -> Vec<String> {
    let mut uris = derived(found);
    for uri in attested {
        if fits(uri, found) && !uris.contains(uri) {
            uris.push(uri.clone());
        }
    }
    uris
}
