//! What an issuer or an administrator withdraws after clients registered: a key, a type, a format, a member, or the
//! registration without a proof. Their clients are refused at once, without a read of the store and without a change.

use super::clients::ask;
use super::{AGENT, AGENTS, CLIENT, ISSUERS, RULES_OF_CREDENTIALS, Site, TYPE, VCT};
use crate::world::{RULES, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;
use testudo_testkit::{generate_key, key_set};

/// Puts the issuers in force, with `from` replaced by `to`.
async fn reload(site: &Site, from: &str, to: &str) {
    assert!(ISSUERS.contains(from), "{from}");
    let issuers = ISSUERS.replacen(from, to, 1);
    let sections = format!("[registration]\n{}{issuers}", domains(""));
    let rules = format!("{RULES_OF_CREDENTIALS}{RULES}");
    site.world.reload_with(&sections, &rules).await;
}

#[track_caller]
fn assert_served(answer: &Answer, case: &str) {
    assert_eq!(answer.status, 200, "{case}: {answer:?}");
}

/// Checks that the client is refused with this reason in the event, and with the answer of a frozen client.
async fn assert_refused(site: &Site, answer: &Answer, reason: &str) {
    let found = (answer.status, answer.error());
    assert_eq!(found, (400, "invalid_client".to_owned()), "{reason}: {answer:?}");
    assert_eq!(site.world.reason_of(answer).await, reason);
}

#[tokio::test]
async fn client_is_refused_while_the_key_that_signed_its_credential_is_not_one_of_its_issuer() {
    let site = Site::start().await;
    site.registered().await;
    let new = generate_key(Algorithm::ES256, Some("k2"));
    site.world.publish_keys("agents", &[&new, &site.issuer]).await;
    let answer = ask(&site, &site.holder, CLIENT, "both", &[]).await;
    assert_served(&answer, "one more key");
    site.world.publish_keys("agents", &[&new]).await;
    let refused = ask(&site, &site.holder, CLIENT, "removed", &[]).await;
    assert_refused(&site, &refused, "credential_key_withdrawn").await;
    // The answer is that of a frozen client, and the client is not changed.
    assert_eq!(site.shown(CLIENT).await["state"], "active");
    assert!(site.world.events("client.frozen").await.is_empty());
    let client = json!({ "client_id": CLIENT });
    site.world
        .admin("POST", "/admin/v1/clients/freeze", client.clone())
        .await;
    let again = ask(&site, &site.holder, CLIENT, "again", &[]).await;
    site.world.publish_keys("agents", &[&new, &site.issuer]).await;
    let frozen = ask(&site, &site.holder, CLIENT, "frozen", &[]).await;
    assert_eq!(site.world.reason_of(&frozen).await, "client_frozen");
    assert_eq!((&again.body, &refused.body), (&frozen.body, &frozen.body));
    site.world.admin("POST", "/admin/v1/clients/thaw", client).await;
    let answer = ask(&site, &site.holder, CLIENT, "back", &[]).await;
    assert_served(&answer, "the key is published again");
    // A credential that the new key signed registers the client again.
    site.world.publish_keys("agents", &[&new]).await;
    let credential = Draft::sd_jwt_vc(&new, [AGENTS, VCT, AGENT], &site.holder, site.now() + 1);
    let answer = site.register(&site.held(&credential, &[]).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_served(
        &ask(&site, &site.holder, CLIENT, "new", &[]).await,
        "new credential",
    );
}

#[tokio::test]
async fn key_set_that_cannot_be_read_withdraws_no_key() {
    let site = Site::start().await;
    site.registered().await;
    std::fs::write(site.world.folder.join("agents.json"), "{").unwrap();
    site.world
        .try_admin("POST", "/admin/v1/trust/agents/refresh", json!({}))
        .await;
    assert_served(&ask(&site, &site.holder, CLIENT, "1", &[]).await, "unreadable");
    site.world.running.app.clock.shift(3500);
    let exp = json!(site.now() + 600);
    let credential = site.sd_jwt_vc().claim("exp", exp);
    let answer = site.register(&site.held(&credential, &[]).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    site.world.running.app.clock.shift(300);
    assert_served(&ask(&site, &site.holder, CLIENT, "2", &[]).await, "keys too old");
}

#[tokio::test]
async fn reload_that_narrows_types_formats_or_members_applies_to_registered_clients_at_once() {
    let site = Site::start().await;
    // In the same second, a credential with the same key replaces the one before.
    let sd_jwt = site
        .sd_jwt_vc()
        .claim("redirect_uris", json!(["https://app.example/cb"]));
    let vc_jwt = site.vc_jwt();
    let types = "types = [\"https://vct.example/oauth-client/1\", \"OAuthClientCredential\"]";
    let (formats, attests) = (
        "formats = [\"dc+sd-jwt\", \"vc+jwt\", \"vc1-jwt\"]",
        "attests = [\"client_name\", \"redirect_uris\", \"grant_types\", \"scope\"]",
    );
    let cases: [(&str, bool, &str, String, &str); 4] = [
        (
            "type",
            true,
            types,
            format!("types = [\"{TYPE}\"]"),
            "credential_type_not_allowed",
        ),
        (
            "type of a W3C credential",
            false,
            types,
            format!("types = [\"{VCT}\"]"),
            "credential_type_not_allowed",
        ),
        (
            "format",
            false,
            formats,
            "formats = [\"dc+sd-jwt\"]".to_owned(),
            "credential_format_not_allowed",
        ),
        (
            "member",
            true,
            attests,
            "attests = [\"client_name\", \"grant_types\", \"scope\"]".to_owned(),
            "credential_member_not_attested",
        ),
    ];
    for (case, is_sd_jwt, from, to, reason) in cases {
        let statement = match is_sd_jwt {
            true => site.held(&sd_jwt, &[]).await,
            false => site.presented(&vc_jwt).await,
        };
        let answer = site.register(&statement).await;
        assert_eq!(answer.status, 201, "{case}: {answer:?}");
        let jti = |when: &str| format!("{case} {when}");
        let before = ask(&site, &site.holder, CLIENT, &jti("before"), &[]).await;
        assert_served(&before, case);
        reload(&site, from, &to).await;
        let refused = ask(&site, &site.holder, CLIENT, &jti("narrowed"), &[]).await;
        assert_refused(&site, &refused, reason).await;
        reload(&site, from, from).await;
        let after = ask(&site, &site.holder, CLIENT, &jti("wide again"), &[]).await;
        assert_served(&after, case);
    }
    // A label that the issuer may not state any more is kept until the client registers again.
    let without_name = "attests = [\"redirect_uris\", \"grant_types\", \"scope\"]";
    reload(&site, attests, without_name).await;
    assert_served(&ask(&site, &site.holder, CLIENT, "label", &[]).await, "label");
    assert_eq!(site.shown(CLIENT).await["metadata"]["client_name"], "Agent 7");
}

#[tokio::test]
async fn reload_that_reduces_lifetime_max_ends_clients_and_tokens_of_credentials_that_are_valid_for_longer() {
    let site = Site::start().await;
    let (wide, narrow) = ("lifetime_max = \"1h\"", "lifetime_max = \"10m\"");
    let endless = site.sd_jwt_vc().without_claim("exp");
    let with_end = |seconds: i64| site.sd_jwt_vc().claim("exp", site.now() + seconds);
    for (case, credential, reason) in [
        (
            "end after 11 minutes",
            with_end(660),
            Some("credential_lifetime_reduced"),
        ),
        ("end after 10 minutes", with_end(600), None),
        ("no end", endless, None),
    ] {
        let answer = site.register(&site.held(&credential, &[]).await).await;
        assert_eq!(answer.status, 201, "{case}: {answer:?}");
        let jti = |when: &str| format!("{case} {when}");
        let before = ask(&site, &site.holder, CLIENT, &jti("before"), &[]).await;
        assert_served(&before, case);
        reload(&site, wide, narrow).await;
        let narrowed = ask(&site, &site.holder, CLIENT, &jti("narrowed"), &[]).await;
        match reason {
            Some(reason) => assert_refused(&site, &narrowed, reason).await,
            None => assert_served(&narrowed, case),
        }
        reload(&site, wide, wide).await;
        let after = ask(&site, &site.holder, CLIENT, &jti("wide again"), &[]).await;
        assert_served(&after, case);
        site.world.running.app.clock.shift(1);
    }
    // The last one has no end of its own: its time is counted from its issue, also for the lifetime of its tokens.
    site.world.running.app.clock.shift(550);
    reload(&site, wide, narrow).await;
    let answer = ask(&site, &site.holder, CLIENT, "last seconds", &[]).await;
    assert_served(&answer, "last seconds");
    let token = testudo_testkit::token::claims(&answer.access_token());
    let lifetime = token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap();
    assert!((1..=50).contains(&lifetime), "{token}");
    site.world.running.app.clock.shift(50);
    let over = ask(&site, &site.holder, CLIENT, "over", &[]).await;
    assert_refused(&site, &over, "credential_lifetime_reduced").await;
}

/// Registers a client of one of the other issuers.
async fn register_of(site: &Site, names: [&str; 3], key: Option<&SigningKey>) -> Answer {
    let credential = site.of(names);
    let (credential, members) = match key {
        None => (credential.claim("client_name", Value::Null), json!({})),
        Some(key) => (
            credential.without_claim("cnf"),
            json!({ "jwks": key_set(&[key]) }),
        ),
    };
    site.register_with(&Site::bare(&credential, &[]), members).await
}

#[tokio::test]
async fn reload_that_requires_a_proof_or_refuses_keys_of_requests_applies_to_registered_clients() {
    let site = Site::start().await;
    let key = generate_key(Algorithm::ES256, Some("own"));
    let answer = register_of(&site, ["https://papers.example", VCT, AGENT], None).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let answer = register_of(&site, ["https://copies.example", VCT, AGENT], Some(&key)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let (papers, copies) = (format!("papers:{AGENT}"), format!("copies:{AGENT}"));
    let (none, allow) = ("holder_binding = \"none\"", "unbound = \"allow\"");
    for (client, key, from, to, reason) in [
        (
            &papers,
            &site.holder,
            none,
            "holder_binding = \"required\"",
            "credential_registered_unproven",
        ),
        (
            &copies,
            &key,
            allow,
            "unbound = \"refuse\"",
            "credential_registered_unbound",
        ),
    ] {
        let scope = [("scope", "r")];
        let jti = |when: &str| format!("{client} {when}");
        assert_served(&ask(&site, key, client, &jti("before"), &scope).await, client);
        reload(&site, from, to).await;
        let refused = ask(&site, key, client, &jti("narrowed"), &scope).await;
        assert_refused(&site, &refused, reason).await;
        reload(&site, from, from).await;
        assert_served(&ask(&site, key, client, &jti("after"), &scope).await, client);
    }
}
