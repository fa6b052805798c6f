//! Sign-in by a program on the computer of the person, against a server that gives prepared answers: the port on loopback,
//! and the file in which the sign-in is kept.

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
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use testudo_client::{
    ClientError, Credentials, LOOPBACK_REDIRECT_URI, LocalSignIn, PersonTokens, PrivateKey, RefreshToken,
    SignInFile, TokenClient, TokenRequest,
};
use testudo_testkit::http::Connection;
use testudo_testkit::web::answer_text;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

const METADATA: &str = r#","authorization_endpoint":"URL/authorize","code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":true"#;
const LIMIT: Duration = Duration::from_secs(60);

fn tokens(number: u8) -> String {
    tokens_of(number, "Bearer")
}

fn tokens_of(number: u8, token_type: &str) -> String {
    let body = format!(
        r#"{{"access_token":"access-{number}","token_type":"{token_type}","expires_in":300,"refresh_token":"refresh-{number}","refresh_token_timeout":3600,"authorization_expires_in":7200}}"#
    );
    answer_text("200 OK", "", &body)
}

fn refused(error: &str) -> String {
    answer_text("400 Bad Request", "", &format!(r#"{{"error":"{error}"}}"#))
}

struct World {
    servers: Servers,
    client: Arc<TokenClient>,
}

fn client_at(issuer: &str) -> TokenClient {
    let client = TokenClient::new(issuer, Credentials::Public).unwrap();
    client.request(TokenRequest {
        client_id: Some("cli".into()),
        ..TokenRequest::default()
    })
}

impl World {
    async fn start() -> World {
        let servers = Servers::start("client-local", METADATA).await;
        let client = Arc::new(client_at(&servers.url));
        World { servers, client }
    }

    /// The same client with a key.
    fn client_of(&self, key: PrivateKey) -> TokenClient {
        client_at(&self.servers.url).dpop(key)
    }

    async fn listen(&self) -> LocalSignIn {
        let listening = self.client.listen_for_sign_in(LOOPBACK_REDIRECT_URI);
        listening.await.unwrap()
    }

    fn response(&self, asked: &HashMap<String, String>) -> String {
        format!("code=c0de&state={}&iss={}", asked["state"], self.servers.url)
    }

    fn finish(&self, sign_in: LocalSignIn) -> tokio::task::JoinHandle<Result<PersonTokens, ClientError>> {
        let client = self.client.clone();
        tokio::spawn(async move { sign_in.finish(&client, LIMIT).await })
    }

    fn file(&self) -> (SignInFile, PathBuf) {
        let path = self.servers.folder.join("login.json");
        (SignInFile::at(&path), path)
    }

    /// A file with a sign-in whose refresh token is this one.
    async fn kept(&self, secret: &str) -> (SignInFile, PathBuf) {
        let (file, path) = self.file();
        let in_an_hour = SystemTime::UNIX_EPOCH + Duration::from_secs(now().unsigned_abs() + 3_600);
        let refresh = RefreshToken::kept(secret.to_owned().into(), None, Some(in_an_hour));
        let person = PersonTokens::kept("cli", refresh);
        self.client.keep_sign_in(&file, &person).await.unwrap();
        (file, path)
    }
}

/// What the browser was sent away with, and where it is sent back to.
fn asked(sign_in: &LocalSignIn) -> (HashMap<String, String>, SocketAddr) {
    let asked: HashMap<String, String> = sign_in.address().query_pairs().into_owned().collect();
    let callback = url::Url::parse(&asked["redirect_uri"]).unwrap();
    let address = callback.socket_addrs(|| None).unwrap()[0];
    (asked, address)
}

/// A request of a browser at the port. `host`: what it has in `Host`.
async fn visit(address: SocketAddr, host: &str, method: &str, target: &str) -> (u16, String) {
    let mut connection = Connection::open(address).await;
    let answer = connection.send(method, target, &[("host", host)], "").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{target}");
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{target}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    (answer.status, String::from_utf8(answer.body).unwrap())
}

#[tokio::test]
async fn person_signs_in_through_a_free_port_which_is_closed_afterwards() {
    let world = World::start().await;
    let sign_in = world.listen().await;
    let (asked, address) = asked(&sign_in);
    assert!(address.ip().is_loopback() && address.port() != 0);
    assert_eq!(asked["redirect_uri"], format!("http://{address}/callback"));
    assert_eq!(asked["client_id"], "cli");
    assert_eq!(asked["code_challenge_method"], "S256");
    let finished = world.finish(sign_in);
    world.servers.prepare(&[tokens(1)]);
    let target = format!("/callback?{}", world.response(&asked));
    let (status, page) = visit(address, &address.to_string(), "GET", &target).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("You can close this page"), "{page}");
    assert!(!page.contains("c0de"), "{page}");
    let person = finished.await.unwrap().unwrap();
    assert_eq!(world.client.token_of(&person).await.unwrap().secret(), "access-1");
    let requests = world.servers.requests();
    assert!(requests[0].contains("code=c0de"), "{}", requests[0]);
    assert!(requests[0].contains("client_id=cli"), "{}", requests[0]);
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
}

/// A page of another site, or another program, sends requests to the port. None of them ends the sign-in.
#[tokio::test]
async fn requests_of_others_change_nothing() {
    let world = World::start().await;
    let sign_in = world.listen().await;
    let (asked, address) = asked(&sign_in);
    let finished = world.finish(sign_in);
    let (host, query) = (address.to_string(), world.response(&asked));
    let other_state = query.replace(&asked["state"], &"A".repeat(43));
    // A connection that sends nothing, as browsers open them, does not block the others.
    let silent = TcpStream::connect(address).await.unwrap();
    for (host, method, target) in [
        (&*host, "GET", format!("/callback?{other_state}")),
        (&*host, "GET", "/callback?code=c0de".to_owned()),
        (&*host, "GET", "/callback?error=access_denied".to_owned()),
        (&*host, "GET", "/callback".to_owned()),
        (&*host, "GET", "/favicon.ico".to_owned()),
        (&*host, "GET", format!("/other?{query}")),
        (&*host, "POST", format!("/callback?{query}")),
        ("evil.example", "GET", format!("/callback?{query}")),
        ("localhost", "GET", format!("/callback?{query}")),
    ] {
        let (status, _) = visit(address, host, method, &target).await;
        assert_eq!(status, 404, "{host} {method} {target}");
    }
    let mut long = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000));
    let _ = tokio::io::AsyncWriteExt::write_all(&mut long, head.as_bytes()).await;
    let mut rest = Vec::new();
    let closed = long.read_to_end(&mut rest).await;
    assert!(
        closed.is_err() || rest.is_empty(),
        "a head that is too long is not answered"
    );
    assert!(!finished.is_finished());
    world.servers.prepare(&[tokens(1)]);
    let (status, _) = visit(address, &host, "GET", &format!("/callback?{query}")).await;
    assert_eq!(status, 200);
    finished.await.unwrap().unwrap();
    drop(silent);
}

