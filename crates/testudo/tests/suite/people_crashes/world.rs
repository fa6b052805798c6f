//! A server over a PostgreSQL that can be stopped, an application with its SVID, and a person.

use crate::binary::{Server, Site, folder, now};
use crate::listeners::wait_for;
use std::time::{Duration, Instant};
use testudo_testkit::form;
use testudo_testkit::held_writes::HeldWrites;
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::person::Person;
use testudo_testkit::postgres::Postgres;
use url::Url;

pub const CALLBACK: &str = "https://shop.apps.example/cb";
const PATH: &str = "/web/shop";
const CLIENT: &str = "spiffe://prod.example/web/shop";

/// [RFC7636 B]
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Requests that succeed before the server counts as recovered.
const IN_A_ROW: usize = 10;

const RULE: &str = r#"
[login]
development = ["alice", "bob"]
[[rules]]
name = "web"
identities = ["spiffe://prod.example/web/{name}"]
grant_types = ["authorization_code", "refresh_token"]
redirect_uris = ["https://{name}.apps.example/cb"]
scopes = ["orders.read"]
default_scopes = ["orders.read"]
resources = ["https://orders.example/"]
"#;

pub struct World {
    pub site: Site,
    pub issuer: String,
    pub postgres: Postgres,
    pub writes: HeldWrites,
    pub server: Option<Server>,
    /// The browser of `alice`, who consented to what the application asks for.
    pub alice: Person,
    /// How many people were invited.
    invited: usize,
}

impl World {
    pub async fn start() -> World {
        let postgres = Postgres::start(&folder()).unwrap();
        let url = postgres.database("crashes").unwrap();
        let address = format!("127.0.0.1:{}", postgres.port());
        let writes = HeldWrites::before(address.parse().unwrap()).await;
        let (site, by_address) = Site::under_its_own_name();
        // Passkeys need an issuer whose host is a name.
        let issuer = by_address.replace("127.0.0.1", "localhost");
        let text = std::fs::read_to_string(site.config()).unwrap();
        site.write("testudo.toml", &text.replace(&by_address, &issuer));
        site.append(RULE);
        site.move_to_postgres(&url.replace(&address, &writes.address().to_string()));
        let server = site.serve();
        let alice = Person::new(&issuer, server.address);
        let mut world = World {
            server: Some(server),
            site,
            issuer,
            postgres,
            writes,
            alice,
            invited: 0,
        };
        // The application is registered, and the consent is remembered, before the first round.
        let mut alice = world.signed_in("alice").await;
        let url = world.asking_for(&world.push(&[]).await);
        alice.walk(&url).await.unwrap();
        world.alice = alice;
        world
    }

    /// A person with a new browser.
    pub fn person(&self) -> Person {
        Person::new(&self.issuer, self.server.as_ref().unwrap().address)
    }

    /// A person who is signed in as `name`, in a new browser.
    pub async fn signed_in(&self, name: &str) -> Person {
        let mut person = self.person();
        let page = person.open("/login").await;
        let form = form_of(&page);
        let answer = person.submit(&form.action, &form.pressed(name)).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        person
    }

    /// The token of an invitation for a new account.
    pub fn invite(&mut self) -> String {
        self.invited += 1;
        let name = format!("guest{}", self.invited);
        let link = self.site.ok(&["user", "invite", &name]);
        let (_, token) = link.trim().split_once('#').unwrap();
        token.to_owned()
    }

    /// The URL of a pushed request.
    pub fn asking_for(&self, request_uri: &str) -> String {
        let parameters = [("client_id", CLIENT), ("request_uri", request_uri)];
        format!("/authorize?{}", form(&parameters))
    }

    /// The body of a request of the application with a new SVID.
    pub fn body(&self, fields: &[(&str, &str)]) -> String {
        let svid = self.site.issuer.svid(PATH, &self.issuer, now());
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
        let own = [
            ("client_assertion_type", kind),
            ("client_assertion", svid.as_str()),
        ];
        form(&[&own, fields].concat())
    }

