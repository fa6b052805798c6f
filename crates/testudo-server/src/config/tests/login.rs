//! `[login]` and `[[login.providers]]`: who may sign in, and where.

use super::*;
use testudo_core::identity::{ClaimSource, ClaimValue};

const LOGIN: &str = "[login]\n";

fn login(text: &str) -> String {
    format!("{GOOD}{LOGIN}{text}\n")
}

const PROVIDER: &str = r#"
[[login.providers]]
name = "corp"
issuer = "https://login.example.net"
client_id = "testudo"
allow = { hd = "example.net" }
"#;

fn provider(from: &str, to: &str) -> String {
    assert!(PROVIDER.contains(from), "{from}");
    format!("{GOOD}{LOGIN}{}", PROVIDER.replacen(from, to, 1))
}

/// A configuration that no other machine can reach.
fn on_loopback(text: &str) -> String {
    let text = login(text);
    text.replacen("https://as.example", "http://localhost:8080", 1)
}

fn settings(text: &str) -> LoginSettings {
    let (configuration, _) = judge(text).unwrap_or_else(|report| panic!("{report}"));
    configuration.login.unwrap()
}

fn warnings(text: &str) -> Vec<(String, String)> {
    let (_, report) = judge(text).unwrap_or_else(|report| panic!("{report}"));
    let problems = report.problems.into_iter();
    let of_login = problems.filter(|problem| problem.key.starts_with("login."));
    of_login.map(|problem| (problem.key, problem.problem)).collect()
}

#[test]
fn people_cannot_sign_in_without_the_section_and_with_it_the_defaults_are_those_of_the_reference() {
    assert!(judge(GOOD).unwrap().0.login.is_none());
    let settings = settings(&login(""));
    assert_eq!(
        (settings.session_lifetime.0, settings.session_idle_lifetime.0),
        (43_200, 3_600)
    );
    assert!(settings.development.is_empty() && settings.providers.is_empty());
    let passkeys = settings.passkeys.unwrap();
    assert_eq!(
        (passkeys.id.as_str(), passkeys.origin.as_str()),
        ("as.example", "https://as.example")
    );
}

#[test]
fn section_without_a_way_to_sign_in_is_refused() {
    refused(
        &login("passkeys = false"),
        "login",
        "has no way in which a person can sign in",
    );
    assert!(judge(&format!("{GOOD}{LOGIN}passkeys = false\n{PROVIDER}")).is_ok());
    // The section is there, and what is in it cannot be read: that is one problem and not two.
    let report = judge(&login("passkeys = false\nprovider = []")).err().unwrap();
    assert_eq!(report.errors().count(), 1, "{report}");
}

#[test]
fn session_lifetimes_are_accepted_at_their_limits_and_refused_beyond_them() {
    for (lifetime, is_good) in [
        ("1m", true),
        ("59s", false),
        ("90d", true),
        ("91d", false),
        ("0s", false),
    ] {
        let text = login(&format!("session_lifetime = \"{lifetime}\""));
        match is_good {
            true => drop(settings(&text)),
            false => refused(&text, "login.session_lifetime", "is not between 1m and 90d"),
        }
    }
    let idle = |idle: &str| {
        login(&format!(
            "session_lifetime = \"10m\"\nsession_idle_lifetime = \"{idle}\""
        ))
    };
    assert_eq!(settings(&idle("10m")).session_idle_lifetime.0, 600);
    for bad in ["11m", "59s"] {
        refused(
            &idle(bad),
            "login.session_idle_lifetime",
            "is not between 1m and session_lifetime",
        );
    }
    refused(&idle("soon"), "login.session_idle_lifetime", "soon");
    let shorter = settings(&login("session_lifetime = \"30m\""));
    assert_eq!(
        shorter.session_idle_lifetime.0, 1800,
        "the default is never longer than the session"
    );
}

