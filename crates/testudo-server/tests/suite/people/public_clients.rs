//! Clients without a credential: programs on the devices of people, named in the configuration or registered by
//! themselves. [RFC8252] What they get is granted by a person, and is protected by PKCE.

use super::world::{
    CLIENT, People, VERIFIER, WEB_RULE, asking, assert_refused_page, parameter, requested, text_of,
};
use crate::dpop::thumbprint;
use serde_json::{Value, json};
use testudo_core::records::{AuthorizationCode, Client, Grant};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::person::Person;
use testudo_testkit::token::{Draft, claims};
use testudo_testkit::{form, generate_key};

const APP: &str = "app";
const CALLBACK: &str = "http://127.0.0.1/callback";
const AT_7777: &str = "http://127.0.0.1:7777/callback";
const TOKEN_URI: &str = "http://localhost:8080/token";

const APPS: &str = r#"
[[clients]]
client_id = "app"
token_endpoint_auth_method = "none"
grant_types = ["authorization_code", "refresh_token"]
redirect_uris = ["http://127.0.0.1/callback"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
resources = ["https://orders.example/"]
introspects = ["https://orders.example/"]
[[clients]]
client_id = "other-app"
token_endpoint_auth_method = "none"
redirect_uris = ["https://app.example/callback"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
"#;

async fn people() -> People {
    People::start(&format!("{APPS}{WEB_RULE}")).await
}

/// A request of [`APP`], which listens at this port, with these changes.
fn asking_app(port: u16, changes: &[(&str, &str)]) -> String {
    let redirect_uri = format!("http://127.0.0.1:{port}/callback");
    let own = [("client_id", APP), ("redirect_uri", redirect_uri.as_str())];
    let own = own
        .iter()
        .filter(|(name, _)| changes.iter().all(|(known, _)| known != name));
    asking(&own.chain(changes).copied().collect::<Vec<_>>())
}

async fn code(person: &mut Person, url: &str) -> String {
    let url = person.walk(url).await.unwrap();
    parameter(&url, "code").unwrap_or_else(|| panic!("{url}"))
}

async fn send(people: &People, path: &str, fields: &[(&str, &str)], proof: Option<&str>) -> Answer {
    let mut headers = vec![
        ("content-type", "application/x-www-form-urlencoded"),
        ("host", "localhost:8080"),
    ];
    headers.extend(proof.map(|proof| ("dpop", proof)));
    let mut connection = Connection::open(people.running.addresses[0]).await;
    connection.send("POST", path, &headers, form(fields)).await
}

/// Redeems a code as [`APP`], which listened at port 7777, with these changes; an empty value leaves a field out.
async fn redeem(people: &People, code: &str, changes: &[(&str, &str)], proof: Option<&str>) -> Answer {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", APP),
        ("code", code),
        ("redirect_uri", AT_7777),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    send(people, "/token", &fields, proof).await
}

async fn refresh(people: &People, client_id: &str, token: &Value, proof: Option<&str>) -> Answer {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", client_id),
        ("refresh_token", token.as_str().unwrap()),
    ];
    send(people, "/token", &fields, proof).await
}

/// Pushes a request of [`APP`] through the proxy, which states this address of the caller.
async fn push_from(people: &People, address: &str) -> Answer {
    let fields = requested(&[("client_id", APP), ("redirect_uri", AT_7777)]);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("host", "localhost:8080"),
        ("x-forwarded-for", address),
    ];
    let mut connection = Connection::open(people.running.addresses[0]).await;
    connection.send("POST", "/par", &headers, form(&fields)).await
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, error: &str, case: &str) {
    assert_eq!(
        (answer.status, answer.error()),
        (status, error.to_owned()),
        "{case}: {answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{case}");
}

