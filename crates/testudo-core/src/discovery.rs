//! Authorization server metadata: what this server supports now. [RFC8414 §2]

mod people;

use crate::grants;
use crate::identity::{ATTESTATION_BY_DPOP, CredentialKind};
use crate::policy::{ConfiguredClient, Policy};
use people::people_metadata;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::metadata::{
    AuthorizationServerMetadata, EndpointAliases, OpenIdConfiguration, PeopleMetadata,
};

/// The metadata document. `usable` are the kinds of credential for which keys are loaded; kinds that could not be
/// verified are not listed. [SPIFFE-AUTH §4] `mtls_base` is the base URL of the listener for client certificates, if it
/// differs from the issuer.
pub fn server_metadata(
    policy: &Policy,
    usable: &[CredentialKind],
    mtls_base: Option<&str>,
) -> AuthorizationServerMetadata {
    // Metadata has no name for tokens of other issuers; `private_key_jwt` is for clients with keys of their own.
    let usable: Vec<CredentialKind> = usable
        .iter()
        .copied()
        .filter(|kind| !kind.is_found_by_issuer())
        .collect();
    let at = |path: &str| format!("{}{path}", policy.issuer);
    let open = policy.registration.open.as_ref();
    let mut scopes: Vec<String> = policy
        .rules
        .iter()
        .chain(open.map(|open| &open.rule))
        .flat_map(|rule| rule.scopes.iter())
        .map(|scope| scope.as_str().to_owned())
        .collect();
    scopes.sort();
    scopes.dedup();
    // EdDSA is allowed in assertions of clients with their own keys; no SVID may be signed with it.
    let takes_eddsa = usable.contains(&CredentialKind::PrivateKeyJwt);
    let algorithms = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| takes_eddsa || algorithm.is_legal_in_svid());
    // A proof may be signed with every algorithm for which a client may have a key.
    let of_proofs = Algorithm::ALL.map(|algorithm| algorithm.name().to_owned());
    let is_attested = usable.contains(&CredentialKind::Attestation);
    let names_if = |is_listed: bool, names: &[&str]| -> Vec<String> {
        let names = names.iter().filter(|_| is_listed);
        names.map(|name| (*name).to_owned()).collect()
    };
    // A WIT-SVID is sent in the same header fields and needs the same proofs. [SPIFFE-AUTH §3.3]
    let has_pops = usable.iter().any(|kind| kind.is_sent_with_pop());
    let of_attestations: Vec<&str> = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| is_attested || algorithm.is_legal_in_svid())
        .map(Algorithm::name)
        .collect();
    let algorithms_of_attestations = names_if(has_pops, &of_attestations);
    let people = people_metadata(policy, &usable);
    let metadata = AuthorizationServerMetadata {
        issuer: policy.issuer.as_str().to_owned(),
        token_endpoint: at("/token"),
        jwks_uri: at("/jwks"),
        challenge_endpoint: Some(at("/challenge")),
        registration_endpoint: policy.registration_endpoint(),
        grant_types_supported: grants::served()
            // [RFC8414 §2] Without an authorization endpoint, no client can use the others.
            .filter(|grant| grants::is_offered(grant, policy.login.is_some()))
            .map(str::to_owned)
            .collect(),
        response_types_supported: names_if(policy.login.is_some(), &["code"]),
        token_endpoint_auth_methods_supported: usable
            .iter()
            .map(|kind| kind.auth_method())
            // [ABCA §8] The same attestation, with a DPoP proof in the place of the PoP.
            .chain(is_attested.then_some(ATTESTATION_BY_DPOP))
            .map(str::to_owned)
            .collect(),
        token_endpoint_auth_signing_alg_values_supported: if usable
            .iter()
            .all(|kind| *kind == CredentialKind::Public)
        {
            Vec::new()
        } else {
            algorithms.map(|algorithm| algorithm.name().to_owned()).collect()
        },
        dpop_signing_alg_values_supported: of_proofs.to_vec(),
        client_attestation_signing_alg_values_supported: algorithms_of_attestations.clone(),
        client_attestation_pop_signing_alg_values_supported: algorithms_of_attestations,
        client_attestation_pop_methods_supported: names_if(
            has_pops,
            if is_attested {
                &["attestation_pop_jwt", "dpop_combined", "none"]
            } else {
                &["attestation_pop_jwt", "dpop_combined"]
            },
        ),
        scopes_supported: scopes,
        tls_client_certificate_bound_access_tokens: binds_to_certificates(policy, &usable),
        mtls_endpoint_aliases: mtls_base.map(|base| EndpointAliases {
            token_endpoint: format!("{base}/token"),
            // A client can also register with its certificate at that listener.
            registration_endpoint: policy
                .registration
                .takes_evidence
                .then(|| format!("{base}/register")),
            pushed_authorization_request_endpoint: people
                .pushed_authorization_request_endpoint
                .is_some()
                .then(|| format!("{base}/par")),
            revocation_endpoint: Some(format!("{base}/revoke")),
            introspection_endpoint: Some(format!("{base}/introspect")),
        }),
        people,
    };
    with_token_endpoints(metadata, policy)
}

