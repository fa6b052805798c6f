//! Tests of trust domains whose bundles come from bundle endpoints with the profile `https_spiffe`.

mod configuration;
mod https_spiffe;
mod shared;

use crate::world::{ISSUER, RULES, World, domains};
use serde_json::{Value, json};
use std::sync::Mutex;
use testudo_testkit::http::Answer;
use testudo_testkit::web::DocumentServer;
use testudo_testkit::x509::{X509Chain, X509Issuer};
use testudo_testkit::{TestIssuer, svid_form};

/// SPIFFE ID of the server of the endpoint of z.example.
pub const SERVER: &str = "spiffe://z.example/spire/server";

/// The member `bootstrap` of that endpoint.
pub const BOOTSTRAP: &str = ", bootstrap = \"first.json\"";

/// The rules with one more for workloads of z.example.
pub fn rules() -> String {
    format!("{RULES}[[rules]]\nname = \"Z\"\nidentities = [\"spiffe://z.example/w/*\"]\n")
}

/// The bundle endpoint of z.example.
pub struct Publisher {
    pub server: DocumentServer,
    pub tokens: TestIssuer,
    sequence: Mutex<u64>,
}

impl Publisher {
    /// An endpoint whose server shows this chain.
    pub async fn start(chain: &X509Chain) -> Publisher {
        Publisher {
            server: DocumentServer::start_as(chain).await,
            tokens: TestIssuer::new("z.example"),
            sequence: Mutex::new(0),
        }
    }

    /// A document with the JWT key and these X.509 authorities, each time with a higher sequence.
    pub fn publishes(&self, authorities: &[&X509Issuer]) {
        let mut sequence = self.sequence.lock().unwrap();
        *sequence += 1;
        let mut document = self.tokens.bundle();
        let keys = document["keys"].as_array_mut().unwrap();
        keys.extend(authorities.iter().map(|authority| authority.jwk()));
        document["spiffe_sequence"] = json!(*sequence);
        self.server.answers(200, None, &document.to_string());
    }

    /// `[[trust_domains]]` of z.example with this endpoint.
    pub fn domain(&self, spiffe_id: &str, more: &str) -> String {
        let url = format!("https://127.0.0.1:{}/", self.server.address.port());
        format!(
            "[[trust_domains]]\nname = \"z.example\"\nbundle = {{ url = \"{url}\", profile = \"https_spiffe\", \
             endpoint_spiffe_id = \"{spiffe_id}\"{more} }}\n"
        )
    }

    /// The answer of a server to a workload of z.example.
    pub async fn ask(&self, world: &World) -> Answer {
        let svid = self.tokens.svid("/w/1", ISSUER, world.now());
        world.send(&svid_form(&svid, &[])).await
    }
}

/// A running server with further trust domains, whose folder has these files.
pub async fn world_with(more: &str, files: &[(&str, Value)]) -> World {
    let world = World::start_with(&domains(""), &rules()).await;
    for (name, document) in files {
        std::fs::write(world.folder.join(name), document.to_string()).unwrap();
    }
    world
        .reload_with(&format!("{}{more}", domains("")), &rules())
        .await;
    world
}

/// A server that has fetched the bundle of z.example once, from an endpoint whose own keys verify it.
pub async fn served(publisher: &Publisher, authority: &X509Issuer) -> World {
    publisher.publishes(&[authority]);
    let more = publisher.domain(SERVER, BOOTSTRAP);
    let world = world_with(&more, &[("first.json", authority.bundle())]).await;
    assert_eq!(publisher.ask(&world).await.status, 200);
    world
}

/// The bundle of z.example: its state, and why the last fetch failed.
pub async fn state(world: &World) -> (String, String) {
    let shown = world.admin("GET", "/admin/v1/trust/z.example", Value::Null).await;
    let text = |key: &str| shown[key].as_str().unwrap_or_default().to_owned();
    (text("state"), text("last_error"))
}

/// Fetches the bundle of z.example; the error is why that failed.
pub async fn refresh(world: &World) -> Result<(), String> {
    let path = "/admin/v1/trust/z.example/refresh";
    match world.try_admin("POST", path, json!({})).await {
        (200, _) => Ok(()),
        (_, answer) => Err(answer.to_string()),
    }
}