#[track_caller]
fn tokens(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

// Row TK-26 for a client without a key, and AZ-03.
#[tokio::test]
async fn program_on_a_device_gets_tokens_and_a_refresh_token_that_is_used_twice_ends_them() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let code = code(&mut alice, &asking_app(7777, &[])).await;
    assert_eq!(
        people.records::<Client>().await,
        [],
        "the client has no record yet"
    );
    let first = redeem(&people, &code, &[], None).await;
    let issued = claims(&first.access_token());
    assert_eq!(issued["client_id"], APP);
    assert!(issued["sub"].as_str().unwrap().starts_with("u_"), "{issued}");
    assert!(issued["cnf"].is_null(), "{issued}");
    let [client] = people.records::<Client>().await.try_into().unwrap();
    assert_eq!(client.client_id, APP);

    let second = refresh(&people, APP, &tokens(&first)["refresh_token"], None).await;
    let rotated = tokens(&second);
    assert_ne!(rotated["refresh_token"], tokens(&first)["refresh_token"]);
    // There is no grace: nothing tells the client from an attacker.
    let again = refresh(&people, APP, &tokens(&first)["refresh_token"], None).await;
    assert_refused(&again, 400, "invalid_grant", "a used refresh token");
    assert_eq!(people.records::<Grant>().await, []);
    let ended = refresh(&people, APP, &rotated["refresh_token"], None).await;
    assert_refused(&ended, 400, "invalid_grant", "its successor");
    assert_eq!(people.events("grant.reused").await.len(), 1);
}

#[tokio::test]
async fn code_of_a_public_client_needs_its_verifier_its_client_and_its_redirect_uri() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let other = "A".repeat(43);
    for (changes, error) in [
        ([("code_verifier", other.as_str())], "invalid_grant"),
        ([("code_verifier", "")], "invalid_grant"),
        (
            [("redirect_uri", "http://127.0.0.1:7778/callback")],
            "invalid_grant",
        ),
        ([("client_id", "other-app")], "invalid_grant"),
        ([("client_id", "App")], "invalid_client"),
        ([("client_id", CLIENT)], "invalid_client"),
        ([("client_id", "")], "invalid_client"),
        ([("client_secret", "x")], "invalid_client"),
    ] {
        let code = code(&mut alice, &asking_app(7777, &[])).await;
        let refused = redeem(&people, &code, &changes, None).await;
        assert_eq!(refused.error(), error, "{changes:?}: {refused:?}");
        assert_eq!(
            people.records::<AuthorizationCode>().await,
            [],
            "{changes:?}: burnt"
        );
        assert_eq!(people.records::<Grant>().await, [], "{changes:?}");
    }
    let code = code(&mut alice, &asking_app(7777, &[])).await;
    tokens(&redeem(&people, &code, &[], None).await);
}

#[tokio::test]
async fn refresh_token_of_a_public_client_is_of_no_use_to_another_client() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let code = code(&mut alice, &asking_app(7777, &[])).await;
    let issued = tokens(&redeem(&people, &code, &[], None).await);
    for (client_id, error) in [("other-app", "unauthorized_client"), (CLIENT, "invalid_client")] {
        let refused = refresh(&people, client_id, &issued["refresh_token"], None).await;
        assert_eq!(refused.error(), error, "{client_id}: {refused:?}");
    }
    tokens(&refresh(&people, APP, &issued["refresh_token"], None).await);
}

#[tokio::test]
async fn request_of_a_public_client_needs_pkce_and_one_of_its_redirect_uris() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    for changes in [
        [("code_challenge", ""), ("code_challenge_method", "")],
        [("code_challenge_method", "plain"), ("state", "s")],
        [("code_challenge_method", ""), ("state", "s")],
        [("response_type", "token"), ("state", "s")],
    ] {
        let url = alice.walk(&asking_app(7777, &changes)).await.unwrap();
        assert!(url.starts_with("http://127.0.0.1:7777/callback?error="), "{url}");
        assert_eq!(parameter(&url, "code"), None, "{changes:?}");
    }
    for uri in [
        "http://localhost:7777/callback",
        "http://127.0.0.1:7777/other",
        "http://127.0.0.2:7777/callback",
        "https://127.0.0.1:7777/callback",
        "http://127.0.0.1.app.example/callback",
        "https://app.example/callback",
    ] {
        let refused = alice.open(&asking_app(1, &[("redirect_uri", uri)])).await;
        assert_refused_page(&refused, 400, "redirect_uri");
    }
    for port in [1, 7777, 65_535] {
        code(&mut alice, &asking_app(port, &[])).await;
    }
}

