//! `explain` of requests and of credentials.

use super::{Everyone, GOVERNED, KINDS, Kind, Sent, UNGOVERNED, WIT};
use crate::explain::{self, result, then_and_today};
use serde_json::{Value, json};
use testudo_testkit::http::Answer;

fn all() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().chain([&WIT])
}

impl Everyone {
    async fn explained(&self, answer: &Answer) -> Value {
        explain::explained(&self.world, answer).await
    }

    async fn explained_credential(&self, credential: &str) -> Value {
        let question = json!({ "credential": credential });
        self.world.admin("POST", "/admin/v1/explain", question).await
    }
}

#[track_caller]
fn assert_remedy(kind: &Kind, explained: &Value) {
    let hint = explained["hint"].as_str().unwrap_or_default();
    assert!(hint.len() > 20, "{}: {explained:#}", kind.key);
    let named = [explained["detail"].as_str().unwrap_or_default(), hint].concat();
    if kind.key.ends_with(':') {
        assert!(!named.contains("trust domain"), "{}: {named}", kind.key);
    }
}

#[tokio::test]
async fn request_of_each_kind_of_authority_is_explained_by_its_id_then_and_today() {
    let everyone = Everyone::start().await;
    for kind in all() {
        let key = kind.key;
        let granted = everyone.send(kind, &everyone.credential(kind, GOVERNED)).await;
        // A client that is known writes no event: of w.example, the second kind of credential finds one.
        if kind.door != WIT.door {
            assert!(matches!(granted.status, 200 | 201), "{key}: {granted:?}");
            let explained = everyone.explained(&granted).await;
            let found = then_and_today(&explained);
            assert_eq!(found, ("allowed", "allowed"), "{key}: {explained:#}");
            let event = &explained["event"];
            let named = (&event["authority"], &event["door"], &event["identity"]);
            let expected = (&json!(key), &json!(kind.door), &json!(kind.identity(GOVERNED)));
            assert_eq!(named, expected, "{explained:#}");
            everyone.order(kind, "disable").await;
            let explained = everyone.explained(&granted).await;
            let found = then_and_today(&explained);
            assert_eq!(found, ("allowed", "authority_disabled"), "{key}: {explained:#}");
            everyone.order(kind, "enable").await;
        }
        let refused = everyone.send(kind, &everyone.forged(kind)).await;
        let explained = everyone.explained(&refused).await;
        assert_eq!(result(&explained, "then"), kind.forged, "{key}: {explained:#}");
        assert_remedy(kind, &explained);
        let refused = everyone.send(kind, &everyone.credential(kind, UNGOVERNED)).await;
        let explained = everyone.explained(&refused).await;
        let found = then_and_today(&explained);
        assert_eq!(found, ("no_rule", "no_rule"), "{key}: {explained:#}");
        assert_eq!(explained["event"]["identity"], kind.identity(UNGOVERNED));
        assert_remedy(kind, &explained);
    }
}

#[tokio::test]
async fn credential_of_each_kind_of_authority_is_explained_as_its_request_is_answered() {
    let everyone = Everyone::start().await;
    for kind in all() {
        let key = kind.key;
        let good = everyone.credential(kind, GOVERNED);
        let explained = everyone.explained_credential(&good).await;
        assert_eq!(result(&explained, "today"), "allowed", "{key}: {explained:#}");
        let checks: Vec<&str> = explained["steps"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|step| step["check"].as_str())
            .collect();
        for check in ["authority configured", "signature", "a rule governs"] {
            assert!(checks.contains(&check), "{key} {check}: {checks:?}");
        }
        let is_registration = explained["detail"]
            .as_str()
            .unwrap()
            .contains("registered for scope");
        assert_eq!(
            is_registration,
            kind.sent == Sent::Statement,
            "{key}: {explained:#}"
        );
        for (credential, reason) in [
            (everyone.forged(kind), kind.forged),
            (everyone.credential(kind, UNGOVERNED), "no_rule"),
        ] {
            let explained = everyone.explained_credential(&credential).await;
            assert_eq!(result(&explained, "today"), reason, "{key}: {explained:#}");
            assert_remedy(kind, &explained);
        }
        everyone.order(kind, "disable").await;
        let explained = everyone.explained_credential(&good).await;
        assert_eq!(explained["outcome"], "refused", "{key}: {explained:#}");
        let hint = explained["hint"].as_str().unwrap();
        assert_eq!(hint, format!("run `testudo trust enable {key}`"), "{explained:#}");
        everyone.order(kind, "enable").await;
        let answer = everyone.send(kind, &good).await;
        assert!(matches!(answer.status, 200 | 201), "{key}: {answer:?}");
    }
    assert_eq!(
        everyone.world.clients().await.len(),
        KINDS.len(),
        "only requests register clients"
    );
}

