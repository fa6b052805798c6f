//! The sign-in at OpenID providers, with providers that behave well and providers that attack.

use super::passkeys::{account, invite, invited, press};
use super::world::{
    ISSUER, People, SESSION, SQLITE, WEB_RULE, asking, assert_refused_page, parameter, text_of,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use testudo_core::records::{AuthorizationCode, Person as Account, PersonLink, Session};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_protocol::limits::SIGN_INS_PER_MINUTE_PER_ADDRESS;
use testudo_testkit::http::Answer;
use testudo_testkit::passkey::Authenticator;
use testudo_testkit::passkey_pages::{PasskeyForm, accept, add};
use testudo_testkit::person::{Person, forms};
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::web::{answer_text, authorization_server_with};
use testudo_testkit::{generate_key, key_set};
use url::Url;

/// An OpenID provider.
struct Provider {
    url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    key: SigningKey,
    /// The key that signs, if it is not `key`.
    signs: Option<SigningKey>,
    /// Claims of ID tokens in addition to, or in place of, the usual ones. `null`: without the claim.
    claims: Value,
    nonce: String,
    /// The answer of the token endpoint in place of tokens.
    answer: Option<String>,
    used: Vec<String>,
    /// Requests to the token endpoint: head and form.
    exchanges: Vec<(String, HashMap<String, String>)>,
    requests: usize,
}

impl Provider {
    /// A provider that accepts these authentication methods, with further members of its metadata.
    async fn start(members: &str) -> Provider {
        let state = Arc::new(Mutex::new(State {
            key: generate_key(Algorithm::ES256, Some("login")),
            signs: None,
            claims: json!({}),
            nonce: String::new(),
            answer: None,
            used: Vec::new(),
            exchanges: Vec::new(),
            requests: 0,
        }));
        let of_server = state.clone();
        let members = format!(
            ",\"authorization_endpoint\":\"URL/authorize?tenant=7\",\"authorization_response_iss_parameter_supported\":true{members}"
        );
        let url = authorization_server_with(&members, move |request| {
            let state = of_server.clone();
            async move { state.lock().unwrap().answer_to(&request) }
        })
        .await;
        Provider { url, state }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The entry of the configuration.
    fn entry(&self, name: &str, more: &str) -> String {
        format!(
            "[[login.providers]]\nname = \"{name}\"\nlabel = \"Sign in at {name}\"\nissuer = \"{}\"\nclient_id = \"testudo\"\n\
             claims = {{ groups = \"groups\" }}\n{more}\n",
            self.url
        )
    }
}

const SECRET: &str = "client_secret = \"s+e:cret\"\nallow = { hd = \"example.net\" }";
const OWN_KEY: &str = "allow_everyone = true";

impl State {
    fn answer_to(&mut self, request: &str) -> String {
        self.requests += 1;
        if request.starts_with("GET /jwks ") {
            return answer_text("200 OK", "", &key_set(&[&self.key]).to_string());
        }
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes())
            .into_owned()
            .collect();
        let code = form["code"].clone();
        let host = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned));
        self.exchanges.push((head.to_owned(), form));
        if self.used.contains(&code) {
            return answer_text("400 Bad Request", "", r#"{"error":"invalid_grant"}"#);
        }
        self.used.push(code);
        if let Some(answer) = &self.answer {
            return answer.clone();
        }
        let issuer = format!("http://{}", host.unwrap());
        let body = json!({ "id_token": self.id_token(&issuer), "access_token": "t", "token_type": "Bearer" });
        answer_text("200 OK", "", &body.to_string())
    }

    fn id_token(&self, issuer: &str) -> String {
        let now = now();
        let mut claims = json!({
            "iss": issuer, "sub": "4711", "aud": "testudo", "exp": now + 300, "iat": now, "nonce": self.nonce,
            "auth_time": now, "hd": "example.net", "name": "Alice A.", "email": "alice@example.net",
            "email_verified": true, "groups": ["staff"],
        });
        for (name, value) in self.claims.as_object().unwrap() {
            match value.is_null() {
                true => drop(claims.as_object_mut().unwrap().remove(name)),
                false => claims[name] = value.clone(),
            }
        }
        Draft::by_kid(self.signs.as_ref().unwrap_or(&self.key), "JWT", claims).sign()
    }
}

