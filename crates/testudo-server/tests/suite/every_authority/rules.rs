//! `rule test` and `rule list` with identities of each kind of authority.

use super::{Everyone, GOVERNED, KINDS, UNGOVERNED};
use serde_json::{Value, json};

impl Everyone {
    async fn tested(&self, test: Value) -> Value {
        let tested = self.world.admin("POST", "/admin/v1/rules/test", test).await;
        tested[0].clone()
    }

    /// Reloads with these rules before the others.
    async fn rules_first(&self, rules: &str) {
        let rules = format!("{rules}{}", self.rules());
        self.world.reload_with(&self.sections(), &rules).await;
    }
}

#[tokio::test]
async fn rule_test_answers_for_identities_of_each_kind_of_authority_as_a_request_would_be_answered() {
    let everyone = Everyone::start().await;
    for kind in KINDS {
        let key = kind.key;
        let (identity, elsewhere) = (kind.identity(GOVERNED), kind.identity(UNGOVERNED));
        let test = async |identity: &str| everyone.tested(json!({ "identities": [identity] })).await;
        let good = test(&identity).await;
        let found = (&good["rule"], &good["scopes"], &good["problem"]);
        assert_eq!(
            found,
            (&json!("every"), &json!(["r"]), &Value::Null),
            "{key}: {good:#}"
        );
        assert_eq!(good["captures"], json!({ "name": "api" }), "{key}");
        let none = test(&elsewhere).await;
        let found = (&none["rule"], &none["rejection"]);
        assert_eq!(found, (&Value::Null, &json!("no_rule")), "{key}: {none:#}");
        everyone.order(kind, "disable").await;
        let disabled = test(&identity).await;
        let found = (&disabled["rule"], &disabled["rejection"]);
        let expected = (&json!("every"), &json!("authority_disabled"));
        assert_eq!(found, expected, "{key}: {disabled:#}");
        everyone.order(kind, "enable").await;
        let unknown = test(&identity.replacen(kind.name(), "absent", 1)).await;
        let problem = unknown["problem"].as_str().unwrap();
        assert!(problem.contains("`absent` is not configured"), "{problem}");
    }
    assert!(everyone.world.clients().await.is_empty());
}

/// Kubernetes and CI: `claims` of rules and `captures` read the claims that the test states.
#[tokio::test]
async fn rule_test_finds_the_rule_and_fills_templates_by_the_claims_that_it_is_given() {
    let everyone = Everyone::start().await;
    everyone
        .rules_first(
            "[[rules]]\nname = \"prod\"\nidentities = [\"ci:w/*\"]\nclaims = { environment = \"prod\", run = 7 }\n\
             client_name = \"{repository} in production\"\nscopes = [\"deploy\"]\n\
             [[rules]]\nname = \"node\"\nidentities = [\"cluster:w/*\"]\n\
             claims = { \"/kubernetes.io/node/name\" = \"n1\" }\nclient_name = \"{account} on {node}\"\n"
                .replace("cluster:w/*", "cluster:w/{account}")
                .as_str(),
        )
        .await;
    let of_node = |name: &str| json!({ "kubernetes.io": { "node": { "name": name } } });
    let of_job =
        |environment: Value| json!({ "environment": environment, "run": 7, "repository": "acme/app" });
    let nothing = json!({});
    for (identity, claims, rule, client_name, deciding) in [
        (
            "ci:w/api",
            of_job(json!("prod")),
            "prod",
            json!("acme/app in production"),
            json!(null),
        ),
        (
            "ci:w/api",
            of_job(json!("test")),
            "every",
            json!(null),
            json!(null),
        ),
        (
            "ci:w/api",
            of_job(json!(["prod"])),
            "every",
            json!(null),
            json!(null),
        ),
        (
            "ci:w/api",
            json!({ "run": 7 }),
            "every",
            json!(null),
            json!(["environment"]),
        ),
        ("ci:w/api", json!({ "run": 8 }), "every", json!(null), json!(null)),
        (
            "ci:w/api",
            nothing.clone(),
            "every",
            json!(null),
            json!(["environment", "run"]),
        ),
        (
            "cluster:w/api",
            of_node("n1"),
            "node",
            json!("api on n1"),
            json!(null),
        ),
        ("cluster:w/api", of_node("n2"), "every", json!(null), json!(null)),
        (
            "cluster:w/api",
            nothing.clone(),
            "every",
            json!(null),
            json!(["/kubernetes.io/node/name"]),
        ),
    ] {
        let tested = everyone
            .tested(json!({ "identities": [identity], "claims": claims }))
            .await;
        let found = (
            &tested["rule"],
            &tested["client_name"],
            &tested["claims_that_decide"],
        );
        assert_eq!(
            found,
            (&json!(rule), &client_name, &deciding),
            "{claims}: {tested:#}"
        );
        assert!(tested["problem"].is_null(), "{tested:#}");
    }
    // Where only the rule with claims matches, the answer names the claim and the values.
    let only = "[[rules]]\nname = \"only\"\nauthorities = [\"ci\"]\nclaims = { environment = \"prod\" }\n";
    everyone
        .world
        .reload_with(
            &everyone.sections(),
            &everyone.rules().replace("\"ci:w/{name}\", ", "").replacen(
                "[[rules]]",
                &format!("{only}[[rules]]"),
                1,
            ),
        )
        .await;
    let refused = everyone
        .tested(json!({ "identities": ["ci:other/x"], "claims": { "environment": "test" } }))
        .await;
    assert_eq!(refused["rejection"], "claim_differs", "{refused:#}");
    let problem = refused["problem"].as_str().unwrap();
    assert!(
        problem.contains("environment = \"prod\"") && problem.contains("\"test\""),
        "{problem}"
    );
    let unstated = everyone.tested(json!({ "identities": ["ci:other/x"] })).await;
    let found = (&unstated["rejection"], &unstated["claims_that_decide"]);
    assert_eq!(
        found,
        (&json!("claim_differs"), &json!(["environment"])),
        "{unstated:#}"
    );
}