    /// A request of the application; `None` if there is no answer.
    pub async fn try_post(&self, path: &str, body: String) -> Option<Answer> {
        // The server listens at the same address after each start.
        let address = self.server.as_ref().unwrap().address;
        let mut connection = Connection::try_open(address).await?;
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        connection.try_send("POST", path, &headers, body).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.try_post(path, self.body(fields)).await;
        answer.expect("the server answers")
    }

    pub async fn push(&self, more: &[(&str, &str)]) -> String {
        let answer = self.post("/par", &[&request(), more].concat()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        text(&answer, "request_uri")
    }

    /// The code that the browser of `alice` gets at once for a new request.
    pub async fn code(&mut self) -> String {
        let url = self.asking_for(&self.push(&[]).await);
        let answer = self.alice.open(&url).await;
        code_in(&answer).unwrap_or_else(|| panic!("{answer:?}"))
    }

    pub async fn redeem(&self, code: &str) -> Answer {
        self.post("/token", &redemption(code)).await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/token", &refresh(token)).await
    }

    pub async fn revoke(&self, token: &str) -> Answer {
        self.post("/revoke", &[("token", token)]).await
    }

    /// True if the token is valid.
    pub async fn is_active(&self, token: &str) -> bool {
        let answer = self.post("/introspect", &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["active"].as_bool().unwrap()
    }

    /// Kills the server and starts it again.
    pub fn restart_server(&mut self) {
        self.server.take().unwrap().kill_9();
        self.server = Some(self.site.serve());
    }

    /// Starts the database again, and waits until the server found out that it is another start of it: until then, it
    /// answers 503 where it used a connection from before.
    pub async fn resume_database(&self) {
        let before = self.times_read_anew();
        self.postgres.resume().unwrap();
        wait_for("the server loads everything again", async || {
            self.times_read_anew() > before
        })
        .await;
    }

    fn times_read_anew(&self) -> usize {
        let log = self.server.as_ref().unwrap().log.lock().unwrap();
        log.matches("nodes.read_anew").count()
    }

    /// Waits until the server writes: some requests in a row must succeed, each of which may use another connection.
    pub async fn until_it_writes(&self) {
        let (started, mut in_a_row) = (Instant::now(), 0);
        while in_a_row < IN_A_ROW {
            let answer = self.try_post("/par", self.body(&request())).await;
            match answer {
                Some(answer) if answer.status == 201 => in_a_row += 1,
                answer => {
                    assert!(started.elapsed() < Duration::from_secs(60), "{answer:?}");
                    in_a_row = 0;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// The parameters of an authorization request.
pub fn request() -> Vec<(&'static str, &'static str)> {
    vec![
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("scope", "orders.read"),
    ]
}

pub fn redemption(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

pub fn refresh(token: &str) -> [(&str, &str); 2] {
    [("grant_type", "refresh_token"), ("refresh_token", token)]
}

/// A text member of the answer.
#[track_caller]
pub fn text(answer: &Answer, member: &str) -> String {
    let found = answer.json()[member].as_str().map(str::to_owned);
    found.unwrap_or_else(|| panic!("{member}: {answer:?}"))
}

/// The first form of a page.
#[track_caller]
pub fn form_of(answer: &Answer) -> testudo_testkit::person::PageForm {
    let page = String::from_utf8_lossy(&answer.body);
    let form = testudo_testkit::person::forms(&page).into_iter().next();
    form.unwrap_or_else(|| panic!("no form: {} {page}", answer.status))
}

/// The code in a redirect to the application.
pub fn code_in(answer: &Answer) -> Option<String> {
    let url = answer.header("location")?;
    url.starts_with(CALLBACK).then(|| parameter(url, "code"))?
}

/// A parameter of a URL.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}
