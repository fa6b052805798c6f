//! Credentials that name no key, at an entry with `unbound = "allow"` and at one without it.

use super::clients::ask;
use super::{AGENT, AGENTS, INVALID, ISSUER, Site, VCT};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, disclosure};

const COPIES: &str = "https://copies.example";
const CLIENT: &str = "copies:urn:example:agent:7";
const METADATA: &str = "invalid_client_metadata";

fn other_key() -> SigningKey {
    generate_key(Algorithm::ES256, None)
}

fn keys(key: &SigningKey) -> Value {
    let jwk: Value = serde_json::from_str(&key.proof_jwk()).unwrap();
    json!({ "jwks": { "keys": [jwk] } })
}

/// A new credential without a key.
fn keyless(site: &Site, issuer: &str) -> String {
    Site::bare(&site.of([issuer, VCT, AGENT]).without_claim("cnf"), &[])
}

async fn register(site: &Site, key: &SigningKey) -> Answer {
    site.register_with(&keyless(site, COPIES), keys(key)).await
}

async fn assert_refused(site: &Site, answer: &Answer, reason: &str) {
    Site::assert_refused(answer, METADATA, reason);
    assert_eq!(site.world.reason_of(answer).await, reason);
}

const OTHER_KEYS: &str = "credential_other_keys_registered";

// Row DR-135.
#[tokio::test]
async fn keys_that_were_registered_first_with_a_credential_without_a_key_stay() {
    let (site, other) = (Site::start().await, other_key());
    let first = register(&site, &site.holder).await;
    assert_eq!(
        (first.status, &first.json()["client_id"]),
        (201, &json!(CLIENT)),
        "{first:?}"
    );
    assert_refused(&site, &register(&site, &other).await, OTHER_KEYS).await;
    site.world.running.app.clock.shift(5);
    assert_refused(&site, &register(&site, &other).await, OTHER_KEYS).await;
    let both = json!([
        keys(&site.holder)["jwks"]["keys"][0],
        keys(&other)["jwks"]["keys"][0]
    ]);
    let both = json!({ "jwks": { "keys": both } });
    let answer = site.register_with(&keyless(&site, COPIES), both).await;
    assert_refused(&site, &answer, OTHER_KEYS).await;
    let answer = ask(&site, &other, CLIENT, "1", &[]).await;
    assert_eq!(answer.error(), "invalid_client", "{answer:?}");
    let again = register(&site, &site.holder).await;
    assert_eq!(
        (again.status, &again.json()["jwks"]),
        (201, &first.json()["jwks"]),
        "{again:?}"
    );
    assert_eq!(ask(&site, &site.holder, CLIENT, "2", &[]).await.status, 200);
    assert_eq!(site.world.client_ids().await, [CLIENT]);
}

// Row DR-135.
#[tokio::test]
async fn credential_without_a_key_is_refused_unless_the_entry_allows_it() {
    let site = Site::start().await;
    let by_default = keyless(&site, AGENTS);
    let answer = site.register_with(&by_default, keys(&site.holder)).await;
    Site::assert_refused(&answer, INVALID, "default");
    assert_eq!(
        site.world.reason_of(&answer).await,
        "credential_holder_key_missing"
    );
    let nothing = site.register(&keyless(&site, COPIES)).await;
    assert_refused(&site, &nothing, "credential_without_key").await;
    for (case, members) in [
        ("jwks_uri", json!({ "jwks_uri": "https://app.example/jwks" })),
        ("no keys", json!({ "jwks": { "keys": [] } })),
    ] {
        let answer = site.register_with(&keyless(&site, COPIES), members).await;
        Site::assert_refused(&answer, METADATA, case);
    }
    // The issuer states keys, and the entry does not accept them from it: the request cannot replace them.
    let stated = site
        .of([COPIES, VCT, AGENT])
        .without_claim("cnf")
        .claim("jwks", keys(&other_key())["jwks"].clone());
    let answer = site
        .register_with(&Site::bare(&stated, &[]), keys(&site.holder))
        .await;
    assert_refused(&site, &answer, "keys_of_attested_client").await;
    let mut redirect = keys(&site.holder);
    redirect["redirect_uris"] = json!(["https://app.example/cb"]);
    let answer = site.register_with(&keyless(&site, COPIES), redirect).await;
    Site::assert_refused(&answer, "invalid_redirect_uri", "redirect URI");
    assert!(site.world.client_ids().await.is_empty());
    assert_eq!(register(&site, &site.holder).await.status, 201);
}