fn now() -> i64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

fn parameters(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// The link to this provider on a page.
#[track_caller]
fn link_on(page: &Answer, name: &str) -> String {
    let text = text_of(page);
    let start = format!("\"/login?provider={name}&#38;");
    let (_, rest) = text
        .split_once(&start)
        .unwrap_or_else(|| panic!("no link: {text}"));
    format!("/login?provider={name}&{}", rest.split('"').next().unwrap())
}

/// The browser goes to the provider by the link of a page. Returns the URL at the provider.
async fn to_provider(browser: &mut Person, page: &str, name: &str) -> Url {
    let page = browser.open(page).await;
    let answer = browser.open(&link_on(&page, name)).await;
    assert_eq!(answer.status, 303, "{}", text_of(&answer));
    Url::parse(answer.header("location").unwrap()).unwrap()
}

/// The path at which the browser comes back with a code.
fn back(provider: &Provider, at: &Url, code: &str) -> String {
    let sent = parameters(at);
    provider.state().nonce.clone_from(&sent["nonce"]);
    let mut url = Url::parse(&sent["redirect_uri"]).unwrap();
    url.query_pairs_mut()
        .append_pair("code", code)
        .append_pair("state", &sent["state"])
        .append_pair("iss", &provider.url);
    format!("{}?{}", url.path(), url.query().unwrap())
}

/// Signs in at the provider.
async fn sign_in(browser: &mut Person, provider: &Provider, name: &str, code: &str) -> Answer {
    let at = to_provider(browser, "/login", name).await;
    browser.open(&back(provider, &at, code)).await
}

/// A person with a browser that has no cookies signs in at the provider `corp`.
async fn assert_signed_in(people: &People, provider: &Provider, code: &str) {
    let answer = sign_in(&mut people.person(), provider, "corp", code).await;
    assert_eq!(answer.status, 303, "{}", text_of(&answer));
}

async fn accounts(people: &People) -> Vec<Account> {
    people.records::<Account>().await
}

#[tokio::test]
async fn person_signs_in_at_a_provider_and_the_account_is_named_by_its_issuer_and_sub() {
    let provider = Provider::start("").await;
    let people = People::start(&provider.entry("corp", SECRET)).await;
    let mut browser = people.person();
    let at = to_provider(&mut browser, "/login", "corp").await;
    let sent = parameters(&at);
    assert!(
        at.as_str()
            .starts_with(&format!("{}/authorize?tenant=7&", provider.url)),
        "{at}"
    );
    assert_eq!(sent["response_type"], "code");
    assert_eq!(sent["client_id"], "testudo");
    assert_eq!(sent["scope"], "openid profile email");
    assert_eq!(sent["redirect_uri"], format!("{ISSUER}/login/callback/corp"));
    assert_eq!(sent["code_challenge_method"], "S256");
    assert!(
        !sent.contains_key("prompt"),
        "the person need not sign in again there"
    );
    let answer = browser.open(&back(&provider, &at, "c1")).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/account"))
    );
    assert!(text_of(&browser.open("/account").await).contains("Alice A."));

    let (head, form) = provider.state().exchanges[0].clone();
    assert_eq!(form["redirect_uri"], sent["redirect_uri"]);
    let verifier = testudo_protocol::oauth::pkce::CodeVerifier::parse(&form["code_verifier"]).unwrap();
    assert_eq!(verifier.challenge().to_string(), sent["code_challenge"]);
    // "testudo" and "s+e:cret", form-encoded, in base64.
    assert!(head.contains("Basic dGVzdHVkbzpzJTJCZSUzQWNyZXQ="), "{head}");
    assert!(!form.contains_key("client_secret") && !form.contains_key("client_assertion"));

    let [account] = accounts(&people).await.try_into().unwrap();
    assert_eq!(account.email.as_deref(), Some("alice@example.net"));
    assert_eq!(account.provider_groups["corp"], ["staff"]);
    assert_eq!(
        account.name, None,
        "only administrators and invitations give names"
    );
    let [link] = people.records::<PersonLink>().await.try_into().unwrap();
    assert_eq!(
        (link.account.issuer.as_str(), link.account.sub.as_str()),
        (provider.url.as_str(), "4711")
    );
    assert_eq!(people.events("person.created").await[0]["detail"], "corp");
    assert_eq!(
        people.events("person.signed_in").await[0]["person"],
        account.id.sub()
    );
}

