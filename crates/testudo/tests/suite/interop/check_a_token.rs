//! Tests that each recipe of `docs/guides/check-a-token.md` accepts a token of this server, and no other JWT.

use super::guides::recipe;
use super::minted::{Minted, SUBJECT};
use super::programs::{build_go, build_java, build_node, build_python, go, java, node, or_skipped, python};
use super::shop::Shop;
use crate::binary::run_to_end;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testudo_testkit::free_port;
use testudo_testkit::web::DocumentServer;

const PAGE: &str = "check-a-token.md";

/// The result of a recipe for a token: the printed caller, or the reason of the refusal.
type Verdict = Result<String, String>;

/// `start` starts the recipe for an issuer. Returns the output for each token that it must refuse.
#[track_caller]
fn check_recipe<Check: FnMut(&str) -> Verdict>(
    shop: &Shop,
    mut start: impl FnMut(&str) -> Check,
) -> Vec<(&'static str, String)> {
    let caller = format!("{SUBJECT} orders.read");
    let mut check = start(&shop.issuer);
    assert_eq!(check(&shop.token()).as_deref().map(str::trim), Ok(&*caller));
    let minted = Minted::like(&shop.issuer, &metadata(shop));
    let mut check = start(&minted.issuer);
    // A valid token of this issuer is checked first, because otherwise all tokens could be refused for another reason.
    assert_eq!(check(&minted.good()).as_deref().map(str::trim), Ok(&*caller));
    refusals(&minted, check)
}

fn refusals(minted: &Minted, mut check: impl FnMut(&str) -> Verdict) -> Vec<(&'static str, String)> {
    let refuse = |(what, token): (&'static str, String)| match check(&token) {
        Err(why) => (what, why),
        Ok(printed) => panic!("{what} was accepted: {printed}"),
    };
    minted.wrong().into_iter().map(refuse).collect()
}

fn metadata(shop: &Shop) -> String {
    let url = format!("{}/.well-known/openid-configuration", shop.issuer);
    let output = run_to_end(Command::new("curl").args(["-sf", &url]), "");
    String::from_utf8(output.stdout).unwrap()
}

/// Checks a recipe that is a program: it reads the token from stdin and ends.
#[track_caller]
fn check_program(program: impl Fn() -> Command) {
    let shop = Shop::with_svid_in_a_file();
    let start = |issuer: &str| {
        let (issuer, shop, program) = (issuer.to_owned(), &shop, &program);
        move |token: &str| {
            let output = run_to_end(shop.prepare(&mut program()).env("ISSUER", &issuer), token);
            match output.status.success() {
                true => Ok(String::from_utf8(output.stdout).unwrap()),
                false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            }
        }
    };
    for (what, why) in check_recipe(&shop, start) {
        println!("{what}: {why}");
    }
}

/// A recipe that is a server: it receives requests with the token.
struct Api {
    process: Child,
    url: String,
}

