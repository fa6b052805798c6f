//! Which kinds of credential a configuration can make an authority accept.

use super::*;
use testudo_core::CredentialKind;

// These tests are built with the feature `test-door`, as the binary is in `cargo test --workspace`.
#[test]
fn no_setting_makes_an_authority_accept_the_credential_of_tests() {
    let bundle = "bundle = { url = \"https://spire.a.example\" }";
    for kind in [
        CredentialKind::PrivateKeyJwt,
        CredentialKind::Public,
        CredentialKind::TestToken,
    ] {
        let credentials = format!("credentials = [\"jwt_svid\", \"{kind}\"]");
        refused(
            &with(bundle, &format!("{bundle}\n{credentials}")),
            "trust_domains[0].credentials[1]",
            "is not a kind of SVID",
        );
    }
    // A rule can name the kind, and no authority has it.
    let entry = "[[issuers]]\nname = \"ci\"\n";
    let rule = "[[rules]]\nname = \"ci\"\nidentities = [\"ci:x/y\"]\ncredentials = [\"test_token\"]\n";
    let (configuration, _) = judge(&format!("{GOOD}{entry}{rule}")).unwrap();
    let accepted = configuration.policy.authorities.values();
    let mut accepted = accepted.flat_map(|authority| &authority.credentials);
    assert!(accepted.all(|kind| *kind != CredentialKind::TestToken));
}

#[test]
fn attester_for_which_no_client_could_register_is_refused_with_the_key() {
    let entry = "[[issuers]]\nname = \"at\"\nkind = \"attester\"\nuse = [\"client\"]\njwks = { url = \"https://at.example/jwks\" }\n";
    assert!(judge(&format!("{GOOD}{entry}clients_max = 1")).is_ok());
    for limit in ["registrations_per_minute", "clients_max"] {
        refused(
            &format!("{GOOD}{entry}{limit} = 0"),
            &format!("issuers[0].{limit}"),
            "is zero",
        );
    }
}

#[test]
fn setting_for_wit_svids_that_has_no_effect_is_warned_of() {
    let warned = |from_workload_api: bool, more: &str| -> Vec<String> {
        let source = match from_workload_api {
            true => "bundle = { workload_api = \"unix:///agent.sock\" }",
            false => "bundle = { url = \"https://spire.a.example\" }",
        };
        let text = with(
            "bundle = { url = \"https://spire.a.example\" }",
            &format!("{source}\n{more}"),
        );
        let report = judge(&text).unwrap().1;
        let warnings = report.problems.iter();
        warnings
            .filter(|problem| problem.problem.starts_with("has no effect"))
            .map(|problem| problem.key.clone())
            .collect()
    };
    let wit = "credentials = [\"jwt_svid\", \"wit_svid\"]";
    let with_challenge = format!("{wit}\nchallenge = \"none\"");
    assert_eq!(warned(false, &with_challenge), Vec::<String>::new());
    assert_eq!(warned(true, wit), ["trust_domains[0].credentials[1]"]);
    assert_eq!(
        warned(false, "challenge = \"none\""),
        ["trust_domains[0].challenge"]
    );
}

#[test]
fn claims_that_no_authority_may_attest_are_refused_for_trust_domains_and_attesters() {
    let of_domain = |line: &str| with("[[rules]]", &format!("{line}\n[[rules]]"));
    let attester = "[[issuers]]\nname = \"at1\"\nkind = \"attester\"\nuse = [\"client\"]\njwks = { file = \"at1.json\" }\n";
    let of_attester = |line: &str| with("[[rules]]", &format!("{attester}{line}\n[[rules]]"));
    for (text, section) in [
        (&of_domain as &dyn Fn(&str) -> String, "trust_domains[0]"),
        (&of_attester, "issuers[0]"),
    ] {
        for claim in [
            "jwks",
            "jwks_uri",
            "client_id",
            "token_endpoint_auth_method",
            "sub",
            "",
        ] {
            let listed = text(&format!("attested_metadata = [\"scope\", {claim:?}]"));
            let key = format!("{section}.attested_metadata[1]");
            refused(
                &listed,
                &key,
                "is not client metadata that an authority may state",
            );
        }
        let listed = text("attested_metadata = [\"scope\", \"dpop_bound_access_tokens\", \"logo_uri\"]");
        assert!(judge(&listed).is_ok(), "{section}");
    }
}

#[test]
fn attested_metadata_of_certificates_is_warned_of() {
    for (kinds, is_warned) in [
        ("\"x509_svid\"", true),
        ("\"x509_svid\", \"jwt_svid\"", false),
        ("\"wit_svid\"", false),
    ] {
        let line = format!("credentials = [{kinds}]\nattested_metadata = [\"scope\"]\n[[rules]]");
        let report = judge(&with("[[rules]]", &line)).unwrap().1.to_string();
        assert_eq!(
            report.contains("X.509-SVIDs, the only kind"),
            is_warned,
            "{report}"
        );
    }
}
