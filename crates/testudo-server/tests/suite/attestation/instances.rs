//! Clients of which each instance is one, named by its attested key (`client = "instance"`).

use super::{ATTESTERS, Attested, ICA, RULES_OF_ATTESTERS, assert_granted, assert_refused};
use crate::dpop::thumbprint;
use crate::world::{ISSUER, RULES, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};

const APP: &str = "app/phone";

async fn start(more: &str) -> Attested {
    let attested = Attested::start().await;
    let name = "name = \"attested\"\n";
    let rules = RULES_OF_ATTESTERS.replacen(name, &format!("{name}client = \"instance\"\n{more}"), 1);
    let rules = format!("{rules}{RULES}");
    attested
        .world
        .reload_with(&format!("{}{ATTESTERS}", domains("")), &rules)
        .await;
    attested
}

impl Attested {
    /// A token request of the instance with this key.
    async fn instance(&self, key: &SigningKey, jti: &str, parameters: &[(&str, &str)]) -> Answer {
        let now = self.world.now();
        let attestation = Draft::attestation(&self.at1, APP, key, now)
            .claim("iss", "https://at1.example")
            .sign();
        let pop = Draft::attestation_pop(key, ISSUER, jti, now).sign();
        let headers = [
            ("OAuth-Client-Attestation", attestation.as_str()),
            ("OAuth-Client-Attestation-PoP", &pop),
        ];
        self.send(&headers, parameters).await
    }
}

