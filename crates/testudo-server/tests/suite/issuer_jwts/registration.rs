//! Tokens of issuers as software statements. [RFC7591 §2.3]

use super::{Ci, ENDPOINT, granted};
use crate::registration::each_claim::{check_each, every_member};
use crate::registration::post;
use serde_json::json;

const CLIENT: &str = "gitlab:project_path:group/app:ref_type:branch:ref:main";

#[tokio::test]
async fn token_of_an_issuer_for_registrations_is_a_software_statement_and_creates_no_secret() {
    let ci = Ci::start().await;
    let statement = ci.gitlab().claim("aud", ENDPOINT).sign();
    let answer = post(&ci.world, &json!({ "software_statement": statement })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let registered = answer.json();
    assert_eq!(
        (
            &registered["client_id"],
            &registered["token_endpoint_auth_method"]
        ),
        (&json!(CLIENT), &json!("issuer_jwt"))
    );
    assert!(registered.get("client_secret").is_none());
    let claims = granted(&ci.show(&ci.gitlab().sign()).await, "token");
    assert_eq!(claims["client_id"], CLIENT);
    assert_eq!(ci.world.client_ids().await, [CLIENT]);
    // The audience may be the issuer of this server as well.
    let answer = post(&ci.world, &json!({ "software_statement": ci.gitlab().sign() })).await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
}

#[tokio::test]
async fn statement_of_an_issuer_that_is_not_for_registrations_or_has_a_fault_is_refused() {
    let ci = Ci::start().await;
    let now = ci.world.now();
    let good = || ci.gitlab().claim("aud", ENDPOINT);
    for (case, token, code) in [
        (
            "not for registrations",
            ci.github().claim("aud", ENDPOINT),
            "invalid_software_statement",
        ),
        (
            "no iat",
            good().without_claim("iat"),
            "invalid_software_statement",
        ),
        ("expired", good().claim("exp", now), "invalid_software_statement"),
        (
            "other audience",
            good().claim("aud", "https://b.example/register"),
            "invalid_software_statement",
        ),
        (
            "key of another issuer",
            ci.github_by(&ci.github).claim("iss", super::GITLAB),
            "invalid_software_statement",
        ),
        (
            "no rule",
            good().claim("sub", "project_path:other/x"),
            "unapproved_software_statement",
        ),
    ] {
        let answer = post(&ci.world, &json!({ "software_statement": token.sign() })).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &json!(code)),
            "{case}: {answer:?}"
        );
    }
    assert!(ci.world.client_ids().await.is_empty());
    let answer = post(&ci.world, &json!({ "software_statement": good().sign() })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

// Rows RF-95 to RF-98.
#[tokio::test]
async fn each_claim_of_a_job_has_its_effect_if_the_entry_lists_it_and_none_otherwise() {
    const GRANTS: &str = "grant_types = [\"client_credentials\", \"authorization_code\"]\nredirect_uri_hosts = [\"app.example\"]";
    for (listed, is_listed) in [(every_member(), true), (String::new(), false)] {
        let ci = Ci::start_changed(|issuers, rules| {
            let listing = format!("issuer = \"{}\"\n{listed}", super::GITLAB);
            let wide = format!("name = \"group\"\n{GRANTS}");
            (
                issuers.replace(&format!("issuer = \"{}\"", super::GITLAB), &listing),
                rules
                    .replace("name = \"group\"", &wide)
                    .replace("scopes = [\"r\", \"client.register\"]", "scopes = [\"r\", \"w\"]"),
            )
        })
        .await;
        check_each(is_listed, async |claims, mut body| {
            let statement = ci.gitlab().claim("aud", ENDPOINT).more_claims(&claims);
            body["software_statement"] = json!(statement.sign());
            post(&ci.world, &body).await
        })
        .await;
    }
}
