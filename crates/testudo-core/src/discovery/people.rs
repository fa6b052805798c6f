//! The members of the metadata about people.

use crate::identity::CredentialKind;
use crate::policy::{PASSKEY_ACR, Policy};
use crate::rules::PushedAuthorization;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::GRANT_AUTHORIZATION_CODE;
use testudo_protocol::oauth::metadata::PeopleMetadata;
use testudo_protocol::oauth::pkce::METHOD_S256;

/// What clients of people need to know; nothing if people cannot sign in.
pub(super) fn people_metadata(policy: &Policy, usable: &[CredentialKind]) -> PeopleMetadata {
    // Clients with keys of their own can sign their requests. [RFC9101 §6.2]
    let takes_objects = usable.contains(&CredentialKind::PrivateKeyJwt);
    let algorithms = Algorithm::ALL.into_iter().filter(|_| takes_objects);
    let Some(login) = &policy.login else {
        return PeopleMetadata::default();
    };
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    PeopleMetadata {
        authorization_endpoint: Some(format!("{}/authorize", policy.issuer)),
        pushed_authorization_request_endpoint: Some(format!("{}/par", policy.issuer)),
        // [RFC9126 §5] The default is false, so it is left out.
        require_pushed_authorization_requests: must_all_push(policy).then_some(true),
        response_modes_supported: texts(&["query", "fragment", "form_post"]),
        // [RFC7636 §6.2]
        code_challenge_methods_supported: texts(&[METHOD_S256]),
        // [RFC9207 §3]
        authorization_response_iss_parameter_supported: Some(true),
        acr_values_supported: match login.has_passkeys {
            true => texts(&[PASSKEY_ACR]),
            false => Vec::new(),
        },
        // [RFC9101 §10.5]
        request_parameter_supported: Some(takes_objects),
        request_object_signing_alg_values_supported: algorithms
            .map(|algorithm| algorithm.name().to_owned())
            .collect(),
        request_uri_parameter_supported: Some(false),
        // [RT-EXPIRATION §8]
        refresh_token_expiration_types_supported: texts(&["authorization", "token_timeout"]),
        ..PeopleMetadata::default()
    }
}

/// True if no client may send its parameters to the authorization endpoint.
fn must_all_push(policy: &Policy) -> bool {
    let of_clients = policy.clients.values().map(|client| &client.rule);
    let open = policy.registration.open.as_ref().map(|open| &open.rule);
    let mut of_people = policy.rules.iter().chain(of_clients).chain(open).filter(|rule| {
        let mut grants = rule.grant_types.iter();
        grants.any(|name| name == GRANT_AUTHORIZATION_CODE)
    });
    of_people.all(|rule| rule.people.pushed_authorization == PushedAuthorization::Required)
}
