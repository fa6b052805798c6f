//! Two nodes with one PostgreSQL: what is used at one node cannot be used at the other, also where many requests arrive at the
//! same moment, and what ends at one node is refused by the other at once.

use super::world::{CALLBACK, CLIENT, People, VERIFIER, WEB_RULE, asking, form_of, parameter};
use crate::nodes::{admin, postgres};
use crate::world::run_in;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testudo_core::records::{AuthorizationCode, Grant, PushedRequest};
use testudo_server::Running;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::person::Person;
use testudo_testkit::scratch::folder;
use tokio::sync::Barrier;

/// Requests of one race, half of them at each node.
const RACERS: usize = 64;
/// The same within the grace of a refresh token: after more uses, the grant does not keep the first token any more.
const RACERS_IN_GRACE: usize = 6;
/// How soon a node must refuse what ended at the other one.
const AT_ONCE: Duration = Duration::from_secs(1);

struct Nodes {
    first: People,
    second: Running,
}

impl Nodes {
    async fn start(name: &str) -> Nodes {
        Nodes::start_with(name, WEB_RULE).await
    }

    async fn start_with(name: &str, entries: &str) -> Nodes {
        let url = postgres().database(name).unwrap();
        let key = "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0";
        let store = format!("url = \"{url}\"\nkey_encryption_key = \"{key}\"");
        let first = People::start_over(&store, &format!("passkeys = false\n{entries}")).await;
        let second = folder("people");
        for file in ["a.json", "testudo.toml"] {
            std::fs::copy(first.folder.join(file), second.join(file)).unwrap();
        }
        Nodes {
            first,
            second: run_in(&second).await.unwrap(),
        }
    }

    /// The address of the node that answers the request with this number.
    fn address(&self, number: usize) -> SocketAddr {
        [self.first.running.addresses[0], self.second.addresses[0]][number % 2]
    }

    /// The browser at the second node.
    fn there(&self, person: &Person) -> Person {
        person.at_node(self.address(1))
    }

    /// The application sends a form to the node with this number.
    async fn post(&self, node: usize, endpoint: &str, fields: &[(&str, &str)]) -> Answer {
        let body = self.first.body("/web/shop", fields);
        let mut connection = Connection::open(self.address(node)).await;
        connection.post(endpoint, body).await
    }

    /// The application sends the same form so often at the same moment, with an SVID of its own each time.
    async fn race(&self, racers: usize, fields: &[(&str, &str)]) -> Vec<Answer> {
        let gate = Arc::new(Barrier::new(racers));
        let racers: Vec<_> = (0..racers)
            .map(|number| {
                let (gate, address) = (gate.clone(), self.address(number));
                let body = self.first.body("/web/shop", fields);
                tokio::spawn(async move {
                    let mut connection = Connection::open(address).await;
                    gate.wait().await;
                    connection.post("/token", body).await
                })
            })
            .collect();
        all(racers).await
    }

    /// The browser does the same so often at the same moment.
    async fn race_of_browser<F: Future<Output = Answer> + Send + 'static>(
        &self,
        browser: &Person,
        visit: impl Fn(Person) -> F,
    ) -> Vec<Answer> {
        let gate = Arc::new(Barrier::new(RACERS));
        let racers: Vec<_> = (0..RACERS)
            .map(|number| {
                let visit = visit(browser.at_node(self.address(number)));
                let gate = gate.clone();
                tokio::spawn(async move {
                    gate.wait().await;
                    visit.await
                })
            })
            .collect();
        all(racers).await
    }

    /// The URL of a request that the application pushed.
    async fn pushed(&self, more: &[(&str, &str)]) -> String {
        let answer = self.first.push(more).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let request_uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
        let parameters = [("client_id", CLIENT), ("request_uri", &request_uri)];
        format!("/authorize?{}", testudo_testkit::form(&parameters))
    }

    /// Whether a token is valid, as the node says.
    async fn is_active(&self, node: usize, token: &str) -> bool {
        let answer = self.post(node, "/introspect", &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["active"].as_bool().unwrap()
    }
}

async fn all(racers: Vec<tokio::task::JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for racer in racers {
        answers.push(racer.await.unwrap());
    }
    answers
}

