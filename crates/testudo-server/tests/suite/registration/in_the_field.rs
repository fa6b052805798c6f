//! Tests with the registration requests of real client programs.

use super::open::{joined, open_door, wide_open};
use super::*;

// Only host names are replaced; the rest is as the programs send it.
#[tokio::test]
async fn registration_requests_of_known_programs_are_accepted() {
    let world = open_door("{ scopes = [\"a\"], registrations_per_minute_per_address = 100 }").await;
    let callback = "http://127.0.0.1:6274/oauth/callback";
    let code = json!(["authorization_code", "refresh_token"]);
    let inspector = json!({
        "redirect_uris": [callback], "token_endpoint_auth_method": "none", "grant_types": code,
        "response_types": ["code"], "client_name": "MCP Inspector",
        "client_uri": "https://github.com/modelcontextprotocol/inspector", "scope": "", "application_type": "native",
    });
    let agent = json!({
        "redirect_uris": ["http://localhost:3118/callback"], "client_name": "Agent (orders)", "grant_types": code,
        "response_types": ["code"], "token_endpoint_auth_method": "none", "application_type": "native",
    });
    let without_type = json!({
        "redirect_uris": ["http://127.0.0.1:19876/mcp/oauth/callback"], "client_name": "OpenCode",
        "client_uri": "https://opencode.ai", "grant_types": code, "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    let editor = json!({
        "client_name": "Visual Studio Code", "client_uri": "https://code.visualstudio.com",
        "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "response_types": ["code"], "token_endpoint_auth_method": "none", "application_type": "native",
        "redirect_uris": ["https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/",
            "http://127.0.0.1:33418/"],
    });
    let without_path = json!({ "redirect_uris": ["http://127.0.0.1:33418"], "client_name": "test" });
    for sent in [inspector, agent, without_type, editor, without_path] {
        let body = joined(&world, sent.clone()).await;
        assert_eq!(
            body["redirect_uris"], sent["redirect_uris"],
            "redirect URIs must be registered unchanged"
        );
        assert_eq!(body["token_endpoint_auth_method"], "none");
        assert_eq!(body["application_type"], "native");
        assert!(body["scope"] != "", "an empty scope counts as absent");
    }
}

#[tokio::test]
async fn registration_with_empty_members_is_the_same_as_without_them() {
    let world = wide_open().await;
    let callback = json!(["https://app.example/cb"]);
    let full = json!({
        "redirect_uris": callback, "client_name": "", "client_uri": "", "logo_uri": "", "tos_uri": "", "policy_uri": "",
        "client_name#de": "", "contacts": [], "software_id": "", "software_version": "", "scope": "", "jwks_uri": "",
        "client_id": "", "spiffe_id": "", "application_type": "", "token_endpoint_auth_method": "",
        "token_endpoint_auth_signing_alg": "", "tls_client_auth_subject_dn": "", "jwks": null,
    });
    let (mut full, mut short) = (
        joined(&world, full).await,
        joined(&world, json!({ "redirect_uris": callback })).await,
    );
    for own in [
        "client_id",
        "client_id_issued_at",
        "registration_client_uri",
        "registration_access_token",
    ] {
        full[own].take();
        short[own].take();
    }
    assert_eq!(full, short);
}

#[tokio::test]
async fn encryption_key_beside_a_signature_key_is_ignored() {
    let world = wide_open().await;
    let rsa = "1W-Vmcp2dJ3mSXk3NsnYK_rMJFNdc_03X2HeWR8JcllXlI9ye2FC2vP1C4RbVRiux2_Bvw8Yy_pc6HwphCLlZ8_iaoLVM2s4spD_x2SzHp\
        GqIs9WjfwTS-v1WWX780Ewo-PJJrL17_MBP8hFoIegI_1imxY2pq_aYHEb_j_Y75ri6xAzIU8C8hH4HJ190ytbCACLbjM46Yvgu41skFt2nbzsiK5\
        vl28OJRj47wzyalNnJ06024opz2Zo1rrcGNBx6A13pviBUX_BfqTkUkeX-e-TaNKlVTVPdxx6cUQoSBvJ6SW_4Dp4emGcKMF4FsXfNyDtWIOH9CM\
        ZXlqc99vfMw";
    let encrypting =
        json!({ "kty": "RSA", "n": rsa, "e": "AQAB", "kid": "e", "use": "enc", "alg": "RSA-OAEP" });
    let signing = open::key().public_jwk("sig", true);
    let asked = json!({
        "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": [encrypting, signing] },
    });
    assert_eq!(
        joined(&world, asked).await["token_endpoint_auth_method"],
        "private_key_jwt"
    );
}
