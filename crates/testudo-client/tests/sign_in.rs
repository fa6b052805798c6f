//! Sign-in of people in the client, against a server that gives prepared answers. Tests with the real server are in the
//! suite of the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a failed assumption of a test panics"
)]

mod servers;

use servers::{Servers, field, now};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};
use testudo_client::{
    ClientError, Credentials, PersonTokens, PrivateKey, RefreshToken, SignIn, Svids, TokenClient,
    TokenRequest,
};
use testudo_protocol::oauth::pkce::{CodeChallenge, CodeVerifier};
use testudo_testkit::TestIssuer;
use testudo_testkit::web::answer_text;

const CALLBACK: &str = "https://shop.example/callback?shop=1";
const PAIR: &str = r#","authorization_endpoint":"URL/authorize","pushed_authorization_request_endpoint":"URL/par","code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":true"#;
const PUSHED: &str = r#"{"request_uri":"urn:ietf:params:oauth:request_uri:abc","expires_in":60}"#;

/// A token response with this lifetime and these further members.
fn tokens(number: u8, expires_in: u32, more: &str) -> String {
    let body = format!(
        r#"{{"access_token":"access-{number}","token_type":"Bearer","expires_in":{expires_in},"refresh_token":"refresh-{number}"{more}}}"#
    );
    answer_text("200 OK", "", &body)
}

