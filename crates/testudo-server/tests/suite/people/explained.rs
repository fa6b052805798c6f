//! `testudo explain` of requests for people: how each was answered, and how it would be answered with the configuration and
//! the records of now.

use super::world::{CLIENT, People, VERIFIER, WEB_RULE, asking, form_of, parameter, requested};
use crate::explain::then_and_today;
use serde_json::{Value, json};
use testudo_testkit::form;
use testudo_testkit::http::{Answer, Connection};

/// The client registers when it redeems a code or pushes a request.
async fn people() -> People {
    People::start(&format!("{APP}{WEB_RULE}")).await
}

const APP: &str = r#"
[[clients]]
client_id = "app"
token_endpoint_auth_method = "none"
redirect_uris = ["https://app.example/callback"]
scopes = ["orders.read"]
"#;

async fn explained(people: &People, answer: &Answer) -> Value {
    let id = answer.header("request-id").unwrap();
    people
        .admin("POST", "/admin/v1/explain", json!({ "request_id": id }))
        .await
}

#[track_caller]
fn assert_is(explained: &Value, expected: (&str, &str), note: &str) {
    assert_eq!(then_and_today(explained), expected, "{explained:#}");
    let notes = explained["notes"].as_array().cloned().unwrap_or_default();
    let is_right = match note {
        "" => notes.is_empty(),
        note => notes.iter().any(|found| found.as_str().unwrap().contains(note)),
    };
    assert!(is_right, "{note}: {explained:#}");
}

async fn assert_explained(people: &People, answer: &Answer, expected: (&str, &str), note: &str) {
    assert_is(&explained(people, answer).await, expected, note);
}

/// The rule allows this scope value as well.
async fn allow_admin(people: &People) {
    let allowed = |text: String| {
        text.replace(
            r#"scopes = ["orders.read", "#,
            r#"scopes = ["admin", "orders.read", "#,
        )
    };
    people.reload(allowed).await;
}

async fn set_frozen(people: &People, is_frozen: bool) {
    let verb = if is_frozen { "freeze" } else { "thaw" };
    people
        .admin(
            "POST",
            &format!("/admin/v1/clients/{verb}"),
            json!({ "client_id": CLIENT }),
        )
        .await;
}

async fn remove_client(people: &People) {
    let removed = json!({ "client_id": CLIENT });
    people.admin("POST", "/admin/v1/clients/delete", removed).await;
}

const SCOPE: &str = "scope_not_allowed";
const FROZEN: &str = "client_frozen";
const NO_SESSION: &str = "no event contains the session";

#[tokio::test]
async fn pushed_request_is_decided_again_with_the_rule_of_today() {
    let people = people().await;
    let refused = people.push(&[("scope", "admin")]).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_explained(&people, &refused, (SCOPE, SCOPE), "").await;
    let first = people.push(&[]).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_explained(&people, &first, ("allowed", "allowed"), "").await;
    let other = people.push(&[("redirect_uri", "https://evil.example/cb")]).await;
    let redirect = "redirect_uri_not_of_client";
    assert_explained(&people, &other, (redirect, redirect), "").await;
    allow_admin(&people).await;
    assert_explained(&people, &refused, (SCOPE, "allowed"), "").await;
    set_frozen(&people, true).await;
    assert_explained(&people, &first, ("allowed", FROZEN), "").await;
    // The request itself is wrong, whatever the rule allows.
    let malformed = people.push(&[("code_challenge", "")]).await;
    let reason = "authorization_request_malformed";
    assert_explained(&people, &malformed, (reason, reason), "").await;
}

/// Such a request is refused before its own checks.
#[tokio::test]
async fn pushed_request_of_a_client_that_was_not_admitted_is_decided_again() {
    let people = people().await;
    let changes = [("client_id", ""), ("scope", "orders.write")];
    let push = async || people.push_as("/later/shop", &changes).await;
    let refused = push().await;
    assert_explained(&people, &refused, ("no_rule", "no_rule"), "").await;
    people
        .reload(|text| text.replace("/web/{name}", "/later/{name}"))
        .await;
    let again = explained(&people, &refused).await;
    assert_is(&again, ("no_rule", "allowed"), "");
    assert_eq!(again["event"]["scope"], "orders.write", "{again:#}");
    let only_read = |text: String| {
        text.replace(
            r#"scopes = ["orders.read", "orders.write"]"#,
            r#"scopes = ["orders.read"]"#,
        )
    };
    people.reload(only_read).await;
    assert_explained(&people, &refused, ("no_rule", SCOPE), "").await;
    people
        .admin("POST", "/admin/v1/trust/a.example/disable", json!({}))
        .await;
    let disabled = push().await;
    let reason = "authority_disabled";
    assert_explained(&people, &disabled, (reason, reason), "").await;
    people
        .admin("POST", "/admin/v1/trust/a.example/enable", json!({}))
        .await;
    assert_explained(&people, &disabled, (reason, SCOPE), "").await;
}

