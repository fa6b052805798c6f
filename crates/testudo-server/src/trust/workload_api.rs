//! Bundles from a Workload API. Its answers contain JWT and X.509 authorities in separate calls and not as one bundle
//! document, so this module makes the document and fills in `use`.
//!
//! An answer of an agent without authorities may mean that the trust domain has none any more, or that the agent has
//! just started and does not know them yet. So an answer in which all authorities of a kind are missing is a failed
//! fetch: the last good bundle is used until its maximum age. After that, no bundle is in use, and the answer of the
//! agent is accepted. An administrator who knows that the authorities were removed can accept the answer earlier.
//!
//! An answer that lists other trust domains with their authorities, and not this one, is no such case: the agent knows its
//! bundles, and the federation with this trust domain has ended. It counts as a bundle without keys. [SPIFFE-FED §6.3]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use spiffe::WorkloadApiError;
use spiffe::transport::{GrpcStatusCode, TransportError};
use testudo_protocol::spiffe::Bundle;

/// What the answer of the Workload API must contain.
#[derive(Clone, Copy)]
pub(super) enum Expected<'a> {
    /// At least one authority, and one of each kind that the bundle in force has.
    AsMuchAs(Option<&'a Bundle>),
    /// Anything: an administrator accepts the answer of the agent.
    Anything,
}

impl Expected<'_> {
    /// True if a bundle of the trust domain is in force.
    fn has_bundle(self) -> bool {
        matches!(self, Expected::AsMuchAs(Some(_)))
    }

    /// The kind of authority that is missing, if one is.
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
    // Both calls were answered, and one of them lists authorities of a trust domain.
    let knows_others = match (&jwt, &x509) {
        (Some(jwt), Some(x509)) => {
            let (mut jwt, mut x509) = (jwt.iter(), x509.iter());
            jwt.any(|(_, other)| other.jwt_authorities().next().is_some())
                || x509.any(|(_, other)| !other.authorities().is_empty())
        }
        (Some(_) | None, _) => false,
    };
    let jwt = jwt.as_ref().and_then(|bundles| bundles.get(&name));
    let x509 = x509.as_ref().and_then(|bundles| bundles.get(&name));
    if jwt.is_none() && x509.is_none() {
        if expected.has_bundle() && knows_others {
            return Ok(br#"{"keys":[]}"#.to_vec());
        }
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
            "the Workload API lists {missing} of {trust_domain}; if that is intended, run `testudo trust accept {trust_domain}`"
        ));
    }
    let mut keys = [jwt_keys, x509_keys].concat();
    // The order of the keys differs from answer to answer. Sorted, the same keys give the same document.
    keys.sort_by_key(Value::to_string);
    Ok(serde_json::json!({ "keys": keys }).to_string().into_bytes())
}

/// The answer of one call. `None` where the agent does not support that kind of bundle or its answer cannot be parsed.
/// An error of the connection is an error: it tells nothing about the authorities.
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
    format!("the Workload API returned an error: {error}")
}
