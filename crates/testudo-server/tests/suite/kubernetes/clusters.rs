//! Tokens of clusters that share one issuer string at the token endpoint.

use super::*;

// Row H-09.
#[tokio::test]
async fn token_of_a_service_account_gets_an_access_token_again_and_again() {
    let clusters = Clusters::start().await;
    let token = clusters.draft(&clusters.k1).sign();
    for attempt in ["first", "second"] {
        let answer = clusters.ask(&token, &[("client_id", "k1:pay/worker")]).await;
        assert_eq!(answer.status, 200, "{attempt}: {}", answer.json());
        assert_eq!(subject_of(&answer), "k1:pay/worker", "{attempt}");
    }
    let answer = clusters.ask(&clusters.draft(&clusters.k2).sign(), &[]).await;
    assert_eq!(subject_of(&answer), "k2:pay/worker");
    let client = &clusters.world.clients().await[0];
    assert_eq!(client["metadata"]["client_name"], "worker in pay", "{client}");
    assert_eq!(
        clusters.world.client_ids().await,
        ["k1:pay/worker", "k2:pay/worker"]
    );
    let wrong = clusters.ask(&token, &[("client_id", "k2:pay/worker")]).await;
    assert_eq!(wrong.status, 400, "{}", wrong.json());
}

#[tokio::test]
async fn one_service_account_gets_tokens_for_several_resources_as_one_client() {
    let clusters = Clusters::start().await;
    let token = clusters.draft(&clusters.k1).sign();
    for resource in ["https://orders.example/", "https://bills.example/"] {
        let answer = clusters.ask(&token, &[("resource", resource)]).await;
        let issued = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(testudo_testkit::token::claims(&issued)["aud"], resource);
    }
    let other = clusters
        .ask(&token, &[("resource", "https://other.example/")])
        .await;
    assert_eq!(other.error(), "invalid_target");
    assert_eq!(clusters.world.client_ids().await, ["k1:pay/worker"]);
}

// Rows H-10, H-11, H-13, H-14, H-16.
#[tokio::test]
async fn refused_tokens_are_answered_alike_and_their_events_have_the_reason() {
    let clusters = Clusters::start().await;
    let draft = || clusters.draft(&clusters.k1);
    let now = clusters.world.now();
    let account = |name: &str| {
        Draft::service_account(&clusters.k1, DEFAULT_ISSUER, &format!("pay/{name}"), ISSUER, now)
    };
    let extended = json!({
        "namespace": "pay", "serviceaccount": { "name": "worker", "uid": "1" }, "warnafter": now + 3607,
    });
    assert_eq!(clusters.ask(&draft().sign(), &[]).await.status, 200);
    for (case, token, reason) in [
        (
            "for the API server",
            draft().claim("aud", json!([DEFAULT_ISSUER])),
            "audience_mismatch",
        ),
        (
            "for both",
            draft().claim("aud", json!([ISSUER, DEFAULT_ISSUER])),
            "audience_mismatch",
        ),
        (
            "extended",
            draft().claim("kubernetes.io", extended),
            "kubernetes_claims_refused",
        ),
        (
            "of a Secret",
            draft().without_claim("kubernetes.io"),
            "kubernetes_claims_refused",
        ),
        (
            "without exp",
            draft().without_claim("exp"),
            "token_malformed_or_forged",
        ),
        (
            "for a year",
            draft().claim("exp", now + 365 * 86_400),
            "lifetime_too_long",
        ),
        (
            "five parts",
            draft().claim("sub", "system:serviceaccount:pay:worker:x"),
            "kubernetes_claims_refused",
        ),
        (
            "another name",
            draft().claim("sub", "system:serviceaccount:pay:admin"),
            "kubernetes_claims_refused",
        ),
        (
            "default account",
            account("default"),
            "kubernetes_default_account",
        ),
        ("no kid", draft().without_header("kid"), "kubernetes_no_key_id"),
        ("expired", draft().claim("exp", now - 1), "assertion_expired"),
        (
            "access token",
            draft().header("typ", "at+jwt"),
            "type_not_allowed",
        ),
    ] {
        let answer = clusters.ask(&token.sign(), &[]).await;
        clusters.assert_refused(&answer, case);
        assert_eq!(clusters.world.reason_of(&answer).await, reason, "{case}");
    }
}

