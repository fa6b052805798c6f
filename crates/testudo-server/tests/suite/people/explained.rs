//! `testudo explain` of requests for people that were refused.

use super::world::{People, WEB_RULE, asking};
use serde_json::{Value, json};
use testudo_testkit::http::{Answer, over_socket};

async fn explained(people: &People, refused: &Answer) -> Value {
    let id = refused.header("request-id").unwrap();
    let socket = people.folder.join("admin.sock");
    let question = json!({ "request_id": id });
    let (status, explained) = over_socket(&socket, "POST", "/admin/v1/explain", question).await;
    assert_eq!(status, 200, "{explained}");
    explained
}

/// The recorded reason, and why the request is not decided again.
#[track_caller]
fn assert_explained(explained: &Value, reason: &str, note: &str) {
    assert_eq!(explained["then"]["rejection"], reason, "{explained:#}");
    assert_eq!(explained["today"], Value::Null, "{explained:#}");
    let found = explained["notes"][0].as_str().unwrap_or_default();
    assert!(found.contains(note), "{explained:#}");
    assert!(!found.contains("does not support"), "{found}");
}

#[tokio::test]
async fn refused_requests_for_people_are_explained_with_what_their_event_does_not_contain() {
    let people = People::start(WEB_RULE).await;
    let pushed = people.push(&[("scope", "admin")]).await;
    assert_eq!(pushed.status, 400, "{pushed:?}");
    let parameters = "the event does not contain its parameters";
    assert_explained(
        &explained(&people, &pushed).await,
        "scope_not_allowed",
        parameters,
    );
    let mut alice = people.signed_in("alice").await;
    let asked = alice.open(&asking(&[("scope", "admin")])).await;
    assert_eq!(asked.status, 303, "{asked:?}");
    assert_explained(&explained(&people, &asked).await, "scope_not_allowed", parameters);
    let unknown = "A".repeat(86);
    for (fields, reason, secret) in [
        (
            [("grant_type", "authorization_code"), ("code", &*unknown)],
            "grant_unknown",
            "it depends on the code",
        ),
        (
            [("grant_type", "refresh_token"), ("refresh_token", &*unknown)],
            "grant_unknown",
            "it depends on the refresh token",
        ),
    ] {
        let refused = people.post("/token", "/web/shop", &fields).await;
        assert_eq!(refused.error(), "invalid_grant", "{refused:?}");
        assert_explained(&explained(&people, &refused).await, reason, secret);
    }
    // A request that is decided again has a verdict of today and no such note.
    let fields = [("grant_type", "client_credentials"), ("scope", "admin")];
    let refused = people.post("/token", "/web/shop", &fields).await;
    let again = explained(&people, &refused).await;
    assert_eq!(again["today"]["rejection"], "scope_not_allowed", "{again:#}");
}
