//! Labels: what a client is called. They go configured, then attested, then requested, and have no power.

use super::names::base;
use super::requested::Requested;
use crate::records::ClientMetadata;

/// Fills in what neither the rule nor the attester says. `vouched` is what they say, with the limits settled.
///
/// Both sides are taken apart whole: a new member must be thought about here.
pub(crate) fn complete(vouched: ClientMetadata, requested: &Requested) -> ClientMetadata {
    let ClientMetadata {
        client_name,
        client_uri,
        logo_uri,
        tos_uri,
        policy_uri,
        tagged,
        contacts,
        software_id,
        software_version,
        // Limits and keys: the caller has set them.
        spiffe_bundle_endpoint,
        application_type,
        redirect_uris,
        scope,
        grant_types,
        jwks,
        jwks_uri,
    } = vouched;
    let Requested {
        client_name: asked_name,
        client_uri: asked_uri,
        tos_uri: asked_tos,
        policy_uri: asked_policy,
        tagged: asked_tagged,
        contacts: asked_contacts,
        software_id: asked_software,
        software_version: asked_version,
        // A logo is never taken from the client: on a consent page, users trust a familiar logo without reading the name.
        logo_uri: _,
        // No labels.
        software_statement: _,
        client_id: _,
        spiffe_id: _,
        spiffe_bundle_endpoint: _,
        application_type: _,
        redirect_uris: _,
        token_endpoint_auth_method: _,
        token_endpoint_auth_signing_alg: _,
        grant_types: _,
        response_types: _,
        scope: _,
        jwks: _,
        jwks_uri: _,
        dpop_bound_access_tokens: _,
        tls_client_certificate_bound_access_tokens: _,
        require_pushed_authorization_requests: _,
        require_signed_request_object: _,
    } = requested;
    let beside = |label: &Option<String>| label.clone().filter(|label| is_beside(label, &redirect_uris));
    // A requested `client_name#lang` is ignored where the administrator or the attester set `client_name`.
    let is_free = |name: &str, value: &str| match base(name) {
        "client_name" => client_name.is_none(),
        "client_uri" => client_uri.is_none() && is_beside(value, &redirect_uris),
        "tos_uri" => tos_uri.is_none() && is_beside(value, &redirect_uris),
        "policy_uri" => policy_uri.is_none() && is_beside(value, &redirect_uris),
        _ => false,
    };
    let mut all_tagged = asked_tagged.clone();
    all_tagged.retain(|name, value| is_free(name, value));
    all_tagged.extend(tagged);
    let contacts = if contacts.is_empty() {
        asked_contacts.clone().unwrap_or_default()
    } else {
        contacts
    };
    ClientMetadata {
        client_name: client_name.or_else(|| asked_name.clone()),
        client_uri: client_uri.or_else(|| beside(asked_uri)),
        logo_uri,
        tos_uri: tos_uri.or_else(|| beside(asked_tos)),
        policy_uri: policy_uri.or_else(|| beside(asked_policy)),
        tagged: all_tagged,
        contacts,
        software_id: software_id.or_else(|| asked_software.clone()),
        software_version: software_version.or_else(|| asked_version.clone()),
        spiffe_bundle_endpoint,
        application_type,
        redirect_uris,
        scope,
        grant_types,
        jwks,
        jwks_uri,
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
