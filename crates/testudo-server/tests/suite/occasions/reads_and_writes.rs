//! Tests of the number of store reads and writes of a token request.

use crate::world::World;

/// Reads and written batches of one token request that is answered with 200.
async fn cost(world: &World, path: &str) -> (u64, u64) {
    let store = &world.running.app.store;
    let (reads, written) = (store.reads(), store.batches_written());
    assert_eq!(world.ask(path, &[]).await.status, 200);
    (store.reads() - reads, store.batches_written() - written)
}

#[tokio::test]
async fn token_request_of_a_client_in_memory_reads_and_writes_nothing() {
    let world = World::start().await;
    cost(&world, "/x/1").await;
    assert_eq!(cost(&world, "/x/1").await, (0, 0));
}

#[tokio::test]
async fn first_use_writes_once_and_reads_only_if_recent_clients_were_mostly_known() {
    let world = World::start().await;
    assert_eq!(cost(&world, "/x/1").await, (0, 1), "guessed");
    let world = world.restart().await;
    assert_eq!(
        cost(&world, "/x/1").await,
        (1, 0),
        "the guess that the client is new was wrong, so it is read from the store"
    );
    assert_eq!(
        cost(&world, "/x/2").await,
        (1, 1),
        "after a wrong guess the store is read first"
    );
    assert_eq!(cost(&world, "/x/2").await, (0, 0));
}