// [RFC8252 §8.6]
#[tokio::test]
async fn consent_on_the_device_is_asked_for_each_time() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let url = asking_app(7777, &[]);
    let of_web = asking(&[
        ("client_id", "other-app"),
        ("redirect_uri", "https://app.example/callback"),
    ]);
    for _ in 0..2 {
        let first = code(&mut alice, &url).await;
        redeem(&people, &first, &[], None).await;
        let again = alice.open(&url).await;
        assert!(text_of(&again).contains("asks for access"), "{again:?}");
    }
    let silent = alice
        .walk(&asking_app(7777, &[("prompt", "none")]))
        .await
        .unwrap();
    assert_eq!(parameter(&silent, "error").as_deref(), Some("consent_required"));
    // The redirect URI of the other one is at a host of its own, which only it can receive.
    code(&mut alice, &of_web).await;
    let again = alice.open(&of_web).await;
    assert_eq!(again.status, 303, "{}", text_of(&again));
}

// Row TK-25. [RFC7662 §2.1] [RFC7009 §2.1]
#[tokio::test]
async fn public_client_revokes_its_tokens_and_neither_introspects_nor_acts_for_itself() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let code = code(&mut alice, &asking_app(7777, &[])).await;
    let issued = tokens(&redeem(&people, &code, &[], None).await);
    let refresh_token = issued["refresh_token"].as_str().unwrap();
    let access_token = issued["access_token"].as_str().unwrap();
    for token in [refresh_token, access_token] {
        let fields = [("token", token), ("client_id", APP)];
        let refused = send(&people, "/introspect", &fields, None).await;
        assert_eq!(refused.error(), "invalid_client", "{refused:?}");
    }
    let own = [("grant_type", "client_credentials"), ("client_id", APP)];
    let refused = send(&people, "/token", &own, None).await;
    assert_refused(&refused, 400, "unauthorized_client", "client_credentials");
    let by_other = [("token", refresh_token), ("client_id", "other-app")];
    let refused = send(&people, "/revoke", &by_other, None).await;
    assert_eq!(refused.error(), "invalid_grant", "{refused:?}");
    assert_eq!(people.records::<Grant>().await.len(), 1);
    let by_itself = [("token", refresh_token), ("client_id", APP)];
    assert_eq!(send(&people, "/revoke", &by_itself, None).await.status, 200);
    assert_eq!(people.records::<Grant>().await, []);
}

fn proof(people: &People, key: &SigningKey, jti: &str) -> String {
    Draft::dpop(key, TOKEN_URI, jti, people.running.app.now().0).sign()
}

// [RFC9449 §5] Rows F-25, F-26 for a client without a credential.
#[tokio::test]
async fn tokens_of_a_public_client_are_bound_to_the_key_that_it_proves() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let (key, other) = (
        generate_key(Algorithm::ES256, None),
        generate_key(Algorithm::ES256, None),
    );
    let code = code(&mut alice, &asking_app(7777, &[])).await;
    let first = redeem(&people, &code, &[], Some(&proof(&people, &key, "1"))).await;
    let issued = tokens(&first);
    assert_eq!(issued["token_type"], "DPoP");
    assert!(claims(&first.access_token())["cnf"]["jkt"].is_string());
    for (case, sent) in [
        ("no proof", None),
        ("another key", Some(proof(&people, &other, "2"))),
    ] {
        let refused = refresh(&people, APP, &issued["refresh_token"], sent.as_deref()).await;
        assert_refused(&refused, 400, "invalid_grant", case);
    }
    let second = refresh(
        &people,
        APP,
        &issued["refresh_token"],
        Some(&proof(&people, &key, "3")),
    )
    .await;
    assert_eq!(tokens(&second)["token_type"], "DPoP");
}

// Row G-08.
#[tokio::test]
async fn code_for_a_key_that_the_browser_brought_is_redeemed_with_a_proof_of_this_key_only() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let (key, other) = (
        generate_key(Algorithm::ES256, None),
        generate_key(Algorithm::ES256, None),
    );
    let jkt = thumbprint(&key);
    for (number, (case, sent)) in [
        ("no proof", None),
        ("another key", Some(&other)),
        ("the key", Some(&key)),
    ]
    .into_iter()
    .enumerate()
    {
        let asked = asking_app(7777, &[("dpop_jkt", &jkt), ("prompt", "consent")]);
        let code = code(&mut alice, &asked).await;
        let proof = sent.map(|key| proof(&people, key, &format!("jkt-{number}")));
        let answer = redeem(&people, &code, &[], proof.as_deref()).await;
        match case {
            "the key" => assert_eq!(tokens(&answer)["token_type"], "DPoP"),
            _ => assert_refused(&answer, 400, "invalid_grant", case),
        }
    }
}

