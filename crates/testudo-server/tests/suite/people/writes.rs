//! How many batches each step of a sign-in writes to the store. Each one waits for a commit, so one more would be felt by
//! every person.

use super::world::{CALLBACK, CLIENT, People, VERIFIER, WEB_RULE, form_of, parameter};
use crate::nodes::until;
use std::time::Duration;
use testudo_testkit::form;
use testudo_testkit::http::Answer;

/// The batches that the store wrote while `step` ran, of which other work of the server may be some.
async fn written<T>(people: &People, step: impl Future<Output = T>) -> (u64, T) {
    let store = &people.running.app.store;
    let before = store.batches_written();
    let outcome = step.await;
    (store.batches_written() - before, outcome)
}

fn text(answer: &Answer, member: &str) -> String {
    let body = answer.json();
    body[member]
        .as_str()
        .unwrap_or_else(|| panic!("{answer:?}"))
        .to_owned()
}

fn visit_of(pushed: &Answer) -> String {
    let request_uri = text(pushed, "request_uri");
    format!(
        "/authorize?{}",
        form(&[("client_id", CLIENT), ("request_uri", &request_uri)])
    )
}

#[tokio::test]
async fn each_step_of_a_sign_in_writes_one_batch_and_questions_write_none() {
    let people = People::start(WEB_RULE).await;
    people.tokens(&mut people.signed_in("alice").await).await;
    let mut alice = people.person();
    let (first, pushed) = written(&people, people.push(&[("prompt", "consent")])).await;
    let (visit, page) = written(&people, alice.open(&visit_of(&pushed))).await;
    let form = form_of(&page);
    let (sign_in, answer) = written(&people, alice.submit(&form.action, &form.pressed("alice"))).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let back = answer.header("location").unwrap().to_owned();
    let (shown, page) = written(&people, alice.open(&back)).await;
    let form = form_of(&page);
    let (consent, answer) = written(&people, alice.submit(&form.action, &form.pressed("accept"))).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let (again, pushed) = written(&people, people.push(&[])).await;
    let (code, answer) = written(&people, alice.open(&visit_of(&pushed))).await;
    let code_text = parameter(answer.header("location").unwrap(), "code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code_text.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let (redemption, tokens) = written(&people, people.post("/token", "/web/shop", &fields)).await;
    let token = text(&tokens, "refresh_token");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let (refresh, tokens) = written(&people, people.post("/token", "/web/shop", &fields)).await;
    let (access, token) = (tokens.access_token(), text(&tokens, "refresh_token"));
    let asked = [("token", access.as_str())];
    let (question, answer) = written(&people, people.post("/introspect", "/web/shop", &asked)).await;
    assert_eq!(answer.json()["active"], true, "{answer:?}");
    let (account, _) = written(&people, alice.open("/account")).await;
    let revoked = [("token", token.as_str())];
    let (revocation, answer) = written(&people, people.post("/revoke", "/web/shop", &revoked)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let counts = [
        ("pushed request", first, 1),
        ("visit without a session", visit, 0),
        ("sign-in", sign_in, 1),
        ("consent page", shown, 0),
        ("consent and code", consent, 1),
        ("pushed request of a known client", again, 1),
        ("code with a remembered consent", code, 1),
        ("redemption", redemption, 1),
        ("refresh", refresh, 1),
        ("introspection", question, 0),
        ("account page", account, 0),
        ("revocation", revocation, 1),
    ];
    for (step, written, expected) in counts {
        assert_eq!(written, expected, "{step}: {counts:?}");
    }
}

/// More than the requests that may read at the same time before anything of them is verified.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn visit_does_not_wait_for_the_commits_of_other_people() {
    let people = People::start(WEB_RULE).await;
    let mut signed_in = Vec::new();
    let store = &people.running.app.store;
    let mut reads_of_a_visit = 0;
    for name in ["alice", "bob"].into_iter().cycle().take(AT_ONCE) {
        let mut person = people.signed_in(name).await;
        let consented = person.walk(&visit_of(&people.push(&[]).await)).await;
        assert!(consented.is_ok(), "{consented:?}");
        let visit = visit_of(&people.push(&[]).await);
        let before = store.reads();
        let answer = person.open(&visit).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        reads_of_a_visit = store.reads() - before;
        signed_in.push((person, visit_of(&people.push(&[]).await)));
    }
    let visit = visit_of(&people.push(&[]).await);
    let lock = rusqlite::Connection::open(people.folder.join("test.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = store.reads();
    let mut committing = tokio::task::JoinSet::new();
    for (mut person, visit) in signed_in {
        committing.spawn(async move { person.open(&visit).await });
    }
    // All of them have read what they need, so each of them waits for its commit.
    until(async || store.reads() - before >= AT_ONCE as u64 * reads_of_a_visit).await;
    let mut visitor = people.person();
    let page = tokio::time::timeout(Duration::from_secs(3), visitor.open(&visit)).await;
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(page.expect("an answer before the commits").status, 200);
    for answer in committing.join_all().await {
        let response = answer.header("location").unwrap_or_default();
        assert!(response.contains("code="), "{answer:?}");
    }
}
