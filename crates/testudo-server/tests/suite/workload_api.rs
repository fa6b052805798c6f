//! Tests of bundles from a Workload API, with good answers and with errors.

use crate::world::{ISSUER, World};
use serde_json::{Value, json};
use std::path::PathBuf;
use testudo_testkit::workload_api::{FakeWorkloadApi, Offer};
use testudo_testkit::x509::X509Issuer;
use testudo_testkit::{TestIssuer, svid_form};

const NAME: &str = "z.example";

struct Agent {
    api: FakeWorkloadApi,
    issuer: TestIssuer,
    x509: X509Issuer,
    socket: PathBuf,
}

impl Agent {
    fn start() -> Agent {
        let socket = testudo_testkit::scratch::folder("agent").join("agent.sock");
        let (issuer, x509) = (TestIssuer::new(NAME), X509Issuer::new(NAME));
        let api = FakeWorkloadApi::start(&socket, Offer::Status(14), Offer::Status(14));
        let agent = Agent {
            api,
            issuer,
            x509,
            socket,
        };
        agent.api.offers(agent.jwt(), agent.certificates());
        agent
    }

    fn jwt(&self) -> Offer {
        let keys = self.issuer.bundle()["keys"].clone();
        let jwks = json!({ "keys": keys }).to_string().into_bytes();
        Offer::Bundles(vec![(NAME.into(), jwks)])
    }

    fn certificates(&self) -> Offer {
        Offer::Bundles(vec![(NAME.into(), self.x509.der().to_vec())])
    }

    async fn world(&self) -> World {
        let domain = format!(
            "[[trust_domains]]\nname = \"{NAME}\"\nbundle = {{ workload_api = \"unix://{}\" }}\n\
             credentials = [\"jwt_svid\", \"x509_svid\"]\n",
            self.socket.display()
        );
        let rules = "[[rules]]\nname = \"Z\"\nidentities = [\"spiffe://z.example/w/*\"]\n";
        World::start_with(&domain, rules).await
    }
}

async fn shown(world: &World) -> Value {
    world.admin("GET", "/admin/v1/trust/z.example", Value::Null).await
}

async fn refresh(world: &World) -> u16 {
    world
        .try_admin("POST", "/admin/v1/trust/z.example/refresh", json!({}))
        .await
        .0
}

#[tokio::test]
async fn answers_of_a_failing_agent_do_not_remove_authorities() {
    let agent = Agent::start();
    let world = agent.world().await;
    let before = shown(&world).await;
    assert_eq!(before["x509_authorities"], 1, "{before}");
    assert_eq!(before["jwt_keys"].as_array().map(Vec::len), Some(1), "{before}");
    let nothing = || Offer::Bundles(vec![(NAME.into(), b"{\"keys\":[]}".to_vec())]);
    let others = || Offer::Bundles(vec![("other.example".into(), b"{\"keys\":[]}".to_vec())]);
    let no_certificates = || Offer::Bundles(vec![(NAME.into(), Vec::new())]);
    for (what, jwt, x509) in [
        ("X.509 unavailable", agent.jwt(), Offer::Status(14)),
        ("X.509 not permitted", agent.jwt(), Offer::Status(7)),
        ("X.509 is no longer offered", agent.jwt(), Offer::Status(12)),
        ("X.509 empty", agent.jwt(), no_certificates()),
        (
            "X.509 of others",
            agent.jwt(),
            Offer::Bundles(vec![("other.example".into(), agent.x509.der().to_vec())]),
        ),
        ("JWT unavailable", Offer::Status(14), agent.certificates()),
        ("JWT empty", nothing(), agent.certificates()),
        ("both empty", nothing(), no_certificates()),
        ("both have only other trust domains", others(), no_certificates()),
    ] {
        agent.api.offers(jwt, x509);
        assert_eq!(refresh(&world).await, 502, "{what}");
        let now = shown(&world).await;
        assert_eq!(now["x509_authorities"], 1, "{what}: {now}");
        assert_eq!(now["jwt_keys"], before["jwt_keys"], "{what}");
        assert_eq!(now["state"], "stale", "{what}");
        let svid = agent.issuer.svid("/w/1", ISSUER, world.now());
        assert_eq!(world.send(&svid_form(&svid, &[])).await.status, 200, "{what}");
    }
    agent.api.offers(agent.jwt(), agent.certificates());
    assert_eq!(refresh(&world).await, 200);
    assert_eq!(shown(&world).await["state"], "fresh");
}

