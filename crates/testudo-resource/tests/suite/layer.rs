//! Tests of the layer as an API uses it, with a small HTTP server as the issuer. Rows AT-04 to AT-14.

use crate::issuer::{AUDIENCE, Issuer};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use testudo_protocol::jose::Algorithm;
use testudo_resource::{RequireToken, VerifiedToken, Verifier, VerifyError};
use testudo_testkit::generate_key;
use testudo_testkit::token::{Draft, assemble};
use tower::{Layer as _, ServiceExt as _};

/// The API behind the layer.
async fn api(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let token = request
        .extensions()
        .get::<VerifiedToken>()
        .expect("the request has the verified token");
    assert_eq!(token.client_id, "spiffe://a.example/w");
    Ok(Response::new(Full::default()))
}

/// One request through the layer; status and challenge.
async fn ask(
    verifier: &Arc<Verifier>,
    scope: &str,
    uri: &str,
    authorization: &[&str],
) -> (u16, Option<String>) {
    let layer = RequireToken::new(verifier.clone()).scope(scope).unwrap();
    let mut request = Request::builder().uri(uri);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    let response = layer
        .layer(tower::service_fn(api))
        .oneshot(request.body(()).unwrap())
        .await
        .unwrap();
    let challenge = response
        .headers()
        .get("www-authenticate")
        .map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenge)
}

const OK: u16 = StatusCode::OK.as_u16();

// Row AT-14.
#[tokio::test]
async fn good_token_is_accepted_in_any_case_of_the_scheme() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.sign(|draft| draft);
    for scheme in ["Bearer", "bEaReR"] {
        assert_eq!(
            ask(&verifier, "r", "/", &[&format!("{scheme} {token}")]).await,
            (OK, None)
        );
    }
    let long_typ = issuer.sign(|draft| {
        draft
            .header("typ", "application/at+jwt")
            .claim("aud", serde_json::json!(["x", AUDIENCE]))
    });
    assert_eq!(
        ask(&verifier, "", "/", &[&format!("Bearer {long_typ}")]).await.0,
        OK
    );
    assert_eq!(
        issuer.requests.load(Ordering::SeqCst),
        2,
        "metadata and keys must be fetched once"
    );
}

// Rows AT-04 to AT-07, AT-12.
#[tokio::test]
async fn bad_tokens_are_answered_401_invalid_token() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let good = issuer.sign(|draft| draft);
    assert_eq!(ask(&verifier, "r", "/", &[&format!("Bearer {good}")]).await.0, OK);
    let fake_key = generate_key(Algorithm::ES256, None);
    // The text of the key that the verifier has.
    let public = issuer.keys.lock().unwrap()[0].public_jwk("sig", true).to_string();
    let bad = [
        ("typ JWT", issuer.sign(|draft| draft.header("typ", "JWT"))),
        ("no typ", issuer.sign(|draft| draft.without_header("typ"))),
        (
            "another audience",
            issuer.sign(|draft| draft.claim("aud", "https://other.example")),
        ),
        (
            "another issuer",
            issuer.sign(|draft| draft.claim("iss", "https://other.example")),
        ),
        ("expired", issuer.sign(|draft| draft.claim("exp", 1))),
        ("no exp", issuer.sign(|draft| draft.without_claim("exp"))),
        (
            "without client_id",
            issuer.sign(|draft| draft.without_claim("client_id")),
        ),
        (
            "AT-12: bound to a DPoP key",
            issuer.sign(|draft| draft.claim("cnf", serde_json::json!({ "jkt": "x" }))),
        ),
        ("alg none", issuer.sign(|draft| draft.header("alg", "none"))),
        ("alg HS256", issuer.sign(|draft| draft.mac(public.as_bytes()))),
        (
            "signed by another key",
            Draft::svid(&fake_key, "spiffe://a.example/w", AUDIENCE, 0)
                .header("typ", "at+jwt")
                .sign(),
        ),
        (
            "unsigned",
            assemble(b"{\"alg\":\"none\",\"typ\":\"at+jwt\"}", b"{}", b""),
        ),
        ("no JWS", "x".to_owned()),
        ("changed signature", format!("{good}x")),
    ];
    for (what, token) in bad {
        let (status, challenge) = ask(&verifier, "r", "/", &[&format!("Bearer {token}")]).await;
        assert_eq!(
            (status, challenge.as_deref()),
            (401, Some("Bearer error=\"invalid_token\"")),
            "{what}"
        );
    }
}

