//! The three places a bundle can come from. Each yields a SPIFFE bundle document.

use crate::config::{BundleOrigin, BundleSource};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use testudo_fetch::{FetchLimits, Fetcher, UrlOrigin};
use testudo_protocol::limits::BUNDLE_BYTES_MAX;

pub(super) async fn fetch(source: &BundleSource, fetcher: &Fetcher) -> Result<Vec<u8>, String> {
    match &source.origin {
        BundleOrigin::File(path) => read_file(path).await,
        BundleOrigin::HttpsWeb(url) => {
            let limits = FetchLimits {
                body_bytes_max: BUNDLE_BYTES_MAX,
                ..FetchLimits::default()
            };
            let fetched = fetcher
                .get(url, UrlOrigin::Operator, limits)
                .await
                .map_err(|fault| fault.to_string())?;
            match fetched.status {
                200 => Ok(fetched.body),
                status => Err(format!("the bundle endpoint answers {status}")),
            }
        }
        BundleOrigin::WorkloadApi(socket) => ask_workload_api(socket, source.trust_domain.as_str()).await,
    }
}

async fn read_file(path: &std::path::Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let size = tokio::fs::metadata(path).await.map_err(failed)?.len();
    if size > BUNDLE_BYTES_MAX as u64 {
        return Err(format!(
            "{} is larger than {BUNDLE_BYTES_MAX} bytes",
            path.display()
        ));
    }
    tokio::fs::read(path).await.map_err(failed)
}

/// The Workload API speaks of JWT and X.509 authorities, without the document around them: its namespace says
/// what the keys are for, so `use` is filled in here.
async fn ask_workload_api(socket: &str, trust_domain: &str) -> Result<Vec<u8>, String> {
    let failed = |error: spiffe::WorkloadApiError| format!("the Workload API refuses: {error}");
    let client = spiffe::WorkloadApiClient::connect_to(socket)
        .await
        .map_err(failed)?;
    let bundles = client.fetch_jwt_bundles().await.map_err(failed)?;
    let name = spiffe::TrustDomain::new(trust_domain).map_err(|error| error.to_string())?;
    let bundle = bundles.get(&name).ok_or_else(|| {
        format!("the Workload API has no bundle of {trust_domain}: is it federated with it?")
    })?;
    let mut keys: Vec<Value> = Vec::new();
    for authority in bundle.jwt_authorities() {
        let mut jwk: Value =
            serde_json::from_slice(authority.jwk_json()).map_err(|error| error.to_string())?;
        if let Some(members) = jwk.as_object_mut() {
            members.insert("use".into(), "jwt-svid".into());
        }
        keys.push(jwk);
    }
    // A workload that may not see certificates still has its JWT keys; what is missing is missing in the bundle.
    if let Ok(bundles) = client.fetch_x509_bundles().await
        && let Some(bundle) = bundles.get(&name)
    {
        for authority in bundle.authorities() {
            let der = STANDARD.encode(authority.as_bytes());
            keys.push(serde_json::json!({ "kty": "X509", "use": "x509-svid", "x5c": [der] }));
        }
    }
    // The order of a map is not the order of the next answer; the document must not seem to change.
    keys.sort_by_key(Value::to_string);
    Ok(serde_json::json!({ "keys": keys }).to_string().into_bytes())
}