#[tokio::test]
async fn rule_test_names_the_client_of_each_instance_that_credentials_of_the_kind_name() {
    let everyone = Everyone::start().await;
    let names: Vec<String> = ["cluster:i/{name}", "agents:i/{name}", "ci:i/{name}"]
        .map(|id| format!("{id:?}"))
        .into();
    let rule = format!(
        "[[rules]]\nname = \"each\"\nidentities = [{}]\nclient = \"instance\"\n",
        names.join(", ")
    );
    everyone.rules_first(&rule).await;
    for (name, instances) in [
        (
            "cluster",
            [
                "77b3a5b4-2ad1-4a44-a3f7-3f9c0d2d5c11",
                "77b3a5b4-2ad1-4a44-a3f7-3f9c0d2d5c12",
            ],
        ),
        (
            "agents",
            [
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE",
            ],
        ),
    ] {
        let identity = format!("{name}:i/api");
        let shared = everyone.tested(json!({ "identities": [identity] })).await;
        assert_eq!(shared["is_per_instance"], true, "{shared:#}");
        let mut clients = vec![shared["client_id"].clone()];
        for instance in instances {
            let one = everyone
                .tested(json!({ "identities": [identity], "instance": instance }))
                .await;
            assert!(one["problem"].is_null(), "{one:#}");
            assert!(!clients.contains(&one["client_id"]), "{one:#}");
            clients.push(one["client_id"].clone());
        }
    }
    // A token of a CI system names no instance.
    let shared = everyone.tested(json!({ "identities": ["ci:i/api"] })).await;
    assert!(shared["is_per_instance"].is_null(), "{shared:#}");
}

#[tokio::test]
async fn rule_list_has_the_authorities_claims_credentials_and_occasions_of_each_rule() {
    let everyone = Everyone::start().await;
    everyone
        .rules_first(
            "[[rules]]\nname = \"whole\"\nauthorities = [\"ci\"]\nclaims = { environment = \"prod\", run = 7, main = true }\n\
             credentials = [\"issuer_jwt\"]\noccasions = [\"token\"]\n",
        )
        .await;
    let rules = everyone.world.admin("GET", "/admin/v1/rules", Value::Null).await;
    let whole = &rules[0];
    assert_eq!(
        [
            &whole["name"],
            &whole["identities"],
            &whole["authorities"],
            &whole["claims"],
            &whole["credentials"],
            &whole["occasions"]
        ],
        [
            &json!("whole"),
            &json!([]),
            &json!(["ci"]),
            &json!({ "environment": "prod", "run": 7, "main": true }),
            &json!(["issuer_jwt"]),
            &json!(["token"])
        ]
    );
    let every = &rules[1];
    assert_eq!(
        every["identities"].as_array().unwrap().len(),
        KINDS.len(),
        "{every:#}"
    );
    let empty = (&every["authorities"], &every["claims"], &every["credentials"]);
    assert_eq!(empty, (&json!([]), &json!({}), &Value::Null));
}
