//! The status list in the text of the standard, at a running server.

use super::clients::ask;
use super::{Site, UNAPPROVED, VCT};
use serde_json::{Value, json};
use testudo_testkit::key_set;
use testudo_testkit::status_list::TOKEN_LIST;
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;

/// The URL in the list has no port, so its server must have port 443. No other test uses this address.
const ADDRESS: &str = "127.0.0.19:443";
const URL: &str = "https://example.com/statuslists/1";
const TOKEN: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEyIiwidHlwIjoic3RhdHVzbGlzdCtqd3QifQ.eyJleHAiOjIyOTE3MjAxNzAsImlhdCI6MTY4NjkyMDE3MCwiaXNzIjoiaHR0cHM6Ly9leGFtcGxlLmNvbSIsInN0YXR1c19saXN0Ijp7ImJpdHMiOjEsImxzdCI6ImVOcmJ1UmdBQWhjQlhRIn0sInN1YiI6Imh0dHBzOi8vZXhhbXBsZS5jb20vc3RhdHVzbGlzdHMvMSIsInR0bCI6NDMyMDB9.2lKUUNG503R9htu4aHAYi7vjmr3sgApbfoDvPrl65N3URUO1EYqqQl45Jfzd-Av4QzlKa3oVALpLwOEUOq-U_g";
const ISSUER: &str = "https://example.com";

/// The key of the standard, and that of this issuer which signs credentials.
fn keys(site: &Site) -> Value {
    let mut keys = key_set(&[&site.others]);
    let of_standard = json!({
        "kty": "EC", "crv": "P-256", "kid": "12",
        "x": "I3HWm_0Ds1dPMI-IWmf4mBmH-YaeAVbPVu7vB27CxXo",
        "y": "6N_d5Elj9bs1htgV3okJKIdbHEpkgTmAluYKJemzn1M",
    });
    keys["keys"].as_array_mut().unwrap().push(of_standard);
    keys
}

// Row TSL-19.
#[tokio::test]
async fn list_of_the_standard_decides_about_the_credentials_of_its_issuer() {
    let (site, web) = (
        Site::start().await,
        DocumentServer::start_at("example.com", ADDRESS).await,
    );
    web.publishes("/statuslists/1", TOKEN_LIST, TOKEN);
    let folder = &site.world.folder;
    std::fs::write(folder.join("roots.crt"), &web.root_pem).unwrap();
    std::fs::write(folder.join("standard.json"), keys(&site).to_string()).unwrap();
    let entry = format!(
        "[[issuers]]\nname = \"standard\"\nkind = \"verifiable_credential\"\nuse = [\"registration\"]\n\
         issuer = \"{ISSUER}\"\njwks = {{ file = \"standard.json\" }}\ntypes = [\"{VCT}\"]\n\
         status = \"required\"\nstatus_origins = [\"{ISSUER}\"]\n\
         [outbound]\nca = \"roots.crt\"\nresolve = {{ \"example.com\" = \"127.0.0.19\" }}\n"
    );
    let rule = "[[rules]]\nname = \"standard\"\nidentities = [\"standard:*\"]\nscopes = [\"r\"]\ndefault_scopes = [\"r\"]\n";
    site.reload(&entry, rule).await;
    // The bits of the standard.
    let bits = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1];
    for (index, bit) in bits.into_iter().enumerate() {
        let subject = format!("agent:{index}");
        let credential = Draft::sd_jwt_vc(&site.others, [ISSUER, VCT, &subject], &site.holder, site.now());
        let credential = credential.claim("status", json!({ "status_list": { "idx": index, "uri": URL } }));
        let answer = site.register(&site.held(&credential, &[]).await).await;
        match bit {
            0 => assert_eq!(answer.status, 201, "{index}: {answer:?}"),
            _ => {
                Site::assert_refused(&answer, UNAPPROVED, "revoked");
                assert_eq!(site.world.reason_of(&answer).await, "credential_revoked");
            }
        }
    }
    let answer = ask(&site, &site.holder, "standard:agent:1", "1", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(web.take_requests().len(), 1, "one fetch for all credentials");
}
