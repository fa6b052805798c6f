//! The example of a web application with a real SPIRE, by the commands and the configuration of
//! `docs/guides/web-app-on-spire.md`: its only credential is its SVID. A person signs in at its first use, and it calls the
//! example API for this person.

use crate::binary::{Server, Site, run_to_end, search_path, stderr};
use crate::interop::guides::recipe;
use crate::spire::{self, Example, RESOURCE, wait_until};
use std::process::Command;
use std::time::{Duration, Instant};
use testudo_testkit::free_port;
use testudo_testkit::http::Connection;
use testudo_testkit::person::Person;
use testudo_testkit::spire::{Spire, TRUST_DOMAIN};
use testudo_testkit::token;

const GUIDE: &str = "web-app-on-spire.md";
const SHOP: &str = "https://shop.example.net";

/// SPIRE, server, API and application, and a person with a browser.
struct World {
    site: Site,
    spire: Spire,
    issuer: String,
    server: Server,
    _api: Example,
    _application: Example,
    /// The browser of the person, at the application.
    shop: Person,
    /// The same browser, at the server.
    testudo: Person,
}

impl World {
    async fn start() -> World {
        let site = Site::new();
        let spire = spire::start(&site);
        let port = free_port();
        let issuer = format!("http://127.0.0.1:{port}");
        let workload_api = spire.workload_api();
        let callback = format!("{SHOP}/callback");
        let mut variables = vec![
            ("SPIFFE_ENDPOINT_SOCKET", workload_api),
            ("ISSUER", issuer.clone()),
            ("RESOURCE", RESOURCE.to_owned()),
            ("CALLBACK", callback),
            ("API_ADDRESS", "127.0.0.1:0".to_owned()),
            ("APP_ADDRESS", "127.0.0.1:0".to_owned()),
        ];
        let mut text = recipe(GUIDE, "This server").block("toml").to_owned();
        for (name, value) in &variables {
            text = text.replace(&format!("${name}"), value);
        }
        let text = text.replace("prod.example", TRUST_DOMAIN);
        // Tokens are renewed after 80 % of their lifetime: every eight seconds.
        let more = format!(
            r#"
[server]
listen = ["127.0.0.1:{port}"]
[admin]
listen = "127.0.0.1:0"
[tokens]
access_token_lifetime = "10s"
"#
        );
        site.write("testudo.toml", &(text + &more));
        spire
            .jwt_svid(&issuer)
            .expect("the agent issues an SVID to the workload");
        let server = site.serve();
        let api = recipe(GUIDE, "The API");
        let api = Example::of_guide("orders-api", api.block("sh"), &site.folder, &variables);
        variables.push(("API", format!("http://{}/orders", api.address)));
        let application = recipe(GUIDE, "The application");
        let application = Example::of_guide("web-app", application.block("sh"), &site.folder, &variables);
        World {
            shop: Person::new(SHOP, application.address),
            testudo: Person::new(&issuer, server.address),
            site,
            spire,
            issuer,
            server,
            _api: api,
            _application: application,
        }
    }

    /// What the application shows.
    async fn page(&mut self) -> String {
        let answer = self.shop.open("/").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        String::from_utf8(answer.body).unwrap()
    }

