//! The clients of attesters: their ids, rules, limits and instances.

use super::{ATTESTERS, Attested, C5, ICA, assert_granted, assert_refused};
use crate::world::assert_same_answers;
use serde_json::{Value, json};
use testudo_protocol::jose::Algorithm;
use testudo_testkit::generate_key;
use testudo_testkit::token::{Draft, claims};

// Rows E-19, E-20.
#[tokio::test]
async fn abca_7_5_attester_is_limited_to_the_clients_that_a_rule_names_and_client_id_must_be_its_sub() {
    let attested = Attested::start().await;
    let named = |client_id: &str| attested.attestation().claim("sub", client_id);
    // c6 is a configured client, and no rule lets this attester speak for it.
    let answer = attested.attest(&named("c6"), "1").await;
    assert_refused(&answer, "invalid_client", "a client without a rule");
    let headers = |attestation: &Draft<'_>, jti: &str| (attestation.sign(), attested.pop(jti).sign());
    let (attestation, pop) = headers(&attested.attestation(), "1");
    let fields = [
        ("OAuth-Client-Attestation", attestation.as_str()),
        ("OAuth-Client-Attestation-PoP", &pop),
    ];
    for wrong in ["c6", "at1:c5", "C5"] {
        let answer = attested.send(&fields, &[("client_id", wrong)]).await;
        assert_refused(&answer, "invalid_client", wrong);
    }
    assert_granted(&attested.send(&fields, &[("client_id", C5)]).await, "its sub");
    let clients = attested.world.clients().await;
    let [client] = clients.as_slice() else {
        panic!("{clients:?}")
    };
    assert_eq!(
        (&client["authority"], &client["subject"], &client["client_id"]),
        (&json!("at1:"), &json!("at1:c5"), &json!(C5))
    );
    let shown = attested
        .world
        .admin("POST", "/admin/v1/clients/show", json!({ "client_id": C5 }))
        .await;
    assert_eq!(shown["subject"], "at1:c5");
    let tested = json!({ "identities": ["at1:c5"] });
    let tested = attested.world.admin("POST", "/admin/v1/rules/test", tested).await;
    assert_eq!(
        (&tested[0]["rule"], &tested[0]["client_id"]),
        (&json!("attested"), &json!(C5))
    );
    // The client of another attester with the same sub is another one, and cannot have the id.
    let challenge = attested
        .world
        .connect()
        .await
        .send("POST", "/challenge", &[], "")
        .await;
    let challenge = challenge.json()["attestation_challenge"].clone();
    let of_at2 = Draft::attestation(&attested.at2, C5, &attested.key, attested.world.now()).sign();
    let pop = attested.pop("2").claim("challenge", challenge).sign();
    assert_refused(
        &attested.ask(&of_at2, &pop).await,
        "invalid_client",
        "the same id",
    );
}

#[tokio::test]
async fn attester_cannot_give_a_client_an_id_of_another_namespace() {
    let rules = "at1:**";
    let attested = Attested::start().await;
    let path = attested.world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let everything = text.replace("\"at1:app/{app}\"", &format!("\"{rules}\""));
    let everything = everything.replace(
        "name = \"attested\"\n",
        "name = \"attested\"\nentire_authority = true\n",
    );
    assert_ne!(everything, text);
    std::fs::write(&path, everything).unwrap();
    attested.world.admin("POST", "/admin/v1/reload", json!({})).await;
    for (number, (sub, is_granted)) in [
        ("app/x", true),
        ("urn:x:y", true),
        ("spiffe://a.example/x/1", false),
        ("SPIFFE://a.example/x/1", false),
        ("u_AAAA", false),
        ("c_AAAA", false),
        ("vc:x", false),
        ("at1:c5", false),
        ("at2:x", false),
        ("c6", false),
        ("https://as.example", false),
        ("https://at1.example", false),
        ("https://other.example/c.json", false),
        ("https://app.example/c5.json", true),
        ("a*b{c}/%2A//", true),
    ]
    .into_iter()
    .enumerate()
    {
        let attestation = attested.attestation().claim("sub", sub);
        let answer = attested.attest(&attestation, &number.to_string()).await;
        match is_granted {
            true => {
                assert_granted(&answer, sub);
                assert_eq!(claims(&answer.access_token())["client_id"], sub);
            }
            false => assert_refused(&answer, "invalid_client", sub),
        }
    }
}