// Row H-12.
#[tokio::test]
async fn keys_of_clusters_with_one_issuer_are_never_put_together() {
    let clusters = Clusters::start().await;
    let same_kid = generate_key(Algorithm::ES256, Some("k1-key"));
    let forged = clusters.draft(&same_kid).sign();
    clusters.assert_refused(&clusters.ask(&forged, &[]).await, "a key of no cluster");
    clusters.world.publish_keys("k2", &[&same_kid]).await;
    assert_eq!(subject_of(&clusters.ask(&forged, &[]).await), "k2:pay/worker");
    let of_k1 = clusters.draft(&clusters.k1).sign();
    assert_eq!(subject_of(&clusters.ask(&of_k1, &[]).await), "k1:pay/worker");
    clusters.world.publish_keys("k2", &[&clusters.k1]).await;
    let twice = clusters
        .ask(&clusters.draft(&clusters.k1).claim("jti", "2").sign(), &[])
        .await;
    clusters.assert_refused(&twice, "a key of two clusters");
    assert_eq!(
        clusters.world.reason_of(&twice).await,
        "kubernetes_several_clusters"
    );
}

#[tokio::test]
async fn cluster_with_the_same_key_is_recognised_while_its_own_keys_are_too_old() {
    let clusters = Clusters::start().await;
    let world = &clusters.world;
    let ask_when_k2_is_old = async |key: &SigningKey| {
        world.publish_keys("k2", &[key]).await;
        std::fs::remove_file(world.folder.join("k2.json")).unwrap();
        world.running.app.clock.shift(4_000);
        world.publish_keys("k1", &[&clusters.k1]).await;
        clusters.ask(&clusters.draft(&clusters.k1).sign(), &[]).await
    };
    let granted = ask_when_k2_is_old(&clusters.k2).await;
    assert_eq!(subject_of(&granted), "k1:pay/worker");
    let twice = ask_when_k2_is_old(&clusters.k1).await;
    clusters.assert_refused(&twice, "it may be a token of k2");
    assert_eq!(world.reason_of(&twice).await, "kubernetes_several_clusters");
}

#[tokio::test]
async fn clusters_with_one_key_are_distinguished_by_their_audience() {
    let audience = "accept_audiences = [\"https://as.example/k2\"]";
    let clusters = Clusters::start_with(&[entry("k1", ""), entry("k2", audience)].concat()).await;
    clusters.world.publish_keys("k2", &[&clusters.k1]).await;
    let token = clusters
        .draft(&clusters.k1)
        .claim("aud", json!(["https://as.example/k2"]));
    assert_eq!(
        subject_of(&clusters.ask(&token.sign(), &[]).await),
        "k2:pay/worker"
    );
}

#[tokio::test]
async fn new_key_is_found_at_once_and_a_withdrawn_key_is_not_used_again() {
    let clusters = Clusters::start().await;
    let old = clusters.draft(&clusters.k1).sign();
    assert_eq!(clusters.ask(&old, &[]).await.status, 200);
    let next = generate_key(Algorithm::ES256, Some("next"));
    // Not published by command: the request with the unknown `kid` has the file read.
    clusters.world.write_keys("k1", &[&clusters.k1, &next]);
    let new = clusters.draft(&next).sign();
    assert_eq!(subject_of(&clusters.ask(&new, &[]).await), "k1:pay/worker");
    assert_eq!(
        clusters.ask(&old, &[]).await.status,
        200,
        "both keys are published"
    );
    clusters.world.publish_keys("k1", &[&next]).await;
    clusters.assert_refused(&clusters.ask(&old, &[]).await, "the verdict is not remembered");
    assert_eq!(clusters.ask(&new, &[]).await.status, 200);
}

