//! Refused JWT-SVIDs and forms at the token endpoint.

use super::{Request, Table, cost};
use crate::fixture::{Folder, ISSUER, Server, now, svid};
use crate::raw::median;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::path::Path;
use testudo_protocol::jose::{Algorithm, PublicKey};
use testudo_testkit::load::Connector::Plain;
use testudo_testkit::token::{Draft, assemble};
use testudo_testkit::{TestIssuer, form, svid_form};

const COUNT: usize = 10_000;
/// Characters of padding that make an assertion almost as long as the server accepts.
const LARGE: usize = 11_700;
const SUBJECT: &str = "spiffe://bench.example/ns/known/sa/s0";

pub(super) async fn run(binary: &Path, table: &mut Table) {
    let mut issuer = TestIssuer::new("bench.example");
    let folder = Folder::new(&issuer);
    let server = Server::start_binary(binary, &folder.0);
    let requests = |make: &dyn Fn(usize) -> String| -> Vec<Request> {
        (0..COUNT)
            .map(|number| Request::token(svid_form(&make(number), &[])))
            .collect()
    };
    let good = |number: usize| svid(&issuer, &format!("/ns/known/sa/s{}", number % 100));
    cost(&server, &Plain, requests(&good), &[200]).await;
    let good = cost(&server, &Plain, requests(&good), &[200]).await;
    table.heading("JWT-SVIDs, ES256");
    table.row("good, known client", good, good);
    let large = |number: usize| {
        Draft::svid(issuer.key(), SUBJECT, ISSUER, now())
            .claim("jti", number.to_string())
            .claim("padding", "x".repeat(LARGE))
            .sign()
    };
    let good = cost(&server, &Plain, requests(&large), &[200]).await;
    table.row("good, 16 KiB assertion", good, good);

    let unknown_issuer = TestIssuer::new("unknown.example");
    let own = Draft::svid(issuer.key(), SUBJECT, ISSUER, now());
    let draft =
        |number: usize| Draft::svid(issuer.key(), SUBJECT, ISSUER, now()).claim("jti", number.to_string());
    let forged = |token: String| {
        format!(
            "{}{}",
            &token[..token.len() - 86],
            URL_SAFE_NO_PAD.encode([7; 64])
        )
    };
    let padding = |length: usize| "x".repeat(length);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let with_claims =
        |claims: String| assemble(own.header.to_string().as_bytes(), claims.as_bytes(), &[7; 64]);
    let kinds: [(&str, &dyn Fn(usize) -> String); 9] = [
        ("unknown trust domain", &|number| {
            unknown_issuer.sign(&serde_json::json!({ "sub": format!("spiffe://unknown.example/{number}"), "aud": [ISSUER], "exp": now() + 240 }))
        }),
        ("bad signature", &|number| forged(draft(number).sign())),
        ("bad signature, 16 KiB assertion", &|number| {
            let token = draft(number).claim("padding", padding(LARGE)).sign();
            forged(token)
        }),
        ("oversize, 60 KiB assertion", &|number| {
            with_claims(format!("{{\"a\":\"{number}{}\"}}", padding(44_000)))
        }),
        ("deep claims, 16 KiB", &|number| {
            with_claims(format!("{{\"n\":{number},\"a\":{}}}", nested(5_800)))
        }),
        ("many claims, 16 KiB", &|number| {
            let members: Vec<String> = (0..1_300).map(|at| format!("\"{at}\":1")).collect();
            with_claims(format!("{{\"n\":{number},{}}}", members.join(",")))
        }),
        ("many claims within the limits, bad signature", &|number| {
            let inner: Vec<String> = (0..60).map(|at| format!("\"{at}\":{}", nested(6))).collect();
            with_claims(format!(
                "{{\"n\":{number},\"sub\":\"{SUBJECT}\",{}}}",
                inner.join(",")
            ))
        }),
        ("another kid in each request", &|number| {
            forged(draft(number).header("kid", format!("k{number}")).sign())
        }),
        ("another audience, valid signature", &|number| {
            draft(number)
                .claim("aud", serde_json::json!(["https://elsewhere.example"]))
                .sign()
        }),
    ];
    for (name, make) in kinds {
        let us = cost(&server, &Plain, requests(make), &[400, 401, 413]).await;
        table.row(name, us, good);
    }
    let forms: [(&str, &dyn Fn(usize) -> String); 3] = [
        ("form of 64 KiB, one parameter", &|number| {
            format!("a{number}={}", padding(65_000))
        }),
        ("form of 65 parameters", &|number| {
            (0..65).map(|at| format!("p{at}={number}&")).collect()
        }),
        ("form of 64 KiB, percent-encoded", &|number| {
            format!("a{number}={}", "%41".repeat(21_000))
        }),
    ];
    for (name, make) in forms {
        let bodies = (0..COUNT).map(|number| Request::token(make(number))).collect();
        table.row(name, cost(&server, &Plain, bodies, &[400, 413]).await, good);
    }
    let two = form(&[
        ("grant_type", "client_credentials"),
        ("client_id", SUBJECT),
        ("client_secret", "x"),
    ]);
    let us = cost(&server, &Plain, vec![Request::token(two); COUNT], &[400, 401]).await;
    table.row("authentication by client_secret", us, good);
    drop(server);

    // A token without `kid`: the most expensive valid one is signed by the last of the eight keys that are tried.
    for _ in 0..7 {
        issuer
            .keys
            .push(testudo_testkit::generate_key(Algorithm::ES256, None));
    }
    let folder = Folder::new(&issuer);
    let server = Server::start_binary(binary, &folder.0);
    table.heading("JWT-SVIDs without kid, eight keys in the bundle");
    let by = |key: usize, number: usize| {
        Draft::svid(&issuer.keys[key], SUBJECT, ISSUER, now())
            .without_header("kid")
            .claim("jti", number.to_string())
            .sign()
    };
    let good = cost(&server, &Plain, requests(&|number| by(7, number)), &[200]).await;
    table.row("good, by the last key", good, good);
    let us = cost(
        &server,
        &Plain,
        requests(&|number| forged(by(0, number))),
        &[400, 401],
    )
    .await;
    table.row("bad signature", us, good);
    drop(server);
    rsa(binary, table).await;
}

