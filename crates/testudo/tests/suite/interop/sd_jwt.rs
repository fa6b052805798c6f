//! SD-JWT VCs and a status list of another project: what its library issues and presents registers a client here.

use super::programs::{node, or_skipped};
use crate::binary::{ISSUER, Site, run_to_end, stderr};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::status_list::TOKEN_LIST;
use testudo_testkit::web::DocumentServer;

/// The newest ones whose dependencies are all published.
const PACKAGES: [&str; 4] = [
    "@sd-jwt/sd-jwt-vc@0.17.1",
    "@sd-jwt/jwt-status-list@0.17.1",
    "@sd-jwt/crypto-nodejs@0.17.0",
    "jose@6.2.18",
];

/// The issuer and the holder, whose keys are in the folder of the site.
struct Wallet<'s> {
    packages: &'s Path,
    site: &'s Site,
    status_uri: String,
}

impl Wallet<'_> {
    /// A presentation of a credential with this entry of the status list.
    fn present(&self, nonce: &str, index: u64) -> String {
        let script = self.packages.join("sd_jwt.mjs");
        std::fs::write(&script, include_str!("sd_jwt.mjs")).unwrap();
        let mut program = Command::new("node");
        program
            .arg(&script)
            .env("FOLDER", &self.site.folder)
            .env("ISSUER", ISSUER)
            .env("NONCE", nonce)
            .env("STATUS_URI", &self.status_uri)
            .env("INDEX", index.to_string());
        let output = run_to_end(&mut program, "");
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

async fn register(connection: &mut Connection, statement: &str) -> Answer {
    let body = json!({ "software_statement": statement }).to_string();
    let headers = [("content-type", "application/json")];
    connection.send("POST", "/register", &headers, body).await
}

// Rows SD-30, TSL-31, TSL-32.
#[tokio::test(flavor = "multi_thread")]
async fn sd_jwt_vc_of_another_library_registers_a_client_unless_its_status_list_revokes_it() {
    let packages = PACKAGES.map(str::to_owned);
    let Some(packages) = or_skipped(node("sd-jwt", &packages)) else {
        return;
    };
    let lists = DocumentServer::start("localhost").await;
    let origin = format!("https://localhost:{}", lists.address.port());
    let site = Site::new();
    let wallet = Wallet {
        packages: &packages,
        site: &site,
        status_uri: format!("{origin}/1"),
    };
    // Creates the keys and the list.
    wallet.present("none", 0);
    let list = std::fs::read_to_string(site.folder.join("list.jwt")).unwrap();
    lists.publishes("/1", TOKEN_LIST, &list);
    site.write("roots.pem", &lists.root_pem);
    site.append(&format!(
        r#"
[outbound]
ca = "roots.pem"
[registration]
[[issuers]]
name = "agents"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://issuer.example"
jwks = {{ file = "jwks.json" }}
types = ["https://vct.example/oauth-client/1"]
attests = ["client_name", "redirect_uris"]
status = "required"
status_origins = ["{origin}"]
[[rules]]
name = "agents"
identities = ["agents:*"]
scopes = ["orders.read"]
redirect_uri_hosts = ["app.example"]
grant_types = ["client_credentials", "authorization_code"]
"#
    ));
    let server = tokio::task::block_in_place(|| site.serve());
    let mut connection = Connection::open(server.address).await;
    let nonce = async || {
        let mut connection = Connection::open(server.address).await;
        let answer = connection.send("POST", "/challenge", &[], "").await.json();
        answer["registration_nonce"].as_str().unwrap().to_owned()
    };
    let revoked = register(&mut connection, &wallet.present(&nonce().await, 1)).await;
    assert_eq!(
        (revoked.status, revoked.error()),
        (400, "unapproved_software_statement".to_owned())
    );
    let old = register(&mut connection, &wallet.present("made-up", 0)).await;
    assert_eq!(
        (old.status, old.error()),
        (400, "invalid_software_statement".to_owned())
    );
    let answer = register(&mut connection, &wallet.present(&nonce().await, 0)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let client = answer.json();
    assert_eq!(client["client_id"], "agents:urn:example:agent:7");
    assert_eq!(client["client_name"], "Agent 7");
    assert_eq!(
        client["redirect_uris"],
        json!(["https://app.example/cb"]),
        "disclosed"
    );
    assert_eq!(client.get("contacts"), None::<&Value>, "not disclosed");
    assert_eq!(client.get("client_secret"), None::<&Value>);
    assert_eq!(lists.take_requests().len(), 1);
}
