//! Reviews of tokens by the API server of their cluster.

use super::*;
use testudo_testkit::kubernetes::{Answering, ReviewServer};

struct Reviewed {
    clusters: Clusters,
    api: ReviewServer,
}

impl Reviewed {
    /// The cluster `k1` has its tokens reviewed; `more` are further keys.
    async fn start(more: &str) -> Reviewed {
        let api = ReviewServer::start().await;
        let review = format!(
            "token_review = {{ url = \"{}\", token = {{ file = \"review.token\" }}{more} }}",
            api.url
        );
        let clusters = Clusters::start().await;
        std::fs::write(clusters.world.folder.join("review.token"), "first-token\n").unwrap();
        let entries = [entry("k1", &review), entry("k2", "")].concat();
        let sections = format!("{}{entries}", domains(""));
        clusters
            .world
            .reload_with(&sections, &format!("{RULES_OF_CLUSTERS}{RULES}"))
            .await;
        Reviewed { clusters, api }
    }

    fn token(&self, jti: &str) -> String {
        let pod = json!({
            "namespace": "pay", "serviceaccount": { "name": "worker", "uid": "uid-1" },
            "pod": { "name": "worker-0", "uid": "pod-uid-1" },
        });
        let draft = self.clusters.draft(&self.clusters.k1);
        draft.claim("jti", jti).claim("kubernetes.io", pod).sign()
    }

    async fn ask(&self, token: &str) -> Answer {
        self.clusters.ask(token, &[]).await
    }

    /// A later moment, at which no answer is remembered any more.
    fn later(&self, seconds: i64) {
        self.clusters.world.running.app.clock.shift(seconds);
    }
}

// Row H-19.
#[tokio::test]
async fn token_is_refused_when_its_pod_is_gone_although_it_was_accepted_before() {
    let reviewed = Reviewed::start("").await;
    let token = reviewed.token("1");
    assert_eq!(reviewed.ask(&token).await.status, 200);
    let requests = reviewed.api.take_requests();
    let [request] = &*requests else {
        panic!("{requests:?}")
    };
    assert_eq!(request.authorization.as_deref(), Some("Bearer first-token"));
    assert_eq!(request.document["spec"]["token"], *token);
    assert_eq!(request.document["spec"]["audiences"], json!([ISSUER]));

    reviewed.api.answers(Answering::Gone);
    assert_eq!(
        reviewed.ask(&token).await.status,
        200,
        "the answer is used for `cache`"
    );
    assert!(reviewed.api.take_requests().is_empty());
    reviewed.later(11);
    let refused = reviewed.ask(&token).await;
    reviewed.clusters.assert_refused(&refused, "the pod is gone");
    assert_eq!(
        reviewed.clusters.world.reason_of(&refused).await,
        "kubernetes_review_refused"
    );
    // Without a review, the same would be accepted until it expires.
    let of_k2 = reviewed.clusters.draft(&reviewed.clusters.k2).sign();
    assert_eq!(reviewed.ask(&of_k2).await.status, 200);
}

#[tokio::test]
async fn forged_token_causes_no_review() {
    let reviewed = Reviewed::start("").await;
    let forger = generate_key(Algorithm::ES256, Some("k1-key"));
    let forged = reviewed.clusters.draft(&forger).sign();
    reviewed
        .clusters
        .assert_refused(&reviewed.ask(&forged).await, "forged");
    let expired = reviewed.clusters.draft(&reviewed.clusters.k1);
    let expired = expired.claim("exp", reviewed.clusters.world.now() - 1).sign();
    reviewed
        .clusters
        .assert_refused(&reviewed.ask(&expired).await, "expired");
    assert!(reviewed.api.take_requests().is_empty());
    assert_eq!(reviewed.ask(&reviewed.token("1")).await.status, 200);
    assert_eq!(reviewed.api.take_requests().len(), 1);
}