#[tokio::test]
async fn credential_is_explained_as_evidence_of_a_registration_where_that_is_asked() {
    let everyone = Everyone::start().await;
    for kind in all() {
        let explain = async |registration: bool| {
            let credential = everyone.credential(kind, GOVERNED);
            let question = json!({ "credential": credential, "registration": registration });
            everyone.world.admin("POST", "/admin/v1/explain", question).await
        };
        let explained = explain(true).await;
        if kind.sent == Sent::Assertion {
            // These entries have no use "registration": their tokens are no software statements.
            assert_eq!(explained["outcome"], "refused", "{}: {explained:#}", kind.key);
            assert_eq!(explain(false).await["outcome"], "allowed", "{}", kind.key);
        } else {
            assert_eq!(
                result(&explained, "today"),
                "allowed",
                "{}: {explained:#}",
                kind.key
            );
            let detail = explained["detail"].as_str().unwrap();
            assert!(detail.contains("registered for scope"), "{explained:#}");
        }
    }
    // Without the endpoint, no evidence is accepted.
    let without = everyone.sections().replace("[registration]\n", "");
    everyone.world.reload_with(&without, &everyone.rules()).await;
    let statement = KINDS.iter().find(|kind| kind.sent == Sent::Statement).unwrap();
    let explained = everyone
        .explained_credential(&everyone.credential(statement, GOVERNED))
        .await;
    assert_eq!(result(&explained, "today"), "evidence_not_taken", "{explained:#}");
    assert!(everyone.world.clients().await.is_empty());
}

/// The keys of the authority are too old: the request is answered 503, and explained.
#[tokio::test]
async fn request_for_which_there_are_no_keys_is_explained_until_there_are_some() {
    let everyone = Everyone::start().await;
    for kind in KINDS {
        (kind.break_source)(&everyone);
    }
    everyone.world.running.app.clock.shift(31 * 86_400);
    for kind in KINDS {
        let key = kind.key;
        let credential = everyone.credential(kind, GOVERNED);
        let refused = everyone.send(kind, &credential).await;
        assert_eq!(refused.status, 503, "{key}: {refused:?}");
        let explained = everyone.explained(&refused).await;
        let found = then_and_today(&explained);
        let missing = "bundle_unavailable";
        assert_eq!(found, (missing, missing), "{key}: {explained:#}");
        let hint = explained["hint"].as_str().unwrap();
        assert!(hint.contains(&format!("`testudo trust show {key}`")), "{hint}");
        let explained = everyone.explained_credential(&credential).await;
        assert_eq!(result(&explained, "today"), missing, "{key}: {explained:#}");
        assert_remedy(kind, &explained);
    }
}

/// A verifiable credential whose status cannot be found out.
#[tokio::test]
async fn credential_that_is_refused_for_its_status_is_explained_with_the_same_reason() {
    let everyone = Everyone::start().await;
    let kind = KINDS.iter().find(|kind| kind.key == "papers:").unwrap();
    let status = json!({ "status_list": { "idx": 1, "uri": "https://lists.example/1" } });
    let draft = (kind.draft)(&everyone, GOVERNED).claim("status", status);
    let credential = format!("{}~", draft.sign());
    let refused = everyone.send(kind, &credential).await;
    assert!(refused.status >= 400, "{refused:?}");
    let reason = everyone.world.reason_of(&refused).await;
    let explained = everyone.explained_credential(&credential).await;
    assert_eq!(result(&explained, "today"), reason, "{explained:#}");
    // The same credential without a reference is valid.
    let explained = everyone
        .explained_credential(&everyone.credential(kind, GOVERNED))
        .await;
    assert_eq!(result(&explained, "today"), "allowed", "{explained:#}");
}
