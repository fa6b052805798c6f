//! Verifiable credentials on two nodes with one PostgreSQL: what one node accepted, the other refuses to accept again,
//! and what an issuer withdrew is refused by both.

use super::status::{Lists, OUTBOUND};
use super::{AGENT, AGENTS, CLIENT, INVALID, ISSUER, RULES_OF_CREDENTIALS, Site, VCT};
use crate::nodes::{postgres, until};
use crate::world::{MutualTls, World, assert_granted, assert_refused};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_server::Running;
use testudo_testkit::assertion_form;
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::web::DocumentServer;

/// What an administrator did at one node applies at the other within this time.
const ANNOUNCED: Duration = Duration::from_secs(1);

/// Two nodes that trust the issuers of [`Site`], and the publisher of status lists.
struct TwoNodes {
    /// The first node is that of the site.
    lists: Lists,
    tls: MutualTls,
    second: Running,
}

impl TwoNodes {
    async fn start(name: &str) -> TwoNodes {
        let (world, tls) = World::start_over(&postgres().database(name).unwrap()).await;
        let web = DocumentServer::start(super::status::HOST).await;
        let mut lists = Lists {
            site: Site::of_world(world),
            web,
        };
        lists.write_roots();
        let site = &lists.site;
        site.world.write_keys("agents", &[&site.issuer]);
        for name in ["papers", "loose", "copies"] {
            site.world.write_keys(name, &[&site.others]);
        }
        let path = site.world.folder.join("testudo.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let more = format!("{OUTBOUND}{}{RULES_OF_CREDENTIALS}", lists.issuers(""));
        std::fs::write(&path, format!("{text}\n{more}")).unwrap();
        lists.site.world = lists.site.world.restart().await;
        let (second, _) = lists.site.world.join().await;
        TwoNodes { lists, tls, second }
    }

    fn node(&self, node: usize) -> SocketAddr {
        [self.lists.site.world.address(), self.second.addresses[0]][node]
    }

    /// Time passes at both nodes.
    fn later(&self, seconds: i64) {
        self.lists.later(seconds);
        self.second.app.clock.shift(seconds);
    }

    async fn nonce(&self, node: usize) -> String {
        let mut connection = self.tls.connect(self.node(node), None).await.unwrap();
        let answer = connection.send("POST", "/challenge", &[], "").await;
        answer.json()["registration_nonce"].as_str().unwrap().to_owned()
    }

    /// The credential with a proof of this holder, with a nonce of the first node.
    async fn held(&self, credential: &Draft<'_>, holder: &SigningKey) -> String {
        let nonce = self.nonce(0).await;
        held_with(credential, holder, &nonce, self.lists.site.now())
    }

    async fn register(&self, node: usize, statement: &str) -> Answer {
        register(&self.tls, self.node(node), statement).await
    }

    /// A token request of the client with this key.
    async fn ask(&self, node: usize, key: &SigningKey, jti: &str) -> Answer {
        let assertion = Draft::assertion(key, CLIENT, ISSUER, jti, self.lists.site.now());
        let mut connection = self.tls.connect(self.node(node), None).await.unwrap();
        connection
            .post("/token", assertion_form(&assertion.sign(), &[]))
            .await
    }

    /// Registers at the first node with a credential whose status is entry 0 of the list `/1`, which both nodes then have in
    /// memory: the first one since this moment, the second one for 40 seconds less.
    async fn registered_with_a_list(&self) {
        let lists = &self.lists;
        lists.publish("/1", &[0]);
        let credential = lists.site.sd_jwt_vc().claim("status", lists.status("/1", 0));
        let statement = self.held(&credential, &lists.site.holder).await;
        let answer = self.register(0, &statement).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_granted(&self.ask(0, &lists.site.holder, "first").await, "first node");
        self.later(40);
        assert_granted(&self.ask(1, &lists.site.holder, "second").await, "second node");
        assert_eq!(lists.web.take_requests().len(), 2, "one fetch of each node");
    }
}

fn held_with(credential: &Draft<'_>, holder: &SigningKey, nonce: &str, now: i64) -> String {
    let sd_jwt = Site::bare(credential, &[]);
    let proof = Draft::key_binding(holder, &sd_jwt, ISSUER, nonce, now);
    format!("{sd_jwt}{}", proof.sign())
}

async fn register(tls: &MutualTls, node: SocketAddr, statement: &str) -> Answer {
    let body = json!({ "software_statement": statement }).to_string();
    let mut connection = tls.connect(node, None).await.unwrap();
    let headers = [("content-type", "application/json")];
    connection.send("POST", "/register", &headers, body).await
}

// Rows SD-17, VC-22.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nonce_of_one_node_is_good_on_the_other_and_a_proof_used_on_one_is_refused_on_the_other() {
    let two = TwoNodes::start("credential_proofs").await;
    let site = &two.lists.site;
    let nonce = two.nonce(0).await;
    let by_nonce = |iat: i64| held_with(&site.sd_jwt_vc(), &site.holder, &nonce, iat);
    let statement = by_nonce(site.now());
    let answer = two.register(1, &statement).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    // The first node issued the nonce, and the second one noted its use.
    for (case, sent) in [
        ("the same proof", &statement),
        ("another", &by_nonce(site.now() - 1)),
    ] {
        for node in [0, 1] {
            let again = two.register(node, sent).await;
            Site::assert_refused(&again, INVALID, case);
            assert_eq!(
                site.world.reason_of(&again).await,
                "holder_proof_replayed",
                "{case}"
            );
        }
    }
    let next = two.held(&site.sd_jwt_vc(), &site.holder).await;
    let (first, second) = (two.node(0), two.node(1));
    let racers = (0..32).map(|number| register(&two.tls, [first, second][number % 2], &next));
    let answers = all(racers.collect()).await;
    let accepted = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(accepted, 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        Site::assert_refused(answer, INVALID, "at the same moment");
    }
    two.second.stop().await;
}

