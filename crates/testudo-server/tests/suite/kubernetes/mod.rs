//! Service accounts of Kubernetes as clients: clusters that share an issuer, reviews, rules and the configuration.

mod clusters;
mod crowd;
mod reviews;

use crate::world::{ISSUER, RULES, World, assert_refused, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::Answer;
use testudo_testkit::kubernetes::DEFAULT_ISSUER;
use testudo_testkit::token::Draft;
use testudo_testkit::{assertion_form, generate_key};

const RULES_OF_CLUSTERS: &str = r#"
[[rules]]
name = "pods"
identities = ["k1:{namespace}/{account}", "k2:{namespace}/{account}"]
scopes = ["r", "w"]
default_scopes = ["r"]
resources = ["https://orders.example/", "https://bills.example/"]
client_name = "{account} in {namespace}"
"#;

/// An entry of a cluster with the default issuer, and its key set in a file.
fn entry(name: &str, more: &str) -> String {
    format!(
        "[[issuers]]\nname = \"{name}\"\nkind = \"kubernetes\"\nuse = [\"client\"]\nissuer = \"{DEFAULT_ISSUER}\"\n\
         jwks = {{ file = \"{name}.json\" }}\n{more}\n"
    )
}

/// A server with two clusters of one issuer.
struct Clusters {
    world: World,
    k1: SigningKey,
    k2: SigningKey,
}

impl Clusters {
    async fn start() -> Clusters {
        Clusters::start_with(&[entry("k1", ""), entry("k2", "")].concat()).await
    }

    async fn start_with(entries: &str) -> Clusters {
        let sections = format!("{}{entries}", domains(""));
        let clusters = Clusters {
            world: World::start_with(&sections, &format!("{RULES_OF_CLUSTERS}{RULES}")).await,
            k1: generate_key(Algorithm::ES256, Some("k1-key")),
            k2: generate_key(Algorithm::ES256, Some("k2-key")),
        };
        clusters.world.publish_keys("k1", &[&clusters.k1]).await;
        if entries.contains("\"k2\"") {
            clusters.world.publish_keys("k2", &[&clusters.k2]).await;
        }
        clusters
    }

    fn draft<'k>(&self, key: &'k SigningKey) -> Draft<'k> {
        Draft::service_account(key, DEFAULT_ISSUER, "pay/worker", ISSUER, self.world.now())
    }

    async fn ask(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        self.world.send(&assertion_form(token, more)).await
    }

    /// Checks that a token request was refused, with an answer that does not tell the reason.
    #[track_caller]
    fn assert_refused(&self, answer: &Answer, case: &str) {
        assert_refused(answer, "invalid_client", case);
        assert_eq!(
            answer.json()["error_description"],
            "client authentication failed",
            "{case}"
        );
    }
}

fn subject_of(answer: &Answer) -> String {
    let token = answer.json()["access_token"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    testudo_testkit::token::claims(&token)["sub"]
        .as_str()
        .unwrap()
        .to_owned()
}
