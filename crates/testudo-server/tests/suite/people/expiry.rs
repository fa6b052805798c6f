//! How long refresh tokens and authorizations last, on a clock that is moved. [RT-EXPIRATION §6.3]

use super::world::{People, WEB_RULE, asking};
use serde_json::{Value, json};
use testudo_testkit::http::{Answer, Connection};

pub const DAY: i64 = 86_400;

/// The clock of the machine goes on during the test; so many seconds are tolerated.
const TOLERANCE: i64 = 60;

/// The authorization lasts ten days, and a refresh token that is not used ends after seven.
async fn people() -> People {
    let lifetimes = "refresh_token_idle_lifetime = \"7d\"\nauthorization_lifetime = \"10d\"\nclient_name";
    People::start(&WEB_RULE.replace("client_name", lifetimes)).await
}

/// So much time passes. The bundle is read again, as a server does.
pub async fn pass(people: &People, seconds: i64) {
    people.running.app.clock.shift(seconds);
    let path = "/admin/v1/trust/a.example/refresh";
    people.admin("POST", path, json!({})).await;
}

async fn refresh(people: &People, before: &Answer) -> Answer {
    let token = before.refresh_token();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &token)];
    people.post("/token", "/web/shop", &fields).await
}

#[track_caller]
pub fn assert_about(value: &Value, expected: i64, what: &str) {
    let found = value.as_i64().unwrap_or_else(|| panic!("{what}: {value}"));
    assert!(
        (expected - TOLERANCE..=expected).contains(&found),
        "{what}: {found}, expected {expected}"
    );
}

/// The members of a response, and what a question about the refresh token answers.
async fn assert_lasts(people: &People, answer: &Answer, timeout: i64, authorization: i64, day: &str) {
    assert_eq!(answer.status, 200, "{day}: {answer:?}");
    let token = answer.refresh_token();
    let asked = people
        .post("/introspect", "/web/shop", &[("token", &token)])
        .await;
    for (body, of) in [(answer.json(), "response"), (asked.json(), "introspection")] {
        let what = format!("{day}, {of}");
        assert_about(&body["refresh_token_timeout"], timeout, &what);
        assert_about(&body["authorization_expires_in"], authorization, &what);
    }
}

// Rows RX-01, RX-02, RX-03, RX-05.
#[tokio::test]
async fn timeout_of_a_refresh_token_never_exceeds_what_is_left_of_the_authorization() {
    let people = people().await;
    let day_0 = people.tokens(&mut people.signed_in("alice").await).await;
    assert_lasts(&people, &day_0, 7 * DAY, 10 * DAY, "day 0").await;
    pass(&people, 2 * DAY).await;
    let day_2 = refresh(&people, &day_0).await;
    assert_lasts(&people, &day_2, 7 * DAY, 8 * DAY, "day 2").await;
    pass(&people, 5 * DAY).await;
    let day_7 = refresh(&people, &day_2).await;
    assert_lasts(&people, &day_7, 3 * DAY, 3 * DAY, "day 7").await;
    // 200 s before the end: an access token does not outlive the authorization either.
    pass(&people, 3 * DAY - 200).await;
    let last = refresh(&people, &day_7).await;
    assert_lasts(&people, &last, 200, 200, "the last seconds").await;
    assert_about(&last.json()["expires_in"], 200, "access token");
    pass(&people, 200).await;
    let ended = refresh(&people, &last).await;
    assert_eq!((ended.status, ended.error()), (400, "invalid_grant".to_owned()));
}

// Rows RX-04, RX-08.
#[tokio::test]
async fn refresh_token_that_is_only_asked_about_ends_after_its_idle_lifetime() {
    let people = people().await;
    let unused = people.tokens(&mut people.signed_in("alice").await).await;
    let token = unused.refresh_token();
    for day in 1..=6 {
        pass(&people, DAY).await;
        let asked = people
            .post("/introspect", "/web/shop", &[("token", &token)])
            .await;
        assert_about(
            &asked.json()["refresh_token_timeout"],
            (7 - day) * DAY,
            &format!("day {day}"),
        );
    }
    pass(&people, 2 * DAY).await;
    let asked = people
        .post("/introspect", "/web/shop", &[("token", &token)])
        .await;
    assert_eq!(asked.json(), json!({ "active": false }));
    let ended = refresh(&people, &unused).await;
    assert_eq!((ended.status, ended.error()), (400, "invalid_grant".to_owned()));
}

// Rows RX-06, RX-07, RX-12.
#[tokio::test]
async fn response_states_the_shortest_lifetime_of_the_scopes_or_none_as_the_metadata_promise() {
    let two = WEB_RULE.replace(
        "\"orders.read\" = \"see your orders\"",
        "\"orders.read\" = \"see your orders\"\n\"orders.write\" = { text = \"place orders\", authorization_lifetime = \"1d\" }",
    );
    let endless = two.replace("client_name", "authorization_lifetime = \"none\"\nclient_name");
    let people = People::start(&endless).await;
    let mut connection = Connection::open(people.running.addresses[0]).await;
    let metadata = connection
        .get("/.well-known/oauth-authorization-server")
        .await
        .json();
    let types = metadata["refresh_token_expiration_types_supported"]
        .as_array()
        .unwrap();
    assert_eq!(*types, ["authorization", "token_timeout"], "{metadata}");
    let mut alice = people.signed_in("alice").await;
    for (scope, ends) in [
        ("orders.read", None),
        ("orders.write", Some(DAY)),
        ("orders.read orders.write", Some(DAY)),
    ] {
        let url = alice.walk(&asking(&[("scope", scope)])).await.unwrap();
        let body = people.redeem(&url).await.json();
        match ends {
            Some(ends) => assert_about(&body["authorization_expires_in"], ends, scope),
            None => assert!(body["authorization_expires_in"].is_null(), "{scope}: {body}"),
        }
        assert_about(&body["refresh_token_timeout"], ends.unwrap_or(14 * DAY), scope);
    }
}