#[tokio::test]
async fn pushed_request_of_a_client_without_credential_is_decided_again_with_its_entry_of_today() {
    let people = people().await;
    let push = async |scope: &str| {
        let fields = requested(&[
            ("client_id", "app"),
            ("redirect_uri", "https://app.example/callback"),
            ("scope", scope),
        ]);
        let mut connection = Connection::open(people.running.addresses[0]).await;
        connection.post("/par", form(&fields)).await
    };
    let refused = push("orders.write").await;
    assert_eq!(refused.error(), "invalid_scope", "{refused:?}");
    assert_explained(&people, &refused, (SCOPE, SCOPE), "").await;
    let first = push("orders.read").await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_explained(&people, &first, ("allowed", "allowed"), "").await;
    let write = |text: String| text.replace(r#"scopes = ["orders.read"]"#, r#"scopes = ["orders.write"]"#);
    people.reload(write).await;
    assert_explained(&people, &refused, (SCOPE, "allowed"), "").await;
    assert_explained(&people, &first, ("allowed", SCOPE), "").await;
}

#[tokio::test]
async fn authorization_request_is_decided_again_up_to_the_sign_in() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let refused = alice.open(&asking(&[("scope", "admin")])).await;
    assert_eq!(refused.status, 303, "{refused:?}");
    let again = explained(&people, &refused).await;
    assert_is(&again, (SCOPE, SCOPE), "");
    let checks: Vec<&str> = again["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["check"].as_str().unwrap())
        .collect();
    let expected = [
        "client found",
        "a rule governs",
        "redirect URI of the client",
        SCOPE,
    ];
    assert_eq!(checks, expected, "{again:#}");
    let wrong_uri = alice
        .open(&asking(&[("redirect_uri", "https://evil.example/cb")]))
        .await;
    let redirect = "redirect_uri_not_of_client";
    assert_explained(&people, &wrong_uri, (redirect, redirect), "").await;
    // Whether the person would have to sign in depends on the session, which no event contains.
    let silent = people.person().open(&asking(&[("prompt", "none")])).await;
    assert_explained(
        &people,
        &silent,
        ("sign_in_needed", "unknown"),
        "because of the session",
    )
    .await;
    allow_admin(&people).await;
    assert_explained(&people, &refused, (SCOPE, "allowed"), NO_SESSION).await;
    let must_push = |text: String| text.replace("pushed_authorization = \"optional\"\n", "");
    people.reload(must_push).await;
    assert_explained(&people, &refused, (SCOPE, "push_missing"), "").await;
    assert_explained(&people, &silent, ("sign_in_needed", "push_missing"), "").await;
    people
        .reload(|text| text.replace("/web/{name}", "/other/{name}"))
        .await;
    let unknown = "asking_client_unknown";
    assert_explained(&people, &refused, (SCOPE, unknown), "").await;
}

#[tokio::test]
async fn visit_with_a_pushed_request_is_decided_as_if_its_client_had_pushed_it_again() {
    let people = people().await;
    let pushed = people.push(&[]).await.json()["request_uri"]
        .as_str()
        .unwrap()
        .to_owned();
    let url = asking(&[("request_uri", &pushed), ("state", "")]);
    let mut alice = people.signed_in("alice").await;
    set_frozen(&people, true).await;
    let refused = alice.open(&url).await;
    assert!(refused.status >= 400, "{refused:?}");
    assert_explained(&people, &refused, (FROZEN, FROZEN), "").await;
    set_frozen(&people, false).await;
    assert_explained(&people, &refused, (FROZEN, "allowed"), NO_SESSION).await;
    assert!(alice.walk(&url).await.unwrap().contains("code="));
    // A `request_uri` is never issued again.
    let used = alice.open(&url).await;
    let unknown = "pushed_request_unknown";
    assert_explained(&people, &used, (unknown, unknown), "").await;
}

/// What a client pushes is checked when it pushes it, and not at the visit.
#[tokio::test]
async fn visit_with_a_pushed_request_that_its_client_may_not_push_any_more_is_not_decided() {
    let people = people().await;
    let visit = async || {
        let pushed = people.push(&[]).await.json()["request_uri"].clone();
        let url = asking(&[("request_uri", pushed.as_str().unwrap()), ("state", "")]);
        set_frozen(&people, true).await;
        let refused = people.person().open(&url).await;
        set_frozen(&people, false).await;
        refused
    };
    let refused = visit().await;
    assert_explained(&people, &refused, (FROZEN, "allowed"), NO_SESSION).await;
    let other =
        |text: String| text.replace("https://{name}.apps.example/cb", "https://{name}.new.example/cb");
    people.reload(other).await;
    let undecided = (FROZEN, "unknown");
    assert_explained(&people, &refused, undecided, "does not allow the redirect URI").await;
    let on_a_host = |text: String| {
        let uris = "redirect_uris = [\"https://{name}.new.example/cb\"]";
        text.replace(uris, "redirect_uri_hosts = [\"{name}.apps.example\"]")
    };
    people.reload(on_a_host).await;
    assert_explained(&people, &refused, (FROZEN, "allowed"), NO_SESSION).await;
    remove_client(&people).await;
    assert_explained(&people, &refused, undecided, "it must push again").await;
}

#[tokio::test]
async fn requests_for_people_are_refused_where_people_cannot_sign_in_any_more() {
    let people = people().await;
    let pushed = people.push(&[("scope", "admin")]).await;
    let mut alice = people.signed_in("alice").await;
    let visited = alice.open(&asking(&[("scope", "admin")])).await;
    let redeemed = people.tokens(&mut alice).await;
    let own = people
        .post(
            "/token",
            "/web/shop",
            &[("grant_type", "client_credentials"), ("scope", "admin")],
        )
        .await;
    let without_login = |text: String| {
        let (before, rest) = text.split_once("[login]\n").unwrap();
        let (_, after) = rest.split_once("passkeys = false\n").unwrap();
        format!("{before}{after}")
    };
    people.reload(without_login).await;
    for (answer, then) in [(&pushed, SCOPE), (&visited, SCOPE), (&redeemed, "allowed")] {
        let again = explained(&people, answer).await;
        assert_eq!(then_and_today(&again), (then, "refused"), "{again:#}");
        let detail = again["today"]["detail"].as_str().unwrap();
        assert!(detail.contains("has no `[login]` now"), "{again:#}");
    }
    assert_explained(&people, &own, (SCOPE, SCOPE), "").await;
}

#[tokio::test]
async fn allowed_redemption_is_decided_again_with_what_is_left_of_the_granted_scope() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let both = asking(&[("scope", "orders.read orders.write")]);
    let url = alice.walk(&both).await.unwrap();
    let redeemed = people.redeem(&url).await;
    let again = explained(&people, &redeemed).await;
    assert_eq!(then_and_today(&again), ("allowed", "allowed"), "{again:#}");
    let described = |again: &Value| again["today"]["detail"].as_str().unwrap().to_owned();
    assert!(
        described(&again).ends_with("scope `orders.read orders.write`"),
        "{again:#}"
    );
    let only = |allowed: &'static str| {
        move |text: String| {
            let start = text.rfind("\nscopes = [").unwrap();
            let line = text[start + 1..].lines().next().unwrap().to_owned();
            let text = text.replace(&line, &format!("scopes = [{allowed}]"));
            text.replace("default_scopes = [\"orders.read\"]", "default_scopes = []")
        }
    };
    people.reload(only("\"orders.read\", \"orders.more\"")).await;
    let again = explained(&people, &redeemed).await;
    assert_eq!(then_and_today(&again), ("allowed", "allowed"), "{again:#}");
    assert!(described(&again).ends_with("scope `orders.read`"), "{again:#}");
    // Nothing is left.
    people.reload(only("\"orders.more\"")).await;
    let again = explained(&people, &redeemed).await;
    assert_eq!(then_and_today(&again), ("allowed", SCOPE), "{again:#}");
}

