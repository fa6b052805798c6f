//! `[[issuers]]` entries of the kind `verifiable_credential`: sources of keys, and status lists.

use super::*;
use testudo_core::Authority;
use testudo_core::policy::{StatusPolicy, StatusUse};
use testudo_protocol::Seconds;
use testudo_protocol::client_certificate::ExpectedName;

const K1: &str = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw";
const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn entry(issuer: &str, jwks: &str, more: &str) -> String {
    format!(
        "{GOOD}\n[[issuers]]\nname = \"agents\"\nkind = \"verifiable_credential\"\nuse = [\"registration\"]\n\
         issuer = \"{issuer}\"\njwks = {{ {jwks} }}\ntypes = [\"t\"]\n{more}\n"
    )
}

fn source(issuer: &str, jwks: &str) -> BundleSource {
    let (configuration, _) = judge(&entry(issuer, jwks, "")).unwrap();
    let agents = Authority::issuer("agents").unwrap();
    let found = configuration.bundles.into_iter();
    found
        .into_iter()
        .find(|source| source.authority == agents)
        .unwrap()
}

// Rows DID-01, DID-07, DID-09, SD-28.
#[test]
fn keys_of_an_issuer_are_where_its_entry_states() {
    for (issuer, jwks, place) in [
        (
            "did:web:issuer.example",
            "did = true",
            "https://issuer.example/.well-known/did.json",
        ),
        (
            "did:web:issuer.example%3A8443:u:bob",
            "did = true",
            "https://issuer.example:8443/u/bob/did.json",
        ),
        (
            "did:web:issuer3.example:8443",
            "did = true",
            "https://issuer3.example/8443/did.json",
        ),
        (K1, "did = true", K1),
        (
            "https://issuer.example/t/1",
            "jwt_vc_issuer = true",
            "https://issuer.example/.well-known/jwt-vc-issuer/t/1",
        ),
    ] {
        assert_eq!(source(issuer, jwks).origin.to_string(), place, "{issuer}");
    }
    let certificates = source(
        "https://issuer4.example",
        "x5c = { anchors = \"ca.pem\", uri_san = \"https://issuer4.example\" }",
    );
    let BundleOrigin::Certificates { file, name } = &certificates.origin else {
        panic!("{certificates:?}")
    };
    assert!(file.ends_with("ca.pem"));
    assert_eq!(*name, ExpectedName::Uri("https://issuer4.example".to_owned()));
    let pinned = source(
        "did:web:issuer.example",
        &format!("did = true, pin = [\"{THUMBPRINT}\"], key_change = \"hold\""),
    );
    assert_eq!(
        (pinned.key_changes.pins.len(), pinned.key_changes.are_held),
        (1, true)
    );
}

// Rows DID-01, DID-02, DID-08, DID-28.
#[test]
fn source_of_keys_that_could_not_work_is_refused_with_the_key() {
    for (issuer, jwks, key, problem) in [
        ("https://issuer.example", "did = true", "did", "needs a DID"),
        ("did:example:1", "did = true", "issuer", "method"),
        ("did:web:127.0.0.1", "did = true", "issuer", "domain name"),
        ("did:web:localhost", "did = true", "issuer", "domain name"),
        (
            "did:web:issuer.example%2Fevil",
            "did = true",
            "issuer",
            "domain name",
        ),
        (
            "did:web:issuer.example:..:admin",
            "did = true",
            "issuer",
            "path segment",
        ),
        ("did:key:zQ3s", "did = true", "issuer", "did:key"),
        (
            "did:web:issuer.example",
            "jwt_vc_issuer = true",
            "jwt_vc_issuer",
            "finds no metadata",
        ),
        (
            "https://issuer.example",
            "did = true, jwt_vc_issuer = true",
            "",
            "exactly one of",
        ),
        (
            "https://issuer.example",
            "file = \"a.json\", x5c = {}",
            "",
            "exactly one of",
        ),
        ("https://issuer.example", "", "", "exactly one of"),
        ("https://issuer.example", "x5c = {}", "x5c.anchors", "is required"),
        (
            "https://issuer.example",
            "x5c = { anchors = \"ca.pem\" }",
            "x5c",
            "exactly one of uri_san and dns_san",
        ),
        (
            "https://issuer.example",
            "x5c = { anchors = \"ca.pem\", uri_san = \"a\", dns_san = \"b\" }",
            "x5c",
            "exactly one of uri_san and dns_san",
        ),
        (
            "https://issuer.example",
            "file = \"a.json\", pin = []",
            "pin",
            "is empty",
        ),
        (
            "https://issuer.example",
            "file = \"a.json\", pin = [\"abc\"]",
            "pin[0]",
            "is not the SHA-256 thumbprint",
        ),
        (K1, "did = true, ca = \"ca.pem\"", "ca", "the DID itself"),
        (K1, "did = true, token = \"abc\"", "token", "a file or a DID"),
    ] {
        let key = match key {
            "" => "issuers[0].jwks".to_owned(),
            "issuer" => "issuers[0].issuer".to_owned(),
            key => format!("issuers[0].jwks.{key}"),
        };
        refused(&entry(issuer, jwks, ""), &key, problem);
    }
    for jwks in [
        "did = true",
        "jwt_vc_issuer = true",
        "x5c = { anchors = \"a\", dns_san = \"b\" }",
    ] {
        let text = entry("https://issuer.example", jwks, "").replace("verifiable_credential", "jwt");
        let name = jwks.split(' ').next().unwrap();
        let (key, problem) = (format!("issuers[0].jwks.{name}"), "is not for kind \"jwt\"");
        refused(&text.replace("types = [\"t\"]\n", ""), &key, problem);
    }
}

