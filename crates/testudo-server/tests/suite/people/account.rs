//! The account page: a person sees and ends sessions, and what they granted to applications.

use super::world::{People, WEB_RULE, asking, assert_refused_page, text_of};
use testudo_core::records::{Consent, Grant, Session};
use testudo_testkit::person::{PageForm, Person, forms};

const NOT_OURS: &str = "this sign-in was begun in another browser";

/// The form that ends sessions and grants.
async fn form_of_account(person: &mut Person) -> PageForm {
    let page = text_of(&person.open("/account").await);
    let [_, form] = forms(&page).try_into().unwrap();
    form
}

#[tokio::test]
async fn person_ends_a_session_of_another_browser() {
    let people = People::start("").await;
    let mut here = people.signed_in("alice").await;
    let mut there = people.signed_in("alice").await;
    let form = form_of_account(&mut here).await;
    let [(name, id)] = form.buttons.clone().try_into().unwrap();
    assert_eq!(
        name, "session",
        "the session of this browser has no button: {form:?}"
    );
    let answer = here.submit(&form.action, &form.pressed(&id)).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/account"))
    );
    assert_eq!(there.open("/account").await.header("location"), Some("/login"));
    assert_eq!(here.open("/account").await.status, 200);
    let [ended] = people.events("session.ended").await.try_into().unwrap();
    assert_eq!(ended["reason"], "ended_by_person");
    // Twice is no error.
    assert_eq!(here.submit(&form.action, &form.pressed(&id)).await.status, 303);
}

#[tokio::test]
async fn person_ends_what_an_application_may_and_is_asked_again() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    let tokens = people.tokens(&mut alice).await;
    let page = text_of(&alice.open("/account").await);
    assert!(
        page.contains("orders.read") && page.contains("spiffe://a.example/web/shop"),
        "{page}"
    );
    let form = form_of_account(&mut alice).await;
    let (name, id) = form.buttons[0].clone();
    assert_eq!(name, "grant");
    assert_eq!(alice.submit(&form.action, &form.pressed(&id)).await.status, 303);
    assert_eq!(people.records::<Grant>().await, []);
    assert_eq!(people.records::<Consent>().await, []);
    let [revoked] = people.events("grant.revoked").await.try_into().unwrap();
    assert_eq!(
        (&revoked["reason"], &revoked["grant"]),
        (&"ended_by_person".into(), &id.into())
    );
    let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
    ];
    assert_eq!(
        people.post("/token", "/web/shop", &fields).await.error(),
        "invalid_grant"
    );
    assert!(text_of(&alice.open(&asking(&[])).await).contains("asks for access"));
}

#[tokio::test]
async fn sessions_and_grants_of_another_person_cannot_be_ended() {
    let people = People::start(WEB_RULE).await;
    let mut bob = people.signed_in("bob").await;
    people.tokens(&mut bob).await;
    let of_bob = people.records::<Session>().await[0].name.id();
    let [grant] = people.records::<Grant>().await.try_into().unwrap();
    let mut alice = people.signed_in("alice").await;
    let form = form_of_account(&mut alice).await;
    for (name, id) in [
        ("session", of_bob),
        ("session", "x".to_owned()),
        ("grant", grant.id.to_string()),
        ("grant", "x".to_owned()),
    ] {
        let mut fields = form.fields.clone();
        fields.push((name.to_owned(), id));
        assert_refused_page(&alice.submit(&form.action, &fields).await, 400, NOT_OURS);
    }
    // A form of another browser, and one of another site.
    let form = form_of_account(&mut bob).await;
    let fields = form.pressed(&form.buttons[0].1);
    assert_refused_page(&alice.submit(&form.action, &fields).await, 400, NOT_OURS);
    bob.origin = vec![("origin".to_owned(), "https://attacker.example".to_owned())];
    let refused = bob.submit(&form.action, &fields).await;
    assert_refused_page(&refused, 403, "this form was not sent by a page of this server");
    assert_eq!(people.records::<Grant>().await.len(), 1);
    assert_eq!(people.records::<Session>().await.len(), 2);
}