/// Requests with the largest RSA key that a bundle may contain. The server verifies a signature with the public key, so the
/// benchmark needs no private key.
async fn rsa(binary: &Path, table: &mut Table) {
    let issuer = TestIssuer::new("bench.example");
    let folder = Folder::new(&issuer);
    let mut modulus = vec![0xa5; 1024];
    modulus[1023] = 0x01;
    let jwk = serde_json::json!({
        "kty": "RSA", "kid": "large", "use": "jwt-svid", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(&modulus),
    });
    let mut bundle = issuer.bundle();
    bundle["keys"].as_array_mut().unwrap().push(jwk.clone());
    std::fs::write(folder.0.join("bundle.json"), bundle.to_string()).unwrap();
    let server = Server::start_binary(binary, &folder.0);
    let key = PublicKey::from_jwk(&serde_json::from_value(jwk).unwrap()).unwrap();
    let mut signature = vec![0x5a; 1024];
    signature[0] = 0;
    let raw = median(|| assert!(!key.verify(Algorithm::RS256, &[7; 300], &signature)));
    let head = serde_json::json!({ "alg": "RS256", "kid": "large", "typ": "JWT" }).to_string();
    let claims = |number: usize| {
        serde_json::json!({ "sub": SUBJECT, "aud": [ISSUER], "exp": now() + 240, "jti": number.to_string() })
            .to_string()
    };
    let forged = |number: usize| {
        let token = assemble(head.as_bytes(), claims(number).as_bytes(), &signature);
        Request::token(svid_form(&token, &[]))
    };
    let parse = (0..COUNT)
        .map(|number| {
            Request::token(svid_form(
                &assemble(b"{}", claims(number).as_bytes(), &[7; 64]),
                &[],
            ))
        })
        .collect();
    table.heading("JWT-SVIDs, RSA key of 8192 bits");
    let parse = cost(&server, &Plain, parse, &[400, 401]).await;
    let limit = parse + 2.0 * raw;
    println!("one parsed request {parse:.1} us, raw verification {raw:.1} us");
    let us = cost(&server, &Plain, (0..COUNT).map(forged).collect(), &[400, 401]).await;
    table.row("bad signature, RS256", us, limit);
}