#[tokio::test]
async fn disabled_attester_and_blocked_client_are_refused_at_the_next_request_although_remembered() {
    let attested = Attested::start().await;
    let attestation = attested.attestation().sign();
    let ask = async |jti: &str| attested.ask(&attestation, &attested.pop(jti).sign()).await;
    let admin = async |path: &str, body: Value| attested.world.admin("POST", path, body).await;
    assert_granted(&ask("1").await, "first use");
    admin("/admin/v1/trust/at1/disable", json!({})).await;
    assert_refused(&ask("2").await, "invalid_client", "disabled");
    admin("/admin/v1/trust/at1/enable", json!({})).await;
    assert_granted(&ask("2").await, "enabled");
    admin("/admin/v1/blocks", json!({ "identity": "at1:c5" })).await;
    assert_refused(&ask("3").await, "invalid_client", "blocked");
    admin("/admin/v1/blocks/remove", json!({ "identity": "at1:c5" })).await;
    assert_granted(&ask("3").await, "unblocked");
    // New keys of the attester: what the old ones signed is not valid any more.
    attested.world.publish_keys("at1", &[&attested.at2]).await;
    assert_refused(&ask("4").await, ICA, "old key");
}

#[tokio::test]
async fn first_use_and_number_of_clients_of_an_attester_are_limited_by_its_entry() {
    let limited = ATTESTERS.replacen("challenge = \"none\"", "challenge = \"none\"\nclients_max = 1", 1);
    let attested = Attested::start_with(&limited, "").await;
    let named = |client_id: &str| attested.attestation().claim("sub", client_id);
    assert_granted(&attested.attest(&named("app/1"), "1").await, "the first");
    assert_eq!(attested.attest(&named("app/2"), "2").await.status, 429);
    assert_granted(&attested.attest(&named("app/1"), "3").await, "known");
    let off = ATTESTERS.replacen(
        "challenge = \"none\"",
        "challenge = \"none\"\nfirst_use = \"off\"",
        1,
    );
    let attested = Attested::start_with(&off, "").await;
    let answer = attested.attest(&attested.attestation(), "1").await;
    assert_refused(&answer, "invalid_client", "first_use = off");
}

#[tokio::test]
async fn token_names_the_attested_key_as_the_instance_of_the_client() {
    let attested = Attested::start().await;
    let answer = attested.attest(&attested.attestation(), "1").await;
    assert_granted(&answer, "an instance");
    let instance = claims(&answer.access_token())["instance"].clone();
    assert_eq!(instance, crate::dpop::thumbprint(&attested.key));
    let events = attested.world.events("client.registered").await;
    assert_eq!(events[0]["instance"], instance);
}

// Row J-12.
#[tokio::test]
async fn answers_to_refused_attestations_do_not_tell_the_fault() {
    let attested = Attested::start().await;
    let (good, world) = (|| attested.attestation(), &attested.world);
    let other = generate_key(Algorithm::ES256, Some("at1-key"));
    let of_app = |app: &str| good().claim("sub", format!("app/{app}"));
    for app in ["frozen", "blocked"] {
        assert_granted(&attested.attest(&of_app(app), app).await, app);
    }
    let clients = world.clients().await;
    let is_frozen = |client: &&Value| client["subject"] == "at1:app/frozen";
    let frozen = clients.iter().find(is_frozen).unwrap()["client_id"].clone();
    world
        .admin("POST", "/admin/v1/clients/freeze", json!({ "client_id": frozen }))
        .await;
    world
        .admin(
            "POST",
            "/admin/v1/blocks",
            json!({ "identity": "at1:app/blocked" }),
        )
        .await;
    let by_other =
        || Draft::attestation(&other, C5, &attested.key, world.now()).claim("iss", "https://at1.example");
    let expired = by_other().claim("exp", world.now() - 300);
    let faults = [
        (
            "unknown attester",
            attested
                .attest(&good().claim("iss", "https://at9.example"), "1")
                .await,
        ),
        ("signature", attested.attest(&by_other(), "1").await),
        ("kid", attested.attest(&good().header("kid", "zz"), "1").await),
        ("alg", attested.attest(&good().header("alg", "ES384"), "1").await),
        (
            "nbf",
            attested
                .attest(&good().claim("nbf", world.now() + 120), "1")
                .await,
        ),
        ("expired, by another key", attested.attest(&expired, "1").await),
    ];
    assert_same_answers(ICA, &faults);
    let (attestation, pop) = (good().sign(), attested.pop("1").sign());
    let headers = [
        ("OAuth-Client-Attestation", attestation.as_str()),
        ("OAuth-Client-Attestation-PoP", &pop),
    ];
    let faults = [
        (
            "unknown client",
            attested.send(&headers, &[("client_id", "unknown")]).await,
        ),
        (
            "no rule",
            attested.attest(&good().claim("sub", "none"), "2").await,
        ),
        (
            "client of another credential",
            attested.attest(&good().claim("sub", "c6"), "3").await,
        ),
        ("frozen", attested.attest(&of_app("frozen"), "4").await),
        ("blocked", attested.attest(&of_app("blocked"), "5").await),
    ];
    assert_same_answers("invalid_client", &faults);
    assert_granted(&attested.send(&headers, &[]).await, "without a fault");
}