#[tokio::test]
async fn next_sign_in_is_of_the_same_account_with_the_groups_and_labels_of_that_time() {
    let provider = Provider::start("").await;
    let people = People::start(&provider.entry("corp", SECRET)).await;
    assert_signed_in(&people, &provider, "c1").await;
    provider.state().claims = json!({ "name": "Alice B.", "email": "b@example.net", "email_verified": "true", "groups": ["leads", "leads"] });
    assert_signed_in(&people, &provider, "c2").await;
    let [account] = accounts(&people).await.try_into().unwrap();
    assert_eq!(account.display.as_deref(), Some("Alice B."));
    assert_eq!(account.email, None, "an address that the provider did not verify");
    assert_eq!(account.provider_groups["corp"], ["leads"]);
    provider.state().claims = json!({ "groups": null });
    assert_signed_in(&people, &provider, "c3").await;
    let [account] = accounts(&people).await.try_into().unwrap();
    assert!(account.provider_groups.is_empty(), "{account:?}");
    assert_eq!(people.records::<Session>().await.len(), 3);
}

#[tokio::test]
async fn same_address_at_another_provider_or_another_sub_is_another_account() {
    let (corp, other) = (Provider::start("").await, Provider::start("").await);
    let entries = [corp.entry("corp", SECRET), other.entry("other", SECRET)].concat();
    let people = People::start(&entries).await;
    assert_eq!(
        sign_in(&mut people.person(), &corp, "corp", "c1").await.status,
        303
    );
    assert_eq!(
        sign_in(&mut people.person(), &other, "other", "c1").await.status,
        303
    );
    corp.state().claims = json!({ "sub": "4712" });
    assert_eq!(
        sign_in(&mut people.person(), &corp, "corp", "c2").await.status,
        303
    );
    let accounts = accounts(&people).await;
    assert_eq!(accounts.len(), 3);
    assert!(
        accounts
            .iter()
            .all(|account| account.email.as_deref() == Some("alice@example.net"))
    );
}

#[tokio::test]
async fn own_key_signs_assertions_for_the_issuer_of_the_provider_and_is_not_in_the_key_set_of_tokens() {
    let methods = ",\"token_endpoint_auth_methods_supported\":[\"private_key_jwt\"]";
    let provider = Provider::start(methods).await;
    let people = People::start(&provider.entry("corp", OWN_KEY)).await;
    assert_signed_in(&people, &provider, "c1").await;
    let (head, form) = provider.state().exchanges[0].clone();
    assert!(!head.to_lowercase().contains("authorization:"), "{head}");
    let assertion = &form["client_assertion"];
    let published = people.person().open("/login/jwks").await;
    let keys = testudo_protocol::jose::KeySet::from_jwks(&published.body).unwrap();
    let jws = testudo_protocol::jose::Jws::parse(assertion).unwrap();
    jws.verify(&keys).unwrap();
    let claims = claims(assertion);
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&json!("testudo"), &json!("testudo"))
    );
    assert_eq!(
        claims["aud"],
        json!(provider.url),
        "one audience, which no other provider is"
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        60
    );
    let of_tokens = people.person().open("/jwks").await;
    let kid = published.json()["keys"][0]["kid"].as_str().unwrap().to_owned();
    assert!(!text_of(&of_tokens).contains(&kid));
    assert!(published.json()["keys"][0].get("d").is_none());
    // The key is the same for all nodes and after a restart: it is read from the store.
    assert_eq!(people.person().open("/login/jwks").await.json(), published.json());
}