#[tokio::test]
async fn public_client_pushes_its_requests_by_its_name() {
    let people = people().await;
    let fields = requested(&[("client_id", APP), ("redirect_uri", AT_7777)]);
    let pushed = send(&people, "/par", &fields, None).await;
    assert_eq!(pushed.status, 201, "{pushed:?}");
    let request_uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let mut alice = people.signed_in("alice").await;
    for other in ["other-app", CLIENT] {
        let query = form(&[("client_id", other), ("request_uri", &request_uri)]);
        assert_refused_page(
            &alice.open(&format!("/authorize?{query}")).await,
            400,
            "request_uri",
        );
    }
    let query = form(&[("client_id", APP), ("request_uri", &request_uri)]);
    let code = code(&mut alice, &format!("/authorize?{query}")).await;
    tokens(&redeem(&people, &code, &[], None).await);
}

/// A client that registered itself, as programs of MCP do.
#[tokio::test]
async fn client_that_registered_itself_gets_tokens_and_one_with_keys_needs_them() {
    let open = "[registration.open]\npushed_authorization = \"optional\"\nscopes = [\"orders.read\"]\n\
                default_scopes = [\"orders.read\"]\nresources = [\"https://orders.example/\"]\n";
    let people = People::start(open).await;
    let register = async |more: Value| {
        let mut asked = json!({
            "redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"],
        });
        asked
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let mut connection = Connection::open(people.running.addresses[0]).await;
        let headers = [("content-type", "application/json"), ("host", "localhost:8080")];
        let answer = connection
            .send("POST", "/register", &headers, asked.to_string())
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    };
    let public = register(json!({ "token_endpoint_auth_method": "none" })).await;
    assert!(
        public["require_pushed_authorization_requests"].is_null(),
        "{public}"
    );
    let id = public["client_id"].as_str().unwrap();
    let mut alice = people.signed_in("alice").await;
    let first = code(&mut alice, &asking_app(7777, &[("client_id", id)])).await;
    let issued = tokens(&redeem(&people, &first, &[("client_id", id)], None).await);
    tokens(&refresh(&people, id, &issued["refresh_token"], None).await);

    let key = generate_key(Algorithm::ES256, Some("k")).public_jwk("sig", true);
    let keyed = register(json!({ "jwks": { "keys": [key] } })).await;
    assert_eq!(keyed["token_endpoint_auth_method"], "private_key_jwt");
    let keyed = keyed["client_id"].as_str().unwrap();
    let second = code(&mut alice, &asking_app(7777, &[("client_id", keyed)])).await;
    let refused = redeem(&people, &second, &[("client_id", keyed)], None).await;
    assert_eq!(refused.error(), "invalid_client", "{refused:?}");
    // An id that this server did not assign.
    let invented = format!("c_{}", "A".repeat(43));
    let third = code(&mut alice, &asking_app(7777, &[("client_id", id)])).await;
    let refused = redeem(&people, &third, &[("client_id", &invented)], None).await;
    assert_eq!(refused.error(), "invalid_client", "{refused:?}");
}

#[tokio::test]
async fn client_that_must_push_by_its_own_word_is_refused_without_a_push() {
    let open = "[registration.open]\npushed_authorization = \"optional\"\nscopes = [\"orders.read\"]\n";
    let people = People::start(open).await;
    let asked = json!({ "redirect_uris": [CALLBACK], "require_pushed_authorization_requests": true });
    let mut connection = Connection::open(people.running.addresses[0]).await;
    let headers = [("content-type", "application/json"), ("host", "localhost:8080")];
    let answer = connection
        .send("POST", "/register", &headers, asked.to_string())
        .await;
    assert_eq!(
        answer.json()["require_pushed_authorization_requests"],
        true,
        "{answer:?}"
    );
    let id = answer.json()["client_id"].as_str().unwrap().to_owned();
    let url = people
        .signed_in("alice")
        .await
        .walk(&asking_app(7777, &[("client_id", &id)]))
        .await;
    assert_eq!(
        parameter(&url.unwrap(), "error").as_deref(),
        Some("invalid_request")
    );
}

