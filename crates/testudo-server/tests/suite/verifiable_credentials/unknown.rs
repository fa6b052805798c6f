//! Assertions that name clients which do not exist: how often the store is read for them, and that a client which then
//! registers is served.

use super::clients::ask;
use super::{AGENT, CLIENT, ISSUER, Site, VCT};
use crate::nodes::{postgres, until};
use crate::world::{MutualTls, World};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::{assertion_form, generate_key};

/// Asks this number of times for a token as a client that does not exist.
async fn ask_as_unknown(site: &Site, client_id: &str, times: u32) {
    for number in 0..times {
        let answer = ask(site, &site.holder, client_id, &number.to_string(), &[]).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_client".to_owned()),
            "{client_id} {number}"
        );
    }
}

#[tokio::test]
async fn store_is_read_once_in_five_seconds_for_a_client_that_does_not_exist() {
    let site = Site::start().await;
    let number = std::cell::Cell::new(0);
    let next = || {
        number.set(number.get() + 1);
        format!("agents:invented-{}", number.get())
    };
    let reads = site
        .world
        .reads_of(async || ask_as_unknown(&site, &next(), 20).await)
        .await;
    assert_eq!(reads, 1, "20 requests");
    let reads = site
        .world
        .reads_of(async || {
            let id = next();
            ask_as_unknown(&site, &id, 2).await;
            site.world.running.app.clock.shift(6);
            ask_as_unknown(&site, &id, 2).await;
        })
        .await;
    assert_eq!(reads, 2, "after six seconds the client may exist");
}

#[tokio::test]
async fn client_that_registers_after_it_was_refused_as_unknown_is_served_at_once() {
    let site = Site::start().await;
    ask_as_unknown(&site, CLIENT, 3).await;
    site.registered().await;
    let answer = ask(&site, &site.holder, CLIENT, "after", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // A deleted client is refused again, and can come back.
    let client = json!({ "client_id": CLIENT });
    site.world.admin("POST", "/admin/v1/clients/delete", client).await;
    ask_as_unknown(&site, CLIENT, 3).await;
    site.registered().await;
    let answer = ask(&site, &site.holder, CLIENT, "back", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Entry and rule of an issuer whose credentials register without a proof of the holder.
const PAPERS: &str = r#"
[[issuers]]
name = "papers"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://papers.example"
jwks = { file = "papers.json" }
types = ["https://vct.example/oauth-client/1"]
holder_binding = "none"
[[rules]]
name = "papers"
identities = ["papers:*"]
scopes = ["r"]
default_scopes = ["r"]
"#;

/// Two nodes with one PostgreSQL.
struct Nodes {
    world: World,
    tls: MutualTls,
    addresses: [SocketAddr; 2],
    issuer: SigningKey,
    holder: SigningKey,
}

impl Nodes {
    async fn ask(&self, node: usize, client_id: &str, jti: &str) -> Answer {
        let now = self.world.now();
        let assertion = Draft::assertion(&self.holder, client_id, ISSUER, jti, now).sign();
        let mut connection = self.tls.connect(self.addresses[node], None).await.unwrap();
        connection.post("/token", assertion_form(&assertion, &[])).await
    }

    async fn register(&self, node: usize, subject: &str) -> Answer {
        let names = ["https://papers.example", VCT, subject];
        let credential = Draft::sd_jwt_vc(&self.issuer, names, &self.holder, self.world.now());
        let body = json!({ "software_statement": Site::bare(&credential, &[]) });
        let mut connection = self.tls.connect(self.addresses[node], None).await.unwrap();
        let json = ("content-type", "application/json");
        connection
            .send("POST", "/register", &[json], body.to_string())
            .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn client_that_registers_at_one_node_is_served_by_a_node_that_refused_it_as_unknown() {
    let (world, tls) = World::start_over(&postgres().database("unknown_clients").unwrap()).await;
    let (issuer, holder) = (
        generate_key(Algorithm::ES256, Some("k1")),
        generate_key(Algorithm::ES256, None),
    );
    world.write_keys("papers", &[&issuer]);
    let world = world
        .restart_after(|folder| {
            let path = folder.join("testudo.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, format!("{text}{PAPERS}")).unwrap();
        })
        .await;
    let (second, _) = world.join().await;
    let nodes = Nodes {
        addresses: [world.address(), second.addresses[0]],
        world,
        tls,
        issuer,
        holder,
    };
    for (registers, asks) in [(0, 1), (1, 0)] {
        let subject = format!("{AGENT}{registers}");
        let client = format!("papers:{subject}");
        let refused = nodes.ask(asks, &client, "before").await;
        assert_eq!(refused.error(), "invalid_client", "{refused:?}");
        let answer = nodes.register(registers, &subject).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let mut tries = 0;
        let waited = until(async || {
            tries += 1;
            nodes.ask(asks, &client, &tries.to_string()).await.status == 200
        })
        .await;
        assert!(waited < Duration::from_secs(1), "{waited:?}");
    }
}