#[tokio::test]
async fn disabled_cluster_is_refused_at_the_next_request_and_others_are_not() {
    let clusters = Clusters::start().await;
    let tokens = [
        clusters.draft(&clusters.k1).sign(),
        clusters.draft(&clusters.k2).sign(),
    ];
    for token in &tokens {
        assert_eq!(clusters.ask(token, &[]).await.status, 200);
    }
    let world = &clusters.world;
    world.admin("POST", "/admin/v1/trust/k1/disable", json!({})).await;
    let refused = clusters.ask(&tokens[0], &[]).await;
    assert_ne!(refused.status, 200);
    assert_eq!(clusters.world.reason_of(&refused).await, "authority_disabled");
    assert_eq!(clusters.ask(&tokens[1], &[]).await.status, 200);
    let shown = world.admin("GET", "/admin/v1/trust/k1", Value::Null).await;
    assert_eq!(shown["jwt_keys"], json!(["k1-key"]), "{shown}");
}

#[tokio::test]
async fn cluster_without_keys_is_answered_503_and_its_neighbour_is_served() {
    let clusters = Clusters::start_with(&[entry("k1", ""), entry("k3", "")].concat()).await;
    let token = clusters.draft(&clusters.k1).sign();
    assert_eq!(clusters.ask(&token, &[]).await.status, 200);
    let answer = clusters.ask(&clusters.draft(&clusters.k2).sign(), &[]).await;
    assert_eq!(
        (answer.status, &*answer.error()),
        (503, "temporarily_unavailable")
    );
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn assertion_of_another_issuer_is_verified_with_the_keys_of_the_client() {
    let clusters = Clusters::start().await;
    let answer = clusters.world.ask_as_c6("j1", &[]).await;
    assert_ne!(answer.status, 400, "{}", answer.json());
    let foreign = clusters
        .draft(&clusters.k1)
        .claim("iss", "https://other.example")
        .sign();
    let refused = clusters.ask(&foreign, &[]).await;
    clusters.assert_refused(&refused, "another issuer");
}

// Row H-15.
#[tokio::test]
async fn account_that_was_created_again_is_refused_by_a_rule_that_names_its_uid() {
    let rule = "[[rules]]\nname = \"pinned\"\nidentities = [\"k1:{namespace}/{serviceaccount}\"]\nscopes = [\"r\"]\ndefault_scopes = [\"r\"]\n\
                client_name = \"{serviceaccount} in {namespace}, pod {pod} on {node}\"\n\
                claims = { \"/kubernetes.io/serviceaccount/uid\" = \"first-uid\" }\n";
    let clusters = Clusters::start().await;
    let sections = format!("{}{}", domains(""), entry("k1", ""));
    clusters
        .world
        .reload_with(&sections, &format!("{rule}{RULES}"))
        .await;
    let token = |uid: &str| {
        let private = json!({
            "namespace": "pay", "serviceaccount": { "name": "pinned", "uid": uid },
            "pod": { "name": "pinned-0", "uid": "pod-uid" }, "node": { "name": "n4.example", "uid": "node-uid" },
        });
        let now = clusters.world.now();
        let draft = Draft::service_account(&clusters.k1, DEFAULT_ISSUER, "pay/pinned", ISSUER, now);
        draft.claim("kubernetes.io", private).sign()
    };
    let answer = clusters.ask(&token("first-uid"), &[]).await;
    assert_eq!(subject_of(&answer), "k1:pay/pinned");
    let client = &clusters.world.clients().await[0];
    assert_eq!(
        client["metadata"]["client_name"],
        "pinned in pay, pod pinned-0 on n4.example"
    );
    let issued = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(testudo_testkit::token::claims(&issued)["instance"], "pod-uid");
    let again = clusters.ask(&token("second-uid"), &[]).await;
    assert_eq!(again.status, 400, "{}", again.json());
    assert_eq!(clusters.world.reason_of(&again).await, "claim_differs");
}
