//! Keys of `[[issuers]]` entries that the metadata of the issuer names, and keys behind a token.

use crate::world::{RULES, World, domains, load_with};
use serde_json::{Value, json};
use testudo_fetch::Network;
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_server::config::{self, BundleOrigin, SentSecret};
use testudo_server::doctor;
use testudo_testkit::generate_key;
use testudo_testkit::scratch::folder;
use testudo_testkit::web::{DocumentServer, SeenRequest};

const OPENID: &str = "/t/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server/t";

fn key_set(key: &SigningKey) -> String {
    testudo_testkit::key_set(&[key]).to_string()
}

fn seen(path: &str, token: Option<&str>) -> SeenRequest {
    SeenRequest {
        path: path.to_owned(),
        authorization: token.map(|token| format!("Bearer {token}")),
    }
}

/// A server with an attester whose metadata and keys are on a server of its own.
struct Discovered {
    world: World,
    publisher: DocumentServer,
    issuer: String,
}

impl Discovered {
    /// `jwks`: more members of the section.
    async fn start(jwks: &str) -> Discovered {
        let publisher = DocumentServer::start("localhost").await;
        let issuer = format!("https://localhost:{}/t", publisher.address.port());
        let discovered = Discovered {
            world: World::start_with(&domains(""), RULES).await,
            publisher,
            issuer,
        };
        discovered.write("ca.pem", &discovered.publisher.root_pem);
        discovered.write("token", "first-token\n");
        discovered.publish(&format!("{}/keys", discovered.issuer));
        let key = generate_key(Algorithm::ES256, Some("k"));
        discovered.publisher.answers_at("/t/keys", 200, &key_set(&key));
        let attester = format!(
            "[[issuers]]\nname = \"at1\"\nkind = \"attester\"\nuse = [\"client\"]\nissuer = \"{}\"\n\
             jwks = {{ discovery = true, ca = \"ca.pem\"{jwks} }}\n",
            discovered.issuer
        );
        let all = format!("{}{attester}", domains(""));
        discovered.world.reload_with(&all, RULES).await;
        discovered
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.world.folder.join(file), text).unwrap();
    }

    /// The metadata of OpenID Connect with this `jwks_uri`.
    fn publish(&self, jwks_uri: &str) {
        let metadata = json!({ "issuer": self.issuer, "jwks_uri": jwks_uri }).to_string();
        self.publisher.answers_at(OPENID, 200, &metadata);
    }

    /// Fetches again; the state of the keys, and why the last fetch failed.
    async fn refresh(&self) -> (Value, String) {
        self.publisher.take_requests();
        self.world
            .try_admin("POST", "/admin/v1/trust/at1/refresh", json!({}))
            .await;
        let shown = self.world.admin("GET", "/admin/v1/trust/at1", Value::Null).await;
        let error = shown["last_error"].as_str().unwrap_or_default().to_owned();
        (shown["jwt_keys"].clone(), error)
    }
}

#[tokio::test]
async fn keys_are_at_the_jwks_uri_of_the_metadata_of_the_issuer() {
    let discovered = Discovered::start("").await;
    assert_eq!(discovered.refresh().await, (json!(["k"]), String::new()));
    let requests = discovered.publisher.take_requests();
    assert_eq!(requests, [seen(OPENID, None), seen("/t/keys", None)]);

    // A new `jwks_uri` is used at the next refresh.
    let other = generate_key(Algorithm::ES256, Some("other"));
    discovered.publisher.answers_at("/t/new", 200, &key_set(&other));
    discovered.publish(&format!("{}/new", discovered.issuer));
    assert_eq!(discovered.refresh().await.0, json!(["other"]));

    // [RFC8414 §3] The document of OAuth, where there is none of OpenID Connect.
    let metadata = json!({ "issuer": discovered.issuer, "jwks_uri": format!("{}/keys", discovered.issuer) });
    discovered.publisher.answers_at(OPENID, 404, "");
    discovered.publisher.answers_at(OAUTH, 200, &metadata.to_string());
    assert_eq!(discovered.refresh().await.0, json!(["k"]));
    let requests = discovered.publisher.take_requests();
    assert_eq!(
        requests,
        [seen(OPENID, None), seen(OAUTH, None), seen("/t/keys", None)]
    );
}

