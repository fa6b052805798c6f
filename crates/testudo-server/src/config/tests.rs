//! What a configuration means, and every way in which it can be wrong.

use super::*;
use testudo_core::Authority;
use testudo_core::rules::PushedAuthorization;

mod ci_systems;
mod clients;
mod files;
mod include;
mod issuer_documents;
mod kubernetes;
mod locations;
mod login;
mod network;
mod overlay;
mod pages;
mod reference;
mod rules;
mod trust;

const GOOD: &str = r#"
issuer = "https://as.example"
[store]
url = "memory:"
[[trust_domains]]
name = "a.example"
bundle = { url = "https://spire.a.example" }
[[rules]]
name = "r"
identities = ["spiffe://a.example/ns/{namespace}/sa/{service}"]
"#;

fn judge(text: &str) -> Result<(Configuration, Report), Report> {
    parse(text, Path::new("/nowhere"), 1)
}

/// Checks that the configuration is refused, and that exactly one error names this key and contains this text.
#[track_caller]
fn refused(text: &str, key: &str, saying: &str) {
    judge(GOOD)
        .unwrap_or_else(|report| panic!("the configuration without the fault must be accepted: {report}"));
    let report = judge(text)
        .err()
        .unwrap_or_else(|| panic!("must be refused: {text}"));
    let errors: Vec<&Problem> = report.errors().collect();
    assert_eq!(errors.len(), 1, "{report}");
    assert_eq!(errors[0].key, key, "{report}");
    assert!(errors[0].problem.contains(saying), "{report}");
}

#[track_caller]
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    GOOD.replacen(from, to, 1)
}

#[test]
fn trust_domain_whose_credentials_are_all_refused_is_an_error() {
    let bundle = "bundle = { url = \"https://spire.a.example\"";
    for age in ["0s", "0h"] {
        refused(
            &with(bundle, &format!("{bundle}, max_staleness = \"{age}\"")),
            "trust_domains[0].bundle.max_staleness",
            "is shorter than 1s",
        );
    }
    assert!(judge(&with(bundle, &format!("{bundle}, max_staleness = \"1s\""))).is_ok());
    refused(
        &with("[[rules]]", "credentials = []\n[[rules]]"),
        "trust_domains[0].credentials",
        "is empty",
    );
}