/// Checks that one request was granted and each of the others refused with `invalid_grant`, or with 503 if it lost the
/// race for a record too often. Returns the one.
#[track_caller]
fn one_granted(answers: Vec<Answer>) -> Answer {
    let (mut granted, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(granted.len(), 1);
    for answer in refused {
        let expected = if answer.status == 503 {
            (503, "temporarily_unavailable".to_owned())
        } else {
            (400, "invalid_grant".to_owned())
        };
        assert_eq!((answer.status, answer.error()), expected, "{answer:?}");
    }
    granted.remove(0)
}

/// Checks that one visit led to the application with a code, and that the others are refused on a page. Returns the code.
#[track_caller]
fn one_code(answers: Vec<Answer>) -> String {
    let mut codes = Vec::new();
    for answer in answers {
        match answer.header("location") {
            Some(url) => codes.push(parameter(url, "code").unwrap_or_else(|| panic!("{url}"))),
            None => assert!([400, 503].contains(&answer.status), "{answer:?}"),
        }
    }
    assert_eq!(codes.len(), 1);
    codes.remove(0)
}

fn redemption(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

fn refresh(token: &str) -> [(&str, &str); 2] {
    [("grant_type", "refresh_token"), ("refresh_token", token)]
}

// Row TK-08 on two nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn code_that_arrives_many_times_at_two_nodes_gives_tokens_once_and_they_end() {
    let nodes = Nodes::start("people_code").await;
    let mut alice = nodes.first.signed_in("alice").await;
    let url = alice.walk(&asking(&[])).await.unwrap();
    let code = parameter(&url, "code").unwrap();
    let granted = one_granted(nodes.race(RACERS, &redemption(&code)).await);
    // The client or an attacker redeemed it twice, so what was issued for it is revoked.
    for node in 0..2 {
        let refused = nodes
            .post(node, "/token", &refresh(&granted.refresh_token()))
            .await;
        assert_eq!(refused.error(), "invalid_grant", "{node}: {refused:?}");
        assert!(!nodes.is_active(node, &granted.access_token()).await, "{node}");
    }
    assert_eq!(nodes.first.records::<Grant>().await, []);
    assert_eq!(nodes.first.events("grant.revoked").await.len(), 1);
}

// Row AZ-18 on two nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushed_request_that_is_opened_many_times_at_two_nodes_gives_one_code() {
    let nodes = Nodes::start("people_requests").await;
    let mut alice = nodes.first.signed_in("alice").await;
    let first = nodes.pushed(&[]).await;
    alice.walk(&first).await.unwrap();
    let url = nodes.pushed(&[]).await;
    let visits = nodes.race_of_browser(&alice, |mut browser| {
        let url = url.clone();
        async move { browser.open(&url).await }
    });
    let code = one_code(visits.await);
    let answer = nodes.post(1, "/token", &redemption(&code)).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    // The person presses the button of the consent page many times.
    let form = form_of(&alice.open(&nodes.pushed(&[("prompt", "consent")]).await).await);
    let presses = nodes.race_of_browser(&alice, |mut browser| {
        let (action, fields) = (form.action.clone(), form.pressed("accept"));
        async move { browser.submit(&action, &fields).await }
    });
    one_code(presses.await);
    assert_eq!(nodes.first.records::<PushedRequest>().await, []);
    assert_eq!(nodes.first.records::<AuthorizationCode>().await.len(), 3);
}

// Row TK-26 on two nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refresh_token_that_arrives_many_times_at_two_nodes_is_used_once_and_its_family_ends() {
    let entries = WEB_RULE.replace("client_name", "refresh_token_grace = \"0s\"\nclient_name");
    let nodes = Nodes::start_with("people_refresh", &entries).await;
    let tokens = nodes
        .first
        .tokens(&mut nodes.first.signed_in("alice").await)
        .await;
    let granted = one_granted(nodes.race(RACERS, &refresh(&tokens.refresh_token())).await);
    for node in 0..2 {
        let refused = nodes
            .post(node, "/token", &refresh(&granted.refresh_token()))
            .await;
        assert_eq!(refused.error(), "invalid_grant", "{node}: {refused:?}");
        assert!(!nodes.is_active(node, &granted.access_token()).await, "{node}");
    }
    assert_eq!(nodes.first.events("grant.reused").await.len(), 1);
}

/// Within the grace, a client that proves its identity may send the token again, because an answer can be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refresh_token_that_arrives_many_times_within_its_grace_leaves_one_valid_token() {
    let nodes = Nodes::start("people_grace").await;
    let tokens = nodes
        .first
        .tokens(&mut nodes.first.signed_in("alice").await)
        .await;
    let answers = nodes
        .race(RACERS_IN_GRACE, &refresh(&tokens.refresh_token()))
        .await;
    let mut valid = Vec::new();
    for answer in &answers {
        // A request that lost the race too often is to be sent again.
        if answer.status == 503 {
            continue;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.refresh_token();
        if nodes.is_active(1, &token).await {
            valid.push(token);
        }
    }
    assert_eq!(valid.len(), 1);
    let next = nodes.post(1, "/token", &refresh(&valid[0])).await;
    assert_eq!(next.status, 200, "{next:?}");
    // The successor was used, so the grace is over, and the token counts as stolen.
    let stolen = nodes.post(0, "/token", &refresh(&tokens.refresh_token())).await;
    assert_eq!(stolen.error(), "invalid_grant", "{stolen:?}");
    assert!(!nodes.is_active(1, &next.refresh_token()).await);
}

