//! The clients of workloads with WIT-SVIDs.

use super::{POP, WORKLOAD, Wits, send};
use crate::attestation::ICA;
use crate::dpop::thumbprint;
use crate::world::{RULES, TLS, World, assert_granted, assert_refused, domains};
use serde_json::{Value, json};
use testudo_testkit::svid_form;
use testudo_testkit::token::{Draft, claims};

// Row DR-130.
#[tokio::test]
async fn workload_is_one_client_whichever_kind_of_svid_it_sends() {
    let server = format!("{TLS}\n[registration]");
    let (world, tls) = World::start_with_tls(RULES, &server).await;
    let wits = Wits::beside_certificates(world, "required").await;
    let statement = testudo_testkit::token::Draft::svid(
        wits.world.a.key(),
        WORKLOAD,
        "https://as.example/register",
        wits.world.now(),
    );
    let mut connection = tls.connect(wits.world.address(), None).await.unwrap();
    let json = ("content-type", "application/json");
    let body = json!({ "software_statement": statement.sign() }).to_string();
    let registered = connection.send("POST", "/register", &[json], body).await;
    assert_eq!(registered.status, 201, "{}", registered.json());

    let by_jwt = svid_form(&wits.world.svid("/x/4"), &[]);
    let by_jwt = connection.post("/token", by_jwt).await;
    let refused = connection.send("POST", "/challenge", &[], "").await;
    let challenge = refused.json()["attestation_challenge"].clone();
    let (wit, pop) = (
        wits.wit().sign(),
        wits.pop("1").claim("challenge", challenge).sign(),
    );
    let by_wit = send(&mut connection, &[(super::WIT, &wit), (POP, &pop)], &[]).await;
    let chain = tls.a.svid("/x/4");
    let mut connection = tls.connect(wits.world.address(), Some(&chain)).await.unwrap();
    let by_certificate = send(&mut connection, &[], &[("client_id", WORKLOAD)]).await;
    for (name, answer) in [("JWT", by_jwt), ("WIT", by_wit), ("X.509", by_certificate)] {
        assert_granted(&answer, name);
        assert_eq!(claims(&answer.access_token())["client_id"], WORKLOAD, "{name}");
    }
    assert_eq!(wits.world.client_ids().await, [WORKLOAD]);
}

#[tokio::test]
async fn first_use_of_a_workload_with_a_wit_svid_is_an_event_with_kind_and_instance() {
    let wits = Wits::start().await;
    let answer = wits.show(&wits.wit(), "1").await;
    let instance = thumbprint(&wits.key);
    assert_eq!(claims(&answer.access_token())["instance"], instance);
    let events = wits.world.events("client.registered").await;
    assert_eq!(
        (
            &events[0]["door"],
            &events[0]["instance"],
            &events[0]["client_id"]
        ),
        (&json!("wit_svid"), &json!(instance), &json!(WORKLOAD)),
        "{events:?}"
    );
    assert!(!events[0].to_string().contains(&wits.wit().sign()));
}

#[tokio::test]
async fn kinds_of_svid_that_the_rule_or_the_trust_domain_does_not_list_are_refused() {
    let named = "name = \"W\"\ncredentials = [\"wit_svid\"]";
    let wits = Wits::start_with("", &RULES.replacen("name = \"W\"", named, 1)).await;
    assert_eq!(wits.world.ask("/x/4", &[]).await.error(), "invalid_client");
    assert_granted(&wits.show(&wits.wit(), "1").await, "listed in the rule");
    let other = named.replace("wit_svid", "jwt_svid");
    let wits = Wits::start_with("", &RULES.replacen("name = \"W\"", &other, 1)).await;
    assert_refused(
        &wits.show(&wits.wit(), "1").await,
        "invalid_client",
        "not in the rule",
    );
    assert_eq!(wits.world.ask("/x/4", &[]).await.status, 200);
    // Default of a trust domain.
    let wits = Wits::over(World::start().await).await;
    let answer = wits.show(&wits.wit(), "1").await;
    assert_eq!(answer.status, 400, "{}", answer.json());
    assert!(wits.world.client_ids().await.is_empty());
}

