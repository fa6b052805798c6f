//! Jobs that register other clients as their sponsor: a sponsor gives no more than it may have at that moment, by the rule
//! of today, by what its issuer attests in the token of today, and by what it registered itself.

use super::{Ci, ENDPOINT, ISSUERS, key};
use crate::registration::post;
use crate::world::{ISSUER, RULES, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::SigningKey;
use testudo_testkit::http::Answer;
use testudo_testkit::token::{Draft, claims};

const RULE: &str = r#"
[[rules]]
name = "sponsors"
identities = ["github:12345"]
scopes = ["client.register", "r", "w"]
default_scopes = ["r"]
resources = ["https://as.example/register"]
grant_types = ["client_credentials", "authorization_code"]
redirect_uri_hosts = ["app.example"]
"#;

/// The entries, of which that of `github` may attest these members and issues software statements as well.
fn sections(attested: &str) -> String {
    let entry = format!("use = [\"client\", \"registration\"]\nattested_metadata = {attested}\n");
    let issuers = ISSUERS.replacen("use = [\"client\"]\n", &entry, 1);
    format!(
        "[registration]\ninitial_access_tokens = true\n{}{issuers}",
        domains("")
    )
}

async fn start(attested: &str) -> Ci {
    Ci::start_with(&sections(attested), RULE).await
}

async fn reload(ci: &Ci, sections: &str, rule: &str) {
    ci.world.reload_with(sections, &format!("{rule}{RULES}")).await;
}

/// A token request of the job, whose token has these claims.
async fn ask(ci: &Ci, stated: &Value, scope: &str) -> Answer {
    let mut token = ci.github();
    for (name, value) in stated.as_object().unwrap() {
        token = token.claim(name, value.clone());
    }
    let asked = [("scope", scope), ("resource", ENDPOINT)];
    ci.show_with(&token.sign(), &asked).await
}

/// An initial access token of the job.
async fn initial(ci: &Ci, stated: &Value) -> String {
    let answer = ask(ci, stated, "client.register").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.access_token()
}

/// Registers a client that asks for all scope values.
async fn sponsored(ci: &Ci, token: &str, key: &SigningKey, grants: &[&str]) -> Answer {
    let mut body = json!({
        "jwks": { "keys": [key.public_jwk("sig", true)] }, "grant_types": grants, "scope": "r w",
    });
    if grants.contains(&"authorization_code") {
        body["redirect_uris"] = json!(["https://app.example/cb"]);
    }
    ci.world.send_as(token, "POST", "/register", &body).await
}

const MACHINE: &[&str] = &["client_credentials"];

/// The scope of a client that the holder of this token registers.
async fn scope_given(ci: &Ci, token: &str) -> Value {
    let answer = sponsored(ci, token, &key(), MACHINE).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["scope"].clone()
}

#[tokio::test]
async fn sponsor_of_a_first_use_gives_what_its_issuer_attests_now_and_not_what_it_attested_then() {
    let ci = start("[\"scope\", \"grant_types\"]").await;
    let wide = json!({ "scope": "client.register r w" });
    let first = ask(&ci, &wide, "r").await;
    assert_eq!(first.status, 200, "{first:?}");
    assert!(
        claims(&first.access_token()).get("registration_limits").is_none(),
        "the token registers no client"
    );
    let before = initial(&ci, &wide).await;
    assert_eq!(scope_given(&ci, &before).await, "r w");

    let narrow = json!({ "scope": "client.register r", "grant_types": ["client_credentials"] });
    let token = initial(&ci, &narrow).await;
    let stated = &claims(&token)["registration_limits"];
    assert_eq!(
        *stated,
        json!({ "scope": "client.register r", "grant_types": ["client_credentials"] })
    );
    assert_eq!(scope_given(&ci, &token).await, "r");
    let redirecting = sponsored(&ci, &token, &key(), &["authorization_code"]).await;
    assert_eq!(
        (redirecting.status, redirecting.error()),
        (400, "invalid_client_metadata".to_owned())
    );

    // The first use was with a narrow token: a later wider one gives more.
    let other = start("[\"scope\"]").await;
    assert_eq!(ask(&other, &narrow, "r").await.status, 200);
    let token = initial(&other, &wide).await;
    assert_eq!(scope_given(&other, &token).await, "r w");
    let unlimited = initial(&other, &json!({})).await;
    assert_eq!(
        claims(&unlimited)["registration_limits"],
        json!({ "scope": null })
    );
    assert_eq!(scope_given(&other, &unlimited).await, "r w");
}

#[tokio::test]
async fn sponsor_is_limited_by_what_the_configuration_lets_its_issuer_attest_since_a_reload() {
    let ci = start("[]").await;
    let narrow = json!({ "scope": "client.register r" });
    let before = initial(&ci, &narrow).await;
    assert_eq!(
        scope_given(&ci, &before).await,
        "r w",
        "scope is not attested yet"
    );

    reload(&ci, &sections("[\"scope\"]"), RULE).await;
    let refused = sponsored(&ci, &before, &key(), MACHINE).await;
    assert_eq!(
        (refused.status, refused.error()),
        (401, "invalid_token".to_owned()),
        "{refused:?}"
    );
    assert_eq!(ci.world.reason_of(&refused).await, "initial_access_token_refused");
    let after = initial(&ci, &narrow).await;
    assert_eq!(scope_given(&ci, &after).await, "r");

    // The issuer may not attest it any more: the rule alone limits again, also with a new token.
    reload(&ci, &sections("[]"), RULE).await;
    let again = initial(&ci, &narrow).await;
    assert_eq!(scope_given(&ci, &again).await, "r w");
}

#[tokio::test]
async fn sponsor_gives_what_its_rule_states_since_a_reload() {
    let ci = start("[\"scope\"]").await;
    let stated = json!({ "scope": "client.register r w" });
    let token = initial(&ci, &stated).await;
    let narrow = RULE.replace("\"r\", \"w\"]", "\"r\"]");
    reload(&ci, &sections("[\"scope\"]"), &narrow).await;
    let own = key();
    let answer = sponsored(&ci, &token, &own, MACHINE).await;
    assert_eq!(
        (answer.status, &answer.json()["scope"]),
        (201, &json!("r")),
        "{answer:?}"
    );
    // A later rule with more scope values gives the client no more than it registered.
    reload(&ci, &sections("[\"scope\"]"), RULE).await;
    let id = answer.json()["client_id"].as_str().unwrap().to_owned();
    let request = Draft::assertion(&own, &id, ISSUER, "1", ci.world.now());
    let asked = ci.world.ask_with(request, &[("scope", "w")]).await;
    assert_eq!(asked.error(), "invalid_scope", "{asked:?}");
    let unscoped = RULE.replace("\"client.register\", ", "");
    reload(&ci, &sections("[\"scope\"]"), &unscoped).await;
    let refused = sponsored(&ci, &token, &own, MACHINE).await;
    assert_eq!(
        (refused.status, refused.error()),
        (403, "insufficient_scope".to_owned())
    );
}

#[tokio::test]
async fn sponsor_that_registered_a_smaller_scope_gives_no_more_than_that() {
    let ci = start("[\"scope\"]").await;
    let stated = json!({ "scope": "client.register r w" });
    let before = initial(&ci, &stated).await;
    // A `sub` with the name of an issuer would be a token of the door that exists in tests only.
    let statement = ci.github().claim("sub", "a job").claim("aud", ENDPOINT).sign();
    let body = json!({ "software_statement": statement, "scope": "client.register r" });
    let answer = post(&ci.world, &body).await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    for token in [before, initial(&ci, &stated).await] {
        assert_eq!(scope_given(&ci, &token).await, "r");
    }
    // Limits by a bearer statement end after an hour.
    ci.world.running.app.clock.shift(3_601);
    ci.world.publish_keys("github", &[&ci.github]).await;
    let later = initial(&ci, &stated).await;
    assert_eq!(scope_given(&ci, &later).await, "r w");
}