#[tokio::test]
async fn consent_is_explained_with_the_account_and_the_grant_of_now() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let page = alice.open(&asking(&[])).await;
    let form = form_of(&page);
    let denied = alice.submit(&form.action, &form.pressed("deny")).await;
    assert_explained(&people, &denied, ("consent.denied", "unknown"), "is active now").await;
    let page = alice.open(&asking(&[])).await;
    let form = form_of(&page);
    let given = alice.submit(&form.action, &form.pressed("accept")).await;
    let again = explained(&people, &given).await;
    assert_is(&again, ("allowed", "allowed"), "is not in force now");
    assert_eq!(again["event"]["event"], "consent.given", "{again:#}");
    people.redeem(given.header("location").unwrap()).await;
    assert_explained(&people, &given, ("allowed", "allowed"), "is in force now").await;
    // It ends also with its client.
    remove_client(&people).await;
    assert_explained(&people, &given, ("allowed", "allowed"), "is not in force now").await;
    people
        .admin("POST", "/admin/v1/users/lock", json!({ "user": "alice" }))
        .await;
    assert_explained(&people, &given, ("allowed", "allowed"), "is locked now").await;
    let disabled = |text: String| text.replace("name = \"web\"\n", "name = \"web\"\nenabled = false\n");
    people.reload(disabled).await;
    for answer in [&denied, &given] {
        let again = explained(&people, answer).await;
        assert_eq!(again["today"]["rejection"], "rule_disabled", "{again:#}");
    }
}

