//! The command lines and configurations of the documentation, run as they stand.

use crate::binary::{Site, folder, now, run, stderr};
use std::path::Path;
use std::process::Command;

/// The text of a page.
fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The `curl` commands of a page's console blocks, continuation lines joined.
fn curl_commands(page: &str) -> Vec<String> {
    let blocks = page
        .split("```console\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let joined = blocks.map(|block| block.replace("\\\n", " "));
    let lines: Vec<String> = joined
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines
        .into_iter()
        .filter_map(|line| line.strip_prefix("$ ").map(str::to_owned))
        .filter(|line| line.starts_with("curl"))
        .collect()
}

/// The TOML blocks of a page.
fn configurations(page: &str) -> Vec<String> {
    page.split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .map(str::to_owned)
        .collect()
}

fn shell(site: &Site, command: &str, environment: &[(&str, &str)]) -> serde_json::Value {
    let output = Command::new("bash")
        .args(["-c", command])
        .current_dir(&site.folder)
        .env("CURL_CA_BUNDLE", site.folder.join("root.pem"))
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_curl_commands_of_the_door_pages_get_tokens() {
    let (site, issuer) = Site::with_mutual_tls("");
    let _server = site.serve();
    let svid = site.issuer.svid("/ns/shop/sa/pay", &issuer, now());
    let mut ran = 0;
    for name in ["docs/doors/x509-svid.md", "docs/doors/jwt-svid.md"] {
        for command in curl_commands(&page(name)) {
            let answer = shell(
                &site,
                &command.replace("https://as.example.net", &issuer),
                &[("SVID", &svid)],
            );
            assert_eq!(answer["token_type"], "Bearer", "{name}: {command}: {answer}");
            ran += 1;
        }
    }
    assert_eq!(ran, 2);
    assert_eq!(
        site.json(&["client", "list"]).as_array().unwrap().len(),
        1,
        "one client by either SVID"
    );
}

#[test]
fn the_curl_commands_of_the_registration_page_register() {
    let (site, issuer) = Site::with_mutual_tls("");
    let config = std::fs::read_to_string(site.config()).unwrap();
    site.write("testudo.toml", &format!("{config}\n[registration]\n"));
    let _server = site.serve();
    let statement = site
        .issuer
        .svid("/ns/shop/sa/pay", &format!("{issuer}/register"), now());
    let mut scopes = Vec::new();
    for command in curl_commands(&page("docs/registration.md")) {
        let command = command.replace("https://as.example.net", &issuer);
        let answer = shell(&site, &command, &[("STATEMENT", &statement)]);
        assert!(answer["client_id"].is_string(), "{command}: {answer}");
        scopes.push(answer["scope"].as_str().unwrap().to_owned());
    }
    assert_eq!(scopes.len(), 2);
    assert_eq!(scopes[0], "orders.read");
}

/// A page shows parts of a configuration: each must be known to the letter, whatever else is missing around it.
#[test]
fn the_configurations_of_the_docs_have_no_unknown_key() {
    let mut checked = 0;
    for name in [
        "docs/doors/jwt-svid.md",
        "docs/doors/x509-svid.md",
        "docs/doors/private-key-jwt.md",
        "docs/operations/README.md",
        "docs/registration.md",
    ] {
        for text in configurations(&page(name)) {
            let folder = folder();
            let path = folder.join("testudo.toml");
            std::fs::write(&path, text.replace(", … }", " }")).unwrap();
            let said = stderr(&run(&["check", "--config", path.to_str().unwrap()], ""));
            assert!(
                !said.contains("is not a known key")
                    && !said.contains("unknown variant")
                    && !said.contains("invalid type")
                    && !said.contains("is not TOML"),
                "{name}: {said}"
            );
            checked += 1;
        }
    }
    assert!(checked >= 4, "{checked}");
}
