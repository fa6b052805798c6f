//! WIT-SVIDs on several nodes.

use super::{POP, WIT, Wits, send};
use crate::attestation::ICA;
use crate::nodes::postgres;
use crate::world::{World, assert_granted, assert_refused};

// Row F-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn challenge_of_one_node_is_good_on_the_other_and_a_pop_used_on_one_is_refused_on_the_other() {
    let (world, tls) = World::start_over(&postgres().database("wit_nodes").unwrap()).await;
    let wits = Wits::beside_certificates(world, "required").await;
    let (second, _) = wits.world.join().await;
    let wit = wits.wit().sign();
    let ask = async |node: std::net::SocketAddr, pop: &str| {
        let mut connection = tls.connect(node, None).await.unwrap();
        send(&mut connection, &[(WIT, &wit), (POP, pop)], &[]).await
    };
    let refused = ask(wits.world.address(), &wits.pop("1").sign()).await;
    assert_refused(&refused, "use_attestation_challenge", "no challenge");
    let challenge = refused.header("oauth-client-attestation-challenge").unwrap();
    let pop = wits.pop("2").claim("challenge", challenge).sign();
    assert_granted(&ask(second.addresses[0], &pop).await, "the other node");
    for node in [wits.world.address(), second.addresses[0]] {
        assert_refused(&ask(node, &pop).await, ICA, "used");
    }
    let next = wits.pop("3").claim("challenge", challenge).sign();
    assert_granted(&ask(wits.world.address(), &next).await, "a new PoP");
    second.stop().await;
}
