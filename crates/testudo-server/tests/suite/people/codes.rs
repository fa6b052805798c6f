//! The authorization endpoint: from the request of an application to the code, or to the error.

use super::world::{
    CALLBACK, CLIENT, ISSUER, People, WEB_RULE, asking, assert_refused_page, form_of, parameter, requested,
    text_of,
};
use testudo_core::records::{AuthorizationCode, Client, Consent};
use testudo_testkit::person::forms;

/// Checks that the client got this error at its redirect URI, with `iss` and `state`, and no code.
#[track_caller]
fn assert_error(url: &str, error: &str) {
    assert!(url.starts_with(&format!("{CALLBACK}?")), "{url}");
    assert_eq!(parameter(url, "error").as_deref(), Some(error), "{url}");
    assert_eq!(parameter(url, "iss").as_deref(), Some(ISSUER), "{url}");
    assert_eq!(parameter(url, "state").as_deref(), Some("s1"), "{url}");
    assert_eq!(parameter(url, "code"), None, "{url}");
}

/// The whole walk: sign-in, consent, code. Nothing is registered for the application: it is when it redeems the code.
#[tokio::test]
async fn person_signs_in_agrees_and_the_application_gets_a_code() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.person();
    let url = alice.walk(&asking(&[])).await.unwrap();
    assert!(url.starts_with(&format!("{CALLBACK}?")), "{url}");
    assert_eq!(parameter(&url, "iss").as_deref(), Some(ISSUER));
    assert_eq!(parameter(&url, "state").as_deref(), Some("s1"));
    let code = parameter(&url, "code").unwrap();
    let [stored] = people.records::<AuthorizationCode>().await.try_into().unwrap();
    assert!(
        !serde_json::to_string(&stored).unwrap().contains(&code),
        "the code is stored"
    );
    assert_eq!(stored.client.client_id, CLIENT);
    assert_eq!(stored.client.generation, None, "the application is provisional");
    assert_eq!(stored.terms.scope.to_string(), "orders.read");
    assert_eq!(people.records::<Client>().await, []);
    let [given] = people.events("consent.given").await.try_into().unwrap();
    assert_eq!(given["client_id"], CLIENT);
    assert_eq!(given["scope"], "orders.read");
    assert_eq!(given["grant"], stored.name.grant.to_string());
}

#[tokio::test]
async fn post_of_the_request_is_served_as_its_get() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    let path = "/authorize";
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let fields: Vec<(String, String)> = requested(&[]).into_iter().map(owned).collect();
    // The page of the application sends it, so it is of another origin.
    alice.origin = vec![("origin".to_owned(), "https://shop.apps.example".to_owned())];
    let page = alice.submit(path, &fields).await;
    alice.origin.clear();
    let url = alice.walk_on(path, page).await.unwrap();
    assert!(parameter(&url, "code").is_some(), "{url}");
    let refused = alice.submit(&asking(&[]), &fields).await;
    assert_refused_page(&refused, 400, "parameters must be sent in the body");
}

#[tokio::test]
async fn consent_page_shows_who_asks_for_what_and_to_whom() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    let page = alice
        .open(&asking(&[("scope", "orders.read orders.write")]))
        .await;
    assert_eq!(page.status, 200);
    let text = text_of(&page);
    for part in [
        "Shop shop asks for access",
        "signed in as <strong>alice</strong>",
        "see your orders <code>orders.read</code>",
        "use <code>orders.write</code>",
        "<dd>https://orders.example/</dd>",
        "<strong>https://shop.apps.example</strong>",
        CLIENT,
        "90 days",
        "has not proven to this server yet",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !text.contains("autofocus"),
        "a key that was pressed earlier would agree"
    );
    let buttons = form_of(&page).buttons;
    assert_eq!(buttons[0], ("answer".to_owned(), "accept".to_owned()));
    assert_eq!(buttons[1], ("answer".to_owned(), "deny".to_owned()));
}

#[tokio::test]
async fn person_who_refuses_is_sent_back_with_access_denied_and_is_asked_again_later() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    for _ in 0..2 {
        let form = form_of(&alice.open(&asking(&[])).await);
        let answer = alice.submit(&form.action, &form.pressed("deny")).await;
        assert_eq!(answer.status, 303);
        assert_error(answer.header("location").unwrap(), "access_denied");
    }
    assert_eq!(people.records::<AuthorizationCode>().await, []);
    assert_eq!(people.records::<Consent>().await, []);
    assert_eq!(people.events("consent.denied").await.len(), 2);
}

