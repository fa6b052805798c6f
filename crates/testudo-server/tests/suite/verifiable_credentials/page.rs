//! The settings that the page of verifiable credentials names, as it writes them.

use crate::world::load_with;
use std::path::Path;
use testudo_testkit::scratch::folder;

/// A `did:key`, which contains its key.
const DID_KEY: &str = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doors/verifiable-credential.md");
    std::fs::read_to_string(path).unwrap()
}

/// The settings in the text of the page, outside its configuration: `NAME = VALUE`.
fn settings(page: &str) -> Vec<(String, String)> {
    let (_, text) = page.split_once("## Keys of the issuer").unwrap();
    let spans = text.split('`').skip(1).step_by(2);
    let named = spans.filter_map(|span| span.split_once(" = "));
    let mut found: Vec<(String, String)> = named
        .map(|(name, value)| {
            (
                name.to_owned(),
                value.replace("https://…", "https://issuer.example.net/keys"),
            )
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The configuration of the page with this line in place of the one with the same name, or beside the others.
fn with(block: &str, name: &str, value: &str) -> String {
    let line = format!("{name} = {value}");
    let is_replaced = |known: &&str| known.starts_with(&format!("{name} = "));
    match block.lines().find(is_replaced) {
        Some(known) => block.replacen(known, &line, 1),
        None => block.replacen("lifetime_max", &format!("{line}\nlifetime_max"), 1),
    }
}

#[test]
fn each_setting_that_the_page_names_is_accepted_in_its_configuration() {
    let (page, folder) = (page(), folder("page-of-credentials"));
    let block = page
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let check = |text: &str| match load_with(&folder, text) {
        Ok((configuration, _)) => Ok(configuration),
        Err(report) => Err(report.to_string()),
    };
    check(block).unwrap();
    let settings = settings(&page);
    let origins = settings
        .iter()
        .find(|(name, _)| name == "status_origins")
        .unwrap();
    for (name, value) in &settings {
        let setting = format!("{name} = {value}");
        let configurations = match name.as_str() {
            // The place where the keys are.
            "file" | "url" | "discovery" | "jwt_vc_issuer" | "x5c" => {
                vec![with(block, "jwks", &format!("{{ {setting} }}"))]
            }
            "did" => ["did:web:issuer.example.net", DID_KEY]
                .map(|did| {
                    with(
                        &with(block, "jwks", &format!("{{ {setting} }}")),
                        "issuer",
                        &format!("\"{did}\""),
                    )
                })
                .to_vec(),
            // Which keys of a place are used.
            "pin" | "key_change" => {
                vec![with(
                    block,
                    "jwks",
                    &format!("{{ file = \"issuer.jwks.json\", {setting} }}"),
                )]
            }
            "status" => vec![with(&with(block, name, value), &origins.0, &origins.1)],
            "status_origins" | "status_max_stale" | "holder_binding" | "challenge" | "unbound" => {
                vec![with(block, name, value)]
            }
            "jwks" => continue,
            other => panic!("{other} is on the page, and not in this test"),
        };
        for text in configurations {
            assert!(text.contains(&setting), "{text}");
            check(&text).unwrap_or_else(|report| panic!("{setting}: {report}"));
            let misspelt = text.replacen(&format!("{name} = "), &format!("{name}_x = "), 1);
            assert!(check(&misspelt).is_err(), "{name}_x");
        }
    }
    let mut names: Vec<&str> = settings.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    let expected = [
        "challenge",
        "did",
        "discovery",
        "file",
        "holder_binding",
        "jwks",
        "jwt_vc_issuer",
        "key_change",
        "pin",
        "status",
        "status_max_stale",
        "status_origins",
        "unbound",
        "url",
        "x5c",
    ];
    assert_eq!(names, expected);
    let values = settings.iter().filter(|(name, _)| name == "status").count();
    assert_eq!(values, 3, "values of `status`");
}
