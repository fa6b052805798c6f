//! What remains of a person's grant when the client is swept, returns, or its rule is changed meanwhile.

use super::expiry::{DAY, assert_about, pass};
use super::world::{CALLBACK, CLIENT, People, VERIFIER, WEB_RULE, asking, parameter, text_of};
use serde_json::{Value, json};
use testudo_core::records::{Client, Consent};
use testudo_testkit::http::Answer;
use testudo_testkit::person::forms;

/// The rule of the web applications with these lines more; workloads can register as well.
async fn people(lines: &str) -> People {
    let rule = WEB_RULE.replace("client_name", &format!("{lines}\nclient_name"));
    People::start(&format!("{rule}[registration]\n")).await
}

async fn sweep(people: &People) -> Value {
    people.admin("POST", "/admin/v1/clients/sweep", json!({})).await
}

async fn refresh(people: &People, tokens: &Answer) -> Answer {
    let token = tokens.refresh_token();
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &token)];
    people.post("/token", "/web/shop", &fields).await
}

async fn redeem(people: &People, code: &str) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    people.post("/token", "/web/shop", &fields).await
}

/// A request of another workload, for itself.
async fn ask_as(people: &People, path: &str) {
    let fields = [("grant_type", "client_credentials")];
    let answer = people.post("/token", path, &fields).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn idle_client_stays_while_a_refresh_token_or_a_consent_is_live() {
    let people = people("client_idle_lifetime = \"2d\"\nrefresh_token_idle_lifetime = \"5d\"").await;
    let mut alice = people.signed_in("alice").await;
    let tokens = people.tokens(&mut alice).await;
    ask_as(&people, "/web/alone").await;
    pass(&people, 3 * DAY).await;
    let swept = sweep(&people).await;
    assert_eq!(
        (&swept["removed"], &swept["client_ids"]),
        (&json!(1), &json!(["spiffe://a.example/web/alone"])),
        "only the client for which no person granted anything"
    );
    let refreshed = refresh(&people, &tokens).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    // The refresh token ends without use. What the person consented to is still remembered.
    pass(&people, 6 * DAY).await;
    assert_eq!(refresh(&people, &refreshed).await.error(), "invalid_grant");
    pass(&people, 3 * DAY).await;
    assert_eq!(sweep(&people).await["removed"], 0);
    // The person ends it, and nothing is left.
    let mut alice = people.signed_in("alice").await;
    let tokens = people.tokens(&mut alice).await;
    assert_eq!(tokens.status, 200);
    let form = forms(&text_of(&alice.open("/account").await)).pop().unwrap();
    for (name, id) in &form.buttons {
        assert!(["grant", "session"].contains(&name.as_str()), "{form:?}");
        assert_eq!(alice.submit(&form.action, &form.pressed(id)).await.status, 303);
    }
    assert_eq!(people.records::<Consent>().await, []);
    pass(&people, 3 * DAY).await;
    assert_eq!(sweep(&people).await["removed"], 1);
    assert_eq!(people.records::<Client>().await, []);
}

#[tokio::test]
async fn dry_run_of_a_sweep_spares_the_same_clients() {
    let people = people("client_idle_lifetime = \"2d\"").await;
    people.tokens(&mut people.signed_in("alice").await).await;
    ask_as(&people, "/web/alone").await;
    pass(&people, 3 * DAY).await;
    let question = json!({ "dry_run": true });
    let answer = people.admin("POST", "/admin/v1/clients/sweep", question).await;
    assert_eq!(answer["client_ids"], json!(["spiffe://a.example/web/alone"]));
    assert_eq!(people.records::<Client>().await.len(), 2);
}

// Row DR-132: the refresh token is of the client that was removed, and the one that returned is another.
#[tokio::test]
async fn client_that_is_swept_and_registers_again_cannot_use_its_old_refresh_token() {
    let people = people("client_lifetime = \"1d\"").await;
    let mut alice = people.signed_in("alice").await;
    let old = people.tokens(&mut alice).await;
    // The two members state the end of the client, which is sooner than those of the rule.
    for member in ["refresh_token_timeout", "authorization_expires_in"] {
        assert_about(&old.json()[member], DAY, member);
    }
    pass(&people, DAY).await;
    assert_eq!(sweep(&people).await["removed"], 1);
    let answer = people.register(json!({})).await;
    assert_eq!(
        (answer.status, &answer.json()["client_id"]),
        (201, &json!(CLIENT)),
        "{answer:?}"
    );
    let [returned] = people.events("client.returned").await.try_into().unwrap();
    assert_eq!(returned["client_id"], CLIENT);
    let refused = refresh(&people, &old).await;
    assert_eq!(
        (refused.status, refused.error()),
        (400, "invalid_grant".to_owned())
    );
    let events = people.events("client.refused").await;
    assert_eq!(events.last().unwrap()["reason"], "grant_of_earlier_client");
    // A person who grants it again gets tokens for the client that returned.
    let new = people.tokens(&mut people.signed_in("alice").await).await;
    assert_eq!(refresh(&people, &new).await.status, 200);
}

// The same with a code, which the client redeems in its next life.
#[tokio::test]
async fn code_of_a_client_that_was_swept_meanwhile_is_refused_to_the_client_that_returned() {
    let people = people("client_lifetime = \"1d\"\ncode_lifetime = \"10m\"").await;
    for is_swept in [false, true] {
        pass(&people, 2 * DAY).await;
        sweep(&people).await;
        ask_as(&people, "/web/shop").await;
        pass(&people, DAY - 300).await;
        let mut alice = people.signed_in("alice").await;
        let url = alice.walk(&asking(&[("prompt", "consent")])).await.unwrap();
        let code = parameter(&url, "code").unwrap();
        if is_swept {
            pass(&people, 400).await;
            assert_eq!(sweep(&people).await["removed"], 1);
            ask_as(&people, "/web/shop").await;
        }
        let answer = redeem(&people, &code).await;
        let expected = if is_swept { 400 } else { 200 };
        assert_eq!(answer.status, expected, "{answer:?}");
        if is_swept {
            assert_eq!(answer.error(), "invalid_grant");
        }
    }
}

// Row RF-91.
#[tokio::test]
async fn rule_that_is_tightened_between_authorization_and_redemption_limits_the_token() {
    let people = people("").await;
    let mut alice = people.signed_in("alice").await;
    let both = asking(&[("scope", "orders.read orders.write"), ("prompt", "consent")]);
    let mut codes = Vec::new();
    for _ in 0..3 {
        let url = alice.walk(&both).await.unwrap();
        codes.push(parameter(&url, "code").unwrap());
    }
    let before = redeem(&people, &codes[0]).await;
    assert_eq!(before.json()["scope"], "orders.read orders.write", "{before:?}");
    people
        .reload(|text| text.replace("[\"orders.read\", \"orders.write\"]", "[\"orders.read\"]"))
        .await;
    let narrowed = redeem(&people, &codes[1]).await;
    assert_eq!(narrowed.json()["scope"], "orders.read", "{narrowed:?}");
    people
        .reload(|text| text.replace("redirect_uris =", "groups = [\"staff\"]\nredirect_uris ="))
        .await;
    let refused = redeem(&people, &codes[2]).await;
    assert_eq!(
        (refused.status, refused.error()),
        (400, "invalid_grant".to_owned())
    );
    // What was granted before is limited as well.
    assert_eq!(refresh(&people, &before).await.error(), "invalid_grant");
    people
        .reload(|text| text.replace("groups = [\"staff\"]\n", ""))
        .await;
    assert_eq!(refresh(&people, &before).await.json()["scope"], "orders.read");
}