#[tokio::test]
async fn same_request_is_not_asked_again_and_a_larger_one_is() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    alice.walk(&asking(&[])).await.unwrap();
    let again = alice.open(&asking(&[("state", "s2")])).await;
    assert_eq!(again.status, 303, "{}", text_of(&again));
    assert!(parameter(again.header("location").unwrap(), "code").is_some());
    for changed in [("scope", "orders.read orders.write"), ("prompt", "consent")] {
        let page = alice.open(&asking(&[changed])).await;
        assert!(text_of(&page).contains("asks for access"), "{changed:?}");
    }
    let mut bob = people.signed_in("bob").await;
    assert!(text_of(&bob.open(&asking(&[])).await).contains("asks for access"));
}

#[tokio::test]
async fn prompt_none_shows_no_page_and_names_what_is_missing() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.person();
    let none = asking(&[("prompt", "none")]);
    let without_session = alice.open(&none).await;
    assert_error(without_session.header("location").unwrap(), "login_required");
    let mut alice = people.signed_in("alice").await;
    let without_consent = alice.open(&none).await;
    assert_error(without_consent.header("location").unwrap(), "consent_required");
    alice.walk(&asking(&[])).await.unwrap();
    let granted = alice.open(&none).await;
    assert!(parameter(granted.header("location").unwrap(), "code").is_some());
}

#[tokio::test]
async fn prompt_login_and_max_age_ask_for_a_new_sign_in_once() {
    let people = People::start(WEB_RULE).await;
    for again in [("prompt", "login"), ("max_age", "0")] {
        let mut alice = people.signed_in("alice").await;
        people.running.app.clock.shift(5);
        let page = alice.open(&asking(&[again])).await;
        assert!(
            text_of(&page).contains("asks you to sign in"),
            "{again:?}: {}",
            text_of(&page)
        );
        let url = alice.walk_on("/authorize", page).await.unwrap();
        assert!(parameter(&url, "code").is_some(), "{again:?}: {url}");
    }
}

/// Row RF-85 and others: after the redirect URI is proven, the client learns what is wrong.
#[tokio::test]
async fn client_receives_the_error_of_a_wrong_parameter_by_redirect() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    for (changes, error) in [
        (&[("response_type", "token")][..], "unsupported_response_type"),
        (&[("response_type", "")], "invalid_request"),
        (&[("code_challenge", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("scope", "admin")], "invalid_scope"),
        (&[("scope", "openid")], "invalid_scope"),
        (&[("resource", "https://other.example/")], "invalid_target"),
        (&[("prompt", "none login")], "invalid_request"),
    ] {
        let answer = alice.open(&asking(changes)).await;
        assert_eq!(answer.status, 303, "{changes:?}: {}", text_of(&answer));
        assert_error(answer.header("location").unwrap(), error);
    }
    assert_eq!(people.records::<AuthorizationCode>().await, []);
    let refused = people.events("client.refused").await;
    assert!(
        refused.iter().any(|event| event["occasion"] == "authorization"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn form_post_is_a_page_with_a_form_to_the_client_alone() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    let url = alice
        .walk(&asking(&[("response_mode", "form_post")]))
        .await
        .unwrap();
    assert!(
        parameter(&url, "code").is_some() && parameter(&url, "iss").is_some(),
        "{url}"
    );
    let page = alice.open(&asking(&[("response_mode", "form_post")])).await;
    assert_eq!((page.status, page.header("location")), (200, None));
    let text = text_of(&page);
    let [form] = forms(&text).try_into().unwrap();
    assert_eq!(form.action, CALLBACK);
    assert_eq!(form.field("state"), Some("s1"));
    assert!(form.field("code").is_some());
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("form-action 'self' https://shop.apps.example;")
            || policy.ends_with("form-action 'self' https://shop.apps.example"),
        "{policy}"
    );
    assert!(!text.contains("<script"));
}

#[tokio::test]
async fn expected_person_comes_first_and_another_account_can_be_used() {
    let people = People::start(WEB_RULE).await;
    let mut person = people.person();
    let page = person.open(&asking(&[("login_hint", "bob")])).await;
    assert_eq!(form_of(&page).buttons[0].1, "bob");
    let consent = {
        let form = form_of(&page);
        person.submit(&form.action, &form.pressed("bob")).await
    };
    let page = person.open(consent.header("location").unwrap()).await;
    let text = text_of(&page);
    assert!(text.contains("signed in as <strong>bob</strong>"), "{text}");
    let (_, rest) = text.split_once("<a href=\"/login?flow=").unwrap();
    let sealed = rest.split('"').next().unwrap();
    let form = form_of(&person.open(&format!("/login?flow={sealed}")).await);
    let answer = person.submit(&form.action, &form.pressed("alice")).await;
    let page = person.open(answer.header("location").unwrap()).await;
    assert!(text_of(&page).contains("signed in as <strong>alice</strong>"));
}

#[tokio::test]
async fn parameter_of_the_application_with_the_name_of_ours_is_ignored() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    let page = alice.open(&asking(&[("flow", "x"), ("consent", "y")])).await;
    assert!(text_of(&page).contains("asks for access"), "{}", text_of(&page));
}