// Rows H-20, I-03, I-15.
#[tokio::test]
async fn metadata_that_is_not_of_the_issuer_changes_no_key_and_causes_no_second_fetch() {
    let discovered = Discovered::start(", token = { file = \"token\" }").await;
    let issuer = discovered.issuer.clone();
    let good = format!("{issuer}/keys");
    let of_other = json!({ "issuer": "https://other.example", "jwks_uri": good }).to_string();
    let with_keys_at = |url: &str| json!({ "issuer": issuer, "jwks_uri": url }).to_string();
    let port = discovered.publisher.address.port();
    for (name, status, document, words) in [
        ("other issuer", 200, of_other, "other.example"),
        (
            "no keys",
            200,
            json!({ "issuer": issuer }).to_string(),
            "has no `jwks_uri`",
        ),
        (
            "http",
            200,
            with_keys_at("http://localhost/keys"),
            "is not an https URL",
        ),
        (
            "user",
            200,
            with_keys_at(&good.replace("://", "://u:p@")),
            "has user information",
        ),
        ("HTML", 200, "<html></html>".to_owned(), "is malformed"),
        ("error", 500, with_keys_at(&good), "answers 500"),
        ("refused", 403, with_keys_at(&good), "answers 403"),
        ("no document", 404, String::new(), "answers 404 at"),
        ("redirect", 307, with_keys_at(&good), "redirects (307)"),
        (
            "other server on a private address",
            200,
            with_keys_at(&format!("https://127.0.0.1:{port}/t/keys")),
            "must use port 443",
        ),
        (
            "link-local address of a cloud's metadata",
            200,
            with_keys_at("https://169.254.169.254/latest/meta-data"),
            "not public",
        ),
    ] {
        assert_eq!(discovered.refresh().await.1, "", "before: {name}");
        discovered.publisher.answers_at(OPENID, status, &document);
        let (keys, error) = discovered.refresh().await;
        assert!(error.contains(words), "{name}: {error}");
        assert_eq!(keys, json!(["k"]), "{name}: the keys before stay");
        let requests = discovered.publisher.take_requests();
        assert!(
            requests.iter().all(|request| request.path != "/t/keys"),
            "{name}: {requests:?}"
        );
        discovered.publish(&good);
    }
}

// Row H-20.
#[tokio::test]
async fn token_is_sent_to_the_server_of_the_issuer_only_and_read_again_at_each_fetch() {
    let mut discovered = Discovered::start(", token = { file = \"token\" }").await;
    assert_eq!(discovered.refresh().await, (json!(["k"]), String::new()));
    let with = |token| [seen(OPENID, Some(token)), seen("/t/keys", Some(token))];
    assert_eq!(discovered.publisher.take_requests(), with("first-token"));
    discovered.write("token", "second-token");
    discovered.refresh().await;
    assert_eq!(discovered.publisher.take_requests(), with("second-token"));
    for (name, text) in [("empty", ""), ("two words", "Bearer x"), ("no text", "t\u{0}")] {
        discovered.write("token", text);
        let (_, error) = discovered.refresh().await;
        assert!(
            error.contains("token contains no bearer token"),
            "{name}: {error}"
        );
        assert_eq!(discovered.publisher.take_requests(), [], "{name}");
    }
    discovered.write("token", "second-token");

    // The keys are on another server.
    let other = DocumentServer::start("keys.example").await;
    let key = generate_key(Algorithm::ES256, Some("elsewhere"));
    other.answers(200, None, &key_set(&key));
    let network = Network {
        client_url_routes: [("keys.example".to_owned(), other.address)].into(),
        ..Network::default()
    };
    discovered.publish("https://keys.example/keys");
    discovered.write("roots.pem", &other.root_pem);
    let path = discovered.world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n[outbound]\nca = \"roots.pem\"\n")).unwrap();
    discovered.world = discovered.world.on(network).await;
    assert_eq!(discovered.refresh().await, (json!(["elsewhere"]), String::new()));
    let requests = discovered.publisher.take_requests();
    assert_eq!(requests, [seen(OPENID, Some("second-token"))]);
    let requests = other.take_requests();
    assert!(
        !requests.is_empty() && requests.iter().all(|request| *request == seen("/keys", None)),
        "{requests:?}"
    );
}

#[tokio::test]
async fn doctor_fetches_the_keys_by_discovery_and_says_that_a_token_is_missing() {
    let discovered = Discovered::start("").await;
    let examine = async || {
        let (configuration, _) = config::load(&discovered.world.folder.join("testudo.toml"), 1).unwrap();
        doctor::examine(&configuration).await
    };
    let findings = examine().await;
    let found = findings
        .iter()
        .find(|found| found.subject == "attestation of at1")
        .unwrap();
    assert!(found.is_good && found.detail.contains(OPENID), "{found:?}");
    discovered.publisher.answers_at("/t/keys", 401, "");
    let findings = examine().await;
    let found = findings
        .iter()
        .find(|found| found.subject == "keys of at1")
        .unwrap();
    let hint = found.hint.as_deref().unwrap_or_default();
    assert!(!found.is_good && hint.contains("set `token`"), "{found:?}");
}