/// Waits for all of them at the same time.
async fn all<F: Future<Output = Answer>>(requests: Vec<F>) -> Vec<Answer> {
    let mut requests: Vec<_> = requests.into_iter().map(Box::pin).collect();
    let mut answers = Vec::new();
    std::future::poll_fn(|context| {
        requests.retain_mut(|request| match request.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        match requests.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    answers
}

// Row VC-24.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn key_that_a_newer_credential_replaced_at_one_node_is_refused_on_the_other_within_a_second() {
    let two = TwoNodes::start("credential_rotation").await;
    let site = &two.lists.site;
    let older = site
        .sd_jwt_vc()
        .claim("iat", site.now() - 10)
        .claim("exp", site.now() + 600);
    let old_statement = two.held(&older, &site.holder).await;
    assert_eq!(two.register(0, &old_statement).await.status, 201);
    // Both nodes remember the client with its first key.
    for node in [0, 1] {
        assert_granted(
            &two.ask(node, &site.holder, &format!("old {node}")).await,
            "old key",
        );
    }
    let new_key = generate_key(Algorithm::ES256, None);
    let newer = Draft::sd_jwt_vc(&site.issuer, [AGENTS, VCT, AGENT], &new_key, site.now());
    let answer = two.register(0, &two.held(&newer, &new_key).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let mut tries = 0;
    let took = until(async || {
        tries += 1;
        two.ask(1, &site.holder, &format!("old again {tries}"))
            .await
            .error()
            == "invalid_client"
    })
    .await;
    assert!(took < ANNOUNCED, "{took:?}");
    for node in [0, 1] {
        let refused = two.ask(node, &site.holder, &format!("old last {node}")).await;
        assert_refused(&refused, "invalid_client", "old key");
        assert_granted(&two.ask(node, &new_key, &format!("new {node}")).await, "new key");
    }
    // The older credential does not bring its key back at the node that did not see the newer one.
    let again = two.register(1, &two.held(&older, &site.holder).await).await;
    assert_eq!(again.status, 201, "{again:?}");
    let refused = two.ask(1, &site.holder, "old at the end").await;
    assert_refused(&refused, "invalid_client", "old key");
    two.second.stop().await;
}

// Row VC-34.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn revocation_is_seen_by_a_node_that_is_asked_alone_when_the_ttl_of_its_list_is_over() {
    let two = TwoNodes::start("credential_lists").await;
    let (world, holder) = (&two.lists.site.world, &two.lists.site.holder);
    two.registered_with_a_list().await;
    two.lists.publish("/1", &[1]);
    two.later(59);
    assert_granted(&two.ask(1, holder, "within the ttl").await, "within the ttl");
    assert!(two.lists.web.take_requests().is_empty());
    two.later(1);
    let revoked = two.ask(1, holder, "over").await;
    assert_refused(&revoked, "invalid_client", "the ttl is over");
    assert_eq!(world.reason_of(&revoked).await, "credential_revoked");
    assert_eq!(two.lists.web.take_requests().len(), 1);
    two.second.stop().await;
}

// Row VC-34.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn client_that_one_node_froze_for_a_revocation_is_refused_on_the_other_before_its_list_is_old() {
    let two = TwoNodes::start("credential_freezes").await;
    let (world, holder) = (&two.lists.site.world, &two.lists.site.holder);
    two.registered_with_a_list().await;
    two.lists.publish("/1", &[1]);
    two.later(20);
    assert_granted(
        &two.ask(1, holder, "before").await,
        "the list of the second node is fresh",
    );
    let revoked = two.ask(0, holder, "first node").await;
    assert_refused(&revoked, "invalid_client", "the list of the first node is old");
    assert_eq!(world.reason_of(&revoked).await, "credential_revoked");
    let (mut tries, mut last) = (0, None);
    let took = until(async || {
        tries += 1;
        let answer = two.ask(1, holder, &format!("after {tries}")).await;
        let is_refused = answer.status != 200;
        last = Some(answer);
        is_refused
    })
    .await;
    assert!(took < ANNOUNCED, "{took:?}");
    let refused = last.unwrap();
    assert_refused(&refused, "invalid_client", "frozen");
    assert_eq!(world.reason_of(&refused).await, "client_frozen");
    assert_eq!(
        two.lists.web.take_requests().len(),
        1,
        "the second node fetched nothing"
    );
    assert_eq!(world.events("client.frozen").await.len(), 1);
    two.second.stop().await;
}
