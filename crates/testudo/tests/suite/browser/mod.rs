//! The pages in Chromium, with a person who has a mouse, a keyboard, or no script. Each walk is a function of a JavaScript
//! file in this folder, which Node runs with playwright-core.

mod ears;
mod looks;
mod passkeys;
mod provider;

use crate::binary::{RULES, Server, Site, now};
use crate::interop::programs::{done, node, or_skipped};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use testudo_testkit::free_port;

const PACKAGES: [&str; 3] = [
    "playwright-core@1.65.1",
    "axe-core@4.14.1",
    "oidc-provider@9.13.3",
];
const RESOURCE: &str = "https://api.example.net/orders";
const CLIENT: &str = "spiffe://prod.example/ns/shop/sa/web";
/// The part that the walks share, and the walks.
const FILES: [(&str, &str); 8] = [
    ("browser.mjs", include_str!("browser.mjs")),
    ("authenticator.mjs", include_str!("authenticator.mjs")),
    ("ears.mjs", include_str!("ears.mjs")),
    ("looks.mjs", include_str!("looks.mjs")),
    ("keyboard.mjs", include_str!("keyboard.mjs")),
    ("attacks.mjs", include_str!("attacks.mjs")),
    ("passkeys.mjs", include_str!("passkeys.mjs")),
    ("provider.mjs", include_str!("provider.mjs")),
];

const PEOPLE: &str = r#"
[login]
development = ["alice", "bob"]
[pages]
name = "Example Corp"
[scopes]
"orders.read" = "see your orders"
"orders.write" = { text = "place orders for you", authorization_lifetime = "30d" }
[[rules]]
name = "web"
identities = ["spiffe://prod.example/ns/shop/sa/web"]
grant_types = ["authorization_code", "refresh_token"]
scopes = ["orders.read", "orders.write"]
resources = ["https://api.example.net/orders"]
redirect_uris = ["https://shop.example.net/callback"]
client_name = "Shop"
"#;

/// A server whose issuer is `http://localhost:PORT`, and Chromium.
struct Pages {
    site: Site,
    issuer: String,
    folder: PathBuf,
    chromium: PathBuf,
    _server: Server,
}

impl Pages {
    /// `None`: Chromium or Node are not there, and this is not CI. `people`: the configuration beside the usual one.
    fn start(people: &str) -> Option<Pages> {
        Pages::with_files(people, &[])
    }

    /// The same, with these files beside the configuration.
    fn with_files(people: &str, files: &[(&str, &str)]) -> Option<Pages> {
        let chromium = or_skipped(chromium())?;
        let folder = or_skipped(node("browser", &PACKAGES.map(str::to_owned)))?;
        for (name, text) in FILES {
            write(&folder.join(name), text);
        }
        let site = Site::new();
        for (name, text) in files {
            site.write(name, text);
        }
        let port = free_port();
        let issuer = format!("http://localhost:{port}");
        site.configure("", &format!("{people}{RULES}"));
        let text = std::fs::read_to_string(site.config()).unwrap();
        let text = text.replacen(crate::binary::ISSUER, &issuer, 1).replacen(
            "127.0.0.1:0",
            &format!("127.0.0.1:{port}"),
            1,
        );
        site.write("testudo.toml", &text);
        site.write("svid.jwt", &site.issuer.svid("/ns/shop/sa/web", &issuer, now()));
        // For the shop, which Node serves.
        site.certify("shop.example.net");
        Some(Pages {
            _server: site.serve(),
            site,
            issuer,
            folder,
            chromium,
        })
    }

    /// Runs a walk, in which administrators invite people.
    #[track_caller]
    fn walk_with_invitations(&self, file: &str, walk: &str) -> Value {
        let config = self.site.config();
        let more = [
            ("TESTUDO", env!("CARGO_BIN_EXE_testudo")),
            ("TESTUDO_CONFIG", config.to_str().unwrap()),
        ];
        self.walk(file, walk, &more)
    }

    /// Runs a walk, which must succeed, and returns what it found.
    #[track_caller]
    fn walk(&self, file: &str, walk: &str, more: &[(&str, &str)]) -> Value {
        let output = Command::new("node")
            .arg(self.folder.join(file))
            .arg(walk)
            .current_dir(&self.site.folder)
            // What Chromium leaves is removed with the site.
            .env("TMPDIR", &self.site.folder)
            .env("HOME", &self.site.folder)
            .env("ISSUER", &self.issuer)
            .env("RESOURCE", RESOURCE)
            .env("CLIENT_ID", CLIENT)
            .env("SVID_FILE", self.site.folder.join("svid.jwt"))
            .env("CHROMIUM", &self.chromium)
            .envs(more.iter().copied())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{file} {walk}: {stderr}");
        // A walk prints what it found at last; a server that runs in it may have printed something before.
        let stdout = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
    }
}

/// Writes a file whole: tests run in parallel, and each writes the same one.
fn write(path: &Path, text: &str) {
    if std::fs::read_to_string(path).is_ok_and(|found| found == text) {
        return;
    }
    let new = path.with_extension(format!("{:?}", std::thread::current().id()));
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

fn chromium() -> Result<PathBuf, String> {
    let path = PathBuf::from("/usr/bin/chromium");
    done(Command::new(&path).arg("--version")).map(|()| path)
}

/// Runs a walk of this file with the usual server.
#[track_caller]
fn check(file: &str, walk: &str) {
    if let Some(pages) = Pages::start(PEOPLE) {
        pages.walk(file, walk, &[]);
    }
}

#[test]
fn person_signs_in_and_agrees_by_keyboard_and_no_key_agrees_by_accident() {
    check("keyboard.mjs", "keys");
}

#[test]
fn person_whose_browser_runs_no_script_signs_in_and_ends_what_was_granted() {
    check("keyboard.mjs", "without_script");
}

#[test]
fn other_sites_cannot_show_the_pages_in_a_frame() {
    check("attacks.mjs", "frames");
}

#[test]
fn forms_of_other_sites_are_refused_and_the_session_goes_on() {
    check("attacks.mjs", "forged_forms");
}

#[test]
fn back_and_reload_give_no_second_code() {
    check("attacks.mjs", "buttons_of_the_browser");
}

#[test]
fn two_tabs_sign_in_at_the_same_time() {
    check("attacks.mjs", "tabs");
}