#[test]
fn defaults_are_those_of_the_reference() {
    let (configuration, _) = judge(GOOD).unwrap();
    let authority = Authority::of_key("spiffe://a.example").unwrap();
    let domain = &configuration.policy.authorities[&authority];
    assert_eq!(
        (
            domain.registrations.per_minute,
            domain.registrations.burst,
            domain.clients_max
        ),
        (600, 600, Some(100_000))
    );
    assert_eq!(configuration.policy.tokens.access_token_lifetime.0, 300);
    assert_eq!(configuration.server.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(configuration.bundles[0].max_staleness.0, 3600);
}

// Row I-14.
#[test]
fn bundle_sources_without_https_or_with_two_places_are_refused() {
    let url = "url = \"https://spire.a.example\"";
    refused(
        &with(url, "url = \"http://spire.a.example\""),
        "trust_domains[0].bundle.url",
        "is not an https URL",
    );
    refused(
        &with(url, "url = \"https://u:p@spire.a.example\""),
        "trust_domains[0].bundle.url",
        "user information",
    );
    refused(
        &with(url, "url = \"ftp://spire.a.example\""),
        "trust_domains[0].bundle.url",
        "is not an https URL",
    );
    refused(&with(url, ""), "trust_domains[0].bundle", "exactly one");
    refused(
        &with(url, &format!("{url}, file = \"x\"")),
        "trust_domains[0].bundle",
        "exactly one",
    );
    refused(
        &with(url, &format!("{url}, profile = \"https_spiffe\"")),
        "trust_domains[0].bundle.endpoint_spiffe_id",
        "is missing",
    );
    refused(
        &with(url, "workload_api = \"tcp://1.2.3.4:1\""),
        "trust_domains[0].bundle.workload_api",
        "not a Unix socket",
    );
    assert!(
        judge(&with(url, "url = \"http://127.0.0.1:1/\"")).is_ok(),
        "loopback trials"
    );
}

// Rows RF-35, C-15.
#[test]
fn issuer_with_a_reserved_or_repeated_name_is_refused() {
    let entry = |name: &str| {
        format!(
            "[[issuers]]\nname = \"{name}\"\nkind = \"jwt\"\nuse = [\"client\"]\n\
             issuer = \"https://{name}.example\"\njwks = {{ file = \"keys.json\" }}\n"
        )
    };
    assert!(judge(&format!("{GOOD}{}{}", entry("cluster-a"), entry("cluster-b"))).is_ok());
    for name in ["", "spiffe", "https", "vc", "Cluster", "a.example", "c_x", "a:b"] {
        let text = format!("{GOOD}{}", entry(name));
        refused(&text, "issuers[0].name", "is not the name of an issuer");
    }
    let twice = format!("{GOOD}{}{}", entry("cluster-a"), entry("cluster-a"));
    refused(&twice, "issuers[1].name", "used twice");
}

#[test]
fn warnings_leave_a_configuration_usable() {
    let rule = |text: &str| format!("{GOOD}[[rules]]\nname = \"s\"\n{text}");
    for (text, saying) in [
        ("identities = [\"spiffe://a.example/ns/x/sa/y\"]", "never governs"),
        (
            "identities = [\"spiffe://z.example/x\"]",
            "outside every configured",
        ),
        (
            "identities = [\"spiffe://a.example/x\"]\ngrant_types = [\"client_credentials\", \"authorization_code\"]",
            "\"authorization_code\" needs people who sign in",
        ),
    ] {
        let (_, report) = judge(&rule(text)).unwrap();
        let warnings = report
            .problems
            .iter()
            .filter(|problem| problem.problem.contains(saying));
        assert_eq!(warnings.count(), 1, "{saying}: {report}");
    }
    let people = "identities = [\"spiffe://a.example/x\"]\ngrant_types = [\"authorization_code\"]\n[login]";
    let (_, report) = judge(&rule(people)).unwrap();
    let mut problems = report.problems.iter();
    assert!(
        !problems.any(|problem| problem.key.contains("grant_types")),
        "{report}"
    );
}

#[test]
fn clients_without_evidence_push_unless_the_entry_says_otherwise() {
    let open = |more: &str| format!("{GOOD}[login]\n[registration.open]\nscopes = [\"r\"]\n{more}");
    let pushed = |text: &str| {
        let (configuration, _) = judge(text).unwrap();
        let open = configuration.policy.registration.open.unwrap();
        open.rule.people.pushed_authorization
    };
    assert_eq!(pushed(&open("")), PushedAuthorization::Required);
    let optional = open("pushed_authorization = \"optional\"");
    assert_eq!(pushed(&optional), PushedAuthorization::Optional);
}

#[test]
fn bad_stores_and_lifetimes_are_refused_with_their_key() {
    refused(
        &with("url = \"memory:\"", "url = \"postgres://x\""),
        "store.key_encryption_key",
        "is missing",
    );
    refused(
        &with("url = \"memory:\"", "url = \"file\""),
        "store.url",
        "is not a store",
    );
    refused(
        &format!("{GOOD}[tokens]\naccess_token_lifetime = \"2h\""),
        "tokens.access_token_lifetime",
        "between 10s and 1h",
    );
    refused(
        &format!("{GOOD}[tokens]\nsigning_algorithm = \"none\""),
        "tokens.signing_algorithm",
        "cannot sign tokens",
    );
    refused(
        &with(
            "url = \"memory:\"",
            "url = \"memory:\"\nkey_encryption_key = \"short\"",
        ),
        "store.key_encryption_key",
        "32 bytes",
    );
}

#[test]
fn administrators_and_auditors_are_patterns_and_need_a_listener_and_a_rule() {
    for key in ["administrators", "auditors"] {
        refused(
            &format!("{GOOD}[admin]\n{key} = [\"spiffe://a.example/ops*\"]"),
            &format!("admin.{key}[0]"),
            "ops*",
        );
        let warned = |text: &str, about: &str| {
            let (_, report) = judge(text).unwrap();
            report.problems.iter().any(|problem| problem.key == about)
        };
        let alone = format!("{GOOD}[admin]\n{key} = [\"spiffe://a.example/ops/*\"]");
        assert!(warned(&alone, "admin.listen") && warned(&alone, &format!("admin.{key}")));
        let rule = with("name = \"r\"", "name = \"r\"\nscopes = [\"admin.write\"]");
        let whole =
            format!("{rule}[admin]\n{key} = [\"spiffe://a.example/ops/*\"]\nlisten = \"127.0.0.1:1\"");
        assert!(!warned(&whole, "admin.listen") && !warned(&whole, &format!("admin.{key}")));
    }
}

#[test]
fn toml_syntax_errors_name_line_and_column() {
    let report = judge("issuer = \"x\"\nx = = 1\n").unwrap_err();
    assert!(report.to_string().contains("testudo.toml:2:5: "), "{report}");
}

#[test]
fn registration_section_opens_what_it_names_and_bad_keys_are_refused() {
    let doors = |section: &str| {
        let (configuration, report) =
            judge(&format!("{GOOD}{section}")).unwrap_or_else(|report| panic!("{report}"));
        (configuration.policy.registration, report)
    };
    let is_open = |section: &str| {
        let policy = doors(section).0;
        (
            policy.takes_evidence,
            policy.takes_initial_access_tokens,
            policy.open.is_some(),
        )
    };
    assert_eq!(is_open(""), (false, false, false));
    assert_eq!(is_open("[registration]"), (true, false, false));
    assert_eq!(is_open("[registration]\nopen = false"), (true, false, false));
    assert_eq!(
        is_open("[registration]\nstatements = false\nopen = true"),
        (false, false, true)
    );
    assert_eq!(
        is_open("[registration.open]\nscopes = [\"x\"]"),
        (true, false, true)
    );
    let (policy, report) = doors("[registration]\nopen = true");
    assert!(
        report
            .to_string()
            .contains("only grant types for which a person signs in"),
        "{report}"
    );
    let open = policy.open.unwrap();
    assert_eq!(
        (open.rule.registrations_per_minute, open.per_address.per_minute),
        (Some(60), 10)
    );
    assert_eq!(open.rule.clients_max, Some(1000));
    assert_eq!(
        open.rule.client_lifetime,
        Some(testudo_protocol::Seconds(30 * 86_400))
    );
    assert!(open.rule.scopes.is_empty());
    // No rule gives the scope, so no client could get such a token: a warning.
    let (policy, report) = doors("[registration]\ninitial_access_tokens = true");
    assert!(policy.takes_initial_access_tokens && report.to_string().contains("client.register"));
    for (section, key, saying) in [
        ("open = 7", "registration.open", "it is a number"),
        (
            "open = { scope = \"x\" }",
            "registration.open.scope",
            "not a known key",
        ),
        (
            "open = { scopes = [\"a b\"] }",
            "registration.open.scopes[0]",
            "a b",
        ),
        (
            "open = { client_lifetime = \"0s\" }",
            "registration.open.client_lifetime",
            "is zero",
        ),
        (
            "open = { registrations_per_minute_per_address = 0 }",
            "registration.open.registrations_per_minute_per_address",
            "is zero",
        ),
    ] {
        refused(&format!("{GOOD}[registration]\n{section}"), key, saying);
    }
}

#[test]
fn proxy_section_needs_trusted_addresses_and_a_header() {
    let proxy = |fields: &str| format!("{GOOD}[server]\nproxy = {{ {fields} }}");
    for fields in [
        "client_address_header = \"x-forwarded-for\"",
        "client_certificate_header = \"client-cert\"",
    ] {
        refused(&proxy(fields), "server.proxy.trusted", "is empty");
    }
    let bad_name = "trusted = [\"10.0.0.0/8\"], client_address_header = \"x y\"";
    refused(
        &proxy(bad_name),
        "server.proxy.client_address_header",
        "not a header field name",
    );
    // A proxy that forwards only addresses forwards no certificates: then no listener accepts X.509-SVIDs.
    let only_address =
        "[server]\nproxy = { trusted = [\"10.0.0.0/8\"], client_address_header = \"x-forwarded-for\" }";
    let x509 = with("bundle = {", "credentials = [\"x509_svid\"]\nbundle = {");
    let (_, report) = judge(&format!("{x509}{only_address}")).unwrap();
    assert!(report.to_string().contains("server.tls"), "{report}");
}

#[test]
fn a_printed_configuration_holds_no_secret() {
    let text = "[store]\nurl = \"postgres://u:hunter2@db/x\"\nkey_encryption_key = \"hunter2\"\n";
    let file: sections::ConfigFile = toml::from_str(text).unwrap();
    assert!(format!("{file:?}").contains("a secret"));
    assert!(!format!("{file:?}").contains("hunter2"));
}

#[test]
fn sections_that_hold_secrets_cannot_be_serialised() {
    use std::marker::PhantomData;
    struct Probe<T>(PhantomData<T>);
    trait OfAnyType {
        const IS_SERIALISABLE: bool = false;
    }
    impl<T> OfAnyType for Probe<T> {}
    // An inherent constant goes before that of a trait, where the type has what it demands.
    impl<T: serde::Serialize> Probe<T> {
        const IS_SERIALISABLE: bool = true;
    }
    const { assert!(Probe::<String>::IS_SERIALISABLE) };
    const { assert!(!Probe::<sections::SecretText>::IS_SERIALISABLE) };
    const { assert!(!Probe::<sections::StoreSection>::IS_SERIALISABLE) };
    const { assert!(!Probe::<sections::ConfigFile>::IS_SERIALISABLE) };
}