#[tokio::test]
async fn metadata_lists_the_method_none_where_a_client_can_use_it() {
    let open = "[registration.open]\nscopes = [\"orders.read\"]\n";
    for (entries, is_listed) in [(APPS, true), (open, true), (WEB_RULE, false)] {
        let people = People::start(entries).await;
        let mut connection = Connection::open(people.running.addresses[0]).await;
        let metadata = connection
            .get("/.well-known/oauth-authorization-server")
            .await
            .json();
        let lists = |member: &str| {
            let methods = metadata[format!("{member}_endpoint_auth_methods_supported")].as_array();
            methods.is_some_and(|methods| methods.contains(&json!("none")))
        };
        assert_eq!(lists("token"), is_listed, "{entries}");
        assert_eq!(lists("revocation"), is_listed, "{entries}");
        assert!(!lists("introspection"), "{entries}");
    }
}

// Row AZ-16 for a client without a credential: any caller can push its requests.
#[tokio::test]
async fn caller_that_pushes_too_fast_is_refused_with_its_network_and_other_callers_are_not() {
    let proxy = "[server.proxy]\ntrusted = [\"127.0.0.0/8\"]\nclient_address_header = \"x-forwarded-for\"\n";
    let people = People::start(&format!("{APPS}{WEB_RULE}{proxy}")).await;
    let began = std::time::Instant::now();
    let mut granted = 0;
    let refused = loop {
        let answer = push_from(&people, &format!("2001:db8:0:1::{granted:x}")).await;
        match answer.status {
            201 => granted += 1,
            _ => break answer,
        }
        assert!(granted < 1_000, "one caller pushes without limit");
    };
    // One more for each second.
    let most = 60 + usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!((60..=most).contains(&granted), "{granted}");
    assert_refused(
        &refused,
        429,
        "temporarily_unavailable",
        "the network of the caller",
    );
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    for other in ["2001:db8:0:2::1", "192.0.2.1"] {
        assert_eq!(push_from(&people, other).await.status, 201, "{other}");
    }
}

/// Any caller can name a public client, and could otherwise fill the store with marks of proofs.
#[tokio::test]
async fn proof_of_a_caller_without_credential_is_marked_only_with_a_token_that_it_ends() {
    let people = people().await;
    let mut alice = people.signed_in("alice").await;
    let key = generate_key(Algorithm::ES256, None);
    let first = code(&mut alice, &asking_app(7777, &[])).await;
    let issued = tokens(&redeem(&people, &first, &[], None).await);
    let now = people.running.app.now().0;
    let proof = Draft::dpop(&key, "http://localhost:8080/revoke", "r-1", now).sign();
    let revoke = async |token: &str| {
        let fields = [("token", token), ("client_id", APP)];
        send(&people, "/revoke", &fields, Some(&proof)).await
    };
    let invented = "A".repeat(86);
    for token in [&invented, &invented, issued["refresh_token"].as_str().unwrap()] {
        let answer = revoke(token).await;
        assert_eq!(answer.status, 200, "{token}: {answer:?}");
    }
    assert_eq!(people.records::<Grant>().await, []);
    // Its proof was used with the token that ended, and is refused where it would end another one.
    let second = code(&mut alice, &asking_app(7777, &[])).await;
    let issued = tokens(&redeem(&people, &second, &[], None).await);
    let refused = revoke(issued["refresh_token"].as_str().unwrap()).await;
    assert_refused(&refused, 400, "invalid_dpop_proof", "replayed");
    assert_eq!(people.records::<Grant>().await.len(), 1);
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", APP),
        ("refresh_token", invented.as_str()),
    ];
    let at_token = Draft::dpop(&key, TOKEN_URI, "r-2", now).sign();
    for _ in 0..2 {
        let refused = send(&people, "/token", &fields, Some(&at_token)).await;
        assert_refused(&refused, 400, "invalid_grant", "a refused request marks nothing");
    }
}
