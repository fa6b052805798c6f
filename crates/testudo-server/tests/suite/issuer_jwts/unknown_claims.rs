//! Rules with `claims`, for identities whose claims are not stored: sponsors of other clients, and administrators. The
//! first rule refuses the jobs of forks, and the last one admits every job.

use super::{Ci, ENDPOINT, ISSUERS, key};
use crate::world::{ISSUER, RULES, assert_refused, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::SigningKey;
use testudo_testkit::assertion_form;
use testudo_testkit::http::Answer;
use testudo_testkit::token::Draft;

const OF_FORKS: &str = r#"
[[rules]]
name = "forks"
authorities = ["github"]
claims = { fork = true }
enabled = false
"#;

const OF_ONE: &str = r#"
[[rules]]
name = "one"
identities = ["github:12345"]
scopes = ["r", "client.register", "admin.read"]
default_scopes = ["r"]
resources = ["https://as.example/register", "https://as.example"]
"#;

/// Every job, of forks or not.
const OF_ALL: &str = r#"
[[rules]]
name = "all"
authorities = ["github"]
entire_authority = true
scopes = ["r", "client.register", "admin.read"]
default_scopes = ["r"]
resources = ["https://as.example/register", "https://as.example"]
"#;

fn sections() -> String {
    let admin = "listen = \"127.0.0.1:0\"\nadministrators = [\"github:12345\"]\n";
    let registration = "[registration]\ninitial_access_tokens = true\n";
    format!("{admin}{registration}{}{ISSUERS}", domains(""))
}

impl Ci {
    async fn with_rules(rules: &str) -> Ci {
        Ci::start_with(&sections(), rules).await
    }

    async fn governed_by(&self, rules: &str) {
        self.world
            .reload_with(&sections(), &format!("{rules}{RULES}"))
            .await;
    }

    async fn token_for(&self, scope: &str, resource: &str) -> String {
        let asked = [("scope", scope), ("resource", resource)];
        let answer = self.show_with(&self.github().sign(), &asked).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.access_token()
    }

    async fn register_with(&self, token: &str, key: &SigningKey) -> Answer {
        let body = json!({
            "jwks": { "keys": [key.public_jwk("sig", true)] }, "grant_types": ["client_credentials"],
        });
        self.world.send_as(token, "POST", "/register", &body).await
    }
}

#[tokio::test]
async fn rule_with_claims_is_not_passed_by_for_a_sponsor_and_the_clients_that_it_registered() {
    let ci = Ci::with_rules(OF_ALL).await;
    let (token, own) = (ci.token_for("client.register", ENDPOINT).await, key());
    let registered = ci.register_with(&token, &own).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let id = registered.json()["client_id"].as_str().unwrap().to_owned();
    let ask = async |jti: &str| {
        let assertion = Draft::assertion(&own, &id, ISSUER, jti, ci.world.now());
        ci.world.send(&assertion_form(&assertion.sign(), &[])).await
    };
    assert_eq!(ask("1").await.status, 200);

    // A job that is no fork is still admitted with its own token; whether the sponsor was one is not stored.
    ci.governed_by(&[OF_FORKS, OF_ALL].concat()).await;
    assert_eq!(ci.show(&ci.github().sign()).await.status, 200);
    let fork = ci.show(&ci.github().claim("fork", true).sign()).await;
    assert_eq!(ci.world.reason_of(&fork).await, "rule_disabled");
    let refused = ask("2").await;
    assert_refused(&refused, "invalid_client", "the client of a sponsor");
    assert_eq!(ci.world.reason_of(&refused).await, "claims_unknown");
    let refused = ci.register_with(&token, &key()).await;
    assert_eq!(
        (refused.status, refused.error()),
        (401, "invalid_token".to_owned())
    );
    let shown = ci.world.clients().await;
    let shown = shown
        .iter()
        .find(|client| client["client_id"] == json!(id))
        .unwrap();
    assert_eq!(shown["governed_by"], Value::Null, "{shown}");

    // With a rule of its own before it, the sponsor is admitted again, and so are its clients.
    ci.governed_by(&[OF_ONE, OF_FORKS, OF_ALL].concat()).await;
    assert_eq!(ask("3").await.status, 200);
    let registered = ci.register_with(&token, &key()).await;
    assert_eq!(registered.status, 201, "{registered:?}");
}

#[tokio::test]
async fn rule_with_claims_is_not_passed_by_for_an_administrator_with_a_token_of_this_server() {
    let ci = Ci::with_rules(OF_ALL).await;
    let token = ci.token_for("admin.read", ISSUER).await;
    assert_eq!(ci.world.clients_over_http(&token).await.status, 200);
    ci.governed_by(&[OF_FORKS, OF_ALL].concat()).await;
    let refused = ci.world.clients_over_http(&token).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let events = ci.world.events("admin.refused").await;
    let detail = events
        .last()
        .map(|event| event["detail"].to_string())
        .unwrap_or_default();
    assert!(detail.contains("rule forks requires claims"), "{events:?}");
    ci.governed_by(&[OF_ONE, OF_FORKS, OF_ALL].concat()).await;
    assert_eq!(ci.world.clients_over_http(&token).await.status, 200);
}