#[tokio::test]
async fn response_of_another_issuer_and_a_refusal_end_the_sign_in_and_send_the_code_nowhere() {
    let world = World::start().await;
    for (change, is_refusal) in [
        (("iss=http", "iss=https://evil.example/http"), false),
        (("&iss=", "&other="), false),
        (("code=c0de", "error=access_denied"), true),
        (("code=c0de", "x=y"), false),
        (("code=c0de", "code=c0de&code=c0de"), false),
    ] {
        let sign_in = world.listen().await;
        let (asked, address) = asked(&sign_in);
        let finished = world.finish(sign_in);
        let query = world.response(&asked).replace(change.0, change.1);
        let target = format!("/callback?{query}");
        let (status, page) = visit(address, &address.to_string(), "GET", &target).await;
        assert_eq!(status, 400, "{change:?}");
        assert!(page.contains("sign-in failed"), "{page}");
        let error = finished.await.unwrap().unwrap_err();
        match is_refusal {
            true => assert!(matches!(error, ClientError::SignIn { .. }), "{error}"),
            false => assert!(matches!(error, ClientError::Response(_)), "{change:?}: {error}"),
        }
        assert_eq!(world.servers.requests(), [""; 0]);
    }
}

#[tokio::test]
async fn sign_in_ends_when_its_time_is_over() {
    let world = World::start().await;
    let sign_in = world.listen().await;
    let error = sign_in
        .finish(&world.client, Duration::from_millis(20))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::NoResponse), "{error}");
    assert!(error.hint().unwrap().contains("new sign-in"));
}

#[tokio::test]
async fn only_addresses_of_loopback_are_listened_on() {
    let world = World::start().await;
    for uri in [
        "http://localhost/callback",
        "http://0.0.0.0/callback",
        "http://192.0.2.1/callback",
        "http://[::]/callback",
        "https://127.0.0.1/callback",
        "http://127.0.0.1/callback?a=b",
        "http://127.0.0.1/callback#a",
        "com.example.app:/callback",
        "127.0.0.1",
    ] {
        let error = world.client.listen_for_sign_in(uri).await.unwrap_err();
        assert!(matches!(error, ClientError::RedirectUri(_)), "{uri}: {error}");
    }
    let sign_in = world.client.listen_for_sign_in("http://[::1]/callback").await;
    match sign_in {
        Ok(sign_in) => assert!(asked(&sign_in).0["redirect_uri"].starts_with("http://[::1]:")),
        // A machine without IPv6.
        Err(error) => assert!(matches!(error, ClientError::Listen(_)), "{error}"),
    }
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/callback", taken.local_addr().unwrap());
    let error = world.client.listen_for_sign_in(&uri).await.unwrap_err();
    assert!(matches!(error, ClientError::Listen(_)), "{error}");
}

