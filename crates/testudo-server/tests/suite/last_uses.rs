//! Tests of writing the last uses of clients: fast enough before a stop, and without overwriting later changes of a
//! client.

use crate::nodes::postgres;
use crate::world::{MutualTls, World};
use std::sync::Arc;
use std::time::Instant;
use testudo_core::CredentialKind;
use testudo_core::records::{Batch, Client, ClientState, Kind, Record as _, Versioned, client_key};
use testudo_server::App;
use testudo_server::client_records::flush_last_used;
use testudo_server::state::clients::CachedClient;
use testudo_store::LIST_MAX;
use testudo_testkit::svid_form;

/// Clients in the store and in memory, copies of the first one, all just used.
async fn used(world: &World, tls: Option<&MutualTls>, number: usize) -> Vec<Arc<CachedClient>> {
    let app = &world.running.app;
    let mut connection = match tls {
        Some(tls) => tls.connect(world.address(), None).await.unwrap(),
        None => world.connect().await,
    };
    let form = svid_form(&world.svid("/x/0"), &[]);
    assert_eq!(connection.post("/token", form).await.status, 200);
    let key = client_key("spiffe://a.example", "spiffe://a.example/x/0");
    let first = app.store.read::<Client>(&key).await.unwrap().unwrap().record;
    let clients: Vec<Client> = (1..=number)
        .map(|at| Client {
            subject: format!("spiffe://a.example/x/{at}"),
            client_id: format!("spiffe://a.example/x/{at}"),
            ..first.clone()
        })
        .collect();
    for chunk in clients.chunks(1_000) {
        let mut batch = Batch::default();
        chunk.iter().for_each(|client| batch.insert(client));
        app.store.commit(batch).await.unwrap();
    }
    app.clock.shift(60);
    let ticket = app.memory.clients.ticket();
    let file = |client: Client| {
        let key = client.key();
        let stored = Versioned {
            record: client,
            version: 1,
        };
        let known = app.memory.clients.file(key, stored, ticket);
        app.memory
            .clients
            .note_use(&known, CredentialKind::X509Svid, app.now());
        known
    };
    clients.into_iter().map(file).collect()
}

/// All stored clients.
async fn stored(app: &App) -> Vec<Client> {
    let mut all = Vec::new();
    let mut after = Vec::new();
    loop {
        let page = app.store.list(Kind::Client, &after, LIST_MAX).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = last.key.clone();
        all.extend(
            page.into_iter()
                .map(|stored| testudo_store::typed::<Client>(stored).unwrap().record),
        );
    }
}

async fn flush_all(world: &World, tls: Option<&MutualTls>, number: usize) {
    let app = &world.running.app;
    let start = app.now();
    used(world, tls, number).await;
    let before = app.store.batches_written();
    let started = Instant::now();
    flush_last_used(app).await;
    let took = started.elapsed();
    let batches = app.store.batches_written() - before;
    println!(
        "flush of {number} last uses on {}: {took:?}, {batches} batches",
        app.store.engine_name()
    );
    let written = stored(app).await;
    let of_today = written.iter().filter(|client| {
        client.last_used >= start + testudo_protocol::Seconds(60)
            && client.last_credential == CredentialKind::X509Svid
    });
    assert_eq!(of_today.count(), number);
    assert!(
        batches <= number as u64 / 100 + 1,
        "{batches} batches for {number} uses"
    );
}

#[tokio::test]
async fn a_hundred_thousand_last_uses_are_written_in_batches() {
    let world = World::start().await;
    flush_all(&world, None, 100_000).await;
}

#[tokio::test]
async fn a_hundred_thousand_last_uses_are_written_in_batches_to_postgresql() {
    let (world, tls) = World::start_over(&postgres().database("last_uses").unwrap()).await;
    flush_all(&world, Some(&tls), 100_000).await;
}

async fn freeze(app: &App, client: &Client) {
    let key = client.key();
    loop {
        let stored = app.store.read::<Client>(&key).await.unwrap().unwrap();
        let mut batch = Batch::default();
        let frozen = Client {
            state: ClientState::Frozen,
            ..stored.record
        };
        batch.replace(&frozen, stored.version);
        if app.store.commit(batch).await.is_ok() {
            return;
        }
    }
}

/// Freezes between the read and the write of a flush must not be lost.
async fn no_change_is_lost(world: &World, tls: Option<&MutualTls>) {
    let app = world.running.app.clone();
    let clients = used(world, tls, 3_000).await;
    let frozen: Vec<Client> = clients
        .iter()
        .step_by(7)
        .map(|known| known.stored.record.clone())
        .collect();
    let freezing = {
        let (app, frozen) = (app.clone(), frozen.clone());
        tokio::spawn(async move {
            for client in &frozen {
                freeze(&app, client).await;
            }
        })
    };
    flush_last_used(&app).await;
    freezing.await.unwrap();
    for client in stored(&app).await {
        let is_frozen = frozen.iter().any(|frozen| frozen.subject == client.subject);
        assert_eq!(
            client.state == ClientState::Frozen,
            is_frozen,
            "{}",
            client.subject
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_loses_no_concurrent_change() {
    no_change_is_lost(&World::start().await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_to_postgresql_loses_no_concurrent_change() {
    let (world, tls) = World::start_over(&postgres().database("last_uses_race").unwrap()).await;
    no_change_is_lost(&world, Some(&tls)).await;
}

#[tokio::test]
async fn earlier_use_does_not_replace_a_later_one() {
    let world = World::start().await;
    let app = &world.running.app;
    let known = used(&world, None, 1).await.remove(0);
    let key = known.stored.record.key();
    let later = app.now() + testudo_protocol::Seconds(5);
    let mut batch = Batch::default();
    let elsewhere = Client {
        last_used: later,
        last_credential: CredentialKind::JwtSvid,
        ..known.stored.record.clone()
    };
    batch.replace(&elsewhere, 1);
    app.store.commit(batch).await.unwrap();
    flush_last_used(app).await;
    let stored = app.store.read::<Client>(&key).await.unwrap().unwrap().record;
    assert_eq!(
        (stored.last_used, stored.last_credential),
        (later, CredentialKind::JwtSvid)
    );
}

#[tokio::test]
async fn uses_that_could_not_be_written_are_written_by_the_next_flush() {
    let world = World::start().await;
    let app = &world.running.app;
    let clients = used(&world, None, 2).await;
    let dirty = app.memory.clients.take_dirty();
    assert_eq!(dirty.len(), 2);
    // The store did not answer, and one of the clients is used again meanwhile.
    app.clock.shift(10);
    app.memory
        .clients
        .note_use(&clients[0], CredentialKind::X509Svid, app.now());
    app.memory.clients.take_back(&dirty);
    assert_eq!(
        app.memory.clients.take_dirty().len(),
        2,
        "each client must be in the list once"
    );
    app.memory.clients.take_back(&dirty);
    flush_last_used(app).await;
    for client in stored(app)
        .await
        .iter()
        .filter(|client| !client.subject.ends_with("/0"))
    {
        assert_eq!(
            client.last_credential,
            CredentialKind::X509Svid,
            "{}",
            client.subject
        );
    }
}
