//! The client of a verifiable credential: how it authenticates, what limits it, and when it ends.

use super::{AGENT, AGENTS, CLIENT, ISSUER, Site, UNAPPROVED, VCT};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};

/// A token request of a client with this key.
pub(super) async fn ask(
    site: &Site,
    key: &SigningKey,
    client_id: &str,
    jti: &str,
    more: &[(&str, &str)],
) -> Answer {
    let assertion = Draft::assertion(key, client_id, ISSUER, jti, site.now());
    site.world.ask_with(assertion, more).await
}

async fn asked(site: &Site, jti: &str) -> Answer {
    ask(site, &site.holder, CLIENT, jti, &[]).await
}

#[track_caller]
fn assert_invalid(answer: &Answer, case: &str) {
    assert_eq!(
        (answer.status, answer.error()),
        (400, "invalid_client".to_owned()),
        "{case}: {answer:?}"
    );
}

// Rows DR-134, VC-24.
#[tokio::test]
async fn registered_client_authenticates_with_the_key_of_the_holder_and_with_no_other() {
    let site = Site::start().await;
    assert_invalid(&asked(&site, "before").await, "before the registration");
    site.registered().await;
    site.registered().await;
    let answer = asked(&site, "1").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = claims(&answer.access_token());
    assert_eq!(
        (&token["client_id"], &token["sub"]),
        (&json!(CLIENT), &json!(CLIENT))
    );
    // The key of the holder has no `kid`, so the client may write any.
    let named = Draft::assertion(&site.holder, CLIENT, ISSUER, "2", site.now()).header("kid", "my-key");
    assert_eq!(site.world.ask_with(named, &[]).await.status, 200);
    assert_invalid(&asked(&site, "1").await, "assertion used twice");
    assert_invalid(
        &ask(&site, &site.issuer, CLIENT, "3", &[]).await,
        "key of the issuer",
    );
    for other in [
        "agents:urn:example:agent:8",
        "papers:urn:example:agent:7",
        AGENT,
        "agents:",
        "other:x",
    ] {
        assert_invalid(&ask(&site, &site.holder, other, "4", &[]).await, other);
    }
    assert_eq!(site.world.client_ids().await, [CLIENT]);
}

#[tokio::test]
async fn known_client_is_served_without_a_read_or_write_of_the_store_but_the_mark_of_its_assertion() {
    let site = Site::start().await;
    site.registered().await;
    assert_eq!(asked(&site, "first").await.status, 200);
    let number = std::cell::Cell::new(0);
    let reads = site
        .world
        .reads_of(async || {
            number.set(number.get() + 1);
            let answer = asked(&site, &format!("n{}", number.get())).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        })
        .await;
    assert_eq!(reads, 0);
}

#[tokio::test]
async fn assertion_with_wrong_claims_causes_no_read_of_the_store_for_an_invented_client() {
    let site = Site::start().await;
    let number = std::cell::Cell::new(0);
    let reads = site
        .world
        .reads_of(async || {
            number.set(number.get() + 1);
            let id = format!("agents:invented-{}", number.get());
            let assertion = Draft::assertion(&site.holder, &id, "https://b.example", "j", site.now());
            assert_invalid(&site.world.ask_with(assertion, &[]).await, &id);
        })
        .await;
    assert_eq!(reads, 0);
}

// Rows VC-40, DR-100.
#[tokio::test]
async fn attested_scope_and_grants_limit_the_tokens_of_the_client() {
    let site = Site::start().await;
    let credential = site
        .sd_jwt_vc()
        .claim("scope", "r")
        .claim("grant_types", json!(["client_credentials"]));
    assert_eq!(
        site.register(&site.held(&credential, &[]).await).await.status,
        201
    );
    let answer = ask(&site, &site.holder, CLIENT, "1", &[("scope", "w")]).await;
    assert_eq!(answer.error(), "invalid_scope");
    let answer = ask(&site, &site.holder, CLIENT, "2", &[("scope", "r")]).await;
    assert_eq!(claims(&answer.access_token())["scope"], "r");
    let none = site
        .sd_jwt_vc()
        .claim("iat", site.now() + 1)
        .claim("grant_types", json!(["authorization_code"]));
    assert_eq!(site.register(&site.held(&none, &[]).await).await.status, 201);
    let answer = ask(&site, &site.holder, CLIENT, "3", &[]).await;
    assert_eq!(answer.error(), "unauthorized_client");
}

