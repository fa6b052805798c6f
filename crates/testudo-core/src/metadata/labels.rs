//! Labels of a client. A configured label takes precedence over an attested one, and that over a requested one. Labels
//! give no rights.

use super::requested::RequestedMetadata;
use crate::members::{Label, LabelName, Labels};
use crate::records::ClientMetadata;

/// Adds the requested labels that neither the rule nor the attester sets. `authoritative` has their labels and the
/// final limits.
pub(crate) fn complete(authoritative: ClientMetadata, requested: &RequestedMetadata) -> ClientMetadata {
    // A requested `client_name#lang` is ignored if the administrator or the attester set `client_name`.
    let is_free = |name: &LabelName| {
        name.member.stated_by.may_request() && authoritative.labels.untagged(name.member).is_none()
    };
    let is_beside = |name: &LabelName, label: &Label| match label {
        Label::Text(text) => !name.member.needs_own_host || is_beside(text, &authoritative.redirect_uris),
        Label::Texts(_) => !name.member.needs_own_host,
    };
    let asked = requested.labels.iter();
    let taken: Labels = asked
        .filter(|(name, label)| is_free(name) && is_beside(name, label))
        .cloned()
        .collect();
    ClientMetadata {
        labels: taken.overridden_by(authoritative.labels),
        ..authoritative
    }
}

/// [RFC7591 §5] Label URLs must be on the host of a redirect URI, so that a client cannot pose as another site.
fn is_beside(label: &str, redirect_uris: &[String]) -> bool {
    let host = |text: &str| {
        url::Url::parse(text)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
    };
    let wanted = host(label);
    wanted.is_some() && redirect_uris.iter().any(|uri| host(uri) == wanted)
}