/// Everything that a node answers about tokens of a grant that ended at the other one.
async fn assert_dead(nodes: &Nodes, tokens: &Answer, why: &str) {
    let ended = Instant::now();
    let (access, refresh_token) = (tokens.access_token(), tokens.refresh_token());
    for token in [&access, &refresh_token] {
        assert!(!nodes.is_active(1, token).await, "{why}");
    }
    let refused = nodes.post(1, "/token", &refresh(&refresh_token)).await;
    assert_eq!(refused.error(), "invalid_grant", "{why}: {refused:?}");
    for token in [&access, &refresh_token] {
        let again = nodes.post(1, "/revoke", &[("token", token)]).await;
        assert_eq!(again.status, 200, "{why}: {again:?}");
    }
    assert!(ended.elapsed() < AT_ONCE, "{why}: {:?}", ended.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn grant_that_ends_at_one_node_is_dead_at_all_endpoints_of_the_other_within_a_second() {
    let nodes = Nodes::start("people_revocation").await;
    let mut alice = nodes.first.signed_in("alice").await;
    let page_of = async |person: &Person| {
        let page = nodes.there(person).open("/account").await;
        String::from_utf8(page.body).unwrap()
    };
    for why in ["the client", "the person", "an administrator", "a lock"] {
        let tokens = nodes.first.tokens(&mut alice).await;
        assert!(nodes.is_active(1, &tokens.access_token()).await, "{why}");
        assert!(page_of(&alice).await.contains("orders.read"), "{why}");
        let claims = testudo_testkit::token::claims(&tokens.access_token());
        let grant_id = claims["grant_id"].as_str().unwrap();
        match why {
            "the client" => {
                let token = tokens.access_token();
                let answer = nodes.post(0, "/revoke", &[("token", &token)]).await;
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            "the person" => {
                let page = alice.open("/account").await;
                let page = String::from_utf8(page.body).unwrap();
                let [_, form] = testudo_testkit::person::forms(&page).try_into().unwrap();
                let answer = alice.submit(&form.action, &form.pressed(grant_id)).await;
                assert_eq!(answer.status, 303, "{answer:?}");
            }
            "an administrator" => {
                let order = json!({ "grant_id": grant_id });
                admin(&nodes.first.folder, "/admin/v1/grants/revoke", order).await;
            }
            _ => {
                let order = json!({ "user": "alice" });
                admin(&nodes.first.folder, "/admin/v1/users/lock", order).await;
            }
        }
        if why == "a lock" {
            // The grant is there, and cannot be used until the account is unlocked.
            let token = tokens.refresh_token();
            assert!(!nodes.is_active(1, &token).await, "{why}");
            let refused = nodes.post(1, "/token", &refresh(&token)).await;
            assert_eq!(refused.error(), "invalid_grant", "{refused:?}");
            continue;
        }
        assert_dead(&nodes, &tokens, why).await;
        assert!(!page_of(&alice).await.contains("orders.read"), "{why}");
    }
}

/// A stolen cookie is of no use at any node once the session ended at one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn session_that_ends_at_one_node_is_dead_at_the_other_within_a_second() {
    let nodes = Nodes::start("people_sessions").await;
    let session_of = async |name: &str| -> Value {
        let path = format!("/admin/v1/sessions?user={name}");
        let page = nodes.first.admin("GET", &path, Value::Null).await;
        page["sessions"][0]["session"].clone()
    };
    for why in [
        "sign-out",
        "another sign-in",
        "an administrator",
        "all of the person",
        "a lock",
    ] {
        // A session that begins in the second in which all sessions were ended is ended as well.
        for app in [&nodes.first.running.app, &nodes.second.app] {
            app.clock.shift(2);
        }
        let mut alice = nodes.first.signed_in("alice").await;
        let stolen = nodes.there(&alice);
        assert_eq!(stolen.clone().open("/account").await.status, 200, "{why}");
        let order = json!({ "user": "alice" });
        match why {
            "sign-out" => {
                let form = form_of(&alice.open("/account").await);
                let answer = alice.submit(&form.action, &form.pressed("sign_out")).await;
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            "another sign-in" => {
                let form = form_of(&alice.open("/login").await);
                let answer = alice.submit(&form.action, &form.pressed("bob")).await;
                assert_eq!(answer.status, 303, "{answer:?}");
            }
            "an administrator" => {
                let order = json!({ "session": session_of("alice").await });
                admin(&nodes.first.folder, "/admin/v1/sessions/end", order).await;
            }
            "all of the person" => {
                admin(&nodes.first.folder, "/admin/v1/users/sessions/end", order).await;
            }
            _ => drop(admin(&nodes.first.folder, "/admin/v1/users/lock", order).await),
        }
        let ended = Instant::now();
        let page = stolen.clone().open("/account").await;
        assert_eq!(page.header("location"), Some("/login"), "{why}: {page:?}");
        let page = stolen.clone().open(&asking(&[])).await;
        let text = String::from_utf8(page.body).unwrap();
        assert!(text.contains("asks you to sign in"), "{why}: {text}");
        assert!(ended.elapsed() < AT_ONCE, "{why}: {:?}", ended.elapsed());
    }
    let mut refused = nodes.there(&nodes.first.person());
    let form = form_of(&refused.open("/login").await);
    let answer = refused.submit(&form.action, &form.pressed("alice")).await;
    assert_ne!(answer.status, 303, "the account is locked at every node");
}
