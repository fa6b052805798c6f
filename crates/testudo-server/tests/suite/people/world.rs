//! A server on loopback at which `alice` and `bob` sign in without proof.

use crate::world::run_in;
use serde_json::{Value, json};
use std::path::PathBuf;
use testudo_core::records::Record;
use testudo_server::Running;
use testudo_testkit::http::{Answer, Connection, over_socket};
use testudo_testkit::person::{PageForm, Person, forms};
use testudo_testkit::scratch::folder;
use testudo_testkit::{TestIssuer, form};

pub const ISSUER: &str = "http://localhost:8080";
pub const SESSION: &str = "testudo-session-8080";
pub const FLOW: &str = "testudo-flow-8080";

/// Workloads of the rule send browsers with direct requests, and are registered when they redeem a code.
pub const WEB_RULE: &str = r#"
[[trust_domains]]
name = "a.example"
bundle = { file = "a.json" }
[[rules]]
name = "web"
identities = ["spiffe://a.example/web/{name}"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
pushed_authorization = "optional"
redirect_uris = ["https://{name}.apps.example/cb"]
scopes = ["orders.read", "orders.write"]
default_scopes = ["orders.read"]
resources = ["https://orders.example/"]
client_name = "Shop {name}"
[scopes]
"orders.read" = "see your orders"
"#;

/// The client of most tests, and its redirect URI.
pub const CLIENT: &str = "spiffe://a.example/web/shop";
pub const CALLBACK: &str = "https://shop.apps.example/cb";

/// A verifier and its challenge. [RFC7636 B]
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The parameters of an authorization request of [`CLIENT`], with these changed, added, or (empty) left out.
pub fn requested<'c>(changes: &[(&'c str, &'c str)]) -> Vec<(&'c str, &'c str)> {
    let parameters = [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("scope", "orders.read"),
        ("state", "s1"),
    ];
    let changed = |name: &str| {
        changes
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    };
    let kept = parameters.map(|(name, value)| (name, changed(name).unwrap_or(value)));
    let is_new = |(name, _): &&(&str, &str)| parameters.iter().all(|(known, _)| known != name);
    let added = changes.iter().filter(is_new).copied();
    let all = kept.into_iter().chain(added);
    all.filter(|(_, value)| !value.is_empty()).collect()
}

/// The URL of such a request.
pub fn asking(changes: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(requested(changes))
        .finish();
    format!("/authorize?{query}")
}

/// A parameter of the URL at which a client receives a response.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}

/// The entries of `[store]` for a server of its own.
pub const SQLITE: &str = "url = \"sqlite:test.db\"";

pub struct People {
    /// The issuer of the SVIDs of `a.example`.
    pub issuer: TestIssuer,
    pub folder: PathBuf,
    pub running: Running,
}

impl People {
    /// A server with these further entries; `[login]` is the first of them.
    pub async fn start(entries: &str) -> People {
        People::start_over(SQLITE, &format!("passkeys = false\n{entries}")).await
    }

    /// A server with these entries of `[store]`, and with these further entries; `[login]` is the first of them.
    pub async fn start_over(store: &str, entries: &str) -> People {
        let folder = folder("people");
        let issuer = TestIssuer::new("a.example");
        std::fs::write(folder.join("a.json"), issuer.bundle().to_string()).unwrap();
        let text = format!(
            "issuer = \"{ISSUER}\"\n[server]\nlisten = [\"127.0.0.1:0\"]\n[store]\n{store}\n\
             [admin]\nsocket = \"admin.sock\"\n[login]\ndevelopment = [\"alice\", \"bob\"]\n{entries}"
        );
        std::fs::write(folder.join("testudo.toml"), text).unwrap();
        let running = run_in(&folder).await.unwrap();
        People {
            issuer,
            folder,
            running,
        }
    }

