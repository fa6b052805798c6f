//! Tests what an attacker with write access to the database can change in the row of a registered client, which is not
//! encrypted, as `docs/operations/postgresql.md` describes it.

use super::open::{joined, jwks, key, wide_open};
use super::*;
use testudo_core::records::{Batch, Client, Kind};

#[tokio::test]
async fn attacker_with_database_access_can_replace_the_keys_of_a_registered_client_but_not_extend_its_scope()
{
    let world = wide_open().await;
    let (own, other) = (key(), key());
    let body = json!({ "jwks": jwks(&own), "grant_types": ["client_credentials"] });
    let id = joined(&world, body).await["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let refused = Draft::assertion(&other, &id, ISSUER, "1", world.now());
    assert_eq!(world.ask_with(refused, &[]).await.error(), "invalid_client");
    let store = &world.running.app.store;
    let row = store.list(Kind::Client, b"", 2).await.unwrap().remove(0);
    let mut client = store.read::<Client>(&row.key).await.unwrap().unwrap();
    client.record.metadata.jwks = Some(jwks(&other));
    client.record.metadata.scope = Some("admin.write open.read".into());
    let mut batch = Batch::default();
    batch.replace(&client.record, client.version);
    store.commit(batch).await.unwrap();
    // The restart removes the client from memory.
    let world = world.restart().await;
    let as_writer = |jti: &str| Draft::assertion(&other, &id, ISSUER, jti, world.now());
    let answer = world.ask_with(as_writer("2"), &[("scope", "open.write")]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(claims(&answer.access_token())["client_id"], json!(id));
    // The scope is limited by the rule, which is in the configuration.
    let raised = world.ask_with(as_writer("3"), &[("scope", "admin.write")]).await;
    assert_eq!(raised.error(), "invalid_scope");
}