#[tokio::test]
async fn kept_sign_in_is_refreshed_and_the_file_has_the_new_token_before_the_caller_has_one() {
    let world = World::start().await;
    let (file, path) = world.kept("refresh-0").await;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for number in 1..=3 {
        world.servers.prepare(&[tokens(number)]);
        let token = world.client.token_kept_in(&file).await.unwrap();
        assert_eq!(token.secret(), format!("access-{number}"));
        let sent = world.servers.requests().remove(0);
        assert!(
            sent.contains(&format!("refresh_token=refresh-{}", number - 1)),
            "{sent}"
        );
        assert!(
            sent.contains("client_id=cli") && field(&sent, "authorization").is_none(),
            "{sent}"
        );
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!("refresh-{number}")), "{text}");
        assert!(!text.contains("access-"), "{text}");
    }
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn processes_that_use_the_file_at_once_use_each_refresh_token_once() {
    let world = World::start().await;
    let (file, path) = world.kept("refresh-0").await;
    world.servers.prepare(&[1, 2, 3, 4, 5, 6, 7, 8].map(tokens));
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, file) = (world.client.clone(), file.clone());
        all.spawn(async move { client.token_kept_in(&file).await.unwrap() });
    }
    assert_eq!(all.join_all().await.len(), 8);
    for (number, sent) in world.servers.requests().iter().enumerate() {
        assert!(
            sent.contains(&format!("refresh_token=refresh-{number}")),
            "{number}: {sent}"
        );
    }
    assert!(std::fs::read_to_string(&path).unwrap().contains("refresh-8"));
}

#[tokio::test]
async fn sign_in_that_is_refused_is_kept_with_the_reason_and_works_when_the_issuer_accepts_it_again() {
    let world = World::start().await;
    let (file, path) = world.kept("refresh-0").await;
    let kept = std::fs::read_to_string(&path).unwrap();
    world.servers.prepare(&[refused("temporarily_unavailable")]);
    let error = world.client.token_kept_in(&file).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { .. }), "{error}");
    // Of a person who is locked, for example.
    world.servers.prepare(&[refused("invalid_grant")]);
    let error = world.client.token_kept_in(&file).await.unwrap_err();
    assert!(matches!(error, ClientError::SignInRefused { .. }), "{error}");
    let (problem, hint) = (error.to_string(), error.hint().unwrap());
    assert!(
        problem.contains("login.json") && problem.contains("invalid_grant"),
        "{problem}"
    );
    assert!(
        hint.contains("the file is kept") && hint.contains("sign in again"),
        "{hint}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
    world.servers.prepare(&[tokens(1)]);
    world.client.token_kept_in(&file).await.unwrap();
    world.servers.requests();
    std::fs::remove_file(&path).unwrap();
    let error = world.client.token_kept_in(&file).await.unwrap_err();
    assert!(matches!(error, ClientError::SignInAgain), "no file: {error}");
}