// Rows AT-08 to AT-11.
#[tokio::test]
async fn missing_ambiguous_and_underscoped_tokens_get_the_right_challenge() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.sign(|draft| draft);
    let bearer = format!("Bearer {token}");
    assert_eq!(
        ask(&verifier, "r", "/", &[]).await,
        (401, Some("Bearer".into())),
        "AT-09: the challenge has no error without a token"
    );
    assert_eq!(
        ask(&verifier, "r", "/", &["Basic YTpi"]).await,
        (401, Some("Bearer".into()))
    );
    let in_query = format!("/?access_token={token}");
    assert_eq!(
        ask(&verifier, "r", &in_query, &[]).await,
        (401, Some("Bearer".into())),
        "AT-08: a token in the query is not accepted"
    );
    assert_eq!(ask(&verifier, "r", &in_query, &[&bearer]).await.0, 400, "AT-10");
    assert_eq!(ask(&verifier, "r", "/", &[&bearer, &bearer]).await.0, 400);
    let (status, challenge) = ask(&verifier, "r admin", "/", &[&bearer]).await;
    assert_eq!(
        (status, challenge.as_deref()),
        (
            403,
            Some("Bearer error=\"insufficient_scope\", scope=\"r admin\"")
        )
    );
    let unscoped = issuer.sign(|draft| draft.without_claim("scope"));
    assert_eq!(
        ask(&verifier, "r", "/", &[&format!("Bearer {unscoped}")]).await.0,
        403
    );
}

#[tokio::test]
async fn unknown_kids_cause_no_fetch_while_the_cached_keys_are_seconds_old() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    verifier.verify(&issuer.sign(|draft| draft)).await.unwrap();
    let before = issuer.requests.load(Ordering::SeqCst);
    for number in 0..50 {
        let token = issuer.sign(|draft| draft.header("kid", format!("k{number}")));
        assert!(matches!(
            verifier.verify(&token).await,
            Err(VerifyError::Token(_))
        ));
    }
    assert_eq!(
        issuer.requests.load(Ordering::SeqCst),
        before,
        "keys that are seconds old must not be fetched again"
    );
}

#[tokio::test]
async fn unreachable_issuer_is_answered_503() {
    let verifier = Arc::new(Verifier::new("http://127.0.0.1:1", AUDIENCE).unwrap());
    let key = generate_key(Algorithm::ES256, None);
    let token = Draft::svid(&key, "spiffe://a.example/w", AUDIENCE, 0)
        .header("typ", "at+jwt")
        .sign();
    assert_eq!(
        ask(&verifier, "r", "/", &[&format!("Bearer {token}")]).await.0,
        503
    );
}

#[tokio::test]
async fn six_requests_share_one_deadline_while_the_issuer_does_not_answer() {
    let issuer = Issuer::start().await;
    issuer.is_silent.store(true, Ordering::SeqCst);
    let verifier = issuer.verifier();
    let token = issuer.sign(|draft| draft);
    let started = Instant::now();
    let requests = (0..6).map(|_| {
        let (verifier, token) = (verifier.clone(), token.clone());
        tokio::spawn(async move { ask(&verifier, "r", "/", &[&format!("Bearer {token}")]).await.0 })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 503);
    }
    let elapsed = started.elapsed();
    println!("six requests while the issuer does not answer: {elapsed:?}");
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    assert_eq!(issuer.requests.load(Ordering::SeqCst), 1);
    issuer.is_silent.store(false, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(10);
    while ask(&verifier, "r", "/", &[&format!("Bearer {token}")]).await.0 != OK {
        assert!(
            Instant::now() < deadline,
            "the issuer answers again, but its tokens are still refused"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn request_with_a_cached_key_does_not_wait_while_the_issuer_does_not_answer() {
    let issuer = Issuer::start().await;
    let verifier = issuer.verifier();
    let token = issuer.sign(|draft| draft);
    assert_eq!(
        ask(&verifier, "r", "/", &[&format!("Bearer {token}")]).await.0,
        OK
    );
    issuer.is_silent.store(true, Ordering::SeqCst);
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(
            ask(&verifier, "r", "/", &[&format!("Bearer {token}")]).await.0,
            OK
        );
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}