// Row DR-102.
#[tokio::test]
async fn claims_of_the_credential_decide_which_rule_governs_later_token_requests() {
    let site = Site::start().await;
    let gold = site.of([AGENTS, VCT, "gold/2"]).claim("tier", "gold");
    assert_eq!(site.register(&site.held(&gold, &[]).await).await.status, 201);
    let answer = ask(&site, &site.holder, "agents:gold/2", "1", &[("scope", "w")]).await;
    // Only the rule `agents` gives `w`, and the rule `gold` governs.
    assert_eq!(answer.error(), "invalid_scope", "{answer:?}");
    let answer = ask(&site, &site.holder, "agents:gold/2", "2", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

// Row VC-24.
#[tokio::test]
async fn older_credential_brings_back_neither_its_key_nor_its_metadata() {
    let site = Site::start().await;
    let newer_key = generate_key(Algorithm::ES256, None);
    let older = site
        .sd_jwt_vc()
        .claim("client_name", "Older")
        .claim("iat", site.now() - 10)
        .claim("exp", site.now() + 600);
    assert_eq!(site.register(&site.held(&older, &[]).await).await.status, 201);
    let newer = Draft::sd_jwt_vc(&site.issuer, [AGENTS, VCT, AGENT], &newer_key, site.now());
    let sd_jwt = Site::bare(&newer, &[]);
    let proof = Draft::key_binding(&newer_key, &sd_jwt, ISSUER, &site.nonce().await, site.now());
    assert_eq!(
        site.register(&format!("{sd_jwt}{}", proof.sign())).await.status,
        201
    );
    let again = site.register(&site.held(&older, &[]).await).await;
    let jwk: Value = serde_json::from_str(&newer_key.proof_jwk()).unwrap();
    assert_eq!(again.status, 201, "{again:?}");
    assert_eq!(again.json()["jwks"]["keys"][0]["x"], jwk["x"]);
    assert_eq!(again.json()["client_name"], Value::Null);
    assert_invalid(&asked(&site, "older").await, "older key");
    assert_eq!(ask(&site, &newer_key, CLIENT, "newer", &[]).await.status, 200);
}

#[tokio::test]
async fn registration_ends_with_the_credential_and_a_new_one_extends_it() {
    let site = Site::start().await;
    let until = |seconds: i64| site.sd_jwt_vc().claim("exp", site.now() + seconds);
    assert_eq!(
        site.register(&site.held(&until(100), &[]).await).await.status,
        201
    );
    let renewed = until(200).claim("iat", site.now() + 1);
    assert_eq!(site.register(&site.held(&renewed, &[]).await).await.status, 201);
    site.world.running.app.clock.shift(150);
    let answer = asked(&site, "1").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // A token is not valid for longer than the credential.
    let token = claims(&answer.access_token());
    let (from, to) = (token["iat"].as_i64().unwrap(), token["exp"].as_i64().unwrap());
    assert!(to - from <= 50, "{token}");
    site.world.running.app.clock.shift(51);
    assert_invalid(&asked(&site, "2").await, "after the end");
    // The same subject registers again with a new credential.
    site.registered().await;
    assert_eq!(asked(&site, "3").await.status, 200);
    assert_eq!(site.world.events("client.returned").await.len(), 1);
}

// Row VC-41.
#[tokio::test]
async fn disabled_issuer_blocked_identity_and_frozen_client_are_refused_at_once() {
    let site = Site::start().await;
    site.registered().await;
    let register = async || site.register(&site.held(&site.sd_jwt_vc(), &[]).await).await;
    let switch = async |path: &str, body: Value| site.world.admin("POST", path, body).await;
    for (on, off, body) in [
        (
            "/admin/v1/trust/agents/disable",
            "/admin/v1/trust/agents/enable",
            json!({}),
        ),
        (
            "/admin/v1/clients/freeze",
            "/admin/v1/clients/thaw",
            json!({ "client_id": CLIENT }),
        ),
    ] {
        switch(on, body.clone()).await;
        assert_invalid(&asked(&site, on).await, on);
        let answer = register().await;
        assert!(
            answer.status == 400 && answer.error().ends_with("_software_statement"),
            "{on}: {answer:?}"
        );
        switch(off, body).await;
        assert_eq!(asked(&site, off).await.status, 200, "{off}");
    }
    let block = json!({ "identity": CLIENT });
    switch("/admin/v1/blocks", block).await;
    assert_invalid(&asked(&site, "blocked").await, "blocked");
    Site::assert_refused(&register().await, UNAPPROVED, "blocked");
}

#[tokio::test]
async fn reload_without_the_issuer_refuses_its_clients() {
    let site = Site::start().await;
    site.registered().await;
    assert_eq!(asked(&site, "1").await.status, 200);
    site.world
        .reload_with(&crate::world::domains(""), crate::world::RULES)
        .await;
    assert_invalid(&asked(&site, "2").await, "removed");
}

/// Registers with a credential that names this key.
async fn registered_with(site: &Site, key: &SigningKey, iat: i64, exp: i64) -> Answer {
    let credential = Draft::sd_jwt_vc(&site.issuer, [AGENTS, VCT, AGENT], key, iat).claim("exp", exp);
    let sd_jwt = Site::bare(&credential, &[]);
    let proof = Draft::key_binding(key, &sd_jwt, ISSUER, &site.nonce().await, site.now());
    site.register(&format!("{sd_jwt}{}", proof.sign())).await
}

// Row VC-24.
#[tokio::test]
async fn older_credential_does_not_come_back_after_the_newer_one_ended() {
    let site = Site::start().await;
    let (newer_key, start) = (generate_key(Algorithm::ES256, None), site.now());
    let older = async || registered_with(&site, &site.holder, start - 10, start + 3000).await;
    assert_eq!(older().await.status, 201);
    let newer = registered_with(&site, &newer_key, start, start + 600).await;
    assert_eq!(newer.status, 201);
    site.world.running.app.clock.shift(700);
    let again = older().await;
    Site::assert_refused(&again, super::UNAPPROVED, "older");
    assert_eq!(site.world.reason_of(&again).await, "credential_superseded");
    assert_invalid(&asked(&site, "older").await, "older key");
    let newest = registered_with(&site, &newer_key, start + 1, start + 3000).await;
    assert_eq!(newest.status, 201, "{newest:?}");
    assert_eq!(ask(&site, &newer_key, CLIENT, "newest", &[]).await.status, 200);
}

// Row VC-24.
#[tokio::test]
async fn credential_of_the_same_second_with_another_key_changes_nothing() {
    let site = Site::start().await;
    let (other_key, start) = (generate_key(Algorithm::ES256, None), site.now());
    let register = async |key: &SigningKey, exp: i64| registered_with(&site, key, start, exp).await;
    let first = register(&site.holder, start + 600).await;
    let second = register(&other_key, start + 900).await;
    assert_eq!((first.status, second.status), (201, 201), "{second:?}");
    assert_eq!(first.json()["jwks"], second.json()["jwks"]);
    assert_invalid(&ask(&site, &other_key, CLIENT, "1", &[]).await, "other key");
    assert_eq!(asked(&site, "2").await.status, 200);
    let later = registered_with(&site, &other_key, start + 1, start + 900).await;
    assert_eq!(later.status, 201);
    assert_eq!(ask(&site, &other_key, CLIENT, "3", &[]).await.status, 200);
}