fn refused(error: &str) -> String {
    answer_text("400 Bad Request", "", &format!(r#"{{"error":"{error}"}}"#))
}

/// The server, and a client that has an SVID in a file.
struct World {
    servers: Servers,
    client: TokenClient,
}

impl World {
    async fn start(metadata: &str) -> World {
        let servers = Servers::start("client-sign-in", metadata).await;
        let file = servers.folder.join("svid.jwt");
        let svid = TestIssuer::new("prod.example").svid("/web", &servers.url, now());
        std::fs::write(&file, svid).unwrap();
        let client = TokenClient::new(&servers.url, Svids::File(file)).unwrap();
        let client = client.request(TokenRequest {
            scope: Some("orders.read".into()),
            ..TokenRequest::default()
        });
        World { servers, client }
    }

    /// A sign-in whose request was pushed.
    async fn sign_in(&self) -> SignIn {
        self.servers.prepare(&[answer_text("201 Created", "", PUSHED)]);
        let sign_in = self.client.sign_in(CALLBACK).await.unwrap();
        self.servers.requests();
        sign_in
    }

    /// The response of the issuer to a sign-in.
    fn response(&self, sign_in: &SignIn) -> String {
        format!(
            "shop=1&code=c0de&state={}&iss={}",
            sign_in.state(),
            self.servers.url
        )
    }

    /// A person who signed in, with this answer of the token endpoint.
    async fn person(&self, answer: String) -> PersonTokens {
        let sign_in = self.sign_in().await;
        self.servers.prepare(&[answer]);
        let query = self.response(&sign_in);
        let person = self.client.finish_sign_in(sign_in, &query).await.unwrap();
        self.servers.requests();
        person
    }
}

/// The form of a request.
fn form(request: &str) -> HashMap<String, String> {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    parameters(body)
}

fn parameters(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

#[tokio::test]
async fn request_is_pushed_with_the_credential_and_the_code_is_redeemed_with_its_verifier() {
    let world = World::start(PAIR).await;
    let servers = &world.servers;
    servers.prepare(&[answer_text("201 Created", "", PUSHED)]);
    let sign_in = world.client.sign_in(CALLBACK).await.unwrap();
    let requests = servers.requests();
    assert!(requests[0].starts_with("POST /par "), "{}", requests[0]);
    let pushed = form(&requests[0]);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "spiffe://prod.example/web"),
        ("redirect_uri", CALLBACK),
        ("state", sign_in.state()),
        ("code_challenge_method", "S256"),
        ("scope", "orders.read"),
    ] {
        assert_eq!(pushed[name], value, "{name}");
    }
    assert!(pushed["client_assertion"].starts_with("ey"));
    assert_eq!(
        parameters(sign_in.address().query().unwrap()),
        HashMap::from([
            ("client_id".to_owned(), "spiffe://prod.example/web".to_owned()),
            (
                "request_uri".to_owned(),
                "urn:ietf:params:oauth:request_uri:abc".to_owned()
            ),
        ])
    );
    assert!(!format!("{sign_in:?}").contains(sign_in.state()));

    servers.prepare(&[tokens(1, 300, "")]);
    let query = world.response(&sign_in);
    let person = world.client.finish_sign_in(sign_in, &query).await.unwrap();
    let redeemed = form(&servers.requests()[0]);
    assert_eq!(
        (
            &*redeemed["grant_type"],
            &*redeemed["code"],
            &*redeemed["redirect_uri"]
        ),
        ("authorization_code", "c0de", CALLBACK)
    );
    let verifier = CodeVerifier::parse(&redeemed["code_verifier"]).unwrap();
    assert!(verifier.matches(&CodeChallenge::parse(&pushed["code_challenge"]).unwrap()));
    assert_eq!(world.client.token_of(&person).await.unwrap().secret(), "access-1");
    assert_eq!(person.refresh_token().await.unwrap().secret(), "refresh-1");
    let printed = format!("{person:?}");
    assert!(
        !printed.contains("access-1") && !printed.contains("refresh-1"),
        "{printed}"
    );
}

#[tokio::test]
async fn two_sign_ins_have_different_states_and_verifiers() {
    let world = World::start(PAIR).await;
    world.servers.prepare(&[
        answer_text("201 Created", "", PUSHED),
        answer_text("201 Created", "", PUSHED),
    ]);
    for _ in 0..2 {
        world.client.sign_in(CALLBACK).await.unwrap();
    }
    let pushed: Vec<_> = world
        .servers
        .requests()
        .iter()
        .map(|request| form(request))
        .collect();
    for name in ["state", "code_challenge"] {
        assert_ne!(pushed[0][name], pushed[1][name], "{name}");
    }
}

#[tokio::test]
async fn response_of_another_sign_in_or_issuer_sends_the_code_nowhere() {
    let world = World::start(PAIR).await;
    let (other, url) = (world.sign_in().await.state().to_owned(), &world.servers.url);
    for (name, change) in [
        ("state of another sign-in", ("state", Some(&*other))),
        ("no state", ("state", None)),
        ("empty state", ("state", Some(""))),
        ("another issuer", ("iss", Some("https://evil.example"))),
        ("issuer with a slash", ("iss", Some(&*format!("{url}/")))),
        ("no issuer", ("iss", None)),
        ("no code", ("code", None)),
    ] {
        let sign_in = world.sign_in().await;
        let mut fields = parameters(&world.response(&sign_in));
        match change {
            (field, Some(value)) => fields.insert(field.to_owned(), value.to_owned()),
            (field, None) => fields.remove(field),
        };
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let error = world.client.finish_sign_in(sign_in, &query).await.unwrap_err();
        assert!(matches!(error, ClientError::Response(_)), "{name}: {error}");
        assert_eq!(world.servers.requests(), Vec::<String>::new(), "{name}");
    }
    let sign_in = world.sign_in().await;
    let query = format!("{}&code=other", world.response(&sign_in));
    let error = world.client.finish_sign_in(sign_in, &query).await.unwrap_err();
    assert!(matches!(error, ClientError::Response(_)), "{error}");
}

#[tokio::test]
async fn issuer_that_does_not_promise_iss_may_leave_it_out_but_not_send_another() {
    let without = PAIR.replace(r#","authorization_response_iss_parameter_supported":true"#, "");
    let world = World::start(&without).await;
    let sign_in = world.sign_in().await;
    let query = format!("code=c&state={}&iss=https%3A%2F%2Fevil.example", sign_in.state());
    let error = world.client.finish_sign_in(sign_in, &query).await.unwrap_err();
    assert!(matches!(error, ClientError::Response(_)), "{error}");
    let sign_in = world.sign_in().await;
    world.servers.prepare(&[tokens(1, 300, "")]);
    let query = format!("code=c&state={}", sign_in.state());
    world.client.finish_sign_in(sign_in, &query).await.unwrap();
}

#[tokio::test]
async fn refusal_of_the_person_or_of_the_issuer_is_an_error_with_its_code() {
    let world = World::start(PAIR).await;
    let sign_in = world.sign_in().await;
    let (state, url) = (sign_in.state().to_owned(), &world.servers.url);
    let query = format!("error=access_denied&error_description=no%1b%5B31m&state={state}&iss={url}");
    let error = world.client.finish_sign_in(sign_in, &query).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::SignIn { error, description } if error == "access_denied" && !description.contains('\u{1b}')),
        "{error:?}"
    );
    for answer in [refused("invalid_redirect_uri"), answer_text("200 OK", "", PUSHED)] {
        world.servers.prepare(&[answer]);
        world.client.sign_in(CALLBACK).await.unwrap_err();
    }
}

