//! The account page: a person sees and ends sessions, and what they granted to applications.

use super::expiry::pass;
use super::world::{People, WEB_RULE, asking, assert_refused_page, text_of};
use serde_json::{Value, json};
use testudo_core::records::{Client, Consent, Grant, Session};
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
    let refresh = tokens.refresh_token();
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

/// The grants, as the admin API lists them.
async fn grants(people: &People) -> Vec<Value> {
    let page = people.admin("GET", "/admin/v1/grants", Value::Null).await;
    page["grants"].as_array().unwrap().clone()
}

/// The end of what the person granted, of the refresh token, and of the client: the earliest counts.
#[tokio::test]
async fn grant_is_shown_with_the_end_that_comes_first() {
    let listed = async |people: &People| {
        let [grant] = <[Value; 1]>::try_from(grants(people).await).unwrap();
        let end = |name: &str| grant[name].as_str().map(str::to_owned);
        (end("live_until"), end("ends"))
    };
    let shown = async |people: &People, person: &mut Person| {
        assert_eq!(people.records::<Grant>().await.len(), 1);
        let page = text_of(&person.open("/account").await);
        (
            page.contains("if it is not used before"),
            page.contains("at the latest"),
        )
    };
    // It ends if its refresh token is not used, and after 90 days in any case.
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    people.tokens(&mut alice).await;
    let [grant] = people.records::<Grant>().await.try_into().unwrap();
    let (unused, at_the_latest) = (grant.live_until, grant.terms.ends.unwrap());
    assert!(unused < at_the_latest, "{grant:?}");
    let expected = (Some(unused.to_string()), Some(at_the_latest.to_string()));
    assert_eq!(listed(&people).await, expected);
    assert_eq!(shown(&people, &mut alice).await, (true, true));
    // The client was registered before the person granted something, and ends before that does.
    let with_lifetime = WEB_RULE.replace("client_name", "client_lifetime = \"1h\"\nclient_name");
    let people = People::start(&with_lifetime).await;
    let own = [("grant_type", "client_credentials")];
    assert_eq!(people.post("/token", "/web/shop", &own).await.status, 200);
    people.running.app.clock.shift(1_800);
    let mut alice = people.signed_in("alice").await;
    people.tokens(&mut alice).await;
    let [client] = people.records::<Client>().await.try_into().unwrap();
    let [grant] = people.records::<Grant>().await.try_into().unwrap();
    let end = client.expires.unwrap();
    assert!(
        end < grant.terms.ends.unwrap() && end < grant.live_until,
        "{grant:?}"
    );
    let end = Some(end.to_string());
    assert_eq!(listed(&people).await, (end.clone(), end));
    assert_eq!(shown(&people, &mut alice).await, (false, true));
    // The end of the client is that of the grant, also after the record of the client was removed, and after the client
    // registered again.
    pass(&people, 1_800).await;
    let mut alice = people.signed_in("alice").await;
    for step in [
        "the client ended",
        "its record was removed",
        "it registered again",
    ] {
        match step {
            "its record was removed" => {
                people.admin("POST", "/admin/v1/clients/sweep", json!({})).await;
                assert_eq!(people.records::<Client>().await, []);
            }
            "it registered again" => {
                assert_eq!(people.post("/token", "/web/shop", &own).await.status, 200);
                assert_eq!(people.records::<Client>().await.len(), 1);
            }
            _ => {}
        }
        assert_eq!(grants(&people).await, [Value::Null; 0], "{step}");
        assert_eq!(shown(&people, &mut alice).await, (false, false), "{step}");
    }
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
