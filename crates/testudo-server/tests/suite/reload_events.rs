//! Tests of the events of reloads: who, which configuration took the place of which one, what changed by name, and no
//! event where nothing changed.

use crate::nodes::{admin, edit, postgres, until};
use crate::world::World;
use serde_json::{Value, json};
use std::path::Path;
use testudo_protocol::jose::{Algorithm, sha256};
use testudo_testkit::{generate_key, key_set};

const FILE: &str = "testudo.toml";

fn digest(folder: &Path) -> String {
    hex::encode(sha256(&std::fs::read(folder.join(FILE)).unwrap()))
}

async fn reload(world: &World) -> Value {
    let body = json!({ "reason": "incident 7" });
    world.admin("POST", "/admin/v1/reload", body).await
}

/// A server that does not watch its file, so that no event of the watch comes between.
async fn world() -> World {
    let world = World::start().await;
    edit(&world.folder, "[server]\n", "[server]\nwatch = false\n");
    world.restart().await
}

#[tokio::test]
async fn event_of_a_reload_states_actor_reason_digests_and_the_names_of_what_changed() {
    let world = world().await;
    let before = digest(&world.folder);
    edit(&world.folder, "name = \"R1\"", "name = \"R0\"");
    edit(
        &world.folder,
        "name = \"R2\"\n",
        "name = \"R2\"\nenabled = false\n",
    );
    edit(&world.folder, "name = \"f.example\"", "name = \"g.example\"");
    edit(&world.folder, "spiffe://f.example", "spiffe://g.example");
    edit(
        &world.folder,
        "[server]\n",
        "[server]\ndrain = \"3s\"\nstreams_max = 7\n",
    );
    edit(&world.folder, "client_id = \"c6\"", "client_id = \"c7\"");
    let answer = reload(&world).await;
    let [event] = world.events("rule.changed").await.try_into().unwrap();
    let expected = json!({
        "digest_before": before,
        "digest_after": digest(&world.folder),
        "rules": { "added": ["R0"], "removed": ["R1"], "changed": ["R2", "R5"] },
        "trust_domains": { "added": ["g.example"], "removed": ["f.example"] },
        "clients": { "added": ["c7"], "removed": ["c6"] },
        "settings": { "added": ["server.drain", "server.streams_max"] },
        "at_next_start": ["server.streams_max"],
    });
    assert_eq!(event["configuration"], expected);
    assert_eq!(answer["configuration"], expected);
    assert!(event["actor"].as_str().unwrap().starts_with("uid:"), "{event}");
    assert_eq!(event["reason"], "incident 7");
    let detail = event["detail"].as_str().unwrap();
    for words in [
        "+1 rule (R0), -1 rule (R1), 2 rules changed (R2, R5), +1 trust domain (g.example)",
        "+2 settings (server.drain, server.streams_max)",
        "server.streams_max changed: takes effect at the next start",
    ] {
        assert!(detail.contains(words), "{words:?} is not in {detail}");
    }
    assert!(
        answer["done"].as_str().unwrap().contains("+1 rule (R0)"),
        "{answer}"
    );
}

#[tokio::test]
async fn reload_of_an_unchanged_configuration_is_answered_and_writes_no_event() {
    let world = world().await;
    let answer = reload(&world).await;
    assert_eq!(answer["done"], "reloaded: nothing changed");
    assert!(world.events("rule.changed").await.is_empty());
    // The digests of the events are a chain: also over a file that was refused, and over a comment.
    let first = digest(&world.folder);
    edit(&world.folder, "issuer = ", "isuer = ");
    let (status, _) = world.try_admin("POST", "/admin/v1/reload", json!({})).await;
    assert_eq!(status, 400);
    edit(&world.folder, "isuer = ", "# As agreed.\nissuer = ");
    let answer = reload(&world).await;
    assert_eq!(
        answer["done"],
        "reloaded: the files changed, but no rule, authority, client or setting"
    );
    let second = digest(&world.folder);
    edit(&world.folder, "# As agreed.\n", "");
    reload(&world).await;
    let told: Vec<Value> = world.events("rule.changed").await;
    let pairs: Vec<[&Value; 2]> = told
        .iter()
        .map(|event| ["digest_before", "digest_after"].map(|member| &event["configuration"][member]))
        .collect();
    let (first, second) = (json!(first), json!(second));
    assert_eq!(pairs, [[&first, &second], [&second, &first]]);
}

#[tokio::test]
async fn key_of_a_configured_client_that_is_replaced_under_the_same_kid_is_named_in_the_event() {
    let world = world().await;
    let other = generate_key(Algorithm::ES256, Some("c6"));
    let jwks = key_set(&[&other]);
    std::fs::write(world.folder.join("c6.json"), jwks.to_string()).unwrap();
    let answer = reload(&world).await;
    assert_eq!(answer["done"], "reloaded: 1 configured client changed (c6)");
    let [event] = world.events("rule.changed").await.try_into().unwrap();
    assert_eq!(event["configuration"]["clients"], json!({ "changed": ["c6"] }));
}

#[tokio::test]
async fn rules_in_another_order_are_a_change() {
    let world = world().await;
    let text = std::fs::read_to_string(world.folder.join(FILE)).unwrap();
    let start = text.find("[[rules]]\nname = \"R2\"").unwrap();
    let end = start + text[start..].find("[[rules]]\nname = \"R3\"").unwrap();
    let moved = format!("{}{}\n{}", &text[..start], &text[end..], &text[start..end]);
    std::fs::write(world.folder.join(FILE), moved).unwrap();
    let answer = reload(&world).await;
    assert_eq!(answer["done"], "reloaded: the order of the rules changed");
    assert_eq!(world.events("rule.changed").await.len(), 1);
}

/// The file of another node may have changed although that of the node that gets the order has not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn order_of_a_node_that_finds_nothing_changed_reaches_the_other_node_and_has_no_event_of_its_own() {
    let (first, _tls) = World::start_over(&postgres().database("quiet_order").unwrap()).await;
    let unwatched = |text: String| text.replacen("[server]\n", "[server]\nwatch = false\n", 1);
    let (second, folder) = first.join_with(unwatched).await;
    let order = async || {
        let body = json!({ "reason": "incident 7" });
        let answer = admin(&first.folder, "/admin/v1/reload", body).await;
        assert_eq!(answer["done"], "reloaded: nothing changed", "{answer}");
    };
    let generation = || second.app.in_force.load().policy.generation;
    edit(&folder, "name = \"R1\"", "name = \"R1\"\nenabled = false");
    order().await;
    until(async || generation() == 2).await;
    until(async || !first.events("rule.changed").await.is_empty()).await;
    // Now nothing changed on either node.
    order().await;
    until(async || generation() == 3).await;
    // The next event follows the second order, so the second order has none.
    edit(&folder, "enabled = false", "enabled = true");
    order().await;
    until(async || first.events("rule.changed").await.len() >= 2).await;
    let told = first.events("rule.changed").await;
    assert_eq!(told.len(), 2, "{told:?}");
    for event in &told {
        assert_eq!(event["configuration"]["rules"], json!({ "changed": ["R1"] }));
        assert!(event["actor"].as_str().unwrap().starts_with("uid:"), "{event}");
        assert_eq!(event["reason"], "incident 7", "{event}");
        let detail = event["detail"].as_str().unwrap();
        assert!(detail.contains("as ordered on another node"), "{detail}");
    }
    second.stop().await;
}
