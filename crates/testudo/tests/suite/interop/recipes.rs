//! The recipes of the guides, run as they stand there.

use super::programs::{done, go, node, or_not_tried, python};
use crate::binary::{Server, Site, now};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const RESOURCE: &str = "https://api.example.net/orders";

const GET: &str = "docs/guides/get-a-token.md";

const CHECK: &str = "docs/guides/check-a-token.md";

/// A server that is reached under its own name, and the SVID of a workload in a file.
struct Shop {
    site: Site,
    issuer: String,
    _server: Server,
}

fn shop() -> Shop {
    let (site, issuer) = Site::under_its_own_name();
    let svid = site.issuer.svid("/ns/shop/sa/pay", &issuer, now());
    site.write("svid.jwt", &svid);
    let server = site.serve();
    Shop {
        site,
        issuer,
        _server: server,
    }
}

impl Shop {
    /// What the program prints.
    #[track_caller]
    fn run(&self, command: &mut Command, stdin: &str) -> String {
        let mut child = command
            .current_dir(&self.site.folder)
            .env("ISSUER", &self.issuer)
            .env("SVID_FILE", self.site.folder.join("svid.jwt"))
            .env("RESOURCE", RESOURCE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn token(&self) -> String {
        let answer = self.run(Command::new("sh").arg("-c").arg(recipe(GET, "sh")), "");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn judge(&self, token: &str) {
        let claims = testudo_testkit::token::claims(token.trim());
        assert_eq!(claims["sub"], "spiffe://prod.example/ns/shop/sa/pay");
        assert_eq!(
            (&claims["iss"], &claims["aud"]),
            (&self.issuer.clone().into(), &RESOURCE.into())
        );
        let refusals = self.site.events(&[]).into_iter();
        assert_eq!(
            refusals.filter(|event| !event["rejection"].is_null()).count(),
            0,
            "no refused attempt"
        );
    }
}

/// The one block of this language on a page.
fn recipe(page: &str, language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    let mut blocks = text.split(&fence).skip(1);
    let block = blocks.next().unwrap().split("```").next().unwrap().to_owned();
    assert!(blocks.next().is_none(), "{page}: one recipe of {language}");
    block
}

/// The versions that the pages name.
fn python_of_the_guides() -> Option<PathBuf> {
    let packages = ["Authlib==1.9.10", "requests==2.34.2", "joserfc==1.8.0"];
    for package in packages {
        let (name, version) = package.split_once("==").unwrap();
        let pages = [GET, CHECK].map(|page| {
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).unwrap()
        });
        let named = format!("[{name}](https://pypi.org/project/{name}/) {version}");
        assert!(pages.iter().any(|page| page.contains(&named)), "{named}");
    }
    let folder = or_not_tried(python("python", &packages))?;
    Some(folder.join("bin/python"))
}

#[test]
fn recipe_for_the_shell_gets_a_token() {
    let shop = shop();
    shop.judge(&shop.token());
}

#[test]
fn recipe_for_python_gets_a_token() {
    let Some(python) = python_of_the_guides() else {
        return;
    };
    let shop = shop();
    shop.judge(&shop.run(Command::new(python).arg("-c").arg(recipe(GET, "python")), ""));
}

#[test]
fn recipe_for_python_checks_a_token() {
    let Some(python) = python_of_the_guides() else {
        return;
    };
    let shop = shop();
    let check = recipe(CHECK, "python");
    let said = shop.run(Command::new(&python).arg("-c").arg(&check), &shop.token());
    assert_eq!(said.trim(), "spiffe://prod.example/ns/shop/sa/pay orders.read");
    // The same token at another API.
    let mut elsewhere = Command::new(python);
    elsewhere
        .arg("-c")
        .arg(check.replace("os.environ[\"RESOURCE\"]", "\"https://other.example\""));
    let mut child = elsewhere
        .env("ISSUER", &shop.issuer)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(shop.token().as_bytes())
        .unwrap();
    assert!(!child.wait().unwrap().success(), "the audience is another one");
}

#[test]
fn recipe_for_go_gets_a_token_without_a_refused_attempt() {
    let Some(folder) = or_not_tried(go("go", &["golang.org/x/oauth2@v0.38.0"])) else {
        return;
    };
    std::fs::write(folder.join("main.go"), recipe(GET, "go")).unwrap();
    done(
        Command::new("go")
            .args(["build", "-o", "recipe", "."])
            .current_dir(&folder),
    )
    .unwrap();
    let shop = shop();
    shop.judge(&shop.run(&mut Command::new(folder.join("recipe")), ""));
}

/// A file of this recipe beside the packages that it imports.
fn javascript(page: &str, file: &str) -> Option<PathBuf> {
    let folder = or_not_tried(node("node", &["openid-client@6.9.0", "jose@6.2.18"]))?;
    let path = folder.join(file);
    std::fs::write(&path, recipe(page, "js")).unwrap();
    Some(path)
}

#[test]
fn recipe_for_javascript_gets_a_token() {
    let Some(get) = javascript(GET, "get.mjs") else {
        return;
    };
    let shop = shop();
    shop.judge(&shop.run(Command::new("node").arg(get), ""));
}

#[test]
fn recipe_for_javascript_checks_a_token() {
    let Some(check) = javascript(CHECK, "check.mjs") else {
        return;
    };
    let shop = shop();
    let said = shop.run(Command::new("node").arg(check), &shop.token());
    assert_eq!(said.trim(), "spiffe://prod.example/ns/shop/sa/pay orders.read");
}
