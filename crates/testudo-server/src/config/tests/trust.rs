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