#[tokio::test]
async fn key_set_of_assertions_exists_only_where_a_provider_has_no_secret() {
    let provider = Provider::start("").await;
    let people = People::start(&provider.entry("corp", SECRET)).await;
    assert_eq!(people.person().open("/login/jwks").await.status, 404);
}

/// What a response or an ID token of an attacker is like.
struct Attack {
    name: &'static str,
    claims: Value,
    says: &'static str,
}

#[tokio::test]
async fn id_token_that_is_not_for_this_sign_in_or_not_of_an_allowed_person_signs_in_no_one() {
    let provider = Provider::start("").await;
    let people = People::start(&provider.entry("corp", SECRET)).await;
    let attack = |name, claims, says| Attack { name, claims, says };
    const UNTRUSTED: &str = "cannot be trusted";
    const NOT_ALLOWED: &str = "may not sign in";
    for (number, attack) in [
        attack("issuer", json!({ "iss": "https://evil.example" }), UNTRUSTED),
        attack("audience", json!({ "aud": "other" }), UNTRUSTED),
        attack("two audiences", json!({ "aud": ["testudo", "other"] }), UNTRUSTED),
        attack("party", json!({ "azp": "other" }), UNTRUSTED),
        attack("nonce", json!({ "nonce": "other" }), UNTRUSTED),
        attack("no nonce", json!({ "nonce": null }), UNTRUSTED),
        attack("expired", json!({ "exp": now() - 1 }), UNTRUSTED),
        attack("old", json!({ "iat": now() - 3600 }), UNTRUSTED),
        attack("no subject", json!({ "sub": "" }), UNTRUSTED),
        attack("hash", json!({ "at_hash": "AAAA" }), UNTRUSTED),
        attack("groups", json!({ "groups": [7] }), UNTRUSTED),
        attack("domain", json!({ "hd": "evil.example" }), NOT_ALLOWED),
        attack("list", json!({ "hd": ["example.net"] }), NOT_ALLOWED),
        attack("no domain", json!({ "hd": null }), NOT_ALLOWED),
    ]
    .into_iter()
    .enumerate()
    {
        provider.state().claims = attack.claims;
        let mut browser = people.person();
        let at = to_provider(&mut browser, "/login", "corp").await;
        let back = back(&provider, &at, &format!("c{number}"));
        let answer = browser.open(&back).await;
        assert!(
            text_of(&answer).contains(attack.says),
            "{}: {}",
            attack.name,
            text_of(&answer)
        );
        assert!(
            answer.status >= 400 && answer.header("location").is_none(),
            "{}",
            attack.name
        );
        assert!(!browser.cookies.contains_key(SESSION), "{}", attack.name);
    }
    provider.state().claims = json!({});
    provider.state().signs = Some(generate_key(Algorithm::ES256, Some("login")));
    let answer = sign_in(&mut people.person(), &provider, "corp", "forged").await;
    assert!(text_of(&answer).contains(UNTRUSTED), "{}", text_of(&answer));
    assert!(accounts(&people).await.is_empty());
    assert!(people.records::<Session>().await.is_empty());
    provider.state().signs = None;
    assert_signed_in(&people, &provider, "good").await;
}