// Row PK-25.
#[test]
fn passkeys_need_an_issuer_whose_host_is_a_name_and_the_host_is_named_as_final() {
    let (key, problem) = warnings(&login("")).remove(0);
    assert_eq!(key, "login.passkeys");
    assert!(problem.contains("for the host as.example alone"), "{problem}");
    assert!(
        problem.contains("no passkey that was made before can be used"),
        "{problem}"
    );
    let without = warnings(&login(&format!("passkeys = false\n{PROVIDER}")));
    assert_eq!(without, [], "providers are served");
    for address in ["https://192.0.2.1", "https://[2001:db8::1]"] {
        let with = |text: &str| login(text).replacen("https://as.example", address, 1);
        refused(&with("passkeys = true"), "login.passkeys", "host is a name");
        assert_eq!(settings(&with(PROVIDER)).passkeys, None, "off by default");
    }
    assert!(
        settings(&on_loopback("")).passkeys.is_some(),
        "localhost is a name"
    );
}

#[test]
fn sign_in_without_proof_is_accepted_only_where_issuer_and_every_listener_are_on_loopback() {
    let development = "development = [\"alice\", \"bob\"]\n";
    assert_eq!(settings(&on_loopback(development)).development, ["alice", "bob"]);
    let warned = warnings(&on_loopback(development));
    assert!(
        warned
            .iter()
            .any(|(key, what)| key == "login.development" && what.contains("without proof")),
        "{warned:?}"
    );
    let reachable = [
        (login(development), "issuer https://as.example"),
        (
            format!(
                "{}[server]\nlisten = [\"127.0.0.1:1\", \"0.0.0.0:2\"]\n",
                on_loopback(development)
            ),
            "server.listen 0.0.0.0:2",
        ),
        (
            format!(
                "{}[server]\nlisten = [\"192.0.2.1:1\"]\n",
                on_loopback(development)
            ),
            "server.listen 192.0.2.1:1",
        ),
        (
            format!("{}[server]\nlisten = [\"[::]:1\"]\n", on_loopback(development)),
            "server.listen [::]:1",
        ),
    ];
    for (text, named) in reachable {
        refused(&text, "login.development", named);
    }
}

#[test]
fn names_for_trials_are_plain_and_there_once() {
    let with = |names: &str| on_loopback(&format!("development = {names}"));
    assert!(judge(&with("[\"a-b.c_1\"]")).is_ok());
    refused(&with("[]"), "login.development", "is empty");
    for (bad, saying) in [
        ("\"Alice\"", "is not a name for trials"),
        ("\"\"", "is not a name for trials"),
        ("\"a b\"", "is not a name for trials"),
        ("\"<b>\"", "is not a name for trials"),
        ("\"ok\"", "is there twice"),
    ] {
        refused(&with(&format!("[\"ok\", {bad}]")), "login.development[1]", saying);
    }
}

#[test]
fn provider_gets_the_defaults_of_the_reference() {
    let settings = settings(&provider("", ""));
    let provider = settings.provider("corp").unwrap();
    assert_eq!(provider.label, "corp");
    assert_eq!(provider.scopes, ["openid", "profile", "email"]);
    assert_eq!(
        provider.metadata.as_str(),
        "https://login.example.net/.well-known/openid-configuration"
    );
    assert!(provider.client_secret.is_none() && provider.groups.is_none() && provider.acr.is_empty());
    let domain = (
        ClaimSource::parse("hd").unwrap(),
        ClaimValue::Text("example.net".to_owned()),
    );
    assert_eq!(provider.allowed, Allowed::Claims(vec![domain]));
    assert!(settings.provider("other").is_none());
}

#[test]
fn provider_must_state_who_may_sign_in() {
    let allow = "allow = { hd = \"example.net\" }";
    refused(
        &provider(allow, ""),
        "login.providers[0]",
        "does not state who may sign in",
    );
    refused(
        &provider(allow, "allow = {}"),
        "login.providers[0]",
        "does not state who may sign in",
    );
    refused(
        &provider(allow, "allow_everyone = false"),
        "login.providers[0]",
        "does not state who may sign in",
    );
    refused(
        &provider(allow, &format!("{allow}\nallow_everyone = true")),
        "login.providers[0].allow_everyone",
        "although `allow` names claims",
    );
    refused(
        &provider(allow, "allow = { \"/~2\" = 1 }"),
        "login.providers[0].allow./~2",
        "/~2",
    );
    let everyone = settings(&provider(allow, "allow_everyone = true"));
    assert_eq!(everyone.providers[0].allowed, Allowed::Everyone);
}

