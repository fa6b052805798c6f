//! `testudo token login`: a person signs in through a port on loopback, and `token get --login` and `call --login` use the
//! sign-in that is kept in a file.

use crate::binary::{Server, Site, run, stderr, write_program};
use crate::dpop::{RESOURCE, api_of};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::person::{Person, forms};
use testudo_testkit::token::claims;
use url::Url;

const CLIENT: &str = "orders-cli";

struct World {
    site: Site,
    issuer: String,
    _server: Server,
}

/// A command that waits for the person.
struct Login {
    child: Child,
    /// The address that it printed.
    address: String,
    printed: String,
}

impl World {
    /// `client`: more settings of the client.
    fn start(client: &str) -> World {
        let (site, issuer) = Site::under_its_own_name();
        site.append(&format!(
            "[login]\ndevelopment = [\"alice\"]\n[[clients]]\nclient_id = \"{CLIENT}\"\n\
             token_endpoint_auth_method = \"none\"\ngrant_types = [\"authorization_code\", \"refresh_token\"]\n\
             redirect_uris = [\"http://127.0.0.1/callback\", \"http://[::1]/callback\"]\n\
             scopes = [\"orders.read\"]\ndefault_scopes = [\"orders.read\"]\nresources = [\"{RESOURCE}\"]\n{client}"
        ));
        World {
            _server: site.serve(),
            site,
            issuer,
        }
    }

    fn file(&self) -> PathBuf {
        self.site.folder.join("login.json")
    }

    fn login(&self, options: &[&str]) -> Login {
        self.login_in(&self.file(), options)
    }

    fn login_in(&self, file: &std::path::Path, options: &[&str]) -> Login {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testudo"));
        command
            .args(["token", "login", "--issuer", &self.issuer, "--client", CLIENT])
            .arg("--file")
            .arg(file)
            .args(options)
            .env_remove("BROWSER")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut printed, mut byte) = (String::new(), [0]);
        let mut from = child.stderr.take().unwrap();
        // Up to the end of the line with the address, and no byte more.
        while from.read(&mut byte).unwrap() == 1 {
            printed.push(char::from(byte[0]));
            let is_address = |line: &str| line.starts_with("http");
            if byte == *b"\n" && printed.lines().last().is_some_and(is_address) {
                break;
            }
        }
        child.stderr = Some(from);
        let address = printed.lines().last().unwrap_or_default().to_owned();
        Login {
            child,
            address,
            printed,
        }
    }

    /// `token get` or `call` with the kept sign-in.
    fn kept(&self, words: &[&str]) -> Output {
        let file = self.file();
        run(&[words, &["--login", file.to_str().unwrap()]].concat(), "")
    }

    async fn sign_in(&self, options: &[&str]) -> Output {
        let login = self.login(options);
        let location = Person::at(&self.issuer).await.walk(&login.address).await;
        let answer = bring(&location.unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        login.end()
    }
}

impl Login {
    fn end(self) -> Output {
        self.child.wait_with_output().unwrap()
    }
}

/// The response of the server to a person who signs in and presses the button that refuses.
async fn refusal(issuer: &str, address: &str) -> String {
    let mut person = Person::at(issuer).await;
    let mut answer = person.open(address).await;
    for _ in 0..8 {
        if let Some(location) = answer.header("location").map(str::to_owned) {
            if location.contains("/callback?") {
                return location;
            }
            answer = person.open(&location).await;
            continue;
        }
        let page = String::from_utf8(answer.body).unwrap();
        let form = forms(&page).remove(0);
        let is_asked = form.buttons.iter().any(|(_, value)| value == "deny");
        let pressed = form.pressed(if is_asked { "deny" } else { "alice" });
        answer = person.submit(&form.action, &pressed).await;
    }
    panic!("{answer:?}");
}

/// The browser brings the response to the program.
async fn bring(location: &str) -> Answer {
    let url = Url::parse(location).unwrap();
    let address = url.socket_addrs(|| None).unwrap()[0];
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    let mut connection = Connection::open(address).await;
    connection.send("GET", &target, &[("host", &host)], "").await
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .trim()
        .to_owned()
}

/// Two threads: the API answers while the test waits for a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_signs_in_once_and_later_commands_get_tokens_of_the_person() {
    let world = World::start("");
    let output = world.sign_in(&[]).await;
    assert_eq!(succeeded(&output), "", "no token is printed");
    assert!(stderr(&output).contains("signed in"), "{}", stderr(&output));
    let mode = std::fs::metadata(world.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut subjects = Vec::new();
    for _ in 0..3 {
        let token = claims(&succeeded(&world.kept(&["token", "get"])));
        assert_eq!(token["client_id"], CLIENT);
        assert_eq!(token["aud"], RESOURCE);
        subjects.push(token["sub"].as_str().unwrap().to_owned());
    }
    assert!(subjects[0].starts_with("u_"), "{subjects:?}");
    assert!(
        subjects.iter().all(|subject| *subject == subjects[0]),
        "{subjects:?}"
    );
    let api = api_of(&world.issuer, RESOURCE, |dpop| dpop).await;
    let answer = succeeded(&world.kept(&["call", &format!("{api}/orders")]));
    assert!(answer.contains(CLIENT), "{answer}");

    let grants = world.site.json(&["grant", "list"]);
    let grant = grants[0]["grant_id"].as_str().unwrap().to_owned();
    world.site.ok(&["grant", "revoke", &grant, "--yes"]);
    let refused = world.kept(&["token", "get"]);
    assert!(!refused.status.success());
    let told = stderr(&refused);
    assert!(
        told.contains("invalid_grant") && told.contains("the file is kept"),
        "{told}"
    );
    assert!(world.file().exists(), "the person may be locked for a time only");
    succeeded(&world.sign_in(&[]).await);
    succeeded(&world.kept(&["token", "get"]));
}

