//! What a token request costs the store.

use crate::world::World;

/// Reads and written batches of one token request that is answered 200.
async fn cost(world: &World, path: &str) -> (u64, u64) {
    let store = &world.running.app.store;
    let (reads, written) = (store.reads(), store.batches_written());
    assert_eq!(world.ask(path, &[]).await.status, 200);
    (store.reads() - reads, store.batches_written() - written)
}

#[tokio::test]
async fn a_client_in_memory_costs_no_read_and_no_write() {
    let world = World::start().await;
    cost(&world, "/x/1").await;
    assert_eq!(cost(&world, "/x/1").await, (0, 0));
}

#[tokio::test]
async fn a_first_use_costs_one_write_and_a_read_only_where_clients_are_mostly_known() {
    let world = World::start().await;
    assert_eq!(cost(&world, "/x/1").await, (0, 1), "guessed");
    let world = world.restart().await;
    assert_eq!(
        cost(&world, "/x/1").await,
        (1, 0),
        "guessed wrong: known from the store"
    );
    assert_eq!(cost(&world, "/x/2").await, (1, 1), "not guessed any more");
    assert_eq!(cost(&world, "/x/2").await, (0, 0));
}
