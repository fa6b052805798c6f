//! Tokens of other issuers in the token client, against a server that gives prepared answers. Tests with the real server
//! are in the suite of the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a failed assumption of a test panics"
)]

mod servers;

use servers::{Servers, field, now};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use testudo_client::{AssertionFuture, AssertionSource, Assertions, ClientError, TokenClient, TokenRequest};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::generate_key;
use testudo_testkit::token::Draft;
use testudo_testkit::web::answer_text;

/// A token that the client does not keep: the next call requests another one.
const SHORT: &str = r#"{"access_token":"t","token_type":"Bearer","expires_in":0}"#;
const ACCOUNT: &str = "system:serviceaccount:shop:cart";

fn granted() -> String {
    answer_text("200 OK", "", SHORT)
}

struct World {
    servers: Servers,
    cluster: SigningKey,
    /// The time of all tokens.
    now: i64,
}

impl World {
    async fn start() -> World {
        World {
            servers: Servers::start("client-assertions", "").await,
            cluster: generate_key(Algorithm::RS256, Some("k")),
            now: now(),
        }
    }

    /// A valid token for the server.
    fn draft(&self) -> Draft<'_> {
        Draft::svid(&self.cluster, ACCOUNT, &self.servers.url, self.now)
    }

    /// The valid token with this number: the signature of RS256 is the same each time.
    fn token(&self, number: u32) -> String {
        self.draft().claim("jti", number).sign()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.servers.folder.join(name)
    }

    fn client(&self, assertions: Assertions) -> TokenClient {
        TokenClient::new(&self.servers.url, assertions).unwrap()
    }

    /// Asks for an access token, which the server grants. Returns the form of the request.
    async fn form_of(&self, client: &TokenClient) -> String {
        self.servers.prepare(&[granted()]);
        client.token().await.unwrap();
        let requests = self.servers.requests();
        let [request] = requests.as_slice() else {
            panic!("{requests:?}")
        };
        request.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Asks for an access token, and returns why there is none, in words and hint. No request may be sent.
    async fn refusal_of(&self, assertions: Assertions) -> String {
        let error = self.client(assertions).token().await.unwrap_err();
        assert_eq!(self.servers.requests(), Vec::<String>::new(), "{error}");
        format!("{error}; hint: {}", error.hint().unwrap())
    }
}