impl Api {
    /// Starts the server and waits until it answers a request without a token.
    fn start(command: &mut Command, port: u16) -> Api {
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut api = Api {
            process,
            url: format!("http://127.0.0.1:{port}/orders"),
        };
        let began = Instant::now();
        while !is_refused(&api.ask(""), "401") {
            assert_eq!(api.process.try_wait().unwrap(), None, "{command:?} ended");
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "{command:?} does not answer"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        api
    }

    /// The body of an answer 200; otherwise status and body as the error.
    fn ask(&self, token: &str) -> Verdict {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-w", "\n%{http_code}", "-H", "x-client: spiffe://made.up"]);
        if !token.is_empty() {
            curl.arg("-H").arg(format!("authorization: Bearer {token}"));
        }
        let output = run_to_end(curl.arg(&self.url), "");
        let text = String::from_utf8(output.stdout).unwrap();
        match text.rsplit_once('\n').unwrap() {
            (body, "200") => Ok(body.to_owned()),
            (body, status) => Err(format!("{status} {body}")),
        }
    }
}

fn is_refused(verdict: &Verdict, status: &str) -> bool {
    verdict.as_ref().is_err_and(|why| why.starts_with(status))
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn recipe_for_python_checks_a_token() {
    let recipe = recipe(PAGE, "Python");
    let Some(folder) = or_skipped(python("python-check", &recipe.packages("pypi.org", "=="))) else {
        return;
    };
    check_program(build_python(&folder, recipe.block("python")));
}

#[test]
fn recipe_for_javascript_checks_a_token() {
    let recipe = recipe(PAGE, "JavaScript");
    let Some(folder) = or_skipped(node("jose", &recipe.packages("www.npmjs.com", "@"))) else {
        return;
    };
    let program = build_node(&folder, "check.mjs", recipe.block("js"));
    check_program(program);
}

#[test]
fn recipe_for_go_checks_a_token() {
    let recipe = recipe(PAGE, "Go");
    let Some(folder) = or_skipped(go("go-check", &recipe.packages("pkg.go.dev", "@"))) else {
        return;
    };
    let built = build_go(&folder, recipe.block("go"));
    check_program(|| Command::new(&built));
}

#[test]
fn recipe_for_a_spring_resource_server_checks_a_token() {
    let recipe = recipe(PAGE, "Java: Spring Boot");
    let Some(folder) = or_skipped(java("java-check", recipe.block("xml"))) else {
        return;
    };
    let java = build_java(&folder, "Api.java", recipe.block("java"));
    let shop = Shop::with_svid_in_a_file();
    let start = |issuer: &str| {
        let port = free_port();
        let mut java = java();
        let command = shop
            .prepare(java.arg("orders.Api"))
            .env("ISSUER", issuer)
            .env("SERVER_PORT", port.to_string());
        let api = Api::start(command, port);
        move |token: &str| api.ask(token)
    };
    for (what, why) in check_recipe(&shop, start) {
        assert!(why.starts_with("401"), "{what}: {why}");
    }
}

/// Starts Envoy with the configuration of the recipe.
fn envoy(folder: &Path, shop: &Shop, issuer: &str, ca: &str) -> Api {
    let (port, orders) = (free_port(), orders());
    let path = format!(
        "{}:{}",
        folder.join("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let script = recipe(PAGE, "Envoy").block("sh").to_owned();
    let mut shell = Command::new("sh");
    let command = shop
        .prepare(shell.args(["-c", &script]))
        .envs([("PATH", &*path), ("ISSUER", issuer), ("CA", ca)])
        .env("LISTEN_PORT", port.to_string())
        .env("API_PORT", orders.to_string());
    Api::start(command, port)
}

/// An API behind Envoy, which answers with the headers that Envoy adds for the caller.
fn orders() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 8192];
            let length = stream.read(&mut request).unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let header = |name: &str| {
                let values = request
                    .lines()
                    .filter_map(|line| line.strip_prefix(&format!("{name}: ")));
                values.collect::<Vec<_>>().join(",")
            };
            let body = format!("{} {}", header("x-client"), header("x-scope"));
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}",
                body.len()
            );
            let _ = write!(stream, "{head}\r\n\r\n{body}");
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn recipe_for_envoy_checks_a_token() {
    let section = recipe(PAGE, "Envoy");
    let Some(folder) = or_skipped(python("envoy", &section.packages("pypi.org", "=="))) else {
        return;
    };
    let shop = Shop::over_tls();
    let root = shop.site.folder.join("root.pem").display().to_string();
    let caller = format!("{SUBJECT} orders.read");
    let api = envoy(&folder, &shop, &shop.issuer, &root);
    assert_eq!(api.ask(&shop.token()).as_deref(), Ok(&*caller));

    let server = DocumentServer::start("localhost").await;
    let minted = Minted::named(format!("https://localhost:{}", server.address.port()));
    server.answers(200, None, &minted.jwks());
    shop.site.write("minted.pem", &server.root_pem);
    let root = shop.site.folder.join("minted.pem").display().to_string();
    tokio::task::block_in_place(|| {
        let api = envoy(&folder, &shop, &minted.issuer, &root);
        assert_eq!(api.ask(&minted.good()).as_deref(), Ok(&*caller));
        let wrong = minted.wrong().into_iter();
        // Envoy does not check `typ`.
        let (refused, accepted): (Vec<_>, Vec<_>) = wrong.partition(|(what, _)| *what != "another type");
        for (what, token) in refused {
            let status = if what == "another audience" { "403" } else { "401" };
            let verdict = api.ask(&token);
            assert!(is_refused(&verdict, status), "{what}: {verdict:?}");
        }
        assert_eq!(
            api.ask(&accepted[0].1).as_deref(),
            Ok(&*caller),
            "Envoy does not check `typ`, as the page states"
        );
    });
}