// Row FED-07.
#[tokio::test]
async fn trust_domain_that_the_agent_lists_no_more_beside_another_one_is_refused_at_once() {
    let agent = Agent::start();
    let world = agent.world().await;
    let svid = agent.issuer.svid("/w/1", ISSUER, world.now());
    let ask = async || world.send(&svid_form(&svid, &[])).await;
    assert_eq!(ask().await.status, 200);
    let other = "other.example".to_owned();
    let (tokens, x509) = (TestIssuer::new(&other), X509Issuer::new(&other));
    let jwt = Offer::Bundles(vec![(other.clone(), tokens.bundle().to_string().into_bytes())]);
    let certificates = Offer::Bundles(vec![(other, x509.der().to_vec())]);
    // While one of the calls fails, the agent may only have started.
    agent.api.offers(jwt.clone(), Offer::Status(14));
    assert_eq!(refresh(&world).await, 502);
    assert_eq!(ask().await.status, 200);
    agent.api.offers(jwt, certificates);
    assert_eq!(refresh(&world).await, 200);
    let answer = ask().await;
    assert_eq!(
        (answer.status, answer.error()),
        (400, "invalid_client".to_owned())
    );
    let now = shown(&world).await;
    assert_eq!(
        (&now["state"], &now["keys"]),
        (&json!("fresh"), &json!([])),
        "{now}"
    );
    let updated = world.events("authority.bundle_updated").await;
    let detail = updated.last().unwrap()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("no keys"), "{detail}");
    // The federation begins again.
    agent.api.offers(agent.jwt(), agent.certificates());
    assert_eq!(refresh(&world).await, 200);
    assert_eq!(ask().await.status, 200);
}

#[tokio::test]
async fn trust_domain_has_no_bundle_while_the_agent_has_failed_since_the_start() {
    let agent = Agent::start();
    agent.api.offers(agent.jwt(), Offer::Status(14));
    let world = agent.world().await;
    assert_eq!(shown(&world).await["state"], "none");
    let svid = agent.issuer.svid("/w/1", ISSUER, world.now());
    let answer = world.send(&svid_form(&svid, &[])).await;
    assert_eq!(answer.status, 503, "the client may retry: {answer:?}");
    agent.api.offers(agent.jwt(), agent.certificates());
    assert_eq!(refresh(&world).await, 200);
    assert_eq!(world.send(&svid_form(&svid, &[])).await.status, 200);
}

#[tokio::test]
async fn agent_that_offers_only_one_kind_of_authorities_is_used_for_that_kind() {
    let agent = Agent::start();
    agent.api.offers(agent.jwt(), Offer::Status(12));
    let world = agent.world().await;
    let now = shown(&world).await;
    assert_eq!(
        (&now["state"], &now["x509_authorities"]),
        (&json!("fresh"), &json!(0))
    );
}

/// Longer than the maximum age of a bundle, seconds.
const TOO_OLD: i64 = 90 * 86_400;

#[tokio::test]
async fn removal_of_the_last_jwt_authority_applies_once_the_held_bundle_is_too_old() {
    let agent = Agent::start();
    let world = agent.world().await;
    agent.api.offers(Offer::Status(12), agent.certificates());
    assert_eq!(refresh(&world).await, 502);
    let svid = agent.issuer.svid("/w/1", ISSUER, world.now());
    assert_eq!(world.send(&svid_form(&svid, &[])).await.status, 200, "held");
    world.running.app.clock.shift(TOO_OLD);
    assert_eq!(refresh(&world).await, 200);
    let now = shown(&world).await;
    assert_eq!(
        (&now["state"], &now["jwt_keys"]),
        (&json!("fresh"), &json!([])),
        "{now}"
    );
    assert_eq!(now["x509_authorities"], 1, "{now}");
}

#[tokio::test]
async fn administrator_accepts_the_removal_of_the_last_authority_of_a_kind_at_once() {
    let agent = Agent::start();
    let world = agent.world().await;
    let accept = "/admin/v1/trust/z.example/accept";
    let no_certificates = || Offer::Bundles(vec![(NAME.into(), Vec::new())]);
    let no_keys = || Offer::Bundles(vec![(NAME.into(), b"{\"keys\":[]}".to_vec())]);
    for (jwt, x509, names) in [
        (no_keys(), agent.certificates(), "no JWT authority any more"),
        (agent.jwt(), no_certificates(), "no X.509 authority any more"),
        (no_keys(), no_certificates(), "no authority"),
    ] {
        agent.api.offers(agent.jwt(), agent.certificates());
        assert_eq!(refresh(&world).await, 200);
        agent.api.offers(jwt, x509);
        let path = "/admin/v1/trust/z.example/refresh";
        let (status, refused) = world.try_admin("POST", path, json!({})).await;
        assert_eq!(status, 502, "{refused}");
        let refused = refused.to_string();
        assert!(
            refused.contains(names) && refused.contains("testudo trust accept z.example"),
            "{refused}"
        );
        let accepted = world.admin("POST", accept, json!({})).await;
        assert!(accepted["done"].as_str().unwrap().contains(names), "{accepted}");
        let now = shown(&world).await;
        let is_gone = |member: &str| now[member] == json!([]) || now[member] == json!(0);
        assert_eq!(
            is_gone("jwt_keys"),
            names != "no X.509 authority any more",
            "{now}"
        );
        assert_eq!(
            is_gone("x509_authorities"),
            names != "no JWT authority any more",
            "{now}"
        );
        assert_eq!(now["state"], "fresh", "{now}");
    }
    // If the agent does not answer, there is nothing to accept.
    agent.api.offers(Offer::Status(14), Offer::Status(14));
    assert_eq!(world.try_admin("POST", accept, json!({})).await.0, 502);
}
