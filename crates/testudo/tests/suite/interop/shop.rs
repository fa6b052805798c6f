//! A server that is reached by its issuer URL, and a workload that calls an API.

use super::guides::recipe;
use crate::binary::{Server, Site, now, run_to_end};
use crate::spire;
use std::process::Command;
use testudo_testkit::free_port;
use testudo_testkit::spire::Spire;

pub const RESOURCE: &str = "https://api.example.net/orders";
/// The path of the SPIFFE ID of the web application.
const WEB: &str = "/ns/shop/sa/web";

pub struct Shop {
    pub site: Site,
    pub issuer: String,
    pub client: String,
    /// Environment variables of the recipe in addition to issuer and resource.
    more: Vec<(&'static str, String)>,
    _server: Server,
    _spire: Option<Spire>,
}

impl Shop {
    /// The workload has its SVID in a file.
    pub fn with_svid_in_a_file() -> Shop {
        let (site, issuer) = Site::under_its_own_name();
        Shop::over(site, issuer)
    }

    /// The same, with this value of `dpop_nonce`.
    pub fn with_dpop_nonces(dpop_nonce: &str) -> Shop {
        let (site, issuer) = Site::under_its_own_name();
        site.append(&format!("[tokens]\ndpop_nonce = \"{dpop_nonce}\""));
        Shop::over(site, issuer)
    }

    /// An SVID in a file, with TLS; the variable `CA` is the path of the root of the server's certificate.
    pub fn over_tls() -> Shop {
        let (site, issuer) = Site::with_mutual_tls("");
        let root = site.folder.join("root.pem").display().to_string();
        let mut shop = Shop::over(site, issuer);
        shop.more.extend([("CA", root.clone()), ("CURL_CA_BUNDLE", root)]);
        shop
    }

    /// A shop in which a person can sign in, with a web application that has its SVID in a file and this redirect URI.
    /// `rule`: more settings of its rule. The variables `CALLBACK`, `PORT` and `CLIENT_ID` are set.
    pub fn with_people(callback: &str, rule: &str) -> Shop {
        let (site, issuer) = Site::under_its_own_name();
        let rule = format!(
            r#"
[[rules]]
name = "web"
identities = ["spiffe://prod.example{WEB}"]
grant_types = ["authorization_code", "refresh_token"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
resources = ["{RESOURCE}"]
redirect_uris = ["{callback}"]
{rule}
[[rules]]"#
        );
        // The first rule that matches governs.
        let text = std::fs::read_to_string(site.config()).unwrap();
        site.write("testudo.toml", &text.replacen("[[rules]]", &rule, 1));
        site.append("[login]\ndevelopment = [\"alice\"]\n[scopes]\n\"orders.read\" = \"see your orders\"");
        let mut shop = Shop::of(site, issuer, WEB);
        shop.more.extend([
            ("CALLBACK", callback.to_owned()),
            ("PORT", free_port().to_string()),
            ("CLIENT_ID", shop.client.clone()),
        ]);
        shop
    }

    /// The value of a variable of the recipe.
    pub fn variable(&self, name: &str) -> &str {
        let found = self.more.iter().find(|(known, _)| *known == name);
        &found.expect("the variable is set").1
    }

    fn over(site: Site, issuer: String) -> Shop {
        Shop::of(site, issuer, "/ns/shop/sa/pay")
    }

    /// The workload with this path has its SVID in a file.
    fn of(site: Site, issuer: String, path: &str) -> Shop {
        // Most tools write a line break at the end.
        let svid = site.issuer.svid(path, &issuer, now());
        site.write("svid.jwt", &format!("{svid}\n"));
        let file = site.folder.join("svid.jwt").display().to_string();
        Shop {
            _server: site.serve(),
            _spire: None,
            client: format!("spiffe://prod.example{path}"),
            more: vec![("SVID_FILE", file)],
            site,
            issuer,
        }
    }

    /// The workload gets its SVID from a SPIRE agent.
    pub fn with_a_spire_agent() -> Shop {
        let site = Site::new();
        let agent = spire::start(&site);
        let port = free_port();
        let issuer = format!("http://127.0.0.1:{port}");
        spire::configure(&site, &issuer, port, &agent.workload_api());
        agent
            .jwt_svid(&issuer)
            .expect("the agent issues an SVID to the workload");
        Shop {
            _server: site.serve(),
            client: format!("spiffe://{}/workload/shop", testudo_testkit::spire::TRUST_DOMAIN),
            more: vec![("SPIFFE_ENDPOINT_SOCKET", agent.workload_api())],
            _spire: Some(agent),
            site,
            issuer,
        }
    }

    /// Sets the environment variables of the recipes for a program.
    pub fn prepare<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .current_dir(&self.site.folder)
            .env("ISSUER", &self.issuer)
            .env("RESOURCE", RESOURCE)
            // Other files of the program are removed with the test. Java has no environment variable for its temporary
            // folder, so an option is set.
            .env("TMPDIR", &self.site.folder)
            .env(
                "JAVA_TOOL_OPTIONS",
                format!("-XX:-UsePerfData -Djava.io.tmpdir={}", self.site.folder.display()),
            )
            .envs(self.more.iter().map(|(name, value)| (name, value)))
    }

    /// Runs a recipe, which must succeed. Returns what it prints.
    #[track_caller]
    pub fn output_of(&self, mut program: Command) -> String {
        let output = run_to_end(self.prepare(&mut program), "");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a recipe for a resource that no rule has: it must fail, and print the error code of the server.
    #[track_caller]
    pub fn assert_error_code_is_printed(&self, mut program: Command) {
        let program = self
            .prepare(&mut program)
            .env("RESOURCE", "https://other.example");
        let refused = run_to_end(program, "");
        let printed = [refused.stdout, refused.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert!(
            !refused.status.success() && printed.contains("invalid_target"),
            "{printed}"
        );
    }

    /// An access token, by the recipe for the shell.
    pub fn token(&self) -> String {
        let script = recipe("get-a-token.md", "Shell").block("sh").to_owned();
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]);
        let answer: serde_json::Value = serde_json::from_str(&self.output_of(shell)).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}
