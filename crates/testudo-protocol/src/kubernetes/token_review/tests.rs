//! Answers of TokenReview: that of Kubernetes, and the same with one error.

use super::*;
use serde_json::{Value, json};

const AUDIENCE: &str = "https://as.example";

fn account() -> ServiceAccount {
    let claim = json!({
        "namespace": "pay",
        "pod": { "name": "worker-0", "uid": "7712" },
        "serviceaccount": { "name": "worker", "uid": "3a5f" },
    });
    ServiceAccount::of_claims("system:serviceaccount:pay:worker", Some(&claim)).unwrap()
}

/// The answer of Kubernetes 1.34, without the token.
fn answer() -> Value {
    json!({
        "kind": "TokenReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": { "creationTimestamp": null, "managedFields": [{ "fieldsV1": { "f:spec": { "f:token": {} } } }] },
        "spec": { "token": "e30.e30.AA", "audiences": [AUDIENCE] },
        "status": {
            "authenticated": true,
            "user": {
                "username": "system:serviceaccount:pay:worker",
                "uid": "3a5f",
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "extra": {
                    "authentication.kubernetes.io/credential-id": ["JTI=8f1c"],
                    "authentication.kubernetes.io/pod-name": ["worker-0"],
                    "authentication.kubernetes.io/pod-uid": ["7712"],
                },
            },
            "audiences": [AUDIENCE],
        },
    })
}

fn check_of(account: &ServiceAccount, answer: &Value) -> Result<(), ReviewError> {
    let expected = ReviewExpectation {
        account,
        audiences: &[AUDIENCE],
    };
    TokenReview::parse(answer.to_string().as_bytes())?.check(expected)
}

fn check(answer: &Value) -> Result<(), ReviewError> {
    check_of(&account(), answer)
}

#[test]
fn answer_about_the_same_token_is_accepted() {
    assert_eq!(check(&answer()), Ok(()));
}

// Row H-17.
#[test]
fn token_for_the_api_server_or_another_audience_is_refused() {
    for audiences in [
        json!([]),
        json!(["https://kubernetes.default.svc"]),
        json!(["https://as.example/"]),
    ] {
        let mut answer = answer();
        answer["status"]["audiences"] = audiences;
        assert!(
            matches!(check(&answer), Err(ReviewError::OtherAudience { .. })),
            "{answer}"
        );
    }
    let mut answer = answer();
    answer["status"].as_object_mut().unwrap().remove("audiences");
    assert!(matches!(check(&answer), Err(ReviewError::OtherAudience { .. })));
}

#[test]
fn token_that_is_not_authenticated_is_refused() {
    let invalid = |error: &str| ReviewError::NotAuthenticated {
        error: Some(error.to_owned()),
    };
    let mut deleted = answer();
    deleted["status"] = json!({ "user": {}, "error": "service account token has been invalidated" });
    assert_eq!(
        check(&deleted),
        Err(invalid("service account token has been invalidat…"))
    );
    let mut silent = answer();
    silent["status"] = json!({});
    assert_eq!(check(&silent), Err(ReviewError::NotAuthenticated { error: None }));
    silent.as_object_mut().unwrap().remove("status");
    assert_eq!(check(&silent), Err(ReviewError::NotAuthenticated { error: None }));
    let mut refused = answer();
    refused["status"]["authenticated"] = json!(false);
    assert_eq!(
        check(&refused),
        Err(ReviewError::NotAuthenticated { error: None })
    );
}

#[test]
fn answer_about_another_account_or_pod_is_refused() {
    for (path, value, error) in [
        (
            "/status/user/username",
            json!("system:serviceaccount:pay:other"),
            ReviewError::OtherAccount,
        ),
        ("/status/user/username", json!(""), ReviewError::OtherAccount),
        ("/status/user/uid", json!("ffff"), ReviewError::OtherAccount),
        ("/status/user/extra", json!({}), ReviewError::OtherPod),
        (
            "/status/user/extra/authentication.kubernetes.io~1pod-uid",
            json!(["1"]),
            ReviewError::OtherPod,
        ),
        (
            "/status/user/extra/authentication.kubernetes.io~1pod-uid",
            json!(["7712", "1"]),
            ReviewError::OtherPod,
        ),
        (
            "/status/user/extra/authentication.kubernetes.io~1pod-uid",
            json!([]),
            ReviewError::OtherPod,
        ),
    ] {
        let mut answer = answer();
        *answer.pointer_mut(path).unwrap() = value;
        assert_eq!(check(&answer), Err(error), "{path}");
    }
    let unbound = ServiceAccount {
        pod: None,
        ..account()
    };
    assert_eq!(check_of(&unbound, &answer()), Err(ReviewError::OtherPod));
    let mut without_pod = answer();
    without_pod["status"]["user"]["extra"] = json!({});
    assert_eq!(check_of(&unbound, &without_pod), Ok(()));
}

#[test]
fn answer_that_is_not_a_token_review_is_refused() {
    for document in [
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure" }),
        json!({ "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1beta1", "status": { "authenticated": true } }),
        json!({ "status": { "authenticated": true } }),
        json!([]),
    ] {
        assert!(
            matches!(check(&document), Err(ReviewError::Malformed(_))),
            "{document}"
        );
    }
    for (path, value) in [
        ("/status/authenticated", json!("true")),
        ("/status/audiences", json!(AUDIENCE)),
        ("/status/user", json!("admin")),
        ("/status/user/uid", json!(7)),
    ] {
        let mut answer = answer();
        *answer.pointer_mut(path).unwrap() = value;
        assert!(matches!(check(&answer), Err(ReviewError::Malformed(_))), "{path}");
    }
    let twice = answer().to_string().replace(
        "\"authenticated\":true",
        "\"authenticated\":false,\"authenticated\":true",
    );
    assert!(matches!(
        TokenReview::parse(twice.as_bytes()),
        Err(ReviewError::Malformed(_))
    ));
    assert!(TokenReview::parse(b"<html>").is_err() && TokenReview::parse(b"").is_err());
}

#[test]
fn request_names_the_token_and_the_audiences() {
    let request: Value = serde_json::from_slice(&review_request("t", &[AUDIENCE])).unwrap();
    assert_eq!(
        request,
        json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": { "token": "t", "audiences": [AUDIENCE] },
        })
    );
}
