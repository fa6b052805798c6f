//! `key_change = "hold"`: keys that an issuer withdrew are held back at every node.

use crate::nodes::postgres;
use crate::world::World;
use serde_json::{Value, json};
use std::path::Path;
use testudo_protocol::jose::Algorithm;
use testudo_testkit::generate_key;
use testudo_testkit::http::over_socket;

const ENTRY: &str = r#"
[[issuers]]
name = "papers"
kind = "verifiable_credential"
use = ["registration"]
issuer = "https://papers.example"
jwks = { file = "papers.json", key_change = "hold" }
types = ["https://vct.example/oauth-client/1"]
[[rules]]
name = "papers"
identities = ["papers:*"]
"#;

async fn trust(folder: &Path, method: &str, path: &str) -> Value {
    let path = format!("/admin/v1/trust/papers{path}");
    let socket = folder.join("admin.sock");
    over_socket(&socket, method, &path, json!({})).await.1
}

// Row DID-25.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn key_that_one_node_saw_withdrawn_is_held_back_by_a_node_that_starts_later() {
    let (world, _tls) = World::start_over(&postgres().database("held_keys").unwrap()).await;
    let [stays, withdrawn] = ["k1", "k2"].map(|kid| generate_key(Algorithm::ES256, Some(kid)));
    world.write_keys("papers", &[&stays, &withdrawn]);
    let world = world
        .restart_after(|folder| {
            let path = folder.join("testudo.toml");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, format!("{text}{ENTRY}")).unwrap();
        })
        .await;
    let folder = &world.folder;
    let before = trust(folder, "GET", "").await;
    assert_eq!(before["keys"].as_array().unwrap().len(), 2, "{before}");
    world.write_keys("papers", &[&stays]);
    trust(folder, "POST", "/refresh").await;
    let after = trust(folder, "GET", "").await;
    assert_eq!(after["keys"].as_array().unwrap().len(), 1, "{after}");

    // The file of the second node is an earlier one, or one of the attacker.
    world.write_keys("papers", &[&stays, &withdrawn]);
    let (second, other) = world.join().await;
    let held = trust(&other, "GET", "").await;
    let why = held["held_back"].as_str().unwrap_or_default();
    assert!(
        why.contains("not among the keys that were accepted last"),
        "{held}"
    );
    assert_eq!(held["keys"], json!([]), "{held}");
    trust(&other, "POST", "/accept").await;
    let accepted = trust(&other, "GET", "").await;
    assert_eq!(accepted["keys"].as_array().unwrap().len(), 2, "{accepted}");
    // What one node accepted, the first one needs not accept again.
    trust(folder, "POST", "/refresh").await;
    let first = trust(folder, "GET", "").await;
    assert_eq!(
        (first["keys"].as_array().unwrap().len(), &first["held_back"]),
        (2, &Value::Null),
        "{first}"
    );
    second.stop().await;
}