    /// The configuration with this change is put in force.
    pub async fn reload(&self, change: impl FnOnce(String) -> String) {
        let path = self.folder.join("testudo.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, change(text)).unwrap();
        self.admin("POST", "/admin/v1/reload", json!({})).await;
    }

    /// The admin API, as the command line uses it.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = over_socket(&self.folder.join("admin.sock"), method, path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// A form that a workload of `a.example` sends, with a new SVID.
    pub async fn post(&self, endpoint: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut connection = Connection::open(self.running.addresses[0]).await;
        connection.post(endpoint, self.body(path, fields)).await
    }

    /// The body of such a form.
    pub fn body(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let now = self.running.app.now().0;
        let svid = self.issuer.svid(path, ISSUER, now);
        let own = [
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe",
            ),
            ("client_assertion", svid.as_str()),
        ];
        form(&[&own, fields].concat())
    }

    /// The workload [`CLIENT`] pushes a request.
    pub async fn push(&self, changes: &[(&str, &str)]) -> Answer {
        self.push_as("/web/shop", changes).await
    }

    /// The workload at this path of `a.example` pushes a request.
    pub async fn push_as(&self, path: &str, changes: &[(&str, &str)]) -> Answer {
        self.post("/par", path, &requested(changes)).await
    }

    /// The workload [`CLIENT`] registers with this metadata.
    pub async fn register(&self, mut metadata: Value) -> Answer {
        let now = self.running.app.now().0;
        metadata["software_statement"] = self.issuer.svid("/web/shop", ISSUER, now).into();
        let headers = [("content-type", "application/json"), ("host", "localhost:8080")];
        let mut connection = Connection::open(self.running.addresses[0]).await;
        connection
            .send("POST", "/register", &headers, metadata.to_string())
            .await
    }

    /// The tokens that [`CLIENT`] gets for a person.
    pub async fn tokens(&self, person: &mut Person) -> Answer {
        let url = person.walk(&asking(&[])).await.unwrap();
        self.redeem(&url).await
    }

    /// The tokens that [`CLIENT`] gets with the code in this response.
    pub async fn redeem(&self, response: &str) -> Answer {
        let code = parameter(response, "code").unwrap();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let answer = self.post("/token", "/web/shop", &fields).await;
        assert_eq!(answer.status, 200, "{response}: {answer:?}");
        answer
    }

    /// A person with a new browser.
    pub fn person(&self) -> Person {
        Person::new(ISSUER, self.running.addresses[0])
    }

    /// A person who is signed in as `name`.
    pub async fn signed_in(&self, name: &str) -> Person {
        self.sign_in(name).await.0
    }

    /// A person who signs in as `name`, and the answer to the form.
    pub async fn sign_in(&self, name: &str) -> (Person, Answer) {
        let mut person = self.person();
        let page = person.open("/login").await;
        let form = form_of(&page);
        let answer = person.submit(&form.action, &form.pressed(name)).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        (person, answer)
    }

    /// All records of a kind.
    pub async fn records<R: Record>(&self) -> Vec<R> {
        let all = self.running.app.store.read_all::<R>().await.unwrap();
        all.into_iter().map(|found| found.record).collect()
    }

    /// All events of a kind, the oldest first.
    pub async fn events(&self, kind: &str) -> Vec<Value> {
        let path = format!("/admin/v1/events?type={kind}&limit=1000&order=oldest");
        let page = self.admin("GET", &path, Value::Null).await;
        page["events"].as_array().unwrap().clone()
    }
}

/// The text of a page.
pub fn text_of(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// The first form of a page.
#[track_caller]
pub fn form_of(answer: &Answer) -> PageForm {
    let page = text_of(answer);
    let form = forms(&page).into_iter().next();
    form.unwrap_or_else(|| panic!("no form: {} {page}", answer.status))
}

/// Checks that a request is refused with a page that has this text, and without a redirect or a cookie.
#[track_caller]
pub fn assert_refused_page(answer: &Answer, status: u16, text: &str) {
    let page = text_of(answer);
    assert_eq!(answer.status, status, "{page}");
    assert!(page.contains(text), "{page}");
    assert_eq!(answer.header("location"), None);
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
}