// Row J-19.
#[tokio::test]
async fn each_attested_key_is_a_client_of_its_own_and_its_tokens_and_events_name_it() {
    let attested = start("").await;
    let (one, two) = (
        generate_key(Algorithm::ES256, None),
        generate_key(Algorithm::ES256, None),
    );
    let mut ids = Vec::new();
    for (key, jti) in [(&one, "1"), (&two, "2"), (&one, "3")] {
        let answer = attested.instance(key, jti, &[]).await;
        assert_granted(&answer, jti);
        let token = claims(&answer.access_token());
        assert_eq!(token["sub"], token["client_id"]);
        assert_eq!(token["instance"], thumbprint(key));
        ids.push(token["client_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids[0], ids[2], "the same instance is the same client");
    assert_ne!(ids[0], ids[1]);
    assert!(ids.iter().all(|id| id.len() == 22), "{ids:?}");
    let clients = attested.world.clients().await;
    assert_eq!(clients.len(), 2, "{clients:?}");
    let subjects: Vec<&Value> = clients.iter().map(|client| &client["subject"]).collect();
    for key in [&one, &two] {
        let subject = json!(format!("at1:{APP}{{{}}}", thumbprint(key)));
        assert!(subjects.contains(&&subject), "{subjects:?}");
    }
    let events = attested.world.events("client.registered").await;
    assert_eq!(events.len(), 2);
    for event in &events {
        assert_eq!(event["identity"], format!("at1:{APP}"));
        assert!(event["instance"].is_string());
        let question = json!({ "request_id": event["request_id"] });
        let explained = attested.world.admin("POST", "/admin/v1/explain", question).await;
        let today = &explained["today"];
        assert_eq!(today["outcome"], "allowed", "{explained:#}");
        let detail = today["detail"].as_str().unwrap();
        assert!(detail.starts_with("a known client"), "{detail}");
    }
}

#[tokio::test]
async fn abca_7_5_instance_may_send_the_sub_of_its_attestation_or_its_own_id_as_client_id() {
    let attested = start("").await;
    let (one, two) = (
        generate_key(Algorithm::ES256, None),
        generate_key(Algorithm::ES256, None),
    );
    let answer = attested.instance(&one, "1", &[("client_id", APP)]).await;
    assert_granted(&answer, "sub");
    let id = claims(&answer.access_token())["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_granted(
        &attested.instance(&one, "2", &[("client_id", &id)]).await,
        "its own id",
    );
    assert_granted(&attested.instance(&two, "1", &[]).await, "another instance");
    for wrong in [id.as_str(), "app/other", "at1:app/phone"] {
        let answer = attested.instance(&two, "2", &[("client_id", wrong)]).await;
        assert_refused(&answer, "invalid_client", wrong);
    }
}

#[tokio::test]
async fn frozen_instance_is_refused_and_the_others_are_served() {
    let attested = start("clients_max = 2\n").await;
    let keys = [(); 3].map(|()| generate_key(Algorithm::ES256, None));
    let answer = attested.instance(&keys[0], "1", &[]).await;
    let id = claims(&answer.access_token())["client_id"].clone();
    let frozen = json!({ "client_id": id });
    attested
        .world
        .admin("POST", "/admin/v1/clients/freeze", frozen.clone())
        .await;
    assert_refused(
        &attested.instance(&keys[0], "2", &[]).await,
        "invalid_client",
        "frozen",
    );
    assert_granted(&attested.instance(&keys[1], "1", &[]).await, "another instance");
    assert_eq!(
        attested.instance(&keys[2], "1", &[]).await.status,
        429,
        "each instance counts as a client"
    );
    attested
        .world
        .admin("POST", "/admin/v1/clients/thaw", frozen)
        .await;
    assert_granted(&attested.instance(&keys[0], "2", &[]).await, "thawed");
    let orphans = attested
        .world
        .admin("GET", "/admin/v1/clients?orphaned=true", Value::Null)
        .await;
    assert_eq!(orphans["clients"].as_array().map(Vec::len), Some(0), "{orphans}");
    // A block of the identity applies to all of them.
    let block = json!({ "identity": format!("at1:{APP}") });
    attested.world.admin("POST", "/admin/v1/blocks", block).await;
    for key in &keys[..2] {
        let answer = attested.instance(key, "3", &[]).await;
        assert_refused(&answer, "invalid_client", "blocked");
    }
}

// Row RF-73.
#[tokio::test]
async fn blocked_key_is_refused_and_the_other_keys_are_served() {
    for attested in [Attested::start().await, start("").await] {
        let keys = [(); 2].map(|()| generate_key(Algorithm::ES256, None));
        assert_granted(&attested.instance(&keys[0], "1", &[]).await, "before");
        let block = json!({ "identity": format!("at1:{APP}"), "instance": thumbprint(&keys[0]) });
        attested
            .world
            .admin("POST", "/admin/v1/blocks", block.clone())
            .await;
        let refused = attested.instance(&keys[0], "2", &[]).await;
        assert_refused(&refused, "invalid_client", "blocked");
        let events = attested.world.events("client.refused").await;
        assert_eq!(
            (&events[0]["reason"], &events[0]["instance"]),
            (&json!("identity_blocked"), &block["instance"])
        );
        let question = json!({ "request_id": events[0]["request_id"] });
        let explained = attested.world.admin("POST", "/admin/v1/explain", question).await;
        assert_eq!(
            explained["today"]["rejection"], "identity_blocked",
            "{explained:#}"
        );
        assert_granted(&attested.instance(&keys[1], "2", &[]).await, "another key");
        attested
            .world
            .admin("POST", "/admin/v1/blocks/remove", block)
            .await;
        assert_granted(&attested.instance(&keys[0], "2", &[]).await, "unblocked");
    }
}

#[tokio::test]
async fn all_instances_are_one_client_by_default() {
    let attested = Attested::start().await;
    let (one, two) = (
        generate_key(Algorithm::ES256, None),
        generate_key(Algorithm::ES256, None),
    );
    for key in [&one, &two] {
        let answer = attested.instance(key, "1", &[]).await;
        assert_granted(&answer, "an instance");
        let token = claims(&answer.access_token());
        assert_eq!(
            (&token["client_id"], &token["instance"]),
            (&json!(APP), &json!(thumbprint(key)))
        );
    }
    assert_eq!(attested.world.client_ids().await, [APP]);
    // The attestation of one instance does not prove the key of another.
    let now = attested.world.now();
    let attestation = Draft::attestation(&attested.at1, APP, &one, now).sign();
    let pop = Draft::attestation_pop(&two, ISSUER, "2", now).sign();
    assert_refused(
        &attested.ask(&attestation, &pop).await,
        ICA,
        "key of another instance",
    );
}
