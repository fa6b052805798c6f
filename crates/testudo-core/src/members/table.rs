//! The table of members, and functions that find rows by name.

use super::member::StatedBy::{Attester, AttesterAndClient, AttesterOrClient, Client, ClientUnlessClaimed};
use super::member::{Field, LabelKind, Member, field, label};

const NAME: LabelKind = LabelKind::Name { characters_max: 120 };

const URL: LabelKind = LabelKind::Url;

const SOFTWARE: LabelKind = LabelKind::Text { bytes_max: 255 };

/// 254 characters is the longest address of a mailbox.
const CONTACTS: LabelKind = LabelKind::Texts {
    items_max: 10,
    characters_max: 254,
};

/// All supported members, in the order in which a request is validated: if several are wrong, the answer names the
/// first.
///
/// A logo in a request is never used: on a consent page, users trust a familiar logo without reading the name.
#[rustfmt::skip]
pub static MEMBERS: &[Member] = &[
    // Each row on one line.
    field("software_statement", Field::SoftwareStatement, Client),
    field("client_id", Field::ClientId, Client),
    field("spiffe_id", Field::SpiffeId, Client),
    field("spiffe_bundle_endpoint", Field::SpiffeBundleEndpoint, Client),
    field("application_type", Field::ApplicationType, Client),
    field("redirect_uris", Field::RedirectUris, AttesterOrClient),
    field("token_endpoint_auth_method", Field::TokenEndpointAuthMethod, ClientUnlessClaimed),
    field("token_endpoint_auth_signing_alg", Field::TokenEndpointAuthSigningAlg, Client),
    field("grant_types", Field::GrantTypes, AttesterOrClient),
    field("response_types", Field::ResponseTypes, AttesterOrClient),
    field("scope", Field::Scope, AttesterOrClient),
    label("client_name", NAME, AttesterOrClient).taggable(),
    label("client_uri", URL, AttesterOrClient).taggable().on_own_host(),
    label("logo_uri", URL, Attester).taggable(),
    label("tos_uri", URL, AttesterOrClient).taggable().on_own_host(),
    label("policy_uri", URL, AttesterOrClient).taggable().on_own_host(),
    label("contacts", CONTACTS, AttesterOrClient),
    label("software_id", SOFTWARE, AttesterOrClient),
    label("software_version", SOFTWARE, AttesterOrClient),
    field("jwks", Field::Jwks, Client),
    field("jwks_uri", Field::JwksUri, Client),
    field("dpop_bound_access_tokens", Field::DpopBoundAccessTokens, AttesterAndClient),
    field("tls_client_certificate_bound_access_tokens", Field::TlsClientCertificateBoundAccessTokens, AttesterAndClient),
    field("require_pushed_authorization_requests", Field::RequirePushedAuthorizationRequests, AttesterAndClient),
    field("require_signed_request_object", Field::RequireSignedRequestObject, AttesterAndClient),
];

/// The row with this name.
pub fn member(name: &str) -> Option<&'static Member> {
    MEMBERS.iter().find(|member| member.name == name)
}

/// The name without its language tag: `client_name` for `client_name#de`.
pub fn base(name: &str) -> &str {
    match name.split_once('#') {
        Some((base, _)) if member(base).is_some_and(|member| member.is_taggable) => base,
        _ => name,
    }
}

/// The member that a claim with this name removes from the request if the configuration does not list the claim.
pub fn shadowed(claim: &str) -> Option<&'static Member> {
    member(base(claim)).filter(|member| member.stated_by.is_shadowed_by_claims())
}

/// Names of the claims that `attested_metadata` of an authority may list.
pub fn attestable() -> impl Iterator<Item = &'static str> {
    let attestable = MEMBERS.iter().filter(|member| member.stated_by.may_attest());
    attestable.map(|member| member.name)
}

/// The rows up to the last one that allows a language tag, and the remaining rows. Members with a tag are validated and
/// stored between the two.
pub fn around_tags() -> (&'static [Member], &'static [Member]) {
    let last = MEMBERS.iter().rposition(|member| member.is_taggable);
    MEMBERS.split_at(last.map_or(0, |last| last + 1))
}