    /// Runs a block of the guide where the commands find the configuration, and returns what it prints.
    #[track_caller]
    fn shell(&self, block: &str) -> String {
        let mut shell = Command::new("sh");
        shell
            .args(["-ec", block])
            .current_dir(&self.site.folder)
            .env("PATH", search_path());
        let output = run_to_end(&mut shell, "");
        assert!(output.status.success(), "{block}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn tokens_issued(&self) -> u64 {
        let mut admin = Connection::open(self.server.admin_address()).await;
        let metrics = String::from_utf8(admin.get("/metrics").await.body).unwrap();
        let mut lines = metrics.lines();
        let value = lines.find_map(|line| line.strip_prefix("testudo_tokens_issued_total "));
        value.unwrap().parse().unwrap()
    }

    /// SPIRE replaces the key that signs JWT-SVIDs, by its phases, and the old key is removed.
    async fn rotate(&mut self) {
        let kid = |world: &World| {
            let svid = world.spire.jwt_svid(&world.issuer).unwrap();
            token::header(&svid)["kid"].clone()
        };
        let keys = |world: &World| {
            let shown = world.site.json(&["trust", "show", TRUST_DOMAIN]);
            shown["jwt_keys"].as_array().unwrap().len()
        };
        let (old, old_kid) = (self.spire.active_authority("jwt").unwrap(), kid(self));
        let new = self.spire.prepare_authority("jwt").unwrap();
        wait_until("the new key is loaded", || keys(self) == 2);
        self.orders().await;
        self.spire.change_authority("jwt", "activate", &new).unwrap();
        self.orders().await;
        self.spire.change_authority("jwt", "taint", &old).unwrap();
        wait_until("the agent has an SVID of the new key", || kid(self) != old_kid);
        self.orders().await;
        self.spire.change_authority("jwt", "revoke", &old).unwrap();
        wait_until("the old key is removed", || keys(self) == 1);
        self.orders().await;
    }

    /// The application shows the orders of the person. Returns the name that the API has for the person.
    async fn orders(&mut self) -> String {
        let page = self.page().await;
        let (_, after) = page
            .split_once("an order of ")
            .unwrap_or_else(|| panic!("{page}"));
        after.split(['"', '<']).next().unwrap().to_owned()
    }
}

/// The commands of the guide that show what there is, and the one that revokes.
fn guide_of_administrators() -> [String; 2] {
    recipe(GUIDE, "What administrators see and end")
        .blocks("sh")
        .try_into()
        .expect("the section has two blocks")
}

#[tokio::test(flavor = "multi_thread")]
async fn web_application_on_spire_signs_a_person_in_at_first_use_and_refreshes_while_spire_rotates() {
    let mut world = World::start().await;
    assert!(world.page().await.contains("You are not signed in"));
    assert_eq!(
        world.site.json(&["client", "list"]).as_array().unwrap().len(),
        0,
        "the application must be unknown before its first use"
    );

    let started = world.shop.submit("/sign-in", &[]).await;
    let address = started.header("location").unwrap().to_owned();
    let callback = world.testudo.walk(&address).await.expect("a redirect");
    let stolen = world.shop.cookies.clone();
    let landed = world.shop.open(&callback).await;
    assert_eq!(landed.status, 303, "{landed:?}");
    assert_ne!(
        stolen, world.shop.cookies,
        "the cookie must be new after the sign-in"
    );
    let subject = world.orders().await;
    assert!(subject.starts_with("u_"), "{subject}");
    let clients = world.site.json(&["client", "list"]);
    let client = format!("spiffe://{TRUST_DOMAIN}/workload/shop");
    assert_eq!(clients[0]["client_id"], *client, "{clients}");

    // A browser without the cookie, and one with the cookie of before, is not signed in by the same response.
    for cookies in [Default::default(), stolen] {
        let mut other = world.shop.clone();
        other.cookies = cookies;
        assert_eq!(other.open(&callback).await.status, 400);
    }

    let (before, rotating) = (world.tokens_issued().await, Instant::now());
    world.rotate().await;
    while rotating.elapsed() < Duration::from_secs(30) || world.tokens_issued().await < before + 3 {
        assert_eq!(world.orders().await, subject);
        assert!(
            rotating.elapsed() < Duration::from_secs(120),
            "no token was refreshed"
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }

    let [shown, revoked] = guide_of_administrators();
    let shown = world.shell(&shown);
    for name in ["alice", &client, "orders.read", "client.registered"] {
        assert!(shown.contains(name), "{name}: {shown}");
    }
    world.shell(&revoked);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !world.page().await.contains("What you granted has ended") {
        assert!(Instant::now() < deadline, "the revoked grant is still used");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    world.shop.submit("/sign-out", &[]).await;
    assert!(world.page().await.contains("You are not signed in"));
}
