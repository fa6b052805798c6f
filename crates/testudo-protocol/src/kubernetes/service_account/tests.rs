//! Claims of service account tokens: those that Kubernetes issues, and the same with one error.

use super::*;
use serde_json::json;

const SUBJECT: &str = "system:serviceaccount:pay:worker";

/// The claim of a token that a pod mounts, as Kubernetes 1.34 issues it.
fn claim() -> Value {
    json!({
        "namespace": "pay",
        "node": { "name": "n4.example", "uid": "be91" },
        "pod": { "name": "worker-0", "uid": "7712" },
        "serviceaccount": { "name": "worker", "uid": "3a5f" },
    })
}

fn read(subject: &str, claim: &Value) -> Result<ServiceAccount, ServiceAccountError> {
    ServiceAccount::of_claims(subject, Some(claim))
}

#[test]
fn workload_of_a_token_is_read_from_its_claims() {
    let account = read(SUBJECT, &claim()).unwrap();
    let object = |name: &str, uid: &str| {
        Some(BoundObject {
            name: name.to_owned(),
            uid: Some(uid.to_owned()),
        })
    };
    assert_eq!(
        (&*account.namespace, &*account.name, &*account.uid),
        ("pay", "worker", "3a5f")
    );
    assert_eq!(account.pod, object("worker-0", "7712"));
    assert_eq!(account.node, object("n4.example", "be91"));
    assert_eq!(
        (&*account.subject(), &*account.username()),
        ("pay/worker", SUBJECT)
    );
}

#[test]
fn token_that_is_bound_to_no_pod_is_accepted() {
    let bare = json!({ "namespace": "pay", "serviceaccount": { "name": "worker", "uid": "3a5f" } });
    let account = read(SUBJECT, &bare).unwrap();
    assert_eq!((account.pod, account.node), (None, None));
    let node_without_uid = json!({ "name": "n4" });
    let mut on_a_node = bare.clone();
    on_a_node["node"] = node_without_uid;
    assert_eq!(read(SUBJECT, &on_a_node).unwrap().node.unwrap().uid, None);
    let mut bound_to_a_secret = bare;
    bound_to_a_secret["secret"] = json!({ "name": "s", "uid": "1" });
    assert!(read(SUBJECT, &bound_to_a_secret).is_ok());
}

#[test]
fn subject_of_another_form_is_refused() {
    for subject in [
        "",
        "worker",
        "pay:worker",
        "system:serviceaccount:pay",
        "system:serviceaccount:pay:",
        "system:serviceaccount::worker",
        "system:serviceaccount:pay:worker:x",
        "system:serviceaccount:pay:worker/x",
        "system:serviceaccount:pay.x:worker",
        "System:serviceaccount:pay:worker",
        "system:node:pay:worker",
        " system:serviceaccount:pay:worker",
        "system:serviceaccount:pay:Worker",
        "system:serviceaccount:p%61y:worker",
    ] {
        assert!(
            matches!(read(subject, &claim()), Err(ServiceAccountError::Subject { .. })),
            "{subject}"
        );
    }
}

#[test]
fn claim_that_disagrees_with_the_subject_is_refused() {
    for subject in [
        "system:serviceaccount:pay:other",
        "system:serviceaccount:other:worker",
    ] {
        assert_eq!(
            read(subject, &claim()),
            Err(ServiceAccountError::Disagree),
            "{subject}"
        );
    }
    let mut other = claim();
    other["namespace"] = json!("kube-system");
    assert_eq!(read(SUBJECT, &other), Err(ServiceAccountError::Disagree));
}

#[test]
fn legacy_and_extended_tokens_are_refused() {
    assert_eq!(
        ServiceAccount::of_claims(SUBJECT, None),
        Err(ServiceAccountError::NoClaim)
    );
    let mut extended = claim();
    extended["warnafter"] = json!(1_795_003_607);
    assert_eq!(read(SUBJECT, &extended), Err(ServiceAccountError::Extended));
}

#[test]
fn malformed_member_of_the_claim_is_refused() {
    let long = "u".repeat(129);
    for (path, value) in [
        ("/serviceaccount/uid", json!("")),
        ("/serviceaccount/uid", json!(long)),
        ("/serviceaccount/uid", json!("3a\u{202e}")),
        ("/serviceaccount/uid", json!(7)),
        ("/serviceaccount/uid", Value::Null),
        ("/serviceaccount", json!("worker")),
        ("/serviceaccount", json!(["worker", "3a5f"])),
        ("/namespace", json!(["pay"])),
        ("/pod", json!("worker-0")),
        ("/pod/name", json!("")),
        ("/pod/name", json!("a/b")),
        ("/pod/uid", Value::Null),
        ("/pod/uid", json!("")),
        ("/node/name", json!("../n")),
        ("/node/uid", json!(false)),
    ] {
        let mut claim = claim();
        *claim.pointer_mut(path).unwrap() = value.clone();
        assert!(
            matches!(read(SUBJECT, &claim), Err(ServiceAccountError::Member { .. })),
            "{path} {value}"
        );
    }
    for claim in [json!(null), json!([]), json!("x"), json!({})] {
        assert!(
            matches!(read(SUBJECT, &claim), Err(ServiceAccountError::Member { .. })),
            "{claim}"
        );
    }
}
