//! Tokens that are bound to a key: `token get --dpop`, `call`, and an API that uses `testudo-resource`. Row G-10.

use crate::binary::{Server, Site, now, run, stderr};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use testudo_client::{Outgoing, PrivateKey, Svids, TokenClient};
use testudo_resource::{Dpop, RequireToken, VerifiedToken, Verifier};
use testudo_testkit::token::claims;
use testudo_testkit::web::{answer_text, authorization_server};
use tower::{Layer as _, ServiceExt as _};
use url::Url;

pub const RESOURCE: &str = "https://api.example.net/orders";

/// A server, a workload with an SVID in a file, and an API that accepts its tokens.
struct World {
    site: Site,
    issuer: String,
    svid: String,
    _server: Server,
}

impl World {
    /// `tokens` is the content of the section `[tokens]`.
    fn start(tokens: &str) -> World {
        let (site, issuer) = Site::under_its_own_name();
        site.append(&format!("[tokens]\n{tokens}"));
        site.write("svid.jwt", &site.issuer.svid("/ns/shop/sa/pay", &issuer, now()));
        World {
            _server: site.serve(),
            svid: site.folder.join("svid.jwt").to_str().unwrap().to_owned(),
            site,
            issuer,
        }
    }

    /// The base URL of an API for `audience`. `change` sets how it verifies proofs.
    async fn api(&self, audience: &str, change: impl FnOnce(Dpop) -> Dpop) -> String {
        api_of(&self.issuer, audience, change).await
    }

    /// The words of a command of the workload, with these options.
    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let own = [
            "--issuer",
            &self.issuer,
            "--resource",
            RESOURCE,
            "--svid-file",
            &self.svid,
        ];
        [words, &own].concat()
    }
}

/// The base URL of an API that accepts tokens of `issuer` for `audience`. `change` sets how it verifies proofs.
pub async fn api_of(issuer: &str, audience: &str, change: impl FnOnce(Dpop) -> Dpop) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let verifier = Arc::new(Verifier::new(issuer, audience).unwrap());
    let layer = RequireToken::new(verifier).dpop(Arc::new(change(Dpop::at(&base).unwrap())));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let layer = layer.clone();
            let service = service_fn(move |request| layer.layer(tower::service_fn(echo)).oneshot(request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    base
}

/// Answers who sent what, and how the token was bound.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let token = request.extensions().get::<VerifiedToken>().unwrap().clone();
    let kind = request.headers().get("content-type").cloned();
    let method = request.method().clone();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let text = format!(
        "{method} {kind:?} {body:?} {} bound {}\n",
        token.client_id, token.is_bound
    );
    Ok(Response::new(Full::from(text)))
}

