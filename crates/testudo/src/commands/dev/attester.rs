//! The attester of `testudo dev`. It attests the key of one client, whose files the printed commands use.

use super::write;
use crate::output::Failed;
use std::path::Path;
use testudo_client::PrivateKey;
use testudo_issuer::generate_key;
use testudo_protocol::jose::Algorithm;

const ATTESTATION: &str = "attestation.jwt";
const KEY: &str = "client.key";

/// The entry of the attester and the rule for its clients.
pub const CONFIGURATION: &str = r#"
[[issuers]]
name = "attester"
kind = "attester"
use = ["client"]
jwks = { file = "attester.jwks.json" }
[[rules]]
name = "attested"
identities = ["attester:apps/{app}"]
scopes = ["orders.read"]
resources = ["https://api.dev.test/orders"]
"#;

/// Writes the key set of the attester, a new key of the client, and an attestation of that key.
pub fn write_files(folder: &Path, lifetime_seconds: i64) -> Result<(), Failed> {
    let attester = generate_key(Algorithm::ES256, None);
    let jwks = serde_json::json!({ "keys": [attester.public_jwk("sig", true)] });
    let unusable = |why: String| Failed::new(format!("cannot make an attestation: {why}"));
    let pem = PrivateKey::generate_pem().map_err(|error| unusable(error.to_string()))?;
    let key = PrivateKey::from_pem(pem.as_bytes()).map_err(|error| unusable(error.to_string()))?;
    let now = crate::now().0;
    let claims = format!(
        r#"{{"sub":"apps/shop","iat":{now},"exp":{},"cnf":{{"jwk":{}}}}}"#,
        now + lifetime_seconds,
        key.public_jwk()
    );
    let attestation = attester
        .sign_jwt(Some("oauth-client-attestation+jwt"), claims.as_bytes())
        .map_err(|error| unusable(error.to_string()))?;
    write(&folder.join("attester.jwks.json"), &jwks.to_string())?;
    write(&folder.join(KEY), &pem)?;
    write(&folder.join(ATTESTATION), &attestation)
}

/// The command of the client. With `--dpop`, its token is bound to the attested key.
pub fn command(as_url: &str, folder: &Path) -> String {
    format!(
        "testudo token get --issuer {as_url} --dpop \\\n  --attestation {} \\\n  --key {}",
        folder.join(ATTESTATION).display(),
        folder.join(KEY).display()
    )
}