#[test]
fn provider_with_a_wrong_value_is_refused_with_its_key() {
    for (from, to, key, saying) in [
        ("\"corp\"", "\"Corp\"", "name", "is not the name of a provider"),
        ("\"corp\"", "\"a/b\"", "name", "is not the name of a provider"),
        ("\"corp\"", "\"\"", "name", "is missing"),
        ("\"https://login", "\"http://login", "issuer", "http"),
        (
            "\"https://login.example.net\"",
            "\"login.example.net\"",
            "issuer",
            "is not a URL",
        ),
        ("\"https://login.example.net\"", "\"\"", "issuer", "is missing"),
        (
            "https://login.example.net",
            "https://as.example",
            "issuer",
            "is this server itself",
        ),
        ("\"testudo\"", "\"\"", "client_id", "is missing"),
        ("\"testudo\"", "\"é\"", "client_id", "is not printable ASCII"),
        ("allow", "label = \"\"\nallow", "label", "is not a text"),
        ("allow", "label = \"a\\u0007\"\nallow", "label", "is not a text"),
        (
            "allow",
            "scopes = [\"email\"]\nallow",
            "scopes",
            "does not contain \"openid\"",
        ),
        (
            "allow",
            "scopes = []\nallow",
            "scopes",
            "does not contain \"openid\"",
        ),
        (
            "allow",
            "scopes = [\"openid\", \"a b\"]\nallow",
            "scopes[1]",
            "is not a scope value",
        ),
        ("allow", "claims.groups = \"\"\nallow", "claims.groups", "\"\""),
        (
            "allow",
            "acr = [\"a b\"]\nallow",
            "acr[0]",
            "is not a value of acr",
        ),
        (
            "allow",
            "client_secret = \"\"\nallow",
            "client_secret",
            "is not a client secret",
        ),
        (
            "allow",
            "client_secret = \"a\\nb\"\nallow",
            "client_secret",
            "is not a client secret",
        ),
        (
            "allow",
            "client_secret = { file = \"absent\" }\nallow",
            "client_secret",
            "absent",
        ),
        (
            "allow",
            "client_secret = { env = \"TESTUDO_NO_SUCH\" }\nallow",
            "client_secret",
            "TESTUDO_NO_SUCH",
        ),
    ] {
        refused(&provider(from, to), &format!("login.providers[0].{key}"), saying);
    }
    refused(
        &provider("allow", "client_secret = { path = \"x\" }\nallow"),
        "login.providers[0].client_secret.path",
        "is not a known key",
    );
}

#[test]
fn two_providers_have_two_names_and_two_issuers() {
    let second = |from: &str, to: &str| format!("{}{}", provider("", ""), PROVIDER.replacen(from, to, 1));
    let names = second("login.example.net", "other.example.net");
    refused(&names, "login.providers[1].name", "is used twice");
    let issuers = second("\"corp\"", "\"other\"");
    refused(&issuers, "login.providers[1].issuer", "is used twice");
    assert!(judge(&issuers.replacen("login.example.net", "other.example.net", 1)).is_ok());
}

#[test]
fn client_secret_in_a_file_is_named_and_never_printed() {
    let folder = testudo_testkit::scratch::folder("client-secret");
    std::fs::write(folder.join("secret"), "s3cr3t-of-the-provider\n").unwrap();
    let text = provider("allow", "client_secret = { file = \"secret\" }\nallow");
    let (configuration, _) = parse(&text, &folder, 1).unwrap();
    let secret = configuration.login.as_ref().unwrap().providers[0]
        .client_secret
        .clone();
    assert_eq!(secret, Some(SentSecret::File(folder.join("secret"))));
    assert!(!format!("{configuration:?}").contains("s3cr3t"));
    let text = provider("allow", "client_secret = \"s3cr3t-of-the-provider\"\nallow");
    assert!(!format!("{:?}", judge(&text).unwrap().0).contains("s3cr3t"));
}
