//! Tokens that are accepted, and what their clients are.

use super::{Ci, granted};
use crate::world::ISSUER;
use serde_json::{Value, json};

// Row H-01.
#[tokio::test]
async fn job_gets_a_token_as_often_as_it_asks_and_all_branches_are_the_client_that_subject_claim_names() {
    let ci = Ci::start().await;
    let token = ci.github().sign();
    for case in ["first", "again", "and again"] {
        let claims = granted(&ci.show(&token).await, case);
        assert_eq!(
            (&claims["sub"], &claims["client_id"], &claims["scope"]),
            (&json!("github:12345"), &json!("github:12345"), &json!("deploy")),
            "{case}"
        );
    }
    let other_branch = ci.github().claim("sub", "repo:acme/app:ref:refs/heads/other");
    granted(&ci.show(&other_branch.sign()).await, "other branch");
    let as_number = ci
        .github()
        .claim("environment", "test")
        .claim("repository_id", 999);
    let claims = granted(&ci.show(&as_number.sign()).await, "number");
    assert_eq!(
        (&claims["client_id"], &claims["scope"]),
        (&json!("github:999"), &json!("r"))
    );
    let clients = ci.world.clients().await;
    let shown = |id: &str| clients.iter().find(|client| client["client_id"] == id).unwrap();
    assert_eq!(clients.len(), 2, "{clients:?}");
    let deploy = shown("github:12345");
    assert_eq!(
        (
            &deploy["authority"],
            &deploy["rule"],
            &deploy["governed_by"],
            &deploy["metadata"]["client_name"]
        ),
        (
            &json!("github:"),
            &json!("deploy"),
            &json!("deploy"),
            &json!("acme/app")
        )
    );
    assert_eq!(
        deploy["metadata"]["client_uri"],
        "https://code.example/acme%2Fapp"
    );
    assert_eq!(
        shown("github:999")["metadata"]["client_name"],
        "acme/app of acme on github-hosted"
    );
    let metrics = ci.world.metrics().await;
    let remembered = metrics
        .lines()
        .find(|line| line.starts_with("testudo_assertions_remembered_total"));
    assert!(
        remembered.is_some_and(|line| line.ends_with(" 2")),
        "{remembered:?}"
    );
}

#[tokio::test]
async fn subject_is_split_at_slashes_and_encoded_where_it_is_not_printable_ascii() {
    let ci = Ci::start().await;
    for (subject, client_id) in [
        (
            "project_path:group/app:ref_type:branch:ref:main",
            "gitlab:project_path:group/app:ref_type:branch:ref:main",
        ),
        (
            "project_path:group/caf\u{e9}/{x}*",
            "gitlab:project_path:group/caf%C3%A9/%7Bx%7D%2A",
        ),
        ("project_path:group/", "gitlab:project_path:group%2F"),
        ("project_path:group//x%41", "gitlab:project_path:group/%2Fx%2541"),
    ] {
        let answer = ci.show(&ci.gitlab().claim("sub", subject).sign()).await;
        if client_id.contains("group/") {
            assert_eq!(granted(&answer, subject)["client_id"], client_id);
        } else {
            assert_eq!(answer.status, 400, "{subject}: no rule matches");
        }
    }
    let id = "gitlab:project_path:group/app:ref_type:branch:ref:main";
    let token = ci.gitlab().sign();
    granted(&ci.show_with(&token, &[("client_id", id)]).await, "own client_id");
    let other = ci.show_with(&token, &[("client_id", "gitlab:other")]).await;
    assert_eq!(other.status, 400);
}

#[tokio::test]
async fn rule_is_chosen_by_the_claims_of_the_token_and_a_capture_that_is_missing_leaves_its_label_out() {
    let ci = Ci::start().await;
    let other = ci
        .github()
        .claim("repository_id", "1")
        .claim("environment", "test")
        .without_claim("repository_owner");
    let claims = granted(&ci.show(&other.sign()).await, "build");
    assert_eq!(claims["scope"], "r");
    let clients = ci.world.clients().await;
    assert_eq!(
        (&clients[0]["rule"], &clients[0]["metadata"]["client_name"]),
        (&json!("build"), &Value::Null)
    );
    // The same client under another rule, by the claims of its next token.
    let claims = granted(&ci.show(&ci.github().sign()).await, "deploy");
    assert_eq!(claims["scope"], "deploy");
    let claims = granted(
        &ci.show(&ci.github().claim("environment", "test").sign()).await,
        "no deploy",
    );
    assert_eq!(
        (&claims["client_id"], &claims["scope"]),
        (&json!("github:12345"), &json!("r"))
    );
}

#[tokio::test]
async fn clients_with_keys_of_their_own_are_recognised_beside_issuers() {
    let ci = Ci::start().await;
    granted(&ci.show(&ci.github().sign()).await, "issuer");
    granted(&ci.world.ask_as_c6("1", &[]).await, "private_key_jwt");
    let answer = ci
        .world
        .connect()
        .await
        .get("/.well-known/oauth-authorization-server")
        .await;
    let methods = answer.json()["token_endpoint_auth_methods_supported"].clone();
    assert_eq!(
        methods,
        json!(["spiffe_jwt", "private_key_jwt"]),
        "an issuer adds no method"
    );
}

#[tokio::test]
async fn type_of_a_client_assertion_is_accepted_and_so_is_none() {
    let ci = Ci::start().await;
    for typ in [
        "JWT",
        "client-authentication+jwt",
        "application/client-authentication+jwt",
    ] {
        granted(&ci.show(&ci.github().header("typ", typ).sign()).await, typ);
    }
    granted(
        &ci.show(&ci.github().without_header("typ").sign()).await,
        "no typ",
    );
    granted(
        &ci.show(&ci.github().without_header("kid").sign()).await,
        "no kid",
    );
    granted(
        &ci.show(&ci.github().claim("aud", ISSUER).sign()).await,
        "aud is a string",
    );
}

// Row I-05.
#[tokio::test]
async fn new_key_is_fetched_early_and_a_withdrawn_key_is_refused() {
    let ci = Ci::start().await;
    let next = testudo_testkit::generate_key(testudo_protocol::jose::Algorithm::ES384, Some("next"));
    ci.world.publish_keys("github", &[&ci.github, &next]).await;
    granted(&ci.show(&ci.github_by(&next).sign()).await, "next key");
    let token = ci.github().sign();
    granted(&ci.show(&token).await, "old key");
    ci.world.publish_keys("github", &[&next]).await;
    assert_eq!(
        ci.show(&token).await.status,
        400,
        "the verdict of the withdrawn key is not used"
    );
    granted(&ci.show(&ci.github_by(&next).sign()).await, "next key still");
}