#[tokio::test]
async fn response_of_another_browser_provider_or_flow_is_refused_before_a_provider_is_asked() {
    let (corp, other) = (Provider::start("").await, Provider::start("").await);
    let entries = [corp.entry("corp", SECRET), other.entry("other", SECRET)].concat();
    let people = People::start(&entries).await;
    let mut browser = people.person();
    let at = to_provider(&mut browser, "/login", "corp").await;
    let good = back(&corp, &at, "c1");
    let mut victim = people.person();
    drop(victim.open("/login").await);
    let page = text_of(&browser.open("/login").await);
    let flow = page
        .split("&#38;flow=")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let state = parameters(&at)["state"].clone();
    let before = (corp.state().requests, other.state().requests);
    let not_ours = "this sign-in was begun in another browser";
    assert_refused_page(&victim.open(&good).await, 400, not_ours);
    assert_refused_page(&people.person().open(&good).await, 400, not_ours);
    let wrong = [
        // The attacker's provider gets no code of another one: the state is of the provider to which the browser went.
        good.replace("/callback/corp", "/callback/other"),
        good.replace(&state, &flow),
        good.replace(&state, ""),
        good.replace(&state, &state[1..]),
        "/login/callback/corp?code=c1".to_owned(),
        "/login/callback/corp".to_owned(),
    ];
    for path in wrong {
        assert_refused_page(&browser.open(&path).await, 400, not_ours);
    }
    for path in [
        good.replace("&iss=", "&other="),
        good.replace("&iss=", &format!("&iss={}&x=", other.url)),
        good.replace("&iss=http", "&iss=https"),
    ] {
        let answer = browser.open(&path).await;
        assert!(answer.status >= 400, "{path}: {}", text_of(&answer));
        assert!(
            text_of(&answer).contains("did not come from"),
            "{path}: {}",
            text_of(&answer)
        );
    }
    for path in [
        "/login/callback/unknown?code=c1&state=x",
        "/login/callback/",
        "/login/callback/corp/x",
    ] {
        let status = browser.open(path).await.status;
        assert!(status == 404 || status == 400, "{path}: {status}");
    }
    assert_eq!(
        (corp.state().requests, other.state().requests),
        before,
        "no provider was asked"
    );
    assert!(people.records::<Session>().await.is_empty());
    // The same state with the right response is good, and its code only once.
    assert_eq!(browser.open(&good).await.status, 303);
    let again = browser.open(&good).await;
    assert!(
        again.status >= 400 && again.header("set-cookie").is_none(),
        "{}",
        text_of(&again)
    );
}