/// Runs a command while the API of the test goes on answering.
pub async fn run_beside(words: &[&str], stdin: &'static str) -> std::process::Output {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let run = move || run(&words.iter().map(String::as_str).collect::<Vec<_>>(), stdin);
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sdk_gets_and_uses_a_bound_token_where_both_servers_require_nonces() {
    let world = World::start("dpop_nonce = \"required\"");
    let base = world.api(RESOURCE, |dpop| dpop.nonces(&[7; 32])).await;
    let key = PrivateKey::generate().unwrap();
    let thumbprint = key.thumbprint();
    let client = TokenClient::new(&world.issuer, Svids::File(world.svid.clone().into()))
        .unwrap()
        .dpop(key);
    let token = client.token().await.unwrap();
    assert_eq!(claims(token.secret())["cnf"]["jkt"], thumbprint);
    let url = Url::parse(&format!("{base}/list?page=2")).unwrap();
    for _ in 0..3 {
        let request = Outgoing {
            method: "GET",
            url: &url,
            headers: vec![],
            body: vec![],
        };
        let answer = client.call(&request).await.unwrap();
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.ends_with("bound true\n"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn call_sends_the_request_with_a_bound_token_and_prints_the_body() {
    let world = World::start("dpop_nonce = \"required\"");
    let base = world.api(RESOURCE, |dpop| dpop.nonces(&[7; 32])).await;
    let url = format!("{base}/orders");
    let words = world.words(&[
        "call",
        &url,
        "--dpop",
        "--data",
        "-",
        "--header",
        "Content-Type: text/x",
        "-v",
    ]);
    let output = run_beside(&words, "an order").await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "POST Some(\"text/x\") b\"an order\" spiffe://prod.example/ns/shop/sa/pay bound true\n"
    );
    let text = stderr(&output);
    assert!(
        text.contains("status 200\n") && text.contains("dpop-nonce: "),
        "{text}"
    );

    let words = world.words(&["call", &url, "--method", "DELETE"]);
    let output = run_beside(&words, "").await;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        printed.starts_with("DELETE None b\"\"") && printed.ends_with("bound false\n"),
        "{printed}"
    );
    assert_eq!(stderr(&output), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn call_fails_where_the_api_refuses_the_token() {
    let world = World::start("");
    let base = world.api("https://other.example", |dpop| dpop).await;
    for (flags, challenge) in [
        (&["--dpop"][..], "DPoP error=\"invalid_token\""),
        (&[], "Bearer error=\"invalid_token\""),
    ] {
        let words = world.words(&[&["call", &base][..], flags].concat());
        let output = run_beside(&words, "").await;
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.contains("error: the API answers 401\n") && text.contains(challenge),
            "{text}"
        );
    }
    for (words, expected) in [
        (&["call", "api.example"][..], "\"api.example\" is not a URL"),
        (
            &["call", &base, "--header", "Authorization: x"],
            "cannot be given",
        ),
        (&["call", &base, "--header", "x"], "has no colon"),
        (
            &["call", &base, "--data", "/none"],
            "--data: /none cannot be read",
        ),
        (&["call", "http://127.0.0.1:1/"], "the API cannot be reached: "),
        (&["call", "http://api.example/"], "the URL is not https"),
    ] {
        let output = run_beside(&world.words(words), "").await;
        assert!(
            !output.status.success() && stderr(&output).contains(expected),
            "{words:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn token_get_binds_the_token_to_the_key_in_the_file() {
    let world = World::start("dpop_nonce = \"required\"");
    let file = world.site.folder.join("dpop.key");
    let path = file.to_str().unwrap();
    let words = world.words(&["token", "get", "--dpop", "--dpop-key", path, "--json"]);
    let jkt = || {
        let output = run(&words, "");
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["token_type"], "DPoP");
        let claims = claims(answer["access_token"].as_str().unwrap());
        claims["cnf"]["jkt"].as_str().unwrap().to_owned()
    };
    let first = jkt();
    let key = PrivateKey::from_pem(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(first, key.thumbprint());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(jkt(), first, "the key of the file is used again");

    let output = run(&world.words(&["token", "get", "--dpop"]), "");
    assert!(
        output.status.success() && stderr(&output).contains("warning: the key to which the token is bound")
    );
    std::fs::write(&file, "no key").unwrap();
    let output = run(&words, "");
    assert!(
        !output.status.success() && stderr(&output).contains("dpop.key"),
        "{}",
        stderr(&output)
    );
    let output = run(&world.words(&["token", "get", "--dpop-key", path]), "");
    assert_eq!(output.status.code(), Some(2), "--dpop-key needs --dpop");
}

/// An issuer that does not implement DPoP answers with a bearer token.
#[tokio::test(flavor = "multi_thread")]
async fn bearer_token_in_place_of_a_bound_one_is_not_used() {
    let site = Site::new();
    let bearer = r#"{"access_token":"t","token_type":"Bearer","expires_in":300}"#;
    let issuer = authorization_server(|_| std::future::ready(answer_text("200 OK", "", bearer))).await;
    site.write("svid.jwt", &site.issuer.svid("/ns/shop/sa/pay", &issuer, now()));
    let svid = site.folder.join("svid.jwt");
    let own = ["--issuer", &issuer, "--svid-file", svid.to_str().unwrap()];
    let unreachable = "http://127.0.0.1:1/";
    for words in [&["token", "get", "--dpop"][..], &["call", unreachable, "--dpop"]] {
        let output = run_beside(&[words, &own].concat(), "").await;
        let text = stderr(&output);
        assert!(!output.status.success() && output.stdout.is_empty(), "{text}");
        assert!(
            text.contains("token_type must be DPoP and is \"Bearer\""),
            "{text}"
        );
    }
    let output = run_beside(&[&["token", "get"][..], &own].concat(), "").await;
    assert_eq!(output.stdout, b"t\n", "without --dpop it is what was requested");
}
