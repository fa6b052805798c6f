//! Clients that registered without evidence: what people see of them, where the browser is sent, and how their access ends.

use super::world::{People, VERIFIER, asking, assert_refused_page, form_of, parameter, text_of};
use serde_json::{Value, json};
use testudo_core::records::{AuthorizationCode, Client};
use testudo_testkit::form;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::person::Person;
use tokio::net::TcpListener;

const OPEN: &str = r#"
[registration]
open = { scopes = ["orders.read"], default_scopes = ["orders.read"], resources = ["https://orders.example/"], pushed_authorization = "optional", registrations_per_minute_per_address = 100000, registrations_per_minute = 100000 }
"#;

/// A resource server, which may ask about the tokens of the clients.
const API: &str = r#"
[[trust_domains]]
name = "a.example"
bundle = { file = "a.json" }
[[rules]]
name = "api"
identities = ["spiffe://a.example/api"]
introspects = ["https://orders.example/"]
"#;

const CALLBACK: &str = "https://app.example/cb";

async fn people() -> People {
    People::start(&format!("{OPEN}{API}")).await
}

/// What the resource server learns of a token.
async fn asked_by_api(people: &People, token: &str) -> Value {
    let answer = people.post("/introspect", "/api", &[("token", token)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn call(people: &People, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json"), ("host", "localhost:8080")];
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let mut connection = Connection::open(people.running.addresses[0]).await;
    connection.send(method, path, &headers, body).await
}

/// A client without credential that registered with this metadata.
struct Registered<'p> {
    people: &'p People,
    body: Value,
}

impl<'p> Registered<'p> {
    async fn new(people: &'p People, mut metadata: Value) -> Registered<'p> {
        metadata["token_endpoint_auth_method"] = json!("none");
        metadata["grant_types"] = json!(["authorization_code", "refresh_token"]);
        let answer = call(people, "POST", "/register", None, &metadata).await;
        assert_eq!(answer.status, 201, "{metadata}: {answer:?}");
        Registered {
            people,
            body: answer.json(),
        }
    }

    fn member(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap()
    }

    fn id(&self) -> &str {
        self.member("client_id")
    }

    /// The URL of a request to this redirect URI.
    fn asking(&self, redirect_uri: &str, more: &[(&str, &str)]) -> String {
        let own = [("client_id", self.id()), ("redirect_uri", redirect_uri)];
        asking(&[&own, more].concat())
    }

    async fn manage(&self, method: &str, body: &Value) -> Answer {
        let path = format!("/register/{}", self.id());
        let token = self.member("registration_access_token");
        call(self.people, method, &path, Some(token), body).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let own = [("client_id", self.id())];
        let body = form(&[&own, fields].concat());
        let mut connection = Connection::open(self.people.running.addresses[0]).await;
        connection.post(path, body).await
    }

    /// The tokens that it gets for a person who agrees.
    async fn tokens(&self, person: &mut Person, redirect_uri: &str) -> Answer {
        let url = person.walk(&self.asking(redirect_uri, &[])).await.unwrap();
        let code = parameter(&url, "code").unwrap_or_else(|| panic!("{url}"));
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", &fields).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.post("/token", &fields).await
    }
}

// Row DR-42.
#[tokio::test]
async fn native_client_is_served_at_any_port_of_loopback_and_at_no_other_path() {
    let people = people().await;
    let metadata = json!({ "redirect_uris": ["http://127.0.0.1/cb"], "application_type": "native" });
    let client = Registered::new(&people, metadata).await;
    let mut alice = people.signed_in("alice").await;
    let granted = client.tokens(&mut alice, "http://127.0.0.1:51004/cb").await;
    assert_eq!(granted.status, 200, "{granted:?}");
    for other in [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.2:51004/cb",
        "http://localhost:51004/cb",
        "https://127.0.0.1:51004/cb",
        "http://127.0.0.1:51004/cb?x",
    ] {
        let refused = alice.open(&client.asking(other, &[])).await;
        assert_refused_page(&refused, 400, "redirect_uri");
    }
    // The same with a request of which the browser must be sent back at once.
    let refused = alice
        .open(&client.asking("http://127.0.0.1:51004/other", &[("prompt", "none")]))
        .await;
    assert_refused_page(&refused, 400, "redirect_uri");
}

// Rows DR-58, DR-60: what the client says of itself is text, apart from what this server knows.
#[tokio::test]
async fn consent_page_shows_markup_of_a_client_as_text_and_loads_nothing_from_it() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    for markup in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'><svg/onload=alert(1)>",
        "</dd></dl><form action=https://evil.example>",
        "{{ client_id }} &lt;b&gt;",
    ] {
        let client = Registered::new(
            &people,
            json!({
                "redirect_uris": [CALLBACK],
                "client_name": markup,
                "contacts": [markup],
                "client_name#de": markup,
                "logo_uri": "https://app.example/logo.png",
                "client_uri": "https://app.example/",
            }),
        )
        .await;
        let page = alice.open(&client.asking(CALLBACK, &[])).await;
        assert_eq!(page.status, 200, "{page:?}");
        let text = text_of(&page);
        assert!(!text.contains(markup), "{markup}: {text}");
        for element in ["<script", "<img", "<svg", "onerror=alert(1)>", "<form action"] {
            assert!(!text.contains(element), "{element}: {text}");
        }
        assert!(text.contains("<strong>https://app.example</strong>"), "{text}");
        assert!(text.contains("What the application says about itself"), "{text}");
        assert!(text.contains("This server did not check it."), "{text}");
        let heading = text.split("</h1>").next().unwrap();
        assert!(
            heading.contains(client.id()),
            "the name is not in the heading: {heading}"
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("img-src https:"),
            "{policy}"
        );
        // The account page and the page of the sign-in show it as text as well.
        let sign_in = text_of(&people.person().open(&client.asking(CALLBACK, &[])).await);
        assert!(!sign_in.contains(markup), "{sign_in}");
    }
}

// Row DR-62.
#[tokio::test]
async fn wrong_request_with_a_redirect_uri_that_is_not_registered_is_refused_on_a_page() {
    let people = people().await;
    let client = Registered::new(&people, json!({ "redirect_uris": [CALLBACK] })).await;
    let mut alice = people.signed_in("alice").await;
    let wrong = [("response_type", "token")];
    let refused = alice
        .open(&client.asking("https://evil.example/cb", &wrong))
        .await;
    assert_refused_page(&refused, 400, "redirect_uri");
    // With its own redirect URI, the client gets the error.
    let answer = alice.open(&client.asking(CALLBACK, &wrong)).await;
    let url = answer.header("location").unwrap();
    assert!(url.starts_with(CALLBACK), "{url}");
    assert_eq!(parameter(url, "error").unwrap(), "unsupported_response_type");
    assert_eq!(people.records::<AuthorizationCode>().await, []);
}

// Rows DR-66, DR-70.
#[tokio::test]
async fn urls_of_a_client_are_fetched_at_no_step_of_a_sign_in() {
    let people = people().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let here = format!("https://127.0.0.1:{port}/x");
    // The labels are on the host of the redirect URI, so they are kept. A native client listens on loopback.
    let callback = format!("http://127.0.0.1:{port}/cb");
    let mut metadata = json!({
        "redirect_uris": [callback], "application_type": "native", "request_uris": [here],
    });
    for member in [
        "logo_uri",
        "client_uri",
        "tos_uri",
        "policy_uri",
        "sector_identifier_uri",
        "initiate_login_uri",
        "backchannel_logout_uri",
        "backchannel_client_notification_endpoint",
        "spiffe_bundle_endpoint",
    ] {
        metadata[member] = json!(here);
    }
    let client = Registered::new(&people, metadata).await;
    let [stored] = people.records::<Client>().await.try_into().unwrap();
    for label in ["client_uri", "tos_uri", "policy_uri"] {
        assert_eq!(stored.metadata.labels.text(label), Some(&*here), "{label}");
    }
    let mut alice = people.person();
    let page = alice.open(&client.asking(&callback, &[])).await;
    let page = alice.walk_on("/authorize", page).await;
    assert!(page.is_ok(), "{page:?}");
    let tokens = client.tokens(&mut alice, &callback).await;
    assert_eq!(tokens.status, 200, "{tokens:?}");
    assert_eq!(client.refresh(&tokens.refresh_token()).await.status, 200);
    let by_reference = [("request_uri", here.as_str())];
    let refused = alice.open(&client.asking(&callback, &by_reference)).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let form = form_of(&alice.open("/account").await);
    let ended = alice.submit(&form.action, &form.pressed("sign_out")).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let fetched = tokio::time::timeout(std::time::Duration::from_millis(300), listener.accept()).await;
    assert!(fetched.is_err(), "0 connections");
}

// Row DR-115.
#[tokio::test]
async fn registration_access_token_is_no_token_of_a_person_and_opens_no_other_endpoint() {
    let people = people().await;
    let client = Registered::new(&people, json!({ "redirect_uris": [CALLBACK] })).await;
    let token = client.member("registration_access_token");
    let granted = client
        .tokens(&mut people.signed_in("alice").await, CALLBACK)
        .await;
    let (access, refresh) = (granted.access_token(), granted.refresh_token());
    let authorization = format!("Bearer {token}");
    // Each body is right: a client that authenticates with its own credential is served.
    for (path, fields) in [
        ("/introspect", vec![("token", access.as_str())]),
        ("/revoke", vec![("token", access.as_str())]),
        (
            "/token",
            vec![
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh.as_str()),
            ],
        ),
    ] {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "localhost:8080"),
            ("authorization", authorization.as_str()),
        ];
        let mut connection = Connection::open(people.running.addresses[0]).await;
        let answer = connection.send("POST", path, &headers, form(&fields)).await;
        assert_eq!(answer.error(), "invalid_client", "{path}: {answer:?}");
    }
    assert_eq!(asked_by_api(&people, &access).await["active"], true);
    assert_eq!(asked_by_api(&people, token).await, json!({ "active": false }));
    let page = call(&people, "GET", "/account", Some(token), &Value::Null).await;
    assert_eq!(page.header("location"), Some("/login"));
    assert_eq!(client.manage("GET", &Value::Null).await.status, 200);
}

