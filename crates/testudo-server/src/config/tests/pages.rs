//! `[pages]` and `[scopes]`: what people see.

use super::*;
use crate::config::pages::png::tests::png;
use testudo_protocol::oauth::Scope;

#[test]
fn pages_have_a_name_and_a_colour_also_without_the_section() {
    let (configuration, _) = judge(GOOD).unwrap();
    assert_eq!(configuration.pages, PagesSettings::default());
    assert_eq!(configuration.pages.name, "Testudo");
    assert_eq!(configuration.pages.accent.to_string(), "#1d4ed8");
}

#[test]
fn name_and_colour_are_accepted_at_their_limits_and_refused_beyond_them() {
    let pages = |key: &str, value: &str| format!("{GOOD}[pages]\n{key} = \"{value}\"\n");
    assert!(judge(&pages("name", &"é".repeat(60))).is_ok());
    for bad in [&"é".repeat(61), "", "  ", "a\\nb", "a\\u0000"] {
        refused(
            &pages("name", bad),
            "pages.name",
            "is not a text of 1 to 60 characters",
        );
    }
    assert!(judge(&pages("accent", "#767676")).is_ok(), "4.54 to 1");
    refused(
        &pages("accent", "#777777"),
        "pages.accent",
        "contrast of 4.4 to 1",
    );
    refused(&pages("accent", "#ffffff"), "pages.accent", "is too light");
    for bad in ["red", "#fff", "#1d4ed8; } body { display: none", "", "#1d4ed8ff"] {
        refused(&pages("accent", bad), "pages.accent", "is not a colour");
    }
}

#[test]
fn logo_is_a_small_png_and_a_change_of_the_file_is_a_change_of_the_configuration() {
    let folder = testudo_testkit::scratch::folder("logo");
    let text = format!("{GOOD}[pages]\nlogo = \"logo.png\"\n");
    let problem = || {
        let report = parse(&text, &folder, 1).err().unwrap();
        let errors: Vec<&Problem> = report.errors().collect();
        assert_eq!(
            (errors.len(), errors[0].key.as_str()),
            (1, "pages.logo"),
            "{report}"
        );
        errors[0].problem.clone()
    };
    assert!(problem().contains("logo.png"), "the file is not there");
    std::fs::write(folder.join("logo.png"), png(64, 64, 100)).unwrap();
    let (first, _) = parse(&text, &folder, 1).unwrap();
    assert_eq!(first.pages.logo.as_deref(), Some(png(64, 64, 100).as_slice()));
    std::fs::write(folder.join("logo.png"), png(64, 64, 101)).unwrap();
    let (second, _) = parse(&text, &folder, 1).unwrap();
    assert_ne!(
        first.written.changes_to(&second.written).settings,
        Default::default()
    );
    std::fs::write(folder.join("logo.png"), "<svg/>").unwrap();
    assert!(problem().contains("is not a PNG file"));
    std::fs::write(folder.join("logo.png"), png(1025, 64, 100)).unwrap();
    assert!(problem().contains("1025 by 64 pixels"));
    std::fs::write(folder.join("logo.png"), png(64, 64, 65 * 1024)).unwrap();
    assert!(problem().contains("bytes long"));
}

#[test]
fn scope_has_words_and_may_have_a_lifetime() {
    let text = format!(
        "{GOOD}[scopes]\n\"orders.read\" = \"see your orders\"\nwrite = {{ text = \"place orders\", authorization_lifetime = \"1d\" }}\n"
    );
    let (configuration, _) = judge(&text).unwrap_or_else(|report| panic!("{report}"));
    let of = |scope: &str| {
        let scope = configuration.policy.scopes.of(&Scope::parse(scope).unwrap())?;
        Some((
            scope.text.to_string(),
            scope.authorization_lifetime.map(|lifetime| lifetime.0),
        ))
    };
    assert_eq!(of("orders.read"), Some(("see your orders".to_owned(), None)));
    assert_eq!(of("write"), Some(("place orders".to_owned(), Some(86_400))));
    assert_eq!(of("other"), None);
}

#[test]
fn scope_without_words_or_with_a_wrong_lifetime_is_refused_with_its_key() {
    let scopes = |text: &str| format!("{GOOD}[scopes]\n{text}\n");
    assert!(judge(&scopes(&format!("\"a.b\" = \"{}\"", "x".repeat(200)))).is_ok());
    for (text, key, saying) in [
        ("\"a.b\" = \"\"".to_owned(), "scopes.a.b", "must have a text"),
        (
            format!("\"a.b\" = \"{}\"", "x".repeat(201)),
            "scopes.a.b",
            "must have a text",
        ),
        ("\"a.b\" = \"a\\nb\"".to_owned(), "scopes.a.b", "must have a text"),
        ("\"a.b\" = {}".to_owned(), "scopes.a.b", "must have a text"),
        ("\"a b\" = \"x\"".to_owned(), "scopes.a b", "is not a scope value"),
        (
            "\"a.b\" = { text = \"x\", authorization_lifetime = \"0s\" }".to_owned(),
            "scopes.a.b.authorization_lifetime",
            "is zero",
        ),
        (
            "\"a.b\" = { text = \"x\", authorization_lifetime = \"soon\" }".to_owned(),
            "scopes.a.b.authorization_lifetime",
            "soon",
        ),
        (
            "\"a.b\" = { text = \"x\", words = \"y\" }".to_owned(),
            "scopes.a.b.words",
            "is not a known key",
        ),
        ("\"a.b\" = 1".to_owned(), "scopes.a.b", "it is a number"),
    ] {
        refused(&scopes(&text), key, saying);
    }
}
