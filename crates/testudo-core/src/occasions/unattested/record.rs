//! Validates the whole record of a client without evidence by the rule of its sponsor or of `registration.open`, when
//! it is created and when it is changed.

use super::defaults::grant_types;
use crate::admission::governed::GovernedIdentity;
use crate::decision::Moment;
use crate::identity::{CredentialKind, SCOPE_REGISTER};
use crate::metadata::keys::{certificates, key_set, place_of_keys};
use crate::metadata::requested::RequestedMetadata;
use crate::metadata::{labels, narrowing, redirect_uris};
use crate::occasions::registered::Answer;
use crate::records::{ApplicationType, Client, ClientMetadata, Registration};
use crate::rejection::{MetadataReason, Rejection};
use crate::rules::PushedAuthorization;

/// How the client will authenticate: by the requested method, or by its keys if it has some. The default of [RFC7591
/// §2] is a secret, which this server does not support; it registers another method and returns it in the answer.
pub fn kind(requested: &RequestedMetadata) -> Result<CredentialKind, Rejection> {
    match requested.token_endpoint_auth_method.as_deref() {
        None if requested.has_keys() => Ok(CredentialKind::PrivateKeyJwt),
        None | Some("none") => Ok(CredentialKind::Public),
        Some("private_key_jwt") => Ok(CredentialKind::PrivateKeyJwt),
        Some("self_signed_tls_client_auth") => Ok(CredentialKind::SelfSignedTlsClientAuth),
        Some(_) => Err(MetadataReason::AuthMethodWithoutEvidence.into()),
    }
}

/// The resulting record, validated by the rule of today. `was` is the client that it replaces.
pub(super) fn resolve_without_evidence(
    governed: &GovernedIdentity<'_>,
    requested: &RequestedMetadata,
    was: Option<&Client>,
    at: &Moment<'_>,
) -> Result<(ClientMetadata, Registration, Answer), Rejection> {
    let is_open = governed.identity.sponsor.is_none();
    let limits = governed.identity.sponsor_limits();
    let requested = &requested.clone().demanding(limits);
    let kind = governed.identity.kind;
    // [RFC7591 §3.1.1] A software statement must not be ignored: a request with one is decided in `register.rs`.
    if requested.software_statement.is_some() {
        return Err(MetadataReason::StatementNotTaken.into());
    }
    if requested.spiffe_id.is_some() {
        return Err(MetadataReason::SpiffeIdClaimed.into());
    }
    if let Some(uri) = &requested.jwks_uri {
        let open = at.policy.registration.open.as_ref().filter(|_| is_open);
        if open.is_some_and(|open| !open.takes_jwks_uri) {
            return Err(MetadataReason::JwksUriNotTaken.into());
        }
        place_of_keys(uri, at.policy.issuer.as_str())?;
    }
    let has_certificate = kind == CredentialKind::SelfSignedTlsClientAuth;
    let must_bind_tokens = requested.tls_client_certificate_bound_access_tokens;
    // [RFC8705 §4] A client without a credential creates a certificate, to which its tokens are bound.
    if must_bind_tokens && !has_certificate && kind != CredentialKind::Public {
        return Err(MetadataReason::BindingWithoutCertificate.into());
    }
    if (has_certificate || must_bind_tokens) && !at.policy.registration.receives_certificates {
        return Err(MetadataReason::CertificatesNotReceived.into());
    }
    if self::kind(requested)? != kind && requested.token_endpoint_auth_method.is_some() {
        return Err(MetadataReason::AuthMethodChanged.into());
    }
    keys_fit(kind, requested)?;
    let grant_types = grant_types(governed, requested)?;
    let response_types = narrowing::response_types(&grant_types, requested)?;
    let ceiling = limits.scopes(governed.found.rule.scopes.without(SCOPE_REGISTER));
    let scope = narrowing::scope(ceiling, requested.scope.as_ref())?;
    let application_type = redirect_uris(governed, requested, &grant_types)?;
    let had = was.and_then(|was| was.metadata.application_type);
    if had == Some(ApplicationType::Web) && application_type == Some(ApplicationType::Native) {
        return Err(MetadataReason::ApplicationTypeChanged.into());
    }
    let authoritative = ClientMetadata {
        redirect_uris: requested.redirect_uris.clone().unwrap_or_default(),
        application_type,
        jwks: requested.jwks.clone(),
        jwks_uri: requested.jwks_uri.clone(),
        ..ClientMetadata::default()
    };
    let rule_must_push = governed.found.rule.people.pushed_authorization == PushedAuthorization::Required;
    let registration = Registration {
        issued: at.now,
        until: None,
        is_by_possession: false,
        redirect_uris: None,
        scope: Some(scope.clone()),
        grant_types: Some(grant_types.clone()),
        credential: Some(kind),
        is_combined: false,
        signing_algorithm: requested
            .token_endpoint_auth_signing_alg
            .map(|algorithm| algorithm.name().to_owned()),
        must_bind_tokens,
        dpop_bound_access_tokens: requested.dpop_bound_access_tokens,
        // What `registration.open` demands of all its clients, or what the client demands of itself.
        must_push: (is_open && rule_must_push) || requested.require_pushed_authorization_requests,
        must_sign_requests: requested.require_signed_request_object,
    };
    let answer = Answer {
        redirect_uris: authoritative.redirect_uris.clone(),
        grant_types,
        response_types,
        scope,
        token_endpoint_auth_method: kind.auth_method(),
        only: Some(kind),
        must_bind_tokens,
        dpop_bound_access_tokens: requested.dpop_bound_access_tokens,
        must_push: registration.must_push,
        must_sign_requests: registration.must_sign_requests,
    };
    Ok((labels::complete(authoritative, requested), registration, answer))
}

