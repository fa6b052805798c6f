//! Challenges and proofs on two nodes with one PostgreSQL.

use super::{ATTESTERS, Attested, ICA, RULES_OF_ATTESTERS, assert_granted, assert_refused};
use crate::nodes::postgres;
use crate::world::{MutualTls, TokenRequest, World, assert_one_is_granted};
use std::net::SocketAddr;
use std::sync::Arc;
use testudo_protocol::jose::Algorithm;
use testudo_server::Running;
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::{form, generate_key, svid_form};
use tokio::sync::Barrier;

/// Two nodes that trust the attesters of [`Attested`].
struct TwoNodes {
    attested: Attested,
    tls: Arc<MutualTls>,
    second: Running,
}

impl TwoNodes {
    async fn start(name: &str) -> TwoNodes {
        let (world, tls) = World::start_over(&postgres().database(name).unwrap()).await;
        let path = world.folder.join("testudo.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}\n{ATTESTERS}{RULES_OF_ATTESTERS}")).unwrap();
        let [at1, at2] = ["at1-key", "at2-key"].map(|kid| generate_key(Algorithm::ES256, Some(kid)));
        world.write_keys("at1", &[&at1]);
        world.write_keys("at2", &[&at2]);
        let world = world.restart().await;
        let (second, _) = world.join().await;
        TwoNodes {
            attested: Attested {
                world,
                at1,
                at2,
                key: generate_key(Algorithm::ES256, None),
            },
            tls: Arc::new(tls),
            second,
        }
    }

    fn nodes(&self) -> [SocketAddr; 2] {
        [self.attested.world.address(), self.second.addresses[0]]
    }

    async fn ask(&self, node: usize, request: TokenRequest) -> Answer {
        send(&self.tls, self.nodes()[node], request, None).await
    }

    /// Sends one request on 64 connections at once, half of them to each node.
    async fn at_once(&self, request: TokenRequest) -> Vec<Answer> {
        let gate = Arc::new(Barrier::new(64));
        let nodes = self.nodes();
        let racers: Vec<_> = (0..64)
            .map(|number| {
                let (tls, gate, request) = (self.tls.clone(), gate.clone(), request.clone());
                tokio::spawn(async move { send(&tls, nodes[number % 2], request, Some(&gate)).await })
            })
            .collect();
        let mut answers = Vec::new();
        for racer in racers {
            answers.push(racer.await.unwrap());
        }
        answers
    }

    /// A request of the attester that requires challenges.
    fn by_pop(&self, jti: &str, challenge: Option<&str>) -> TokenRequest {
        let pop = self.attested.pop(jti);
        let pop = match challenge {
            Some(challenge) => pop.claim("challenge", challenge),
            None => pop,
        };
        self.request(("OAuth-Client-Attestation-PoP", pop.sign()))
    }

    fn combined(&self, jti: &str, nonce: Option<&str>) -> TokenRequest {
        let proof = self.attested.dpop(&self.attested.key, jti);
        let proof = match nonce {
            Some(nonce) => proof.claim("nonce", nonce),
            None => proof,
        };
        self.request(("DPoP", proof.sign()))
    }

    fn request(&self, proof: (&'static str, String)) -> TokenRequest {
        let attested = &self.attested;
        let attestation = Draft::attestation(&attested.at2, "c7", &attested.key, attested.world.now());
        let fields = vec![("OAuth-Client-Attestation", attestation.sign()), proof];
        (fields, form(&[("grant_type", "client_credentials")]))
    }
}

async fn send(tls: &MutualTls, node: SocketAddr, request: TokenRequest, gate: Option<&Barrier>) -> Answer {
    let (fields, form) = request;
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
    let mut connection = tls.connect(node, None).await.unwrap();
    if let Some(gate) = gate {
        gate.wait().await;
    }
    connection.send("POST", "/token", &headers, form).await
}

// Row F-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn challenge_of_one_node_is_good_on_the_other_and_a_proof_used_on_one_is_refused_on_the_other() {
    let two = TwoNodes::start("attestation_nodes").await;
    let refused = two.ask(0, two.by_pop("a", None)).await;
    assert_refused(&refused, "use_attestation_challenge", "no challenge");
    let challenge = refused.header("oauth-client-attestation-challenge").unwrap();
    let mut connection = two.tls.connect(two.nodes()[0], None).await.unwrap();
    let offered = connection.send("POST", "/challenge", &[], "").await;
    let body = offered.json();
    let of_endpoint = body["attestation_challenge"].as_str().unwrap();
    for (jti, challenge) in [("1", challenge), ("2", of_endpoint)] {
        let request = two.by_pop(jti, Some(challenge));
        assert_granted(&two.ask(1, request.clone()).await, "of the other node");
        for node in [0, 1] {
            assert_refused(&two.ask(node, request.clone()).await, ICA, "used before");
        }
    }
    let refused = two.ask(0, two.combined("a", None)).await;
    assert_refused(&refused, "use_dpop_nonce", "combined, no nonce");
    for (jti, answer) in [("3", &refused), ("4", &offered)] {
        let request = two.combined(jti, answer.header("dpop-nonce"));
        assert_granted(&two.ask(1, request.clone()).await, "nonce of the other node");
        for node in [0, 1] {
            let answer = two.ask(node, request.clone()).await;
            assert_refused(&answer, "invalid_dpop_proof", "used before");
        }
    }
    two.second.stop().await;
}

// Row J-18.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_proof_on_64_connections_to_two_nodes_at_once_gets_exactly_one_token() {
    let two = TwoNodes::start("proof_races").await;
    let world = &two.attested.world;
    let nonces = two.ask(0, two.combined("a", None)).await;
    let nonce = nonces.header("dpop-nonce").unwrap();
    let challenges = two.ask(0, two.by_pop("a", None)).await;
    let challenge = challenges.header("oauth-client-attestation-challenge").unwrap();
    let other = generate_key(Algorithm::ES256, None);
    let independent = two.attested.dpop(&other, "1").sign();
    let by_svid = (vec![("DPoP", independent)], svid_form(&world.svid("/x/1"), &[]));
    for (request, code, case) in [
        (by_svid, "invalid_dpop_proof", "DPoP"),
        (two.by_pop("1", Some(challenge)), ICA, "PoP"),
        (two.combined("1", Some(nonce)), "invalid_dpop_proof", "combined"),
    ] {
        assert_one_is_granted(&two.at_once(request).await, code, case);
    }
    let again = two.by_pop("2", Some(challenge));
    assert_one_is_granted(&two.at_once(again).await, ICA, "PoP of a known client");
    two.second.stop().await;
}