#[tokio::test]
async fn tokens_can_be_bound_to_a_key_in_a_file() {
    let world = World::start("sender_constraint = \"dpop\"\n");
    let key = world.site.folder.join("dpop.pem");
    let key = key.to_str().unwrap();
    succeeded(&world.sign_in(&["--dpop-key", key]).await);
    let token = claims(&succeeded(&world.kept(&[
        "token",
        "get",
        "--dpop",
        "--dpop-key",
        key,
    ])));
    assert!(token["cnf"]["jkt"].is_string(), "{token}");
    let other = world.site.folder.join("other.pem");
    let other = other.to_str().unwrap();
    let cases: [(&[&str], &str); 3] = [
        (&[], "no key was given"),
        (&["--dpop"], "--dpop with --login needs --dpop-key"),
        (&["--dpop", "--dpop-key", other], "cannot be read"),
    ];
    for (words, wanted) in cases {
        let without = world.kept(&[&["token", "get"][..], words].concat());
        assert!(!without.status.success(), "{words:?}");
        assert!(
            stderr(&without).contains(wanted),
            "{words:?}: {}",
            stderr(&without)
        );
    }
    assert!(!std::path::Path::new(other).exists(), "no key is created");
    std::fs::write(other, &*testudo_client::PrivateKey::generate_pem().unwrap()).unwrap();
    let wrong = world.kept(&["token", "get", "--dpop", "--dpop-key", other]);
    assert!(
        stderr(&wrong).contains("is bound to the key"),
        "{}",
        stderr(&wrong)
    );
    let again = world.kept(&["token", "get", "--dpop", "--dpop-key", key]);
    succeeded(&again);
}

/// `pushed_authorization = "required"` of one client is not in the metadata of the server.
#[tokio::test]
async fn command_of_a_client_that_must_push_prints_how_long_the_address_lives() {
    let world = World::start(
        "pushed_authorization = \"required\"\n[[clients]]\nclient_id = \"direct\"\n\
        token_endpoint_auth_method = \"none\"\ngrant_types = [\"authorization_code\"]\n\
        redirect_uris = [\"http://127.0.0.1/callback\"]\nscopes = [\"orders.read\"]\n\
        default_scopes = [\"orders.read\"]\nresources = [\"https://other.example/\"]\n",
    );
    let login = world.login(&["--push"]);
    assert!(login.printed.contains("within 90 seconds:"), "{}", login.printed);
    let location = Person::at(&world.issuer).await.walk(&login.address).await;
    bring(&location.unwrap()).await;
    succeeded(&login.end());
}

#[tokio::test]
async fn browser_is_opened_where_one_is_configured() {
    let world = World::start("");
    let (program, seen) = (world.site.folder.join("browser"), world.site.folder.join("seen"));
    write_program(
        &program,
        &format!(
            "#!/bin/sh\necho \"$1\" > {0}.new && mv {0}.new {0}\n",
            seen.display()
        ),
    );
    let login = world.login(&["--browser", program.to_str().unwrap()]);
    let began = std::time::Instant::now();
    while !seen.exists() && began.elapsed() < std::time::Duration::from_secs(30) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(std::fs::read_to_string(&seen).unwrap().trim(), login.address);
    let location = Person::at(&world.issuer)
        .await
        .walk(&login.address)
        .await
        .unwrap();
    bring(&location).await;
    succeeded(&login.end());
}

#[tokio::test]
async fn person_who_refuses_and_one_who_does_not_come_end_the_command_with_an_error() {
    let world = World::start("");
    let login = world.login(&[]);
    assert!(!login.printed.contains("within"), "{}", login.printed);
    let answer = bring(&refusal(&world.issuer, &login.address).await).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let output = login.end();
    assert!(!output.status.success());
    assert!(stderr(&output).contains("access_denied"), "{}", stderr(&output));
    let late = world.login(&["--timeout", "1"]);
    let output = late.end();
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("did not sign in in time"),
        "{}",
        stderr(&output)
    );
    assert!(!world.file().exists());
}

/// Before the person is asked to do anything.
#[test]
fn file_that_cannot_be_written_ends_the_command_at_once() {
    let world = World::start("");
    let file = world.site.folder.join("missing").join("login.json");
    let login = world.login_in(&file, &[]);
    let printed = login.printed.clone();
    assert!(!login.end().status.success());
    assert!(printed.contains("its folder"), "{printed}");
    assert!(!printed.contains("http"), "{printed}");
}

#[test]
fn file_that_does_not_exist_and_other_redirect_uris_are_explained() {
    let world = World::start("");
    let missing = world.kept(&["token", "get"]);
    assert!(!missing.status.success());
    assert!(
        stderr(&missing).contains("hint: start a new sign-in"),
        "{}",
        stderr(&missing)
    );
    let elsewhere = world.login(&["--redirect-uri", "https://shop.example/cb"]);
    let printed = elsewhere.printed.clone();
    assert!(!elsewhere.end().status.success());
    assert!(printed.contains("is not a redirect URI on loopback"), "{printed}");
}