#[tokio::test]
async fn switch_block_and_rotation_of_keys_apply_to_a_remembered_wit_svid() {
    let wits = Wits::start().await;
    let wit = wits.wit();
    let admin = async |path: &str, body: Value| wits.world.admin("POST", path, body).await;
    assert_granted(&wits.show(&wit, "1").await, "first use");
    admin("/admin/v1/trust/a.example/disable", json!({})).await;
    assert_refused(&wits.show(&wit, "2").await, "invalid_client", "disabled");
    admin("/admin/v1/trust/a.example/enable", json!({})).await;
    assert_granted(&wits.show(&wit, "2").await, "enabled");
    admin("/admin/v1/blocks", json!({ "identity": WORKLOAD })).await;
    assert_refused(&wits.show(&wit, "3").await, "invalid_client", "blocked");
    admin("/admin/v1/blocks/remove", json!({ "identity": WORKLOAD })).await;
    assert_granted(&wits.show(&wit, "3").await, "unblocked");
    wits.publish("a", &[&wits.b]).await;
    assert_refused(&wits.show(&wit, "4").await, ICA, "a key that left the bundle");
    assert_granted(&wits.show(&wits.signed_by(&wits.b), "4").await, "its new key");
}

// Row DR-130.
#[tokio::test]
async fn wit_svid_with_its_proof_registers_a_client_which_can_commit_itself_to_wit_svids() {
    let wits = Wits::start_with("[registration]", RULES).await;
    let wit = wits.wit().sign();
    let method = json!({ "token_endpoint_auth_method": "spiffe_wit" }).to_string();
    let register = async |proof: Option<String>| {
        let mut fields = vec![("content-type", "application/json"), (super::WIT, wit.as_str())];
        fields.extend(proof.as_deref().map(|proof| (POP, proof)));
        let mut connection = wits.world.connect().await;
        connection
            .send("POST", "/register", &fields, method.clone())
            .await
    };
    assert_refused(&register(None).await, ICA, "no proof");
    assert!(wits.world.client_ids().await.is_empty());
    let registered = register(Some(wits.pop("1").sign())).await;
    let body = registered.json();
    assert_eq!(
        (
            registered.status,
            &body["client_id"],
            &body["token_endpoint_auth_method"]
        ),
        (201, &json!(WORKLOAD), &json!("spiffe_wit")),
        "{body}"
    );
    let by_jwt = wits.world.ask("/x/4", &[]).await;
    assert_refused(&by_jwt, "invalid_client", "a JWT-SVID");
    assert_granted(&wits.show(&wits.wit(), "2").await, "a WIT-SVID");
    let dpop = wits.dpop(&wits.key, "3");
    assert_granted(
        &wits.prove(&wits.wit(), &[("DPoP", &dpop)]).await,
        "with a DPoP proof",
    );
}

// Rows RF-95 to RF-98.
#[tokio::test]
async fn claims_of_a_wit_svid_have_their_effect_if_they_are_listed_and_none_otherwise() {
    let listed = "attested_metadata = [\"client_name\", \"contacts\", \"scope\"]";
    for (listed, is_listed) in [(listed, true), ("", false)] {
        let sections = domains(&format!(
            "credentials = [\"jwt_svid\", \"wit_svid\"]\nchallenge = \"none\"\n{listed}"
        ));
        let wits = Wits::over(World::start_with(&sections, RULES).await).await;
        let now = wits.world.now();
        let ask = async |jti: &str, claimed: Value| {
            let wit = Draft::wit_svid(&wits.a, "spiffe://a.example/ns/pay/sa/api", &wits.key, now);
            wits.show(&wit.more_claims(&claimed), jti).await
        };
        let named = json!({ "client_name": "Attested", "contacts": ["ops@a.example"], "scope": "w" });
        let answer = ask("1", named).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let scope = claims(&answer.access_token())["scope"].clone();
        let metadata = wits.world.clients().await[0]["metadata"].clone();
        // The rule sets the name, which takes precedence.
        assert_eq!(metadata["client_name"], "api in pay");
        match is_listed {
            true => assert_eq!(
                (scope, &metadata["contacts"]),
                (Value::Null, &json!(["ops@a.example"]))
            ),
            false => assert_eq!((scope, &metadata["contacts"]), (json!("r"), &Value::Null)),
        }
        let malformed = ask("2", json!({ "scope": 7 })).await;
        match is_listed {
            true => assert_eq!(malformed.error(), "invalid_client"),
            false => assert_eq!(malformed.status, 200, "{malformed:?}"),
        }
    }
}