#[tokio::test]
async fn doctor_tries_the_metadata_of_each_provider_at_which_people_sign_in() {
    let discovered = Discovered::start("").await;
    let path = discovered.world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let login = format!(
        "\n[login]\npasskeys = false\n[[login.providers]]\nname = \"corp\"\nissuer = \"{}\"\nclient_id = \"testudo\"\nallow_everyone = true\n",
        discovered.issuer
    );
    let outbound = "[outbound]\nca = \"ca.pem\"\nresolve = { localhost = \"127.0.0.1\" }\n";
    assert!(!text.contains("[outbound]"), "{text}");
    std::fs::write(&path, format!("{text}{login}{outbound}")).unwrap();
    let examine = async || {
        let (configuration, _) = config::load(&path, 1).unwrap();
        let findings = doctor::examine(&configuration).await;
        let mut found = findings.into_iter();
        found.find(|found| found.subject == "provider corp").unwrap()
    };
    let found = examine().await;
    assert!(found.is_good && found.detail.contains(OPENID), "{found:?}");
    // The metadata of OAuth is not that of an OpenID provider.
    let oauth = json!({ "issuer": discovered.issuer, "jwks_uri": format!("{}/keys", discovered.issuer) });
    discovered.publisher.answers_at(OAUTH, 200, &oauth.to_string());
    for (status, body, saying) in [
        (404, "", "answers 404"),
        (200, "{}", "issuer"),
        (
            200,
            "{\"issuer\": \"https://other.example\", \"jwks_uri\": \"https://other.example/k\"}",
            "issuer",
        ),
    ] {
        discovered.publisher.answers_at(OPENID, status, body);
        let found = examine().await;
        assert!(!found.is_good && found.detail.contains(saying), "{found:?}");
        assert!(found.hint.is_some(), "{found:?}");
    }
}

#[test]
fn each_fault_of_the_keys_of_an_issuer_is_an_error_of_its_key() {
    let folder = folder("issuer-keys");
    std::fs::write(folder.join("token"), "abc").unwrap();
    std::fs::write(folder.join("words"), "two words").unwrap();
    let load = |issuer: &str, jwks: &str| {
        let entry = "[[issuers]]\nname = \"at1\"\nkind = \"attester\"\nuse = [\"client\"]";
        load_with(&folder, &format!("{entry}\n{issuer}\njwks = {{ {jwks} }}\n"))
    };
    let issuer = "issuer = \"https://at1.example\"";
    let (good, _) = load(issuer, "discovery = true, token = { file = \"token\" }").unwrap();
    assert!(matches!(
        &good.bundles[0].origin,
        BundleOrigin::Discovery { issuer, token: Some(SentSecret::File(_)), .. } if **issuer == *"https://at1.example"
    ));
    let (good, _) = load("", "url = \"https://at1.example/keys\", token = \"abc\"").unwrap();
    let shown = format!("{:?}", good.bundles[0].origin);
    assert!(shown.contains("a secret") && !shown.contains("abc"), "{shown}");
    for (name, issuer, jwks, key, problem) in [
        (
            "no source",
            issuer,
            "",
            "jwks",
            "exactly one of file, url, discovery",
        ),
        ("off", issuer, "discovery = false", "jwks", "exactly one of"),
        (
            "two sources",
            issuer,
            "discovery = true, url = \"https://x.example\"",
            "jwks",
            "exactly one of",
        ),
        (
            "no issuer",
            "",
            "discovery = true",
            "jwks.discovery",
            "needs the `issuer`",
        ),
        (
            "no URL",
            "issuer = \"at1\"",
            "discovery = true",
            "jwks.discovery",
            "is not a URL",
        ),
        (
            "http",
            "issuer = \"http://at1.example\"",
            "discovery = true",
            "jwks.discovery",
            "is not an https URL",
        ),
        (
            "query",
            "issuer = \"https://at1.example?x\"",
            "discovery = true",
            "jwks.discovery",
            "has a query",
        ),
        (
            "token of a file",
            issuer,
            "file = \"a.json\", token = \"abc\"",
            "jwks.token",
            "from a file",
        ),
        (
            "no such file",
            issuer,
            "discovery = true, token = { file = \"absent\" }",
            "jwks.token",
            "absent",
        ),
        (
            "no token",
            issuer,
            "discovery = true, token = { file = \"words\" }",
            "jwks.token",
            "is not a bearer token",
        ),
        (
            "no variable",
            issuer,
            "discovery = true, token = { env = \"ABSENT_TOKEN\" }",
            "jwks.token",
            "ABSENT_TOKEN",
        ),
    ] {
        let report = load(issuer, jwks)
            .err()
            .unwrap_or_else(|| panic!("{name} is accepted"))
            .to_string();
        assert!(
            report.contains(&format!("issuers[0].{key} ")) && report.contains(problem),
            "{name}: {report}"
        );
    }
}