#[tokio::test]
async fn code_and_refresh_are_decided_again_without_their_secret() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let url = alice.walk(&asking(&[])).await.unwrap();
    let redeemed = people.redeem(&url).await;
    assert_explained(&people, &redeemed, ("allowed", "allowed"), "the code is secret").await;
    let refresh = redeemed.refresh_token();
    let unknown = "A".repeat(86);
    let of_code = |code: &str| {
        people.body(
            "/web/shop",
            &[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("code_verifier", VERIFIER),
            ],
        )
    };
    let of_token = |token: &str| {
        people.body(
            "/web/shop",
            &[("grant_type", "refresh_token"), ("refresh_token", token)],
        )
    };
    let send = async |body: String| {
        let mut connection = Connection::open(people.running.addresses[0]).await;
        connection.post("/token", body).await
    };
    let secret = "is secret and not in the event";
    let code = parameter(&url, "code").unwrap();
    for (body, reason) in [
        (of_code(&unknown), "grant_unknown"),
        (of_code(&code), "code_used"),
        (of_token(&unknown), "grant_unknown"),
    ] {
        let refused = send(body).await;
        let again = explained(&people, &refused).await;
        assert_is(&again, (reason, "unknown"), secret);
        let steps = again["steps"].as_array().unwrap();
        assert!(
            steps.iter().any(|step| step["check"] == "request allowed"),
            "{again:#}"
        );
    }
    set_frozen(&people, true).await;
    for body in [of_code(&unknown), of_token(&refresh)] {
        let refused = send(body).await;
        assert_explained(&people, &refused, (FROZEN, FROZEN), secret).await;
        set_frozen(&people, false).await;
        assert_explained(&people, &refused, (FROZEN, "allowed"), secret).await;
        set_frozen(&people, true).await;
    }
    set_frozen(&people, false).await;
    // The rule of today does not let the client refresh.
    let no_refresh = |text: String| {
        text.replace(
            r#""refresh_token", "client_credentials""#,
            r#""client_credentials""#,
        )
    };
    people.reload(no_refresh).await;
    let refused = send(of_token(&refresh)).await;
    let reason = "grant_not_allowed";
    assert_explained(&people, &refused, (reason, reason), secret).await;
    assert_explained(&people, &redeemed, ("allowed", "allowed"), secret).await;
    // Without a code there is nothing to redeem, whatever the rule says.
    let missing = form(&[("grant_type", "authorization_code")]);
    assert_explained(
        &people,
        &send(missing).await,
        ("code_missing", "code_missing"),
        "",
    )
    .await;
}

#[tokio::test]
async fn what_a_person_did_at_a_page_is_explained_as_done() {
    let people = people().await;
    let (mut alice, answer) = people.sign_in("alice").await;
    let again = explained(&people, &answer).await;
    assert_is(&again, ("allowed", "unknown"), "which is secret");
    let detail = again["then"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("person."), "{again:#}");
    let page = alice.open("/account").await;
    let form = form_of(&page);
    let signed_out = alice.submit(&form.action, &form.fields).await;
    assert_explained(&people, &signed_out, ("allowed", "unknown"), "is active now").await;
    // A refused sign-in is not an authorization request.
    let page = people.person().open("/login").await;
    let form = form_of(&page);
    let refused = people.person().submit(&form.action, &form.pressed("alice")).await;
    assert_explained(&people, &refused, ("flow_not_ours", "unknown"), "which is secret").await;
    people
        .admin("POST", "/admin/v1/users/remove", json!({ "user": "alice" }))
        .await;
    assert_explained(&people, &answer, ("allowed", "unknown"), "was removed").await;
}