// Row DID-01.
#[test]
fn did_that_contains_its_key_is_warned_of_with_the_thumbprint() {
    let (_, report) = judge(&entry(K1, "did = true, key_change = \"hold\"", "")).unwrap();
    let text = report.to_string();
    assert!(
        text.contains(&format!("trusts the key {THUMBPRINT} for ever")),
        "{text}"
    );
    assert!(text.contains("issuers[0].jwks.key_change"), "{text}");
}

#[test]
fn status_of_credentials_is_checked_as_the_entry_states() {
    let policy = |more: &str| {
        let (configuration, _) = judge(&entry("https://issuer.example", "file = \"a.json\"", more)).unwrap();
        let agents = Authority::issuer("agents").unwrap();
        configuration.policy.authorities[&agents].status.clone()
    };
    assert_eq!(policy(""), StatusPolicy::default());
    assert_eq!(StatusPolicy::default().r#use, StatusUse::IfPresent);
    let all = "status = \"required\"\nstatus_origins = [\"https://status.example\", \"https://Status.example:8443/\"]\n\
               status_max_stale = \"1h\"";
    let expected = StatusPolicy {
        r#use: StatusUse::Required,
        origins: ["https://status.example", "https://status.example:8443"]
            .map(str::to_owned)
            .into(),
        max_stale: Seconds(3600),
    };
    assert_eq!(policy(all), expected);
}

#[test]
fn status_settings_that_could_not_work_are_refused_with_the_key() {
    let origins = |text: &str| format!("status_origins = [\"{text}\"]");
    for (more, key, problem) in [
        ("status = \"required\"".to_owned(), "status_origins", "is missing"),
        (
            "status = \"required\"\nstatus_origins = []".to_owned(),
            "status_origins",
            "is missing",
        ),
        (
            origins("http://status.example"),
            "status_origins[0]",
            "is not the origin",
        ),
        (
            origins("status.example"),
            "status_origins[0]",
            "is not the origin",
        ),
        (
            origins("https://status.example/lists"),
            "status_origins[0]",
            "is not the origin",
        ),
        (
            origins("https://a@status.example"),
            "status_origins[0]",
            "is not the origin",
        ),
        (
            "status_max_stale = \"8d\"".to_owned(),
            "status_max_stale",
            "is longer than 7d",
        ),
        ("status_max_stale = \"1\"".to_owned(), "status_max_stale", ""),
    ] {
        let text = entry("https://issuer.example", "file = \"a.json\"", &more);
        refused(&text, &format!("issuers[0].{key}"), problem);
    }
    let ignored =
        "status = \"ignore\"\nstatus_origins = [\"https://status.example\"]\nstatus_max_stale = \"1h\"";
    let (_, report) = judge(&entry("https://issuer.example", "file = \"a.json\"", ignored)).unwrap();
    for key in ["issuers[0].status_origins", "issuers[0].status_max_stale"] {
        assert!(report.to_string().contains(key), "{report}");
    }
}