/// True if tokens of some client can be bound to its certificate: to its credential, or to a certificate of a client
/// without a credential. [RFC8705 §3.3] [RFC8705 §4]
fn binds_to_certificates(policy: &Policy, usable: &[CredentialKind]) -> bool {
    let is_bound_without_credential = |client: &ConfiguredClient| {
        client.method.kind() == CredentialKind::Public && client.rule.sender_constraint.takes_certificates()
    };
    usable.iter().any(|kind| kind.is_certificate())
        || (policy.registration.receives_certificates
            && policy.clients.values().any(is_bound_without_credential))
}

/// Adds the endpoints at which clients ask about tokens and revoke them. Clients authenticate there as at the token
/// endpoint. [RFC8414 §2]
fn with_token_endpoints(
    mut metadata: AuthorizationServerMetadata,
    policy: &Policy,
) -> AuthorizationServerMetadata {
    let methods = &metadata.token_endpoint_auth_methods_supported;
    let algorithms = &metadata.token_endpoint_auth_signing_alg_values_supported;
    let at = |path: &str| Some(format!("{}{path}", policy.issuer));
    metadata.people = PeopleMetadata {
        revocation_endpoint: at("/revoke"),
        revocation_endpoint_auth_methods_supported: methods.clone(),
        revocation_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        introspection_endpoint: at("/introspect"),
        // [RFC7662 §2.1] A client without a credential may not ask.
        introspection_endpoint_auth_methods_supported: methods
            .iter()
            .filter(|method| *method != CredentialKind::Public.auth_method())
            .cloned()
            .collect(),
        introspection_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
        introspection_signing_alg_values_supported: vec![policy.tokens.signing_algorithm.name().to_owned()],
        ..metadata.people
    };
    metadata
}

/// The metadata document of OpenID Connect Discovery. [OIDCD §3] Members that only OpenID Connect requires are in this
/// document alone and not in that of [RFC8414 §2]: there are no ID tokens here, so a client that reads the other document
/// must not assume them. `published` are the algorithms of this server's keys.
pub fn openid_configuration<'a>(
    metadata: AuthorizationServerMetadata,
    published: impl Iterator<Item = &'a str>,
) -> OpenIdConfiguration {
    // [OIDCD §3] RS256 must be listed, even if this server has no RS256 key.
    let demanded = Algorithm::RS256.name();
    let mut algorithms: Vec<String> = published.chain([demanded]).map(str::to_owned).collect();
    algorithms.sort();
    algorithms.dedup();
    OpenIdConfiguration {
        authorization_endpoint: match metadata.people.authorization_endpoint {
            Some(_) => None,
            None => Some(format!("{}/authorize", metadata.issuer)),
        },
        subject_types_supported: vec!["public".to_owned()],
        id_token_signing_alg_values_supported: algorithms,
        metadata,
    }
}