#[tokio::test]
async fn issuer_without_sign_in_or_without_s256_is_refused_before_a_request() {
    for (metadata, wanted) in [
        (String::new(), "authorization_endpoint"),
        (PAIR.replace("S256", "plain"), "S256"),
        (
            PAIR.replace("URL/authorize", "authorize"),
            "authorization_endpoint",
        ),
    ] {
        let world = World::start(&metadata).await;
        let error = world.client.sign_in(CALLBACK).await.unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert_eq!(world.servers.requests(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn public_client_sends_its_request_with_the_browser_and_names_its_key() {
    let servers = Servers::start("client-sign-in", PAIR).await;
    let client = || TokenClient::new(&servers.url, Credentials::Public).unwrap();
    let error = client().sign_in("http://127.0.0.1/").await.unwrap_err();
    assert!(matches!(error, ClientError::ClientId), "{error}");

    let key = PrivateKey::generate().unwrap();
    let thumbprint = key.thumbprint();
    let named = TokenRequest {
        client_id: Some("cli".into()),
        ..TokenRequest::default()
    };
    let client = client().request(named).dpop(key);
    let sign_in = client.sign_in("http://127.0.0.1:4711/").await.unwrap();
    let asked = parameters(sign_in.address().query().unwrap());
    assert_eq!((&*asked["client_id"], &asked["dpop_jkt"]), ("cli", &thumbprint));
    assert_eq!(asked["redirect_uri"], "http://127.0.0.1:4711/");
    assert_eq!(sign_in.open_within(), None);

    servers.prepare(&[answer_text(
        "200 OK",
        "",
        r#"{"access_token":"a","token_type":"DPoP","expires_in":300}"#,
    )]);
    let query = format!("code=c&state={}&iss={}", sign_in.state(), servers.url);
    let person = client.finish_sign_in(sign_in, &query).await.unwrap();
    let request = &servers.requests()[0];
    assert!(field(request, "dpop").is_some());
    assert!(!request.contains("client_assertion"), "{request}");
    assert_eq!(client.token_of(&person).await.unwrap().token_type(), "DPoP");
}

#[tokio::test]
async fn public_client_pushes_where_all_clients_or_this_one_must_and_knows_how_long_the_address_lives() {
    let of_all = format!(r#"{PAIR},"require_pushed_authorization_requests":true"#);
    for (metadata, has_setting) in [(of_all.as_str(), false), (PAIR, true)] {
        let servers = Servers::start("client-sign-in", metadata).await;
        let client = TokenClient::new(&servers.url, Credentials::Public).unwrap();
        let client = client.request(TokenRequest {
            client_id: Some("cli".into()),
            ..TokenRequest::default()
        });
        let client = match has_setting {
            true => client.push_requests(),
            false => client,
        };
        servers.prepare(&[answer_text("201 Created", "", PUSHED)]);
        let sign_in = client.sign_in("http://127.0.0.1:4711/").await.unwrap();
        assert_eq!(sign_in.open_within(), Some(Duration::from_secs(60)));
        let asked = parameters(sign_in.address().query().unwrap());
        assert_eq!(asked["request_uri"], "urn:ietf:params:oauth:request_uri:abc");
        assert_eq!(servers.requests().len(), 1);
    }
}

#[tokio::test]
async fn due_token_is_refreshed_once_for_parallel_callers_with_the_newest_refresh_token() {
    let world = World::start(PAIR).await;
    let person = world.person(tokens(1, 0, "")).await;
    world.servers.prepare(&[tokens(2, 300, "")]);
    let (one, two) = tokio::join!(world.client.token_of(&person), world.client.token_of(&person));
    assert_eq!(
        (one.unwrap().secret(), two.unwrap().secret()),
        ("access-2", "access-2")
    );
    let refreshed = form(&world.servers.requests()[0]);
    assert_eq!(
        (
            &*refreshed["grant_type"],
            &*refreshed["refresh_token"],
            &*refreshed["client_id"]
        ),
        ("refresh_token", "refresh-1", "spiffe://prod.example/web")
    );
    assert_eq!(person.refresh_token().await.unwrap().secret(), "refresh-2");
}

#[tokio::test]
async fn refused_refresh_ends_the_tokens_and_a_failed_one_does_not() {
    let world = World::start(PAIR).await;
    let person = world.person(tokens(1, 0, "")).await;
    world
        .servers
        .prepare(&[answer_text("503 Service Unavailable", "", "{}")]);
    world.client.token_of(&person).await.unwrap_err();
    assert!(person.refresh_token().await.is_some());
    world.servers.prepare(&[refused("invalid_grant")]);
    for _ in 0..2 {
        let error = world.client.token_of(&person).await.unwrap_err();
        assert!(matches!(error, ClientError::SignInAgain), "{error}");
    }
    assert!(person.refresh_token().await.is_none());
}

#[tokio::test]
async fn tokens_past_one_of_their_deadlines_are_not_sent() {
    let world = World::start(PAIR).await;
    for (more, is_sent) in [
        (r#","refresh_token_timeout":0"#, false),
        (
            r#","refresh_token_timeout":100,"authorization_expires_in":0"#,
            false,
        ),
        (
            r#","refresh_token_timeout":100,"authorization_expires_in":100"#,
            true,
        ),
    ] {
        let person = world.person(tokens(1, 0, more)).await;
        if is_sent {
            world.servers.prepare(&[tokens(2, 300, "")]);
        }
        assert_eq!(world.client.token_of(&person).await.is_ok(), is_sent, "{more}");
        assert_eq!(world.servers.requests().len(), usize::from(is_sent), "{more}");
    }
}

// Row RX-13: a large number is a deadline, and does not mean that there is none.
#[tokio::test]
async fn lifetime_of_ten_years_is_a_deadline() {
    const TEN_YEARS: u64 = 315_569_520;
    let world = World::start(PAIR).await;
    let limits = format!(r#","refresh_token_timeout":{TEN_YEARS},"authorization_expires_in":{TEN_YEARS}"#);
    let person = world.person(tokens(1, 300, &limits)).await;
    let refresh = person.refresh_token().await.unwrap();
    for ends in [refresh.unused_until(), refresh.authorization_ends()] {
        let left = ends.unwrap().duration_since(SystemTime::now()).unwrap();
        assert!((TEN_YEARS - 60..=TEN_YEARS).contains(&left.as_secs()), "{left:?}");
    }
}

#[tokio::test]
async fn deadlines_count_from_the_request_and_are_restored_with_a_kept_token() {
    let world = World::start(PAIR).await;
    let limits = r#","refresh_token_timeout":100,"authorization_expires_in":200"#;
    let person = world.person(tokens(1, 300, limits)).await;
    let refresh = person.refresh_token().await.unwrap();
    let left = |ends: Option<SystemTime>| ends.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!((90..=100).contains(&left(refresh.unused_until()).as_secs()));
    assert!((190..=200).contains(&left(refresh.authorization_ends()).as_secs()));

    let past = Some(SystemTime::now() - Duration::from_secs(1));
    for (kept, is_sent) in [
        (refresh.clone(), true),
        (RefreshToken::kept("r".to_owned().into(), past, None), false),
        (RefreshToken::kept("r".to_owned().into(), None, past), false),
    ] {
        let person = PersonTokens::kept("spiffe://prod.example/web", kept);
        if is_sent {
            world.servers.prepare(&[tokens(2, 300, "")]);
        }
        assert_eq!(world.client.token_of(&person).await.is_ok(), is_sent);
        world.servers.requests();
    }
}
