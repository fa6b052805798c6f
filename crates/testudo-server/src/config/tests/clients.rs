//! `[[clients]]`.

use super::*;
use testudo_core::CredentialKind;

#[test]
fn configured_client_sends_people_to_its_own_redirect_uris_and_is_trusted_only_off_the_device() {
    let key = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::EdDSA, None);
    let jwk = key.public_jwk("sig", true);
    let member = |name: &str| jwk[name].as_str().unwrap().to_owned();
    let jwk = format!(
        "kty = \"OKP\", crv = \"Ed25519\", alg = \"EdDSA\", x = \"{}\"",
        member("x")
    );
    let client = |uri: &str, more: &str| {
        format!(
            "{GOOD}[[clients]]\nclient_id = \"shop\"\njwks = {{ keys = [{{ {jwk} }}] }}\n\
             grant_types = [\"authorization_code\"]\nredirect_uris = [\"{uri}\"]\n{more}\n[login]\n"
        )
    };
    let web = "https://shop.example/cb";
    let (configuration, _) = judge(&client(web, "consent = \"trusted\"\ngroups = [\"staff\"]")).unwrap();
    let rule = &configuration.policy.clients["shop"].rule;
    assert_eq!(rule.people.pushed_authorization, PushedAuthorization::Optional);
    assert_eq!(rule.people.groups, ["staff"]);
    assert_eq!(rule.redirect_uris.len(), 1);
    let pushes = judge(&client(web, "pushed_authorization = \"required\""))
        .unwrap()
        .0;
    let pushed = pushes.policy.clients["shop"].rule.people.pushed_authorization;
    assert_eq!(pushed, PushedAuthorization::Required);
    let local = "http://127.0.0.1/cb";
    assert!(judge(&client(local, "")).is_ok());
    refused(
        &client(local, "consent = \"trusted\""),
        "clients[0].consent",
        "is not https",
    );
    refused(
        &client(web, "code_lifetime = \"11m\""),
        "clients[0].code_lifetime",
        "longer than 10m",
    );
    let elsewhere = client("http://shop.example/cb", "");
    refused(&elsewhere, "clients[0].redirect_uris[0]", "must use https");
}

#[test]
fn configured_client_without_a_credential_gets_only_what_people_grant() {
    let client = |uri: &str, more: &str| {
        format!(
            "{GOOD}[login]\n[[clients]]\nclient_id = \"app\"\ntoken_endpoint_auth_method = \"none\"\n\
             redirect_uris = [{uri}]\n{more}"
        )
    };
    let local = "\"http://127.0.0.1/callback\"";
    let (configuration, _) = judge(&client(local, "")).unwrap();
    let entry = &configuration.policy.clients["app"];
    assert_eq!(entry.method.kind(), CredentialKind::Public);
    assert_eq!(entry.rule.grant_types, ["authorization_code"]);
    for fine in [
        "grant_types = [\"authorization_code\", \"refresh_token\"]",
        "sender_constraint = \"dpop\"",
        "sender_constraint = \"any\"",
        "pushed_authorization = \"required\"",
    ] {
        assert!(judge(&client(local, fine)).is_ok(), "{fine}");
    }
    // Without `server.tls`, no certificate can arrive.
    let bound = client(local, "sender_constraint = \"mtls\"");
    refused(
        &bound,
        "clients[0].sender_constraint",
        "no client certificate can arrive",
    );
    let terminated =
        "[server.proxy]\ntrusted = [\"10.0.0.0/8\"]\nclient_certificate_header = \"client-cert\"\n";
    judge(&format!("{bound}\n{terminated}")).unwrap_or_else(|report| panic!("{report}"));
    let web = "\"https://app.example/callback\"";
    assert!(judge(&client(web, "consent = \"trusted\"")).is_ok());
    for (uri, more, key, problem) in [
        ("", "", "redirect_uris", "is required"),
        (
            local,
            "grant_types = [\"client_credentials\"]",
            "grant_types",
            "needs a client that authenticates",
        ),
        (
            local,
            "grant_types = [\"authorization_code\", \"client_credentials\"]",
            "grant_types",
            "needs a client",
        ),
        (local, "jwks = { file = \"x.json\" }", "jwks", "has no effect"),
        (
            local,
            "tls_client_auth_san_dns = \"a.example\"",
            "tls_client_auth_san_dns",
            "for tls_client_auth only",
        ),
        (local, "consent = \"trusted\"", "consent", "is not https"),
        (
            "\"http://app.example/callback\"",
            "",
            "redirect_uris[0]",
            "must use https",
        ),
    ] {
        refused(&client(uri, more), &format!("clients[0].{key}"), problem);
    }
    let attested = judge(&client(local, "attested_by = [\"agents\"]")).unwrap_err();
    assert!(
        attested
            .to_string()
            .contains("an attestation is sent beside its own credential"),
        "{attested}"
    );
}

#[test]
fn bad_configured_clients_are_refused_with_their_key() {
    let key =
        testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES256, None).public_jwk("sig", true);
    let jwk: Vec<String> = key
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let client = |id: &str, jwks: &str| format!("{GOOD}[[clients]]\nclient_id = \"{id}\"\njwks = {jwks}");
    let keys = format!("{{ keys = [{{ {} }}] }}", jwk.join(", "));
    assert!(judge(&client("c", &keys)).is_ok());
    for id in ["", "spiffe://a.example/x", "https://c.example", "caf\u{e9}"] {
        refused(
            &client(id, &keys),
            "clients[0].client_id",
            "cannot be a configured client's id",
        );
    }
    let encrypting = jwk.join(", ").replacen("\"sig\"", "\"enc\"", 1);
    let beside = format!("{{ keys = [{{ {encrypting} }}, {{ {} }}] }}", jwk.join(", "));
    assert!(
        judge(&client("c", &beside)).is_ok(),
        "a key for encryption is ignored"
    );
    let unknown = format!("{{ keys = [{{ kty = \"AKP\" }}, {{ {} }}] }}", jwk.join(", "));
    assert!(
        judge(&client("c", &unknown)).is_ok(),
        "a key of an unknown type is ignored"
    );
    for (none, says) in [
        ("{ keys = [] }".to_owned(), "no key that can verify"),
        (
            format!("{{ keys = [{{ {encrypting} }}] }}"),
            "no key that can verify",
        ),
        (
            "{ keys = [{ kty = \"oct\", k = \"AA\" }] }".to_owned(),
            "private key",
        ),
        (
            "{ keys = [{ kty = \"EC\", crv = \"P-256\", x = \"AA\", y = \"AA\" }] }".to_owned(),
            "keys[0]: a coordinate",
        ),
    ] {
        refused(&client("c", &none), "clients[0].jwks", says);
    }
    refused(
        &client("c", "{ file = \"absent.json\" }"),
        "clients[0].jwks.file",
        "cannot be read",
    );
    let secret = client("c", &keys) + "\ntoken_endpoint_auth_method = \"client_secret_basic\"";
    refused(
        &secret,
        "clients[0].token_endpoint_auth_method",
        "no client secrets",
    );
}