/// Replaces the content of a projected volume as a kubelet does: it writes a new folder, and renames a new link over `..data`.
fn project(volume: &Path, number: u32, token: &str) {
    let folder = volume.join(format!("..{number}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("token"), token).unwrap();
    std::os::unix::fs::symlink(&folder, volume.join("..data_tmp")).unwrap();
    std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    let link = volume.join("token");
    if !link.is_symlink() {
        std::os::unix::fs::symlink("..data/token", link).unwrap();
    }
}

#[tokio::test]
async fn projected_token_is_read_again_for_each_access_token_and_sent_as_jwt_bearer_without_client_id() {
    let world = World::start().await;
    let volume = world.path("volume");
    project(&volume, 1, &world.token(1));
    let client = world.client(Assertions::file(volume.join("token")));
    let jwt_bearer = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    for number in 1..=3 {
        project(&volume, number, &world.token(number));
        let form = world.form_of(&client).await;
        let assertion = format!("{jwt_bearer}&client_assertion={}", world.token(number));
        assert!(
            form.contains(&assertion) && !form.contains("client_id"),
            "{number}: {form}"
        );
    }
    // A token that was written in place, with a line break, is read too.
    let file = world.path("job.jwt");
    std::fs::write(&file, format!("{}\n", world.token(4))).unwrap();
    let request = TokenRequest {
        client_id: Some("cluster-a:shop/cart".to_owned()),
        ..TokenRequest::default()
    };
    let client = world.client(Assertions::file(&file)).request(request);
    let form = world.form_of(&client).await;
    assert!(form.contains("client_id=cluster-a%3Ashop%2Fcart"), "{form}");
}

#[tokio::test]
async fn token_that_cannot_be_accepted_is_not_sent_and_the_error_names_file_fault_and_remedy() {
    let world = World::start().await;
    let file = world.path("token");
    let name = file.display().to_string();
    let url = &world.servers.url;
    let ask = format!("audience: {url} in the serviceAccountToken");
    let two = serde_json::json!([url, "https://kubernetes.default.svc"]);
    let of_api = "https://kubernetes.default.svc.cluster.local";
    for (case, token, says, remedy) in [
        (
            "expired",
            world.draft().claim("exp", world.now - 60).sign(),
            "it expired at 20",
            "the kubelet",
        ),
        (
            "not yet",
            world.draft().claim("nbf", world.now + 90).sign(),
            "it is not valid before 20",
            "clocks",
        ),
        (
            "of the API server",
            world.draft().claim("aud", of_api).sign(),
            of_api,
            &*ask,
        ),
        (
            "also of the API server",
            world.draft().claim("aud", two).sign(),
            "`, `https://kubernetes",
            &*ask,
        ),
        (
            "no audience",
            world.draft().without_claim("aud").sign(),
            "it has no audience",
            &*ask,
        ),
        (
            "token endpoint",
            world.draft().claim("aud", format!("{url}/token")).sign(),
            "/token`",
            &*ask,
        ),
        (
            "no token",
            "token".to_owned(),
            "this is not a JWT",
            "three parts between dots",
        ),
        (
            "empty",
            String::new(),
            "this is not a JWT",
            "three parts between dots",
        ),
        (
            "too large",
            "x".repeat(17_000),
            "larger than 16384 bytes",
            "three parts between dots",
        ),
        (
            "far too large",
            "x".repeat(300_000),
            "is larger than 262144 bytes",
            "name the file",
        ),
    ] {
        std::fs::write(&file, token).unwrap();
        let refusal = world.refusal_of(Assertions::file(&file)).await;
        for words in [&*name, says, remedy, "; hint: "] {
            assert!(refusal.contains(words), "{case}: {words:?} is not in {refusal}");
        }
    }
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(
        world
            .refusal_of(Assertions::file(&file))
            .await
            .contains("is not UTF-8 text")
    );
    std::fs::remove_file(&file).unwrap();
    assert!(
        world
            .refusal_of(Assertions::file(&file))
            .await
            .contains("cannot be read")
    );
    // A file without an end is not read to its end.
    let endless = world.refusal_of(Assertions::file("/dev/zero")).await;
    assert!(endless.contains("is larger than 262144 bytes"), "{endless}");
    // Within the leeway of clocks, the server decides.
    std::fs::write(&file, world.draft().claim("exp", world.now - 5).sign()).unwrap();
    world.form_of(&world.client(Assertions::file(&file))).await;
}

#[tokio::test]
async fn token_with_a_further_audience_of_the_server_is_sent_if_the_workload_names_it() {
    let world = World::start().await;
    let file = world.path("token");
    std::fs::write(&file, world.draft().claim("aud", "https://old.example").sign()).unwrap();
    let named = Assertions::file(&file).audience("https://old.example");
    world.form_of(&world.client(named)).await;
    assert!(
        world
            .refusal_of(Assertions::file(&file))
            .await
            .contains("https://old.example")
    );
    std::fs::write(&file, world.token(1)).unwrap();
    let refusal = world
        .refusal_of(Assertions::file(&file).audience("https://old.example"))
        .await;
    assert!(refusal.contains("audience: https://old.example"), "{refusal}");
}

/// `PATH` is set in every process, and is no token. Variables with a token are tested with the command line.
#[tokio::test]
async fn variable_that_is_not_set_or_has_no_token_is_named() {
    let world = World::start().await;
    let unset = world
        .refusal_of(Assertions::variable("TESTUDO_NO_SUCH_VARIABLE"))
        .await;
    assert!(
        unset.contains("TESTUDO_NO_SUCH_VARIABLE is not set") && unset.contains("id_tokens"),
        "{unset}"
    );
    let other = world.refusal_of(Assertions::variable("PATH")).await;
    assert!(other.contains("PATH: this is not a JWT"), "{other}");
    assert!(
        !other.contains("/bin"),
        "the value of a variable must not be repeated: {other}"
    );
}

/// The token endpoint and the server that issues tokens to jobs are the same one here.
#[tokio::test]
async fn job_of_github_actions_asks_for_a_token_with_the_audience_for_each_access_token() {
    let world = World::start().await;
    let url = format!("{}/job?api-version=2.0", world.servers.url);
    let client = world.client(Assertions::github_actions_at(&url, "runtime-token"));
    for number in 1..=2 {
        let issued = serde_json::json!({ "count": 1, "value": world.token(number) }).to_string();
        world
            .servers
            .prepare(&[answer_text("200 OK", "", &issued), granted()]);
        client.token().await.unwrap();
        let requests = world.servers.requests();
        let [asked, sent] = requests.as_slice() else {
            panic!("{requests:?}")
        };
        let audience = world.servers.url.replace(':', "%3A").replace('/', "%2F");
        let line = format!("GET /job?api-version=2.0&audience={audience} HTTP/1.1");
        assert_eq!(asked.lines().next(), Some(&*line));
        assert_eq!(field(asked, "authorization"), Some("Bearer runtime-token"));
        assert!(sent.contains(&world.token(number)), "{sent}");
        assert!(!sent.contains("runtime-token"), "{sent}");
    }
}

#[tokio::test]
async fn job_that_gets_no_token_of_github_actions_reads_why_and_sends_no_token_request() {
    let world = World::start().await;
    let (url, host) = (format!("{}/job", world.servers.url), "127.0.0.1");
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned();
    let value = |value: serde_json::Value| {
        answer_text("200 OK", "", &serde_json::json!({ "value": value }).to_string())
    };
    let of_other = world.draft().claim("aud", "https://github.com/acme").sign();
    for (case, answer, says) in [
        (
            "not permitted",
            answer_text("403 Forbidden", "", "{}"),
            "answers 403",
        ),
        (
            "no JSON",
            answer_text("200 OK", "", "<html>"),
            "no JSON object with a text `value`",
        ),
        (
            "no value",
            answer_text("200 OK", "", "{}"),
            "no JSON object with a text `value`",
        ),
        ("a number", value(7.into()), "no JSON object with a text `value`"),
        ("redirect", redirect, "redirects are not followed"),
        ("too large", value("x".repeat(20_000).into()), "larger than"),
        ("no token", value("token".into()), "this is not a JWT"),
        (
            "other audience",
            value(of_other.into()),
            "https://github.com/acme",
        ),
    ] {
        world.servers.prepare(&[answer]);
        let client = world.client(Assertions::github_actions_at(&url, "runtime-token"));
        let error = client.token().await.unwrap_err();
        let text = format!("{error}; hint: {}", error.hint().unwrap());
        assert!(text.contains(says), "{case}: {text}");
        assert!(!text.contains("runtime-token"), "{case}: {text}");
        assert_eq!(
            world.servers.requests().len(),
            1,
            "{case}: only the job's token was requested"
        );
    }
    for (case, url, says) in [
        ("no URL", "job", "is not a URL"),
        ("not https", "http://job.example/", "is not https"),
        ("nothing there", "http://127.0.0.1:1/", host),
    ] {
        let refusal = world.refusal_of(Assertions::github_actions_at(url, "x")).await;
        assert!(
            refusal.contains(says) && refusal.contains("id-token: write"),
            "{case}: {refusal}"
        );
    }
    // The tests run outside of GitHub Actions, or without the permission.
    let outside = world
        .client(Assertions::github_actions())
        .token()
        .await
        .unwrap_err();
    assert!(matches!(outside, ClientError::Assertion { .. }), "{outside}");
}

/// A platform that the SDK does not know. It keeps the audiences that it was asked for.
struct Platform {
    token: String,
    asked: Mutex<Vec<String>>,
}

impl AssertionSource for Platform {
    fn assertion<'a>(&'a self, audience: &'a str) -> AssertionFuture<'a> {
        self.asked.lock().unwrap().push(audience.to_owned());
        Box::pin(std::future::ready(Ok(self.token.clone())))
    }
}

#[tokio::test]
async fn other_source_is_asked_for_the_audience_and_what_it_gives_is_checked() {
    let world = World::start().await;
    let platform = |token: String| {
        Arc::new(Platform {
            token,
            asked: Mutex::default(),
        })
    };
    let good = platform(world.token(1));
    world
        .form_of(&world.client(Assertions::source(good.clone())))
        .await;
    assert_eq!(*good.asked.lock().unwrap(), [world.servers.url.as_str()]);
    let old = platform(world.draft().claim("exp", world.now - 60).sign());
    assert!(
        world
            .refusal_of(Assertions::source(old))
            .await
            .contains("it expired")
    );
}

#[test]
fn debug_output_has_no_token() {
    let assertions = [
        Assertions::file("/a"),
        Assertions::variable("JOB_TOKEN"),
        Assertions::github_actions_at("https://x.example/?s3cret", "s3cret"),
    ];
    let printed = format!("{assertions:?}");
    assert_eq!(
        printed,
        r#"[Assertions("/a"), Assertions(JOB_TOKEN), Assertions(GitHub Actions)]"#
    );
}