#[tokio::test]
async fn refusal_and_failure_of_the_provider_are_pages_without_its_words() {
    let provider = Provider::start("").await;
    let people = People::start(&provider.entry("corp", SECRET)).await;
    let mut browser = people.person();
    let at = to_provider(&mut browser, "/login", "corp").await;
    let denied = back(&provider, &at, "c1").replace(
        "code=c1",
        "error=access_denied&error_description=%3Cb%3Eno%3C%2Fb%3E",
    );
    let answer = browser.open(&denied).await;
    let page = text_of(&answer);
    assert!(
        page.contains("did not sign you in") && !page.contains("<b>no"),
        "{page}"
    );
    for (number, body) in [
        answer_text("500 Internal Server Error", "", "<html>"),
        answer_text("200 OK", "", "{}"),
        answer_text("400 Bad Request", "", r#"{"error":"invalid_client"}"#),
        answer_text("302 Found", "location: http://127.0.0.1:1/\r\n", ""),
    ]
    .into_iter()
    .enumerate()
    {
        provider.state().answer = Some(body);
        let answer = sign_in(&mut people.person(), &provider, "corp", &format!("f{number}")).await;
        assert!(answer.status >= 400, "{number}: {}", text_of(&answer));
        assert!(
            text_of(&answer).contains("did not work"),
            "{number}: {}",
            text_of(&answer)
        );
    }
    assert!(accounts(&people).await.is_empty());
}

/// Each response makes this server send a request to the provider.
#[tokio::test]
async fn responses_of_one_address_are_limited_before_the_provider_is_asked() {
    let provider = Provider::start("").await;
    let people = People::start(&provider.entry("corp", SECRET)).await;
    provider.state().answer = Some(answer_text("400 Bad Request", "", r#"{"error":"invalid_grant"}"#));
    let mut browser = people.person();
    let at = to_provider(&mut browser, "/login", "corp").await;
    let response = back(&provider, &at, "c1");
    // The share of the address is refilled while the responses are sent.
    let (mut asked, most) = (0, 10 * SIGN_INS_PER_MINUTE_PER_ADDRESS as usize);
    let refused = loop {
        let answer = browser.open(&response).await;
        if answer.status != 503 {
            break answer;
        }
        asked += 1;
        assert!(asked < most, "there is no limit");
    };
    assert_eq!(refused.status, 429, "{}", text_of(&refused));
    assert!(asked >= SIGN_INS_PER_MINUTE_PER_ADDRESS as usize, "{asked}");
    assert_eq!(
        provider.state().exchanges.len(),
        asked,
        "the provider was asked for a refused response"
    );
    let events = people.events("client.refused").await;
    for reason in ["provider_failed", "too_many_sign_ins"] {
        let is_this = |event: &&Value| event["reason"] == reason && event["occasion"] == "authorization";
        let event = events.iter().find(is_this);
        assert!(
            event.is_some_and(|event| event["request_id"].is_string()),
            "{reason}: {events:?}"
        );
    }
    people.running.app.clock.shift(60);
    assert_eq!(browser.open(&response).await.status, 503, "one minute later");
}

#[tokio::test]
async fn link_to_a_provider_works_in_the_browser_of_its_page_only_and_names_a_configured_one() {
    let provider = Provider::start("").await;
    let people = People::start(&provider.entry("corp", SECRET)).await;
    let mut browser = people.person();
    let link = link_on(&browser.open("/login").await, "corp");
    let mut victim = people.person();
    drop(victim.open("/login").await);
    let not_ours = "this sign-in was begun in another browser";
    assert_refused_page(&victim.open(&link).await, 400, not_ours);
    assert_refused_page(&browser.open("/login?provider=corp").await, 400, not_ours);
    let unknown = browser.open(&link.replace("=corp", "=other")).await;
    assert!(unknown.status >= 400 && unknown.header("location").is_none());
    assert_eq!(provider.state().requests, 0);
    assert_eq!(browser.open(&link).await.status, 303);
}

#[tokio::test]
async fn locked_account_is_refused_and_gets_no_session() {
    let provider = Provider::start("").await;
    let people = People::start(&provider.entry("corp", SECRET)).await;
    assert_signed_in(&people, &provider, "c1").await;
    let [account] = accounts(&people).await.try_into().unwrap();
    let body = json!({ "user": account.id.sub() });
    people.admin("POST", "/admin/v1/users/lock", body.clone()).await;
    let answer = sign_in(&mut people.person(), &provider, "corp", "c2").await;
    assert_refused_page(&answer, answer.status, "this account cannot be used");
    assert!(people.records::<Session>().await.is_empty());
    // After the removal, the same account at the provider is a new person.
    people.admin("POST", "/admin/v1/users/remove", body).await;
    assert!(people.records::<PersonLink>().await.is_empty());
    assert_signed_in(&people, &provider, "c3").await;
    assert_ne!(people.records::<PersonLink>().await[0].person, account.id);
}

#[tokio::test]
async fn signed_in_person_adds_a_provider_within_five_minutes_and_signs_in_with_both() {
    let (corp, other) = (Provider::start("").await, Provider::start("").await);
    let entries = [corp.entry("corp", SECRET), other.entry("other", SECRET)].concat();
    let people = People::start(&entries).await;
    let mut alice = people.signed_in("alice").await;
    let at = to_provider(&mut alice, "/account", "corp").await;
    let sent = parameters(&at);
    // The browser may be signed in there as another person.
    assert_eq!(
        (sent["prompt"].as_str(), sent["max_age"].as_str()),
        ("login", "0")
    );
    let answer = alice.open(&back(&corp, &at, "c1")).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/account")),
        "{}",
        text_of(&answer)
    );
    assert_eq!(people.events("person.linked").await[0]["detail"], "corp");
    let [account] = accounts(&people).await.try_into().unwrap();
    assert_eq!(account.name.as_deref(), Some("alice"));
    assert_eq!(account.provider_groups["corp"], ["staff"]);
    assert_eq!(
        sign_in(&mut people.person(), &corp, "corp", "c2").await.status,
        303
    );
    assert_eq!(accounts(&people).await.len(), 1, "the same account");

    // An account at a provider belongs to one person.
    let mut bob = people.signed_in("bob").await;
    let at = to_provider(&mut bob, "/account", "corp").await;
    let answer = bob.open(&back(&corp, &at, "c3")).await;
    assert!(
        text_of(&answer).contains("belongs to another person"),
        "{}",
        text_of(&answer)
    );
    // The provider signed the person in long ago, although it was asked to do it again.
    other.state().claims = json!({ "auth_time": now() - 600 });
    let at = to_provider(&mut bob, "/account", "other").await;
    let answer = bob.open(&back(&other, &at, "c4")).await;
    assert!(
        text_of(&answer).contains("cannot be trusted"),
        "{}",
        text_of(&answer)
    );
    other.state().claims = json!({});
    // The session ended meanwhile.
    let at = to_provider(&mut bob, "/account", "other").await;
    let path = back(&other, &at, "c5");
    let session = bob.cookies.remove(SESSION).unwrap();
    assert!(
        text_of(&bob.open(&path).await).contains("sign in"),
        "without a session"
    );
    bob.cookies.insert(SESSION.to_owned(), session);
    // The browser was left open.
    let at = to_provider(&mut bob, "/account", "other").await;
    people.running.app.clock.shift(301);
    other.state().claims = json!({ "iat": now() + 301, "exp": now() + 600, "auth_time": now() + 301 });
    let answer = bob.open(&back(&other, &at, "c6")).await;
    assert!(text_of(&answer).contains("sign in again"), "{}", text_of(&answer));
    assert_eq!(people.records::<PersonLink>().await.len(), 1);
}

/// The provider decides whether its people sign in: a passkey would let a person in whom the provider let go.
#[tokio::test]
async fn person_who_is_known_only_through_a_provider_is_offered_no_passkey_and_adds_none() {
    let corp = Provider::start("").await;
    let people = People::start_over(SQLITE, &corp.entry("corp", SECRET)).await;
    let mut of_provider = people.person();
    let answer = sign_in(&mut of_provider, &corp, "corp", "c1").await;
    assert_eq!(answer.status, 303, "{}", text_of(&answer));
    let page = text_of(&of_provider.open("/account").await);
    assert!(
        page.contains("Alice A.") && !page.contains("passkey") && !page.contains("<script"),
        "{page}"
    );
    let token = forms(&page)[0].field("token").unwrap().to_owned();
    let form = PasskeyForm {
        page: "/account",
        fields: vec![("token".to_owned(), token)],
    };
    let answer = form.ask(&mut of_provider).await;
    assert_eq!(answer.status, 403);
    assert!(
        text_of(&answer).contains("passkeys are for people whom"),
        "{answer:?}"
    );

    let (mut carol, _) = invited(&people, "carol").await;
    let page = text_of(&carol.open("/account").await);
    assert!(page.contains("Add a passkey"), "{page}");
    let mut phone = Authenticator::new(ISSUER);
    assert_eq!(add(&mut carol, &mut phone, "phone").await.status, 303);
    // Who has both ways to sign in removes the last passkey, as long as the provider is configured.
    let at = to_provider(&mut carol, "/account", "corp").await;
    corp.state().claims = json!({ "sub": "4712" });
    carol.open(&back(&corp, &at, "c2")).await;
    let passkeys = account(&people, "carol").await.passkeys;
    assert_eq!(
        press(&mut carol, &passkeys[1].id, "remove_passkey", "")
            .await
            .status,
        303
    );
    people
        .reload(|text| text.replace(&corp.entry("corp", SECRET), ""))
        .await;
    let refused = press(&mut carol, &passkeys[0].id, "remove_passkey", "").await;
    assert_refused_page(&refused, 403, "you sign in with this passkey only");
    people.reload(|text| text + &corp.entry("corp", SECRET)).await;
    assert_eq!(
        press(&mut carol, &passkeys[0].id, "remove_passkey", "")
            .await
            .status,
        303
    );
}

/// An attacker who had the session of a person may have added an account of their own at a provider.
#[tokio::test]
async fn account_at_a_provider_that_was_added_before_a_recovery_does_not_sign_in_to_the_account() {
    let corp = Provider::start("").await;
    let people = People::start_over(SQLITE, &corp.entry("corp", SECRET)).await;
    let (mut carol, _) = invited(&people, "carol").await;
    let at = to_provider(&mut carol, "/account", "corp").await;
    assert_eq!(carol.open(&back(&corp, &at, "c1")).await.status, 303);
    let before = account(&people, "carol").await;
    assert_eq!((before.links.len(), before.provider_groups.len()), (1, 1));
    assert_signed_in(&people, &corp, "c2").await;
    assert_eq!(accounts(&people).await.len(), 1, "the account of carol");

    let token = invite(&people, json!({ "user": "carol", "recover": true })).await;
    let (mut person, mut new) = (people.person(), Authenticator::new(ISSUER));
    assert_eq!(accept(&mut person, &mut new, &token).await.status, 303);
    assert_eq!(people.records::<PersonLink>().await, []);
    let after = account(&people, "carol").await;
    assert_eq!((after.id, after.passkeys.len()), (before.id, 1));
    assert!(
        after.links.is_empty() && after.provider_groups.is_empty(),
        "{after:?}"
    );
    assert_signed_in(&people, &corp, "c3").await;
    assert_eq!(accounts(&people).await.len(), 2, "another account");
}

#[tokio::test]
async fn application_sends_a_person_to_a_provider_and_gets_a_code_with_the_time_of_that_sign_in() {
    let provider = Provider::start("").await;
    let people = People::start(&format!("{WEB_RULE}\n{}", provider.entry("corp", SECRET))).await;
    let mut alice = people.person();
    let long_ago = now() - 100;
    provider.state().claims = json!({ "auth_time": long_ago, "acr": "urn:example:mfa" });
    let at = to_provider(&mut alice, &asking(&[]), "corp").await;
    let answer = alice.open(&back(&provider, &at, "c1")).await;
    let next = answer.header("location").unwrap().to_owned();
    assert!(next.starts_with("/authorize?flow="), "{next}");
    let url = alice.walk(&next).await.unwrap();
    assert!(parameter(&url, "code").is_some(), "{url}");
    let [stored] = people.records::<AuthorizationCode>().await.try_into().unwrap();
    assert_eq!(stored.terms.auth_time.0, long_ago, "not the time of the session");
    assert_eq!(stored.terms.acr, None, "the configuration lists no value of acr");

    // `prompt=login`: what the provider remembers is not a new sign-in, so it is asked for one.
    let mut browser = people.person();
    let again = asking(&[("prompt", "login")]);
    let at = to_provider(&mut browser, &again, "corp").await;
    assert!(!parameters(&at).contains_key("prompt"));
    let answer = browser.open(&back(&provider, &at, "c2")).await;
    let next = answer.header("location").unwrap().to_owned();
    let at = to_provider(&mut browser, &next, "corp").await;
    assert_eq!(parameters(&at)["prompt"], "login");
    provider.state().claims = json!({});
    let answer = browser.open(&back(&provider, &at, "c3")).await;
    let next = answer.header("location").unwrap().to_owned();
    let url = browser.walk(&next).await.unwrap();
    assert!(parameter(&url, "code").is_some(), "{url}");
}
