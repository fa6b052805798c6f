//! Proofs and nonces on several nodes, and on many connections at once.

use super::{PAY, URI, key, send, thumbprint};
use crate::nodes::postgres;
use crate::world::{World, assert_one_is_granted};
use testudo_testkit::svid_form;
use testudo_testkit::token::{Draft, claims};

// Row G-06.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nonce_of_one_node_is_good_on_the_other_and_a_proof_used_on_one_is_refused_on_the_other() {
    let (mut world, tls) = World::start_over(&postgres().database("dpop_nodes").unwrap()).await;
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n[tokens]\ndpop_nonce = \"required\"\n")).unwrap();
    world = world.restart().await;
    let (second, _) = world.join().await;
    let key = key();
    let ask = async |node: std::net::SocketAddr, proof: String| {
        let mut connection = tls.connect(node, None).await.unwrap();
        send(&mut connection, svid_form(&world.svid(PAY), &[]), &[&proof]).await
    };
    let draft = |jti: &str| Draft::dpop(&key, URI, jti, world.now());
    let refused = ask(world.address(), draft("a").sign()).await;
    assert_eq!(refused.error(), "use_dpop_nonce");
    let nonce = refused.header("dpop-nonce").unwrap().to_owned();
    let proof = draft("b").claim("nonce", nonce).sign();
    let answer = ask(second.addresses[0], proof.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(claims(&answer.access_token())["cnf"]["jkt"], thumbprint(&key));
    for node in [world.address(), second.addresses[0]] {
        assert_eq!(ask(node, proof.clone()).await.error(), "invalid_dpop_proof");
    }
    second.stop().await;
}

// Row J-18.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_proof_on_64_connections_at_once_gets_exactly_one_token() {
    let world = World::start().await;
    let key = key();
    for path in [PAY, "/x/new"] {
        let proof = Draft::dpop(&key, URI, path, world.now()).sign();
        let request = (vec![("DPoP", proof)], svid_form(&world.svid(path), &[]));
        let answers = world.at_once(vec![request; 64]).await;
        assert_one_is_granted(&answers, "invalid_dpop_proof", path);
    }
}
