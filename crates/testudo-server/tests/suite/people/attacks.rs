//! Attacks on the authorization endpoint and on the consent of a person.

use super::world::{
    CALLBACK, FLOW, People, SESSION, WEB_RULE, asking, assert_refused_page, form_of, parameter, text_of,
};
use testudo_core::records::{AuthorizationCode, Client, Consent, Event, PushedRequest, Session};

const NOT_OURS: &str = "this sign-in was begun in another browser";

/// Rows AZ-01, AZ-02 and RF-83. An attacker who could choose where the browser goes would receive codes, or use the name of this server.
#[tokio::test]
async fn browser_is_never_sent_to_a_redirect_uri_that_is_not_the_clients() {
    let people = People::start(WEB_RULE).await;
    for mut person in [people.person(), people.signed_in("alice").await] {
        for uri in [
            "https://attacker.example/cb",
            "https://shop.apps.example.attacker.example/cb",
            "https://shop.apps.example@attacker.example/cb",
            "https://attacker.example/https://shop.apps.example/cb",
            "https://SHOP.apps.example/cb",
            "http://shop.apps.example/cb",
            "https://shop.apps.example:8443/cb",
            "https://shop.apps.example/cb/",
            "https://shop.apps.example/cb/../evil",
            "https://shop.apps.example/cb?next=https://attacker.example",
            "https://shop.apps.example/cb#x",
            "https://shop.apps.example/CB",
            "https://shop.apps.example/cb%2f",
            "https://other.apps.example/cb",
            "//attacker.example/cb",
            "/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://localhost/cb",
            "http://127.0.0.1:4711/cb",
            "https://{name}.apps.example/cb",
        ] {
            for more in [("prompt", "none"), ("response_type", "token"), ("state", "s1")] {
                let answer = person.open(&asking(&[("redirect_uri", uri), more])).await;
                assert_eq!(answer.status, 400, "{uri}: {}", text_of(&answer));
                assert_eq!(answer.header("location"), None, "{uri}");
                assert!(!text_of(&answer).contains("attacker"), "the page repeats {uri}");
            }
        }
    }
    assert_eq!(people.records::<AuthorizationCode>().await, []);
}

#[tokio::test]
async fn request_of_an_unknown_client_or_without_one_is_refused_on_a_page() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    for client in [
        "",
        "c_unknown",
        "spiffe://other.example/web/shop",
        "spiffe://a.example/batch/x",
        "u_x",
    ] {
        let answer = alice.open(&asking(&[("client_id", client)])).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (400, None),
            "{client}"
        );
    }
    let twice = format!("{}&client_id=x", asking(&[]));
    assert_refused_page(&alice.open(&twice).await, 400, "client_id is present twice");
}

/// Row RF-89, in small: nothing is stored for a visitor who does not sign in, whatever client is named.
#[tokio::test]
async fn direct_visits_with_invented_clients_leave_nothing() {
    let people = People::start(WEB_RULE).await;
    let before = people.records::<Event>().await.len();
    let mut pages = Vec::new();
    for number in 0..500 {
        let mut person = people.person();
        let client = format!("spiffe://a.example/web/made-up-{number}");
        let uri = format!("https://made-up-{number}.apps.example/cb");
        let answer = person
            .open(&asking(&[("client_id", &client), ("redirect_uri", &uri)]))
            .await;
        assert_eq!(answer.status, 200, "{}", text_of(&answer));
        pages.push(answer.body.len());
    }
    assert_eq!(people.records::<Client>().await, []);
    assert_eq!(people.records::<PushedRequest>().await, []);
    assert_eq!(people.records::<Session>().await, []);
    assert_eq!(people.records::<Event>().await.len(), before);
}

// Rows RF-84, AZ-19.
#[tokio::test]
async fn request_that_must_be_pushed_and_is_not_is_refused_on_a_page() {
    let people = People::start(&WEB_RULE.replace("\"optional\"", "\"required\"")).await;
    let mut alice = people.signed_in("alice").await;
    let refused = alice.open(&asking(&[])).await;
    assert_refused_page(&refused, 400, "this client must push its requests first");
}

/// A site that makes the browser of a signed-in person agree (CSRF).
#[tokio::test]
async fn consent_form_of_another_browser_or_of_another_site_is_refused() {
    let people = People::start(WEB_RULE).await;
    let mut attacker = people.signed_in("bob").await;
    let form = form_of(&attacker.open(&asking(&[])).await);
    let accept = form.pressed("accept");

    let mut alice = people.signed_in("alice").await;
    assert_refused_page(&alice.submit("/consent", &accept).await, 400, NOT_OURS);
    let own = form_of(&alice.open(&asking(&[])).await).pressed("accept");
    for origin in [
        vec![("origin", "https://attacker.example")],
        vec![("origin", "null")],
        vec![
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://localhost:8080"),
        ],
    ] {
        let origin = origin
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        alice.origin = origin.collect();
        let refused = alice.submit("/consent", &own).await;
        assert_refused_page(&refused, 403, "this form was not sent by a page of this server");
    }
    alice.origin.clear();
    for fields in [
        vec![],
        vec![("answer".to_owned(), "accept".to_owned())],
        vec![own[0].clone()],
        vec![own[0].clone(), ("answer".to_owned(), "yes".to_owned())],
    ] {
        assert_refused_page(&alice.submit("/consent", &fields).await, 400, NOT_OURS);
    }
    assert_eq!(people.records::<AuthorizationCode>().await, []);
    assert_eq!(people.records::<Consent>().await, []);
    assert_eq!(alice.submit("/consent", &own).await.status, 303);
}