#[tokio::test]
async fn sign_in_that_is_bound_to_a_key_is_sent_with_this_key_only() {
    let world = World::start().await;
    let key = PrivateKey::generate().unwrap();
    let thumbprint = key.thumbprint();
    let (owner, attacker) = (
        world.client_of(key),
        world.client_of(PrivateKey::generate().unwrap()),
    );
    let (file, path) = world.file();
    let refresh = RefreshToken::kept("refresh-0".to_owned().into(), None, None);
    let person = PersonTokens::kept("cli", refresh);
    owner.keep_sign_in(&file, &person).await.unwrap();
    let kept = std::fs::read_to_string(&path).unwrap();
    for other in [&attacker, &*world.client] {
        let error = other.token_kept_in(&file).await.unwrap_err();
        assert!(matches!(error, ClientError::SignInKey { .. }), "{error}");
        assert!(error.to_string().contains(&thumbprint), "{error}");
        assert!(error.hint().unwrap().contains("--dpop-key"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);
    }
    assert_eq!(
        world.servers.requests(),
        [""; 0],
        "the refresh token was sent nowhere"
    );
    for number in 1..=2 {
        world.servers.prepare(&[tokens_of(number, "DPoP")]);
        owner.token_kept_in(&file).await.unwrap();
        assert!(field(&world.servers.requests()[0], "dpop").is_some());
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(kept.contains(&thumbprint), "{kept}");
    }
    let error = attacker.token_kept_in(&file).await.unwrap_err();
    assert!(matches!(error, ClientError::SignInKey { .. }), "{error}");
}

/// The person would sign in for nothing, and a refresh token would be spent for nothing.
#[tokio::test]
async fn file_that_cannot_be_written_is_refused_before_a_token_is_sent() {
    let world = World::start().await;
    let (file, path) = world.kept("refresh-0").await;
    file.check().await.unwrap();
    let names = || {
        let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>()
    };
    assert!(
        !names().iter().any(|name| name == "login.json.new"),
        "{:?}",
        names()
    );
    // A folder in the place of the new file, which root cannot replace either.
    let new = path.with_extension("json.new");
    std::fs::create_dir(&new).unwrap();
    for error in [
        file.check().await.unwrap_err(),
        world.client.token_kept_in(&file).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("cannot be written"), "{error}");
    }
    std::fs::remove_dir(&new).unwrap();
    let missing = SignInFile::at(path.parent().unwrap().join("missing").join("login.json"));
    for error in [
        missing.check().await.unwrap_err(),
        world.client.token_kept_in(&missing).await.unwrap_err(),
    ] {
        assert!(matches!(error, ClientError::SignInFile(_)), "{error}");
        assert!(error.to_string().contains("its folder"), "{error}");
    }
    let link = path.with_file_name("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let link = SignInFile::at(link);
    for error in [
        link.check().await.unwrap_err(),
        world.client.token_kept_in(&link).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
    assert!(SignInFile::at("/").check().await.is_err());
    assert_eq!(world.servers.requests(), [""; 0], "the token was sent nowhere");
    assert!(std::fs::read_to_string(&path).unwrap().contains("refresh-0"));
    // A file that a process left that was killed does no harm.
    std::fs::write(&new, "half").unwrap();
    world.servers.prepare(&[tokens(1)]);
    world.client.token_kept_in(&file).await.unwrap();
    world.servers.requests();
    assert!(std::fs::read_to_string(&path).unwrap().contains("refresh-1"));
}

#[tokio::test]
async fn folder_may_be_a_symbolic_link_and_two_paths_to_the_file_take_turns() {
    let world = World::start().await;
    let (_, path) = world.kept("refresh-0").await;
    let link = path.with_file_name("folder");
    std::os::unix::fs::symlink(path.parent().unwrap(), &link).unwrap();
    let paths = [path.clone(), link.join("login.json")];
    world.servers.prepare(&[1, 2, 3, 4, 5, 6].map(tokens));
    let mut all = tokio::task::JoinSet::new();
    for number in 0..6 {
        let (client, file) = (world.client.clone(), SignInFile::at(&paths[number % 2]));
        all.spawn(async move { client.token_kept_in(&file).await.unwrap() });
    }
    assert_eq!(all.join_all().await.len(), 6);
    assert_eq!(world.servers.requests().len(), 6);
    assert!(std::fs::read_to_string(&path).unwrap().contains("refresh-6"));
}

#[tokio::test]
async fn file_of_another_issuer_or_that_others_can_read_is_not_used() {
    let world = World::start().await;
    let (file, path) = world.kept("refresh-0").await;
    let good = std::fs::read_to_string(&path).unwrap();
    let readable = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let rewrite = |text: &str| std::fs::write(&path, text).unwrap();
    let try_it = async || {
        let error = world.client.token_kept_in(&file).await.unwrap_err();
        assert!(matches!(error, ClientError::SignInFile(_)), "{error}");
        error.to_string()
    };
    for mode in [0o640, 0o604, 0o644] {
        readable(mode);
        assert!(try_it().await.contains("other users"), "{mode:o}");
    }
    readable(0o600);
    rewrite(&good.replace(&world.servers.url, "https://other.example"));
    assert!(try_it().await.contains("another issuer"));
    for text in ["", "{}", "refresh-0", &"x".repeat(100_000)] {
        rewrite(text);
        assert!(try_it().await.contains("is not the file of a sign-in"));
    }
    assert_eq!(world.servers.requests(), [""; 0], "the token was sent nowhere");
    rewrite(&good);
    world.servers.prepare(&[tokens(1)]);
    world.client.token_kept_in(&file).await.unwrap();
    world.servers.requests();
}

#[tokio::test]
async fn person_without_a_refresh_token_cannot_be_kept() {
    let world = World::start().await;
    let sign_in = world.listen().await;
    let (asked, address) = asked(&sign_in);
    let finished = world.finish(sign_in);
    let body = r#"{"access_token":"a","token_type":"Bearer","expires_in":300}"#;
    world.servers.prepare(&[answer_text("200 OK", "", body)]);
    visit(
        address,
        &address.to_string(),
        "GET",
        &format!("/callback?{}", world.response(&asked)),
    )
    .await;
    let person = finished.await.unwrap().unwrap();
    let (file, path) = world.file();
    let error = world.client.keep_sign_in(&file, &person).await.unwrap_err();
    assert!(matches!(error, ClientError::NoRefreshToken), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("add refresh_token to grant_types"), "{hint}");
    assert!(!path.exists());
}