#[tokio::test]
async fn identity_that_no_rule_governs_or_that_is_blocked_or_disabled_causes_no_review() {
    let reviewed = Reviewed::start("").await;
    let world = &reviewed.clusters.world;
    let of = |account: &str| {
        let key = &reviewed.clusters.k1;
        Draft::service_account(key, DEFAULT_ISSUER, account, ISSUER, world.now()).sign()
    };
    let rules = RULES_OF_CLUSTERS.replace("k1:{namespace}/{account}", "k1:pay/{account}");
    let review = format!(
        "token_review = {{ url = \"{}\", token = {{ file = \"review.token\" }} }}",
        reviewed.api.url
    );
    let entries = [entry("k1", &review), entry("k2", "")].concat();
    let rules = rules.replace("{account} in {namespace}", "{account}");
    let rules = rules.replace("\"k2:{namespace}/{account}\"", "\"k2:pay/{account}\"");
    world
        .reload_with(&format!("{}{entries}", domains("")), &format!("{rules}{RULES}"))
        .await;
    let refused = reviewed.ask(&of("shop/worker")).await;
    reviewed.clusters.assert_refused(&refused, "no rule");
    assert_eq!(world.reason_of(&refused).await, "no_rule");
    let block = json!({ "identity": "k1:pay/blocked" });
    world.admin("POST", "/admin/v1/blocks", block).await;
    let refused = reviewed.ask(&of("pay/blocked")).await;
    reviewed.clusters.assert_refused(&refused, "blocked");
    let switch = async |verb: &str| {
        let path = format!("/admin/v1/trust/k1/{verb}");
        world.admin("POST", &path, json!({})).await;
    };
    switch("disable").await;
    let refused = reviewed.ask(&of("pay/worker")).await;
    reviewed.clusters.assert_refused(&refused, "disabled");
    assert!(reviewed.api.take_requests().is_empty());
    switch("enable").await;
    assert_eq!(reviewed.ask(&of("pay/worker")).await.status, 200);
    assert_eq!(reviewed.api.take_requests().len(), 1);
}

// Rows H-17, H-18.
#[tokio::test]
async fn every_other_answer_refuses_the_token_whatever_on_outage_says() {
    let reviewed = Reviewed::start(", on_outage = \"accept\"").await;
    assert_eq!(reviewed.ask(&reviewed.token("good")).await.status, 200);
    let valid = json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "status": { "authenticated": true, "user": { "username": "system:serviceaccount:pay:worker", "uid": "uid-1",
            "extra": { "authentication.kubernetes.io/pod-uid": ["pod-uid-1"] } }, "audiences": [] },
    })
    .to_string();
    let other_pod = valid
        .replace("pod-uid-1", "pod-uid-2")
        .replace("[]", &json!([ISSUER]).to_string());
    for (case, status, body) in [
        ("audiences empty", 201, &*valid),
        ("another pod", 201, &other_pod),
        ("not JSON", 200, "<html>"),
        ("forbidden", 403, "{}"),
        ("unauthorized", 401, "{}"),
        ("too many requests", 429, "{}"),
        ("redirect", 307, ""),
        ("redirect", 302, ""),
        ("too large", 200, &"x".repeat(70_000)),
    ] {
        reviewed.api.answers(Answering::With(status, body.to_owned()));
        let answer = reviewed.ask(&reviewed.token(&format!("{case} {status}"))).await;
        reviewed.clusters.assert_refused(&answer, case);
    }
}

// Row H-18.
#[tokio::test]
async fn outage_refuses_tokens_by_default() {
    let reviewed = Reviewed::start(", timeout = \"1s\"").await;
    for (case, answering) in [
        ("500", Answering::With(500, String::new())),
        ("503", Answering::With(503, String::new())),
        ("time-out", Answering::Never),
    ] {
        reviewed.api.answers(answering);
        let answer = reviewed.ask(&reviewed.token(case)).await;
        reviewed.clusters.assert_refused(&answer, case);
        assert_eq!(
            reviewed.clusters.world.reason_of(&answer).await,
            "kubernetes_not_reviewed",
            "{case}"
        );
    }
}

