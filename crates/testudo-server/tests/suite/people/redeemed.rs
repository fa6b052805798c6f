//! From the code to tokens: a workload whose only credential is its SVID gets tokens of a person and refreshes them.

use super::world::{
    CALLBACK, CLIENT, ISSUER, People, VERIFIER, WEB_RULE, asking, assert_refused_page, parameter, text_of,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use testudo_core::records::{Client, Grant, Person, PushedRequest};
use testudo_testkit::form;
use testudo_testkit::http::Answer;
use testudo_testkit::person::Person as Browser;

/// Every request of the rule must be pushed.
fn pushed_rule() -> String {
    WEB_RULE.replace("\"optional\"", "\"required\"")
}

/// The claims of an access token. Its signature is checked elsewhere.
fn claims(answer: &Answer) -> Value {
    use base64::Engine as _;
    let token = answer.access_token();
    let payload = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(payload)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

async fn code_of(browser: &mut Browser, url: &str) -> String {
    let url = browser.walk(url).await.unwrap();
    parameter(&url, "code").unwrap_or_else(|| panic!("{url}"))
}

async fn redeem(people: &People, path: &str, code: &str, changes: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    people.post("/token", path, &fields).await
}

async fn refresh(people: &People, token: &str) -> Answer {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    people.post("/token", "/web/shop", &fields).await
}

// Rows RF-80, AZ-06, AZ-18: pushed request, sign-in, consent, code, token, refresh.
#[tokio::test]
async fn workload_pushes_a_request_a_person_agrees_and_the_workload_gets_and_refreshes_tokens() {
    let people = People::start(&pushed_rule()).await;
    let answer = people.push(&[]).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let request_uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    assert_eq!(
        people.records::<Client>().await.len(),
        1,
        "the workload is registered"
    );
    let url = asking(&[
        ("request_uri", &request_uri),
        ("response_type", ""),
        ("redirect_uri", ""),
        ("code_challenge", ""),
        ("code_challenge_method", ""),
        ("scope", ""),
        ("state", ""),
    ]);
    let mut alice = people.person();
    let final_url = alice.walk(&url).await.unwrap();
    assert!(final_url.starts_with(&format!("{CALLBACK}?")), "{final_url}");
    assert_eq!(parameter(&final_url, "state").as_deref(), Some("s1"));
    assert_eq!(parameter(&final_url, "iss").as_deref(), Some(ISSUER));
    assert_eq!(
        people.records::<PushedRequest>().await,
        [],
        "a pushed request is used once"
    );
    assert_refused_page(&alice.open(&url).await, 400, "request_uri is not valid");

    let code = parameter(&final_url, "code").unwrap();
    let tokens = redeem(&people, "/web/shop", &code, &[]).await;
    assert_eq!(tokens.status, 200, "{:?}", tokens.json());
    assert_eq!(tokens.json()["scope"], "orders.read");
    let [person] = people.records::<Person>().await.try_into().unwrap();
    let of_person = claims(&tokens);
    assert_eq!(of_person["sub"], person.id.sub());
    assert_eq!(of_person["client_id"], CLIENT);
    assert_eq!(of_person["aud"], "https://orders.example/");
    let [grant] = people.records::<Grant>().await.try_into().unwrap();
    assert_eq!(of_person["grant_id"], grant.id.to_string());

    let again = refresh(&people, &tokens.refresh_token()).await;
    assert_eq!(again.status, 200, "{:?}", again.json());
    assert_eq!(claims(&again)["sub"], person.id.sub());
    assert_ne!(again.refresh_token(), tokens.refresh_token());
    assert_ne!(claims(&again)["jti"], of_person["jti"]);
}

// Row RF-82: the workload is registered when it redeems the code, and not before.
#[tokio::test]
async fn unknown_workload_is_registered_when_it_redeems_the_code() {
    let people = People::start(WEB_RULE).await;
    let code = code_of(&mut people.person(), &asking(&[])).await;
    assert_eq!(people.records::<Client>().await, []);
    let tokens = redeem(&people, "/web/shop", &code, &[]).await;
    assert_eq!(tokens.status, 200, "{:?}", tokens.json());
    let [client] = people.records::<Client>().await.try_into().unwrap();
    assert_eq!(client.client_id, CLIENT);
    assert_eq!(refresh(&people, &tokens.refresh_token()).await.status, 200);
}

// Row TK-08: an attacker who redeems the code after the client ends what was issued for it.
#[tokio::test]
async fn code_that_is_redeemed_twice_ends_what_was_issued_for_it() {
    let people = People::start(WEB_RULE).await;
    let code = code_of(&mut people.person(), &asking(&[])).await;
    let tokens = redeem(&people, "/web/shop", &code, &[]).await;
    assert_eq!(tokens.status, 200, "{:?}", tokens.json());
    let again = redeem(&people, "/web/shop", &code, &[]).await;
    assert_eq!((again.status, again.error()), (400, "invalid_grant".to_owned()));
    assert_eq!(people.records::<Grant>().await, []);
    let refused = refresh(&people, &tokens.refresh_token()).await;
    assert_eq!(refused.error(), "invalid_grant");
}

/// Rows TK-02, TK-10, TK-13 and RF-86. A code that was stolen from the browser is of no use without the verifier or the credential, and is used up by the try.
#[tokio::test]
async fn stolen_code_gives_no_token_and_is_used_up() {
    let people = People::start(WEB_RULE).await;
    let mut alice = people.person();
    let other_verifier = "A".repeat(43);
    let wrong = [
        (
            "/web/shop",
            vec![("code_verifier", other_verifier.as_str())],
            "invalid_grant",
        ),
        (
            "/web/shop",
            vec![("redirect_uri", "https://other.apps.example/cb")],
            "invalid_grant",
        ),
        ("/web/other", vec![], "invalid_grant"),
    ];
    for (path, changes, error) in wrong {
        let code = code_of(&mut alice, &asking(&[])).await;
        let refused = redeem(&people, path, &code, &changes).await;
        assert_eq!(
            (refused.status, refused.error()),
            (400, error.to_owned()),
            "{path} {changes:?}"
        );
        let after = redeem(&people, "/web/shop", &code, &[]).await;
        assert_eq!(
            after.error(),
            "invalid_grant",
            "{path} {changes:?}: the code is used up"
        );
    }
    let code = code_of(&mut alice, &asking(&[])).await;
    assert_eq!(redeem(&people, "/web/shop", &code, &[]).await.status, 200);
}

/// Row RF-88. Known and unknown clients look alike to a visitor.
#[tokio::test]
async fn sign_in_page_is_the_same_for_a_known_and_for_an_unknown_client() {
    let people = People::start(WEB_RULE).await;
    let code = code_of(&mut people.person(), &asking(&[])).await;
    redeem(&people, "/web/shop", &code, &[]).await;
    let page = async |name: &str| {
        let client = format!("spiffe://a.example/web/{name}");
        let uri = format!("https://{name}.apps.example/cb");
        let answer = people
            .person()
            .open(&asking(&[("client_id", &client), ("redirect_uri", &uri)]))
            .await;
        let text = text_of(&answer);
        // Without what is random: the sealed request and the request id.
        let (before, rest) = text.split_once("name=\"flow\" value=\"").unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        let (after, _) = after.split_once("<footer>").unwrap();
        (answer.status, format!("{before}{after}").replace(name, "NAME"))
    };
    assert_eq!(page("shop").await, page("shoq").await);
}

/// What a visit of the endpoint for a client of the rule costs: reads of the store, and the time until the answer.
async fn visit_of(people: &People, name: &str) -> (u64, Duration) {
    let client = format!("spiffe://a.example/web/{name}");
    let uri = format!("https://{name}.apps.example/cb");
    let url = asking(&[("client_id", &client), ("redirect_uri", &uri)]);
    let mut visitor = people.person();
    let (reads, sent) = (people.running.app.store.reads(), Instant::now());
    let answer = visitor.open(&url).await;
    let took = sent.elapsed();
    assert_eq!(answer.status, 200, "{answer:?}");
    (people.running.app.store.reads() - reads, took)
}

/// Row RF-88. A visitor must not learn by the time of an answer which workloads are clients. Known and unknown ones are
/// visited in turn, so that other work of the machine changes both.
#[tokio::test]
async fn visit_costs_the_same_for_a_known_and_for_an_unknown_client() {
    const VISITS: usize = 200;
    let people = People::start(WEB_RULE).await;
    let code = code_of(&mut people.person(), &asking(&[])).await;
    // This node remembers the client from now on.
    assert_eq!(redeem(&people, "/web/shop", &code, &[]).await.status, 200);
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..VISITS {
        known.push(visit_of(&people, "shop").await);
        unknown.push(visit_of(&people, &format!("s{number:03}")).await);
    }
    // Background work reads the store now and then.
    let fewest = |visits: &[(u64, Duration)]| visits.iter().map(|(reads, _)| *reads).min();
    assert_eq!((fewest(&known), fewest(&unknown)), (Some(1), Some(1)));
    let median = |visits: &mut Vec<(u64, Duration)>| {
        visits.sort_by_key(|(_, took)| *took);
        visits[VISITS / 2].1.as_secs_f64()
    };
    let ratio = median(&mut known) / median(&mut unknown);
    assert!((0.7..1.4).contains(&ratio), "{ratio}");
}

// Row DR-32.
#[tokio::test]
async fn redirect_uri_that_was_registered_is_used_in_a_pushed_request() {
    let people = People::start(&format!("{}[registration]\n", pushed_rule())).await;
    let foreign = json!({ "redirect_uris": ["https://evil.example/cb"] });
    assert_eq!(people.register(foreign).await.error(), "invalid_redirect_uri");
    let registered = people.register(json!({ "redirect_uris": [CALLBACK] })).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    assert_eq!(registered.json()["redirect_uris"], json!([CALLBACK]));
    let refused = people.push(&[("redirect_uri", "https://evil.example/cb")]).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let pushed = people.push(&[]).await;
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let request_uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let visit = form(&[("client_id", CLIENT), ("request_uri", &request_uri)]);
    let code = code_of(&mut people.person(), &format!("/authorize?{visit}")).await;
    let tokens = redeem(&people, "/web/shop", &code, &[]).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
}