// Row DR-117.
#[tokio::test]
async fn redirect_uri_that_a_replacement_leaves_out_is_refused_on_a_page() {
    let people = people().await;
    let old = "https://app.example/old";
    let metadata = json!({ "redirect_uris": [CALLBACK, old], "client_name": "Inspector" });
    let client = Registered::new(&people, metadata).await;
    let mut alice = people.signed_in("alice").await;
    assert_eq!(client.tokens(&mut alice, old).await.status, 200);
    let replacement = json!({
        "client_id": client.id(), "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
    });
    let answer = client.manage("PUT", &replacement).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["client_name"].is_null());
    assert_refused_page(&alice.open(&client.asking(old, &[])).await, 400, "redirect_uri");
    let page = text_of(
        &alice
            .open(&client.asking(CALLBACK, &[("prompt", "consent")]))
            .await,
    );
    assert!(!page.contains("Inspector"), "{page}");
    assert_eq!(client.tokens(&mut alice, CALLBACK).await.status, 200);
}

// Row DR-119.
#[tokio::test]
async fn deleted_client_cannot_ask_redeem_refresh_or_introspect() {
    let people = people().await;
    let client = Registered::new(&people, json!({ "redirect_uris": [CALLBACK] })).await;
    let mut alice = people.signed_in("alice").await;
    let tokens = client.tokens(&mut alice, CALLBACK).await;
    let url = alice.walk(&client.asking(CALLBACK, &[])).await.unwrap();
    let unused = parameter(&url, "code").unwrap();
    let access = tokens.access_token();
    assert_eq!(asked_by_api(&people, &access).await["active"], true);
    assert_eq!(client.manage("DELETE", &Value::Null).await.status, 204);
    for method in ["GET", "DELETE"] {
        let answer = client.manage(method, &Value::Null).await;
        assert_eq!(answer.status, 401, "{method}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    let page = alice.open(&client.asking(CALLBACK, &[])).await;
    assert_eq!((page.status, page.header("location")), (400, None), "{page:?}");
    let redeemed = [
        ("grant_type", "authorization_code"),
        ("code", unused.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let refused = client.post("/token", &redeemed).await;
    assert_eq!(refused.error(), "invalid_client", "{refused:?}");
    let refused = client.refresh(&tokens.refresh_token()).await;
    assert_eq!(refused.error(), "invalid_client", "{refused:?}");
    assert_eq!(asked_by_api(&people, &access).await, json!({ "active": false }));
    assert_eq!(people.records::<Client>().await, []);
}