/// What was shown is what is granted: a page that is older than a change is not answered with yes.
#[tokio::test]
async fn consent_to_something_else_than_is_asked_now_is_refused() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    let form = form_of(&alice.open(&asking(&[])).await);
    people
        .reload(|text| text.replace("see your orders", "see and pay your orders"))
        .await;
    let refused = alice.submit(&form.action, &form.pressed("accept")).await;
    assert_refused_page(
        &refused,
        400,
        "what is asked for changed after the page was shown",
    );
    assert_eq!(people.records::<AuthorizationCode>().await, []);
    let form = form_of(&alice.open(&asking(&[])).await);
    let answer = alice.submit(&form.action, &form.pressed("accept")).await;
    assert!(parameter(answer.header("location").unwrap(), "code").is_some());
}

#[tokio::test]
async fn consent_page_that_was_shown_to_another_person_is_refused() {
    let people = People::start(WEB_RULE).await;
    let mut person = people.signed_in("alice").await;
    let form = form_of(&person.open(&asking(&[])).await);
    let again = form_of(&person.open("/login").await);
    person.submit(&again.action, &again.pressed("bob")).await;
    for answer in ["accept", "deny"] {
        let refused = person.submit(&form.action, &form.pressed(answer)).await;
        assert_refused_page(&refused, 400, "another person signed in after the page was shown");
    }
    assert_eq!(people.records::<AuthorizationCode>().await, []);
}

/// A request that one browser began cannot be finished in another one: the attacker would sign the victim in as
/// themselves, or get the code of the victim.
#[tokio::test]
async fn sealed_request_of_another_browser_is_refused() {
    let people = People::start(WEB_RULE).await;
    let mut attacker = people.person();
    let form = form_of(&attacker.open(&asking(&[])).await);
    let sealed = form.field("flow").unwrap();
    let mut victim = people.signed_in("alice").await;
    for url in [
        format!("/authorize?flow={sealed}"),
        format!("/login?flow={sealed}"),
    ] {
        assert_refused_page(&victim.open(&url).await, 400, NOT_OURS);
    }
    victim.cookies.remove(FLOW);
    assert_refused_page(
        &victim.open(&format!("/authorize?flow={sealed}")).await,
        400,
        NOT_OURS,
    );
    assert_eq!(
        attacker.open(&format!("/authorize?flow={sealed}")).await.status,
        200
    );
}

/// A cookie that was made up, or whose session ended, signs no person in.
#[tokio::test]
async fn cookie_without_a_session_signs_no_person_in() {
    let people = People::start(WEB_RULE).await;
    let alice = people.signed_in("alice").await;
    let real = alice.cookies[SESSION].clone();
    let mut other = real.clone();
    other.replace_range(60..61, if &real[60..61] == "A" { "B" } else { "A" });
    for cookie in ["x", &"A".repeat(64), &other, &real[..63], &format!("{real}A")] {
        let mut person = people.person();
        person.cookies.insert(SESSION.to_owned(), cookie.to_owned());
        let page = person.open(&asking(&[])).await;
        assert!(text_of(&page).contains("asks you to sign in"), "{cookie}");
    }
    let mut person = people.person();
    person.cookies.insert(SESSION.to_owned(), real);
    assert!(text_of(&person.open(&asking(&[])).await).contains("asks for access"));
}

/// Row AZ-11. Clickjacking, and what a page may load or send.
#[tokio::test]
async fn pages_of_the_flow_cannot_be_framed_and_lead_to_the_client_only() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.signed_in("alice").await;
    let mut visitor = people.person();
    for page in [
        visitor.open(&asking(&[])).await,
        alice.open(&asking(&[])).await,
        alice.open("/account").await,
        alice.open("/login").await,
    ] {
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"),
            "{policy}"
        );
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("access-control-allow-origin"), None);
        let text = text_of(&page);
        let leads_to_client = text.contains("asks");
        let expected = if leads_to_client {
            "form-action 'self' https://shop.apps.example"
        } else {
            "form-action 'self'"
        };
        assert!(policy.ends_with(expected), "{policy}");
        assert!(!text.contains("<script") && !text.contains("style="), "{text}");
    }
    assert!(CALLBACK.starts_with("https://shop.apps.example/"));
}