/// The current registration of a client, for the answer of a request that changes nothing.
pub(crate) fn answer_as_registered(client: &Client) -> Answer {
    let registration = client.registration.as_ref();
    let grant_types = registration
        .and_then(|stands| stands.grant_types.clone())
        .unwrap_or_default();
    let response_types = narrowing::response_types(&grant_types, &RequestedMetadata::default());
    Answer {
        redirect_uris: client.metadata.redirect_uris.clone(),
        response_types: response_types.unwrap_or_default(),
        grant_types,
        scope: registration
            .and_then(|stands| stands.scope.clone())
            .unwrap_or_default(),
        token_endpoint_auth_method: client.first_credential.auth_method(),
        only: Some(client.first_credential),
        must_bind_tokens: registration.is_some_and(|stands| stands.must_bind_tokens),
        dpop_bound_access_tokens: registration.is_some_and(|stands| stands.dpop_bound_access_tokens),
        must_push: registration.is_some_and(|stands| stands.must_push),
        must_sign_requests: registration.is_some_and(|stands| stands.must_sign_requests),
    }
}

/// [RFC7591 §2] A client with `private_key_jwt` must have a key for its algorithm, and one with a certificate of its own
/// must have registered it.
fn keys_fit(kind: CredentialKind, requested: &RequestedMetadata) -> Result<(), Rejection> {
    if kind == CredentialKind::Public {
        return Ok(());
    }
    if kind == CredentialKind::SelfSignedTlsClientAuth {
        let has_one = |jwks| !certificates(jwks).is_empty();
        let is_complete = requested.jwks_uri.is_none() && requested.jwks.as_ref().is_some_and(has_one);
        return match is_complete {
            true => Ok(()),
            false => Err(MetadataReason::CertificatesMissing.into()),
        };
    }
    let keys = match (&requested.jwks, &requested.jwks_uri) {
        (Some(jwks), _) => key_set(jwks)?,
        // Keys at a `jwks_uri` are fetched only when an assertion of the client must be verified.
        (None, Some(_)) => return Ok(()),
        (None, None) => return Err(MetadataReason::JwksMissing.into()),
    };
    match requested.token_endpoint_auth_signing_alg {
        Some(algorithm) if !keys.iter().any(|key| key.accepts(algorithm)) => {
            Err(MetadataReason::SigningAlgorithmWithoutKey.into())
        }
        Some(_) | None => Ok(()),
    }
}

/// Redirect URIs are required if a grant redirects, and refused otherwise. Each must be one that every URL parser reads
/// in the same way. A client with a sponsor may only use the hosts of the rule. [RFC7591 §5]
fn redirect_uris(
    governed: &GovernedIdentity<'_>,
    requested: &RequestedMetadata,
    grant_types: &[String],
) -> Result<Option<ApplicationType>, Rejection> {
    let uris = requested.redirect_uris.as_deref().unwrap_or_default();
    match (narrowing::redirects(grant_types), uris.is_empty()) {
        (true, true) => {
            return Err(MetadataReason::RedirectUrisMissing.into());
        }
        (false, false) => {
            return Err(MetadataReason::RedirectUrisWithoutGrant.into());
        }
        (false, true) => return Ok(requested.application_type),
        (true, false) => {}
    }
    let application_type = redirect_uris::application_type(uris, requested.application_type)?;
    let is_open = governed.identity.sponsor.is_none();
    if !is_open
        && !uris
            .iter()
            .all(|uri| redirect_uris::is_allowed(uri, &governed.found))
    {
        return Err(MetadataReason::RedirectUriOutsideRule.into());
    }
    Ok(Some(application_type))
}