#[tokio::test]
async fn outage_is_bridged_for_accept_for_and_no_longer() {
    let more = ", timeout = \"1s\", on_outage = \"accept\", accept_for = \"2m\"";
    let reviewed = Reviewed::start(more).await;
    let gone = reviewed.token("gone");
    reviewed.api.answers(Answering::Gone);
    reviewed
        .clusters
        .assert_refused(&reviewed.ask(&gone).await, "gone");
    reviewed.api.answers(Answering::Never);
    let token = reviewed.token("1");
    assert_eq!(reviewed.ask(&token).await.status, 200, "a time-out");
    reviewed
        .clusters
        .assert_refused(&reviewed.ask(&gone).await, "its last answer still counts");
    for case in ["after the cache", "after the answer that did not come"] {
        reviewed.later(6);
        reviewed.clusters.assert_refused(&reviewed.ask(&gone).await, case);
    }
    reviewed.api.answers(Answering::With(502, String::new()));
    reviewed.later(88);
    assert_eq!(reviewed.ask(&token).await.status, 200, "a status of 500 or more");
    reviewed.later(30);
    reviewed
        .clusters
        .assert_refused(&reviewed.ask(&token).await, "the outage lasts too long");
    assert!(
        reviewed
            .clusters
            .world
            .metrics()
            .await
            .contains("testudo_token_reviews_omitted_total 2")
    );
    // Answers for five minutes end the outage, and one answer does not.
    let refused_in_outage = async |case: &str| {
        reviewed.api.answers(Answering::With(500, String::new()));
        reviewed.later(11);
        reviewed
            .clusters
            .assert_refused(&reviewed.ask(&token).await, case);
    };
    reviewed.api.answers(Answering::Valid);
    reviewed.later(2);
    assert_eq!(reviewed.ask(&token).await.status, 200);
    refused_in_outage("the same outage").await;
    reviewed.api.answers(Answering::Valid);
    reviewed.later(2);
    assert_eq!(reviewed.ask(&token).await.status, 200);
    reviewed.later(300);
    let token = reviewed.token("2");
    assert_eq!(reviewed.ask(&token).await.status, 200);
    reviewed.api.answers(Answering::With(500, String::new()));
    reviewed.later(11);
    assert_eq!(reviewed.ask(&token).await.status, 200, "a new outage");
}

#[tokio::test]
async fn answers_of_an_api_server_are_not_used_after_a_reload_names_another_one() {
    let reviewed = Reviewed::start(", cache = \"5m\"").await;
    let token = reviewed.token("1");
    assert_eq!(reviewed.ask(&token).await.status, 200);
    let other = ReviewServer::start().await;
    other.answers(Answering::Gone);
    let reload = async |url: &str| {
        let review = format!(
            "token_review = {{ url = \"{url}\", token = {{ file = \"review.token\" }}, cache = \"5m\" }}"
        );
        let sections = format!("{}{}", domains(""), entry("k1", &review));
        let rules = RULES_OF_CLUSTERS.replace(", \"k2:{namespace}/{account}\"", "");
        let world = &reviewed.clusters.world;
        world.reload_with(&sections, &format!("{rules}{RULES}")).await;
    };
    reload(&other.url).await;
    reviewed
        .clusters
        .assert_refused(&reviewed.ask(&token).await, "the other server refuses it");
    assert_eq!(other.take_requests().len(), 1);
    reload(&reviewed.api.url).await;
    assert_eq!(
        reviewed.ask(&token).await.status,
        200,
        "the refusal was of the other server"
    );
}

#[tokio::test]
async fn requests_with_one_token_share_one_review_and_many_tokens_are_bounded() {
    let reviewed = Reviewed::start(", timeout = \"10s\"").await;
    let request = |token: &str| (Vec::new(), assertion_form(token, &[]));
    let token = reviewed.token("shared");
    let answers = reviewed
        .clusters
        .world
        .at_once((0..20).map(|_| request(&token)).collect())
        .await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(reviewed.api.take_requests().len(), 1);
    let tokens: Vec<String> = (0..40)
        .map(|number| reviewed.token(&number.to_string()))
        .collect();
    let answers = reviewed
        .clusters
        .world
        .at_once(tokens.iter().map(|token| request(token)).collect())
        .await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(reviewed.api.take_requests().len(), 40);
}

#[tokio::test]
async fn token_of_this_server_is_read_again_at_each_review() {
    let reviewed = Reviewed::start("").await;
    assert_eq!(reviewed.ask(&reviewed.token("1")).await.status, 200);
    std::fs::write(
        reviewed.clusters.world.folder.join("review.token"),
        "second-token",
    )
    .unwrap();
    assert_eq!(reviewed.ask(&reviewed.token("2")).await.status, 200);
    let seen: Vec<_> = reviewed
        .api
        .take_requests()
        .into_iter()
        .map(|request| request.authorization.unwrap())
        .collect();
    assert_eq!(seen, ["Bearer first-token", "Bearer second-token"]);
    std::fs::remove_file(reviewed.clusters.world.folder.join("review.token")).unwrap();
    let refused = reviewed.ask(&reviewed.token("3")).await;
    reviewed.clusters.assert_refused(&refused, "no token for the API");
}