// Row DR-135.
#[tokio::test]
async fn holder_cannot_withhold_the_keys_that_the_issuer_states_and_name_its_own() {
    let (site, other) = (Site::start().await, other_key());
    let stated = keys(&site.holder)["jwks"].clone();
    let (jwks, of_jwks) = disclosure(&json!(["salt", "jwks", stated]));
    let (name, of_name) = disclosure(&json!(["salt", "client_name", "Agent 7"]));
    let credential = site
        .of([COPIES, VCT, AGENT])
        .without_claim("cnf")
        .without_claim("client_name");
    let concealing = credential.claim("_sd", json!([of_jwks, of_name]));
    for (case, sent) in [
        ("keys withheld", vec![name.as_str()]),
        ("everything withheld", vec![]),
    ] {
        let statement = Site::bare(&concealing, &sent);
        let answer = site.register_with(&statement, keys(&other)).await;
        Site::assert_refused(&answer, INVALID, case);
        assert_eq!(
            site.world.reason_of(&answer).await,
            "credential_keys_concealed",
            "{case}"
        );
    }
    // With the keys of the issuer, those of the request are refused as well.
    let shown = Site::bare(&concealing, &[&jwks, &name]);
    let answer = site.register_with(&shown, keys(&other)).await;
    assert_refused(&site, &answer, "keys_of_attested_client").await;
    assert!(site.world.client_ids().await.is_empty());
    // Everything at the top level is disclosed; an element of an array may be withheld.
    let (_, of_element) = disclosure(&json!(["salt", "x"]));
    let (name, of_name) = disclosure(&json!(["salt", "client_name", "Agent 7"]));
    let open = site
        .of([COPIES, VCT, AGENT])
        .without_claim("cnf")
        .without_claim("client_name")
        .claim("_sd", json!([of_name]))
        .claim("extra", json!([{ "...": of_element }]));
    let answer = site
        .register_with(&Site::bare(&open, &[&name]), keys(&site.holder))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test]
async fn credential_with_a_key_needs_its_proof_also_where_one_without_a_key_is_allowed() {
    let (site, other) = (Site::start().await, other_key());
    let credential = site.of([COPIES, VCT, AGENT]);
    let answer = site
        .register_with(&Site::bare(&credential, &[]), keys(&other))
        .await;
    Site::assert_refused(&answer, INVALID, "no proof");
    assert_eq!(site.world.reason_of(&answer).await, "holder_proof_missing");
    let held = site.held(&credential, &[]).await;
    assert_refused(
        &site,
        &site.register_with(&held, keys(&other)).await,
        "keys_of_attested_client",
    )
    .await;
    // A proof needs a key of the holder to be verified with.
    let sd_jwt = keyless(&site, COPIES);
    let proof = Draft::key_binding(&other, &sd_jwt, ISSUER, &site.nonce().await, site.now()).sign();
    let answer = site
        .register_with(&format!("{sd_jwt}{proof}"), keys(&other))
        .await;
    Site::assert_refused(&answer, INVALID, "proof without a key");
    assert!(site.world.client_ids().await.is_empty());
    let answer = site.register(&site.held(&credential, &[]).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    // The key that the issuer stated counts as the first one.
    assert_refused(&site, &register(&site, &other).await, OTHER_KEYS).await;
    assert_eq!(ask(&site, &site.holder, CLIENT, "1", &[]).await.status, 200);
}

#[tokio::test]
async fn keys_stay_also_after_the_client_ended() {
    let (site, other) = (Site::start().await, other_key());
    assert_eq!(register(&site, &site.holder).await.status, 201);
    site.world.running.app.clock.shift(90_000);
    let answer = ask(&site, &site.holder, CLIENT, "1", &[]).await;
    assert_eq!(answer.error(), "invalid_client", "{answer:?}");
    assert_refused(&site, &register(&site, &other).await, OTHER_KEYS).await;
    assert_eq!(register(&site, &site.holder).await.status, 201);
    assert_eq!(ask(&site, &site.holder, CLIENT, "2", &[]).await.status, 200);
}

#[tokio::test]
async fn of_two_registrations_at_once_with_different_keys_one_is_refused() {
    let (site, other) = (Site::start().await, other_key());
    let (one, two) = tokio::join!(register(&site, &site.holder), register(&site, &other));
    let mut found = [one.status, two.status];
    found.sort_unstable();
    assert_eq!(found, [201, 400], "{one:?} {two:?}");
    let (refused, key) = match one.status {
        400 => (&one, &other),
        _ => (&two, &site.holder),
    };
    assert_refused(&site, refused, OTHER_KEYS).await;
    assert_eq!(ask(&site, key, CLIENT, "1", &[]).await.status, 200);
}
