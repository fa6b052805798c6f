//! Where a client's metadata comes from, member by member.
//!
//! Limits are the intersection of what is configured, attested and requested; labels go configured, then attested.

use super::attested::attested;
use super::redirect_uris::{derived, fits};
use super::requested::Requested;
use crate::identity::AttestedIdentity;
use crate::members::{Label, LabelName, Labels};
use crate::records::ClientMetadata;
use crate::rejection::Rejection;
use crate::rules::Match;
use crate::rules::label::{ConfiguredLabel, LabelTemplate};
use crate::rules::pieces::{fill, pieces};
use testudo_protocol::oauth::is_label_url;

/// The metadata of `identity`'s client under the rule that governs it: what the rule says, and then the attester.
pub fn resolve(identity: &AttestedIdentity, found: &Match<'_>) -> Result<ClientMetadata, Rejection> {
    Ok(vouched(attested(identity)?, found))
}

/// The same, of what was attested.
pub(crate) fn vouched(attested: Requested, found: &Match<'_>) -> ClientMetadata {
    ClientMetadata {
        labels: labels(attested.labels, found),
        redirect_uris: redirect_uris(found, attested.redirect_uris.as_deref().unwrap_or_default()),
        scope: attested.scope.map(|scope| scope.to_string()),
        grant_types: attested.grant_types,
        ..ClientMetadata::default()
    }
}

/// Configured beats attested. One that an identity cannot fill, or that no client could request, is left out; what the
/// attester says is not taken in its place.
fn labels(mut labels: Labels, found: &Match<'_>) -> Labels {
    for ConfiguredLabel { member, template } in &found.rule.labels {
        let name = LabelName::of(member);
        match template {
            LabelTemplate::Text(text) => {
                if let Ok(pieces) = pieces(text) {
                    labels.insert(name, Label::Text(fill(&pieces, &found.captures)));
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

/// Those that the rule derives, and those attested ones that fit it. A rule that says nothing of redirect URIs
/// leaves them to the attester.
///
/// A template that an identity cannot fill (a service named `x.y` in a host) yields no redirect URI: the
/// authorization endpoint refuses a redirect URI that is not registered, and other clients need none.
fn redirect_uris(found: &Match<'_>, attested: &[String]) -> Vec<String> {
    let mut uris = derived(found);
    for uri in attested {
        if fits(uri, found) && !uris.contains(uri) {
            uris.push(uri.clone());
        }
    }
    uris
}
