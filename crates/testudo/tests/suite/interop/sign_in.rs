//! Tests that with each recipe of `docs/guides/sign-in.md` a person signs in, and the application gets a token of this
//! person.

use super::guides::recipe;
use super::programs::{build_java, build_node, build_python, java, node, or_skipped, python};
use super::shop::{RESOURCE, Shop};
use serde_json::Value;
use std::io::Read as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::person::Person;
use testudo_testkit::token::claims;
use url::Url;

const PAGE: &str = "sign-in.md";
const CALLBACK: &str = "https://shop.example.net/callback";

/// An application that waits until a person has signed in.
pub struct Application {
    child: Child,
    /// The address to which it sends the browser.
    pub address: String,
    port: u16,
}

impl Application {
    /// Starts the program, which prints the address in a line of its own. It listens on `port`.
    #[track_caller]
    pub fn start(program: &mut Command, port: u16) -> Application {
        let program = program.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().unwrap();
        // Up to the end of the first line with an address, and no byte more, so that the rest can be read at the end.
        let (mut line, mut byte, mut log) = (String::new(), [0], String::new());
        let mut stdout = child.stdout.take().unwrap();
        while stdout.read(&mut byte).unwrap() == 1 {
            match byte {
                [b'\n'] if line.starts_with("http") => break,
                [b'\n'] => log.extend([std::mem::take(&mut line).as_str(), "\n"]),
                [byte] => line.push(char::from(byte)),
            }
        }
        child.stdout = Some(stdout);
        if line.is_empty() {
            let output = child.wait_with_output().unwrap();
            panic!("{log}{}", crate::binary::stderr(&output));
        }
        Application {
            child,
            address: line,
            port,
        }
    }

    /// The browser comes to the redirect URI, through the proxy of the application.
    pub async fn receive(&self, location: &str) {
        let url = Url::parse(location).unwrap();
        let target = format!("{}?{}", url.path(), url.query().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let host = [("host", url.host_str().unwrap())];
        Connection::open(address)
            .await
            .send("GET", &target, &host, "")
            .await;
    }

    /// What it prints at its end, which must be a success.
    #[track_caller]
    pub fn answer(self) -> Value {
        serde_json::from_str(&self.printed()).unwrap()
    }

    /// The same, as text.
    #[track_caller]
    pub fn printed(mut self) -> String {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        assert!(self.child.wait().unwrap().success(), "{stderr}{stdout}");
        stdout
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks a recipe: it prints an answer of the token endpoint with a token of the person. If the person refuses, it ends
/// with the error code, and also if the server refuses the request.
async fn check_recipe(shop: Shop, program: impl Fn() -> Command) {
    let port = shop.variable("PORT").parse().unwrap();
    let application = Application::start(shop.prepare(&mut program()), port);
    let mut person = Person::at(&shop.issuer).await;
    let location = person.walk(&application.address).await.expect("a redirect");
    assert!(location.starts_with(CALLBACK), "{location}");
    application.receive(&location).await;
    check_tokens(&shop, &application.answer());

    shop.assert_error_code_is_printed(program());
}

/// The token is one of the person, and there is a refresh token.
#[track_caller]
fn check_tokens(shop: &Shop, answer: &Value) {
    let claims = claims(answer["access_token"].as_str().unwrap());
    assert!(claims["sub"].as_str().unwrap().starts_with("u_"), "{claims}");
    for (name, value) in [
        ("client_id", &*shop.client),
        ("sub_type", "user"),
        ("aud", RESOURCE),
        ("scope", "orders.read"),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert!(answer["refresh_token"].is_string(), "{answer}");
}

#[tokio::test]
async fn recipe_for_openid_client_signs_a_person_in() {
    javascript("openid-client").await;
}

#[tokio::test]
async fn recipe_for_oauth4webapi_signs_a_person_in() {
    javascript("oauth4webapi").await;
}

async fn javascript(library: &str) {
    let recipe = recipe(PAGE, &format!("JavaScript: {library}"));
    let Some(folder) = or_skipped(node(library, &recipe.packages("www.npmjs.com", "@"))) else {
        return;
    };
    let program = build_node(&folder, "sign-in.mjs", recipe.block("js"));
    check_recipe(Shop::with_people(CALLBACK, ""), program).await;
}

#[tokio::test]
async fn recipe_for_python_signs_a_person_in() {
    let recipe = recipe(PAGE, "Python");
    let Some(folder) = or_skipped(python("python-get", &recipe.packages("pypi.org", "=="))) else {
        return;
    };
    let program = build_python(&folder, recipe.block("python"));
    check_recipe(Shop::with_people(CALLBACK, ""), program).await;
}

/// A browser at the application in Java: it has the cookie of the session, and the proxy is before the application.
struct Browser {
    address: SocketAddr,
    cookie: String,
}

impl Browser {
    async fn open(&mut self, target: &str) -> Answer {
        let headers = [
            ("host", "shop.example.net"),
            ("x-forwarded-host", "shop.example.net"),
            ("x-forwarded-proto", "https"),
            ("cookie", &self.cookie),
        ];
        let mut connection = Connection::open(self.address).await;
        let answer = connection.send("GET", target, &headers, "").await;
        if let Some(cookie) = answer.header("set-cookie") {
            cookie.split(';').next().unwrap().clone_into(&mut self.cookie);
        }
        answer
    }
}

#[tokio::test]
async fn recipe_for_spring_security_signs_a_person_in() {
    const CALLBACK: &str = "https://shop.example.net/authorize/oauth2/code/testudo";
    let recipe = recipe(PAGE, "Java: Spring Security");
    let Some(folder) = or_skipped(java("java-sign-in", recipe.block("xml"))) else {
        return;
    };
    let program = build_java(&folder, "Shop.java", recipe.block("java"));
    let shop = Shop::with_people(CALLBACK, "pushed_authorization = \"optional\"");
    let port = shop.variable("PORT").parse().unwrap();
    let mut java = program();
    let application = Application::start(shop.prepare(java.arg("Shop")), port);
    let mut browser = Browser {
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        cookie: String::new(),
    };
    let sent = browser.open("/orders").await;
    let address = sent.header("location").unwrap().to_owned();
    let location = Person::at(&shop.issuer).await.walk(&address).await;
    let location = location.expect("a redirect");
    let (_, query) = location.split_once('?').unwrap();
    assert!(location.starts_with(CALLBACK), "{location}");
    let landed = browser
        .open(&format!("/authorize/oauth2/code/testudo?{query}"))
        .await;
    assert_eq!(landed.status, 302, "{landed:?}");
    let shown = browser.open("/orders").await;
    assert_eq!(shown.status, 200, "{shown:?}");
    check_tokens(&shop, &shown.json());
    drop(application);
}
