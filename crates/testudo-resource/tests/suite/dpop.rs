//! DPoP-bound tokens at a resource server. Rows G-10 and AT-12.

use crate::issuer::{AUDIENCE, Issuer};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use testudo_protocol::jose::{Algorithm, SigningKey, encode_segment, sha256};
use testudo_resource::{
    ClientCertificate, Dpop, DpopRequest, KeptProofs, ProofUse, ProofUseFuture, Replays, RequireToken,
    UsedProof,
};
use testudo_testkit::generate_key;
use testudo_testkit::token::Draft;
use tower::{Layer as _, ServiceExt as _};

const CERTIFICATE: &[u8] = b"the leaf certificate of a connection";
const ALGORITHMS: &str = "algs=\"ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA\"";

/// An API with the layer, an issuer, and the key of a client.
struct Api {
    issuer: Issuer,
    layer: RequireToken,
    key: SigningKey,
}

/// A request for `/orders`.
struct Call<'a> {
    authorization: String,
    proofs: Vec<&'a str>,
    certificate: Option<&'static [u8]>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    challenges: Vec<String>,
    nonce: Option<String>,
    cache_control: Option<String>,
}

fn base64url(bytes: &[u8]) -> String {
    let mut text = String::new();
    encode_segment(bytes, &mut text);
    text
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

impl Api {
    async fn start(change: impl FnOnce(Dpop) -> Dpop) -> Api {
        let issuer = Issuer::start().await;
        let dpop = change(Dpop::at(AUDIENCE).unwrap());
        Api {
            layer: RequireToken::new(issuer.verifier())
                .scope("r")
                .unwrap()
                .dpop(Arc::new(dpop)),
            key: generate_key(Algorithm::ES256, None),
            issuer,
        }
    }

    /// A token with this `cnf`.
    fn token(&self, cnf: Value) -> String {
        self.issuer.sign(|draft| draft.claim("cnf", cnf))
    }

    /// A token that is bound to the key of the client.
    fn bound_token(&self) -> String {
        self.token(json!({ "jkt": self.thumbprint() }))
    }

    fn thumbprint(&self) -> String {
        base64url(&self.key.thumbprint())
    }

    /// A good proof for `GET /orders` with this token.
    fn proof(&self, jti: &str, token: &str) -> Draft<'_> {
        Draft::dpop(&self.key, "https://api.example/orders", jti, now())
            .claim("htm", "GET")
            .claim("ath", base64url(&sha256(token.as_bytes())))
    }

    async fn call(&self, call: Call<'_>) -> Answer {
        let inner = tower::service_fn(async |_: Request<()>| {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let mut request = Request::builder()
            .uri("/orders?page=2")
            .header("host", "attacker.example")
            .header("authorization", call.authorization);
        for proof in call.proofs {
            request = request.header("dpop", proof);
        }
        let mut request = request.body(()).unwrap();
        if let Some(leaf) = call.certificate {
            request.extensions_mut().insert(ClientCertificate(leaf.into()));
        }
        let response = self.layer.layer(inner).oneshot(request).await.unwrap();
        let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = response.headers();
        Answer {
            status: response.status().as_u16(),
            challenges: headers.get_all("www-authenticate").iter().map(text).collect(),
            nonce: headers.get("dpop-nonce").map(text),
            cache_control: headers.get("cache-control").map(text),
        }
    }

    /// Sends the token with this proof.
    async fn ask(&self, token: &str, proof: &str) -> Answer {
        self.call(Call {
            authorization: format!("DPoP {token}"),
            proofs: vec![proof],
            certificate: None,
        })
        .await
    }
}

#[track_caller]
fn assert_refused(answer: &Answer, error: &str, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {answer:?}");
    let expected = format!("DPoP error=\"{error}\"");
    assert!(answer.challenges[0].starts_with(&expected), "{what}: {answer:?}");
    assert!(answer.challenges[0].ends_with(ALGORITHMS), "{what}: {answer:?}");
}

#[tokio::test]
async fn rfc9449_7_1_bound_token_is_accepted_with_the_proof_of_its_key() {
    let api = Api::start(|dpop| dpop).await;
    let token = api.bound_token();
    for (number, (name, value)) in [
        ("htu", json!("https://api.example/orders")),
        ("htu", json!("HTTPS://API.example:443/orders?page=1#x")),
        ("iat", json!(now() - 55)),
        ("iat", json!(now() + 20)),
        // This API issues no nonces, so it cannot check one.
        ("nonce", json!("of another server")),
    ]
    .into_iter()
    .enumerate()
    {
        let proof = api.proof(&number.to_string(), &token).claim(name, value).sign();
        let answer = api.ask(&token, &proof).await;
        assert_eq!((answer.status, answer.nonce), (200, None), "{number} {name}");
    }
    let bearer = api.issuer.sign(|draft| draft);
    let answer = api
        .call(Call {
            authorization: format!("Bearer {bearer}"),
            proofs: vec![],
            certificate: None,
        })
        .await;
    assert_eq!(
        answer.status, 200,
        "an unbound token is accepted beside bound ones"
    );
}

#[tokio::test]
async fn rfc9449_4_3_proof_that_is_not_for_this_request_is_refused() {
    let api = Api::start(|dpop| dpop).await;
    let token = api.bound_token();
    let other_key = generate_key(Algorithm::ES256, None);
    let other_jwk: Value = serde_json::from_str(&other_key.proof_jwk()).unwrap();
    let good = || api.proof("a", &token);
    let rows = [
        ("typ", good().header("typ", "JWT"), "typ"),
        ("alg none", good().header("alg", "none"), "alg"),
        ("alg HS256", good().mac(api.key.proof_jwk().as_bytes()), "alg"),
        ("no jwk", good().without_header("jwk"), "jwk"),
        ("jwk of another key", good().header("jwk", other_jwk), "signature"),
        ("no jti", good().without_claim("jti"), "jti"),
        ("empty jti", good().claim("jti", ""), "jti"),
        ("no htm", good().without_claim("htm"), "htm"),
        ("htm POST", good().claim("htm", "POST"), "htm"),
        ("htm get", good().claim("htm", "get"), "htm"),
        ("no htu", good().without_claim("htu"), "htu"),
        (
            "htu of another path",
            good().claim("htu", "https://api.example/order"),
            "htu",
        ),
        (
            "htu by Host",
            good().claim("htu", "https://attacker.example/orders"),
            "htu",
        ),
        (
            "htu http",
            good().claim("htu", "http://api.example/orders"),
            "htu",
        ),
        ("no iat", good().without_claim("iat"), "iat"),
        ("iat too long ago", good().claim("iat", now() - 70), "iat"),
        ("iat in the future", good().claim("iat", now() + 60), "iat"),
        ("no ath", good().without_claim("ath"), "ath"),
        (
            "ath of another token",
            good().claim("ath", base64url(&sha256(b"x"))),
            "ath",
        ),
    ];
    for (what, draft, named) in rows {
        let answer = api.ask(&token, &draft.sign()).await;
        assert_refused(&answer, "invalid_dpop_proof", what);
        let challenge = answer.challenges[0].to_lowercase();
        assert!(challenge.contains(named), "{what}: {challenge}");
    }
    let proof = good().sign();
    for (what, proofs) in [("no proof", vec![]), ("two proofs", vec![&*proof, &*proof])] {
        let answer = api
            .call(Call {
                authorization: format!("DPoP {token}"),
                proofs,
                certificate: None,
            })
            .await;
        assert_refused(&answer, "invalid_dpop_proof", what);
    }
    let answer = api.ask(&token, &proof).await;
    assert_eq!(
        answer.status, 200,
        "the refused requests did not use up the proof"
    );
    assert_refused(&api.ask(&token, &proof).await, "invalid_dpop_proof", "replay");
    let next = api.proof("b", &token).sign();
    assert_eq!(api.ask(&token, &next).await.status, 200);
}

// Row AT-12.
#[tokio::test]
async fn token_is_refused_without_each_key_or_certificate_that_cnf_names() {
    let api = Api::start(|dpop| dpop).await;
    let jkt = api.thumbprint();
    let other = base64url(&generate_key(Algorithm::ES256, None).thumbprint());
    let (hash, other_hash) = (base64url(&sha256(CERTIFICATE)), base64url(&sha256(b"x")));
    let with = Some(CERTIFICATE);
    let (bearer, dpop) = (false, true);
    let rows = [
        ("key", json!({ "jkt": jkt }), dpop, None, true),
        ("key as Bearer", json!({ "jkt": jkt }), bearer, None, false),
        (
            "key as Bearer with a certificate",
            json!({ "jkt": jkt }),
            bearer,
            with,
            false,
        ),
        ("another key", json!({ "jkt": other }), dpop, None, false),
        ("certificate", json!({ "x5t#S256": hash }), bearer, with, true),
        ("no certificate", json!({ "x5t#S256": hash }), bearer, None, false),
        (
            "other certificate",
            json!({ "x5t#S256": other_hash }),
            bearer,
            with,
            false,
        ),
        (
            "certificate as DPoP",
            json!({ "x5t#S256": hash }),
            dpop,
            with,
            false,
        ),
        ("both", json!({ "jkt": jkt, "x5t#S256": hash }), dpop, with, true),
        (
            "both, no certificate",
            json!({ "jkt": jkt, "x5t#S256": hash }),
            dpop,
            None,
            false,
        ),
        (
            "both, no key",
            json!({ "jkt": jkt, "x5t#S256": hash }),
            bearer,
            with,
            false,
        ),
        (
            "both, other key",
            json!({ "jkt": other, "x5t#S256": hash }),
            dpop,
            with,
            false,
        ),
        ("cnf null", Value::Null, bearer, None, false),
        ("cnf null as DPoP", Value::Null, dpop, None, false),
        ("cnf no object", json!("x"), bearer, with, false),
        (
            "certificate, and jkt null",
            json!({ "jkt": null, "x5t#S256": hash }),
            bearer,
            with,
            false,
        ),
        (
            "key, and certificate null",
            json!({ "jkt": jkt, "x5t#S256": null }),
            dpop,
            with,
            false,
        ),
        ("empty cnf", json!({}), bearer, with, false),
        ("empty cnf as DPoP", json!({}), dpop, with, false),
        (
            "unknown member",
            json!({ "jkt": jkt, "kid": "x" }),
            dpop,
            with,
            false,
        ),
        (
            "only an unknown member",
            json!({ "jwk": {} }),
            bearer,
            with,
            false,
        ),
        ("jkt of another type", json!({ "jkt": 1 }), dpop, with, false),
    ];
    for (number, (what, cnf, is_dpop, certificate, is_accepted)) in rows.into_iter().enumerate() {
        let token = api.token(cnf);
        let proof = api.proof(&number.to_string(), &token).sign();
        let scheme = if is_dpop { "DPoP" } else { "Bearer" };
        let answer = api
            .call(Call {
                authorization: format!("{scheme} {token}"),
                proofs: if is_dpop { vec![&proof] } else { vec![] },
                certificate,
            })
            .await;
        if is_accepted {
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
        } else if is_dpop {
            assert_refused(&answer, "invalid_token", what);
            assert_eq!(answer.challenges[1], "Bearer", "{what}");
        } else {
            let dpop = format!("DPoP {ALGORITHMS}");
            let expected = vec!["Bearer error=\"invalid_token\"".to_owned(), dpop];
            assert_eq!((answer.status, answer.challenges), (401, expected), "{what}");
        }
    }
    let unbound = api.issuer.sign(|draft| draft);
    let proof = api.proof("unbound", &unbound).sign();
    assert_refused(
        &api.ask(&unbound, &proof).await,
        "invalid_token",
        "unbound as DPoP",
    );
    let answer = api
        .call(Call {
            authorization: format!("Bearer {unbound}"),
            proofs: vec![],
            certificate: None,
        })
        .await;
    assert_eq!(answer.status, 200, "unbound: {answer:?}");
}

#[tokio::test]
async fn missing_token_and_missing_scope_get_the_challenge_of_their_scheme() {
    let api = Api::start(|dpop| dpop).await;
    let none = api
        .call(Call {
            authorization: "Basic YTpi".into(),
            proofs: vec![],
            certificate: None,
        })
        .await;
    let both = vec!["Bearer".to_owned(), format!("DPoP {ALGORITHMS}")];
    assert_eq!((none.status, none.challenges), (401, both));
    let token = api.issuer.sign(|draft| {
        draft
            .claim("scope", "w")
            .claim("cnf", json!({ "jkt": api.thumbprint() }))
    });
    let answer = api.ask(&token, &api.proof("a", &token).sign()).await;
    let expected = format!("DPoP error=\"insufficient_scope\", scope=\"r\", {ALGORITHMS}");
    assert_eq!((answer.status, answer.challenges), (403, vec![expected]));
    let wrong_audience = api.issuer.sign(|draft| {
        draft
            .claim("aud", "https://other.example")
            .claim("cnf", json!({ "jkt": api.thumbprint() }))
    });
    let proof = api.proof("b", &wrong_audience).sign();
    assert_refused(
        &api.ask(&wrong_audience, &proof).await,
        "invalid_token",
        "audience",
    );
}

#[tokio::test]
async fn scheme_dpop_is_not_accepted_by_a_layer_without_dpop() {
    let mut api = Api::start(|dpop| dpop).await;
    api.layer = RequireToken::new(api.issuer.verifier());
    let token = api.bound_token();
    let answer = api.ask(&token, &api.proof("a", &token).sign()).await;
    assert_eq!(
        (answer.status, answer.challenges),
        (401, vec!["Bearer".to_owned()])
    );
}

#[tokio::test]
async fn rfc9449_9_proof_needs_a_nonce_of_any_node_with_the_key() {
    let api = Api::start(|dpop| dpop.nonces(&[7; 32])).await;
    let other_node = Dpop::at("https://api.example/").unwrap().nonces(&[7; 32]);
    let token = api.bound_token();
    let first = api.ask(&token, &api.proof("a", &token).sign()).await;
    assert_refused(&first, "use_dpop_nonce", "no nonce");
    assert_eq!(first.cache_control.as_deref(), Some("no-store"));
    let nonce = first.nonce.unwrap();
    let good = api.proof("a", &token).claim("nonce", nonce.as_str()).sign();
    let accepted = api.ask(&token, &good).await;
    assert_eq!(accepted.status, 200);
    let next = accepted
        .nonce
        .expect("an answer has the nonce for the next proof");
    for (jti, nonce) in [("b", next), ("c", other_node.nonce().unwrap())] {
        let proof = api.proof(jti, &token).claim("nonce", nonce).sign();
        assert_eq!(api.ask(&token, &proof).await.status, 200, "{jti}");
    }
    assert_refused(&api.ask(&token, &good).await, "invalid_dpop_proof", "replay");
    let other_key = Dpop::at("https://api.example").unwrap().nonces(&[8; 32]);
    let other_resource = Dpop::at("https://other.example").unwrap().nonces(&[7; 32]);
    for (what, nonce) in [
        ("of another key", other_key.nonce().unwrap()),
        ("of another resource", other_resource.nonce().unwrap()),
        ("invented", "x".to_owned()),
    ] {
        let proof = api.proof(what, &token).claim("nonce", nonce).sign();
        assert_refused(&api.ask(&token, &proof).await, "use_dpop_nonce", what);
    }
    // A token that is not valid is refused at once: a nonce would not help.
    let unbound = api.issuer.sign(|draft| draft);
    let proof = api.proof("d", &unbound).sign();
    assert_refused(&api.ask(&unbound, &proof).await, "invalid_token", "unbound");
}

#[tokio::test]
async fn one_proof_in_64_requests_at_once_is_accepted_exactly_once() {
    let api = Arc::new(Api::start(|dpop| dpop).await);
    let token = api.bound_token();
    let proof = api.proof("a", &token).sign();
    let requests = (0..64).map(|_| {
        let (api, token, proof) = (api.clone(), token.clone(), proof.clone());
        tokio::spawn(async move { api.ask(&token, &proof).await.status })
    });
    let mut accepted = 0;
    for request in requests.collect::<Vec<_>>() {
        match request.await.unwrap() {
            200 => accepted += 1,
            status => assert_eq!(status, 401),
        }
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn key_with_too_many_proofs_gets_429_and_other_keys_are_served() {
    let api = Api::start(|dpop| dpop.replays(Arc::new(KeptProofs::new(1, 2)))).await;
    let token = api.bound_token();
    let other_key = generate_key(Algorithm::EdDSA, None);
    let other_token = api.token(json!({ "jkt": base64url(&other_key.thumbprint()) }));
    assert_eq!(api.ask(&token, &api.proof("a", &token).sign()).await.status, 200);
    assert_eq!(api.ask(&token, &api.proof("b", &token).sign()).await.status, 429);
    let proof = Draft::dpop(&other_key, "https://api.example/orders", "a", now())
        .claim("htm", "GET")
        .claim("ath", base64url(&sha256(other_token.as_bytes())))
        .sign();
    assert_eq!(api.ask(&other_token, &proof).await.status, 200);
}

/// A store that several nodes share, which is unreachable.
struct Unreachable;

impl Replays for Unreachable {
    fn use_once(&self, _: UsedProof) -> ProofUseFuture<'_> {
        Box::pin(std::future::ready(ProofUse::Unavailable))
    }
}

#[tokio::test]
async fn unreachable_record_of_used_proofs_is_answered_503() {
    let api = Api::start(|dpop| dpop.replays(Arc::new(Unreachable))).await;
    let token = api.bound_token();
    assert_eq!(api.ask(&token, &api.proof("a", &token).sign()).await.status, 503);
}

#[tokio::test]
async fn path_below_the_base_url_is_part_of_htu() {
    let mut api = Api::start(|dpop| dpop).await;
    let dpop = Dpop::at("https://api.example/v1/").unwrap();
    api.layer = RequireToken::new(api.issuer.verifier()).dpop(Arc::new(dpop));
    let token = api.bound_token();
    let without = api.proof("a", &token).sign();
    assert_refused(
        &api.ask(&token, &without).await,
        "invalid_dpop_proof",
        "without /v1",
    );
    let with = api
        .proof("a", &token)
        .claim("htu", "https://api.example/v1/orders");
    assert_eq!(api.ask(&token, &with.sign()).await.status, 200);
    let verifier = api.issuer.verifier();
    for (path, is_accepted) in [("/orders", true), (".evil/orders", false), ("*", false)] {
        let dpop = Dpop::at(AUDIENCE).unwrap();
        let proof = api.proof("b", &token).claim("htu", format!("{AUDIENCE}{path}"));
        let request = DpopRequest {
            token: &token,
            proof: &proof.sign(),
            method: "GET",
            path,
            certificate: None,
        };
        let verified = dpop.verify(&verifier, request).await;
        assert_eq!(verified.is_ok(), is_accepted, "{path}: {verified:?}");
    }
    for wrong in [
        "api.example",
        "ftp://api.example",
        "https://api.example/?a",
        "https://a@api.example",
    ] {
        assert!(Dpop::at(wrong).is_err(), "{wrong}");
    }
}
