//! Labels: what a client is called. They go configured, then attested, then requested, and have no power.

use super::requested::{Requested, base};
use crate::records::ClientMetadata;

/// Fills in what neither the rule nor the attester says. `vouched` is what they say.
///
/// A logo is never taken from the client: it would be the one thing on a consent page that nobody reads twice.
pub(super) fn complete(vouched: ClientMetadata, requested: &Requested) -> ClientMetadata {
    let uris = vouched.redirect_uris.clone();
    let beside = |label: &Option<String>| label.clone().filter(|label| is_beside(label, &uris));
    let mut tagged = requested.tagged.clone();
    tagged.retain(|name, value| match base(name) {
        "client_name" => vouched.client_name.is_none(),
        "client_uri" => vouched.client_uri.is_none() && is_beside(value, &uris),
        "tos_uri" => vouched.tos_uri.is_none() && is_beside(value, &uris),
        "policy_uri" => vouched.policy_uri.is_none() && is_beside(value, &uris),
        // A logo, as said above.
        _ => false,
    });
    tagged.extend(vouched.tagged.clone());
    let contacts = if vouched.contacts.is_empty() {
        requested.contacts.clone().unwrap_or_default()
    } else {
        vouched.contacts.clone()
    };
    ClientMetadata {
        client_name: vouched.client_name.or_else(|| requested.client_name.clone()),
        client_uri: vouched.client_uri.or_else(|| beside(&requested.client_uri)),
        tos_uri: vouched.tos_uri.or_else(|| beside(&requested.tos_uri)),
        policy_uri: vouched.policy_uri.or_else(|| beside(&requested.policy_uri)),
        software_id: vouched.software_id.or_else(|| requested.software_id.clone()),
        software_version: vouched
            .software_version
            .or_else(|| requested.software_version.clone()),
        tagged,
        contacts,
        ..vouched
    }
}

/// [RFC7591 §5] A label on another host than the redirect URIs borrows somebody's name.
fn is_beside(label: &str, redirect_uris: &[String]) -> bool {
    let host = |text: &str| {
        url::Url::parse(text)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned))
    };
    let wanted = host(label);
    wanted.is_some() && redirect_uris.iter().any(|uri| host(uri) == wanted)
}
