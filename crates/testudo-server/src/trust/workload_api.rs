//! Bundles from a Workload API. Its answer lists JWT and X.509 authorities without the document around them: its
//! namespace says what the keys are for, so `use` is filled in here.
//!
//! Nothing there distinguishes "this trust domain has no authorities any more" from an agent that has just started
//! and does not know yet. So where the last authority of a kind is gone, that is a failed fetch, whatever the reason:
//! the last good bundle is used until its maximum age. After that no bundle is in use any more, and the answer of
//! the agent is taken. An administrator who knows that the authority was removed need not wait.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use spiffe::WorkloadApiError;
use spiffe::transport::{GrpcStatusCode, TransportError};
use testudo_protocol::spiffe::Bundle;

/// What an answer is compared with.
#[derive(Clone, Copy)]
pub(super) enum Expected<'a> {
    /// At least one authority, and one of each kind that the bundle in force has.
    AsMuchAs(Option<&'a Bundle>),
    /// An administrator accepts any answer of the agent about the trust domain.
    Anything,
}

impl Expected<'_> {
    /// Which kind of authority is missing.
    pub(super) fn missing(self, has_jwt: bool, has_x509: bool) -> Option<&'static str> {
        let Expected::AsMuchAs(held) = self else {
            return None;
        };
        let had_jwt = held.is_some_and(|held| !held.jwt_keys.is_empty());
        let had_x509 = held.is_some_and(|held| !held.x509_authorities.is_empty());
        match (has_jwt, has_x509) {
            (false, false) => Some("no authority"),
            (false, true) if had_jwt => Some("no JWT authority any more"),
            (true, false) if had_x509 => Some("no X.509 authority any more"),
            (false, true) | (true, false) | (true, true) => None,
        }
    }
}

/// The bundle document of a trust domain.
pub(super) async fn ask(socket: &str, trust_domain: &str, expected: Expected<'_>) -> Result<Vec<u8>, String> {
    let name = spiffe::TrustDomain::new(trust_domain).map_err(|error| error.to_string())?;
    let client = spiffe::WorkloadApiClient::connect_to(socket)
        .await
        .map_err(refused)?;
    let jwt = offered(client.fetch_jwt_bundles().await)?;
    let x509 = offered(client.fetch_x509_bundles().await)?;
    let jwt = jwt.as_ref().and_then(|bundles| bundles.get(&name));
    let x509 = x509.as_ref().and_then(|bundles| bundles.get(&name));
    if jwt.is_none() && x509.is_none() {
        return Err(format!(
            "the Workload API has no bundle of {trust_domain}: is it federated with it?"
        ));
    }
    let mut jwt_keys: Vec<Value> = Vec::new();
    for authority in jwt.iter().flat_map(|bundle| bundle.jwt_authorities()) {
        let mut jwk: Value =
            serde_json::from_slice(authority.jwk_json()).map_err(|error| error.to_string())?;
        if let Some(members) = jwk.as_object_mut() {
            members.insert("use".into(), "jwt-svid".into());
        }
        jwt_keys.push(jwk);
    }
    let x509_keys: Vec<Value> = x509
        .iter()
        .flat_map(|bundle| bundle.authorities())
        .map(|authority| {
            let der = STANDARD.encode(authority.as_bytes());
            serde_json::json!({ "kty": "X509", "use": "x509-svid", "x5c": [der] })
        })
        .collect();
    if let Some(missing) = expected.missing(!jwt_keys.is_empty(), !x509_keys.is_empty()) {
        return Err(format!(
            "the Workload API names {missing} of {trust_domain}; if that is meant, run `testudo trust accept {trust_domain}`"
        ));
    }
    let mut keys = [jwt_keys, x509_keys].concat();
    // The order of a map is not the order of the next answer; the document must not seem to change.
    keys.sort_by_key(Value::to_string);
    Ok(serde_json::json!({ "keys": keys }).to_string().into_bytes())
}

/// What one call answers; nothing where the agent does not offer that kind of bundle, or what it offers cannot be
/// read. A call that failed for a reason that may pass is no statement about the authorities.
fn offered<T>(answer: Result<T, WorkloadApiError>) -> Result<Option<T>, String> {
    match answer {
        Ok(bundles) => Ok(Some(bundles)),
        Err(WorkloadApiError::X509Bundle(_) | WorkloadApiError::JwtBundle(_)) => Ok(None),
        Err(WorkloadApiError::Transport(TransportError::Status(status)))
            if status.code() == GrpcStatusCode::Unimplemented =>
        {
            Ok(None)
        }
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: WorkloadApiError) -> String {
    format!("the Workload API refuses: {error}")
}
