//! Refused bodies at the registration endpoint.

use super::{Request, Table, cost};
use crate::fixture::{Folder, Server, now};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::path::Path;
use testudo_protocol::jose::Algorithm;
use testudo_testkit::load::Connector::Plain;
use testudo_testkit::token::Draft;
use testudo_testkit::{TestIssuer, generate_key};

const COUNT: usize = 5_000;

pub(super) async fn run(binary: &Path, table: &mut Table) {
    let issuer = TestIssuer::new("bench.example");
    let folder = Folder::new(&issuer);
    let open = "[registration.open]\nscopes = [\"orders.read\"]\nresources = [\"https://api.example.net/orders\"]\n\
        registrations_per_minute = 10000000\nregistrations_per_minute_per_address = 10000000\nclients_max = 10000000\n";
    folder.edit("[store]", &format!("{open}[store]"));
    let server = Server::start_binary(binary, &folder.0);
    let redirecting = |more: Value| {
        let mut body = json!({
            "redirect_uris": ["https://app.example/callback"], "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "none", "client_name": "an app",
        });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Request::register(body.to_string())
    };
    let good = vec![redirecting(json!({})); COUNT];
    cost(&server, &Plain, good[..500].to_vec(), &[201]).await;
    let good = cost(&server, &Plain, good, &[201]).await;
    table.heading("registration bodies, open registration");
    table.row("good, stored durably", good, good);
    let largest = json!({
        "redirect_uris": (0..20).map(|at| format!("https://a.example/{at}/{}", "x".repeat(1_500))).collect::<Vec<_>>(),
        "client_uri": "https://a.example/", "contacts": vec!["c@a.example"; 10], "client_name": "x".repeat(120),
    });
    let good = cost(&server, &Plain, vec![redirecting(largest); COUNT], &[201]).await;
    table.row("good, as large as allowed, stored durably", good, good);
    let rsa = |bytes: usize, number: usize| {
        let mut modulus = vec![0xa5; bytes];
        modulus[bytes - 1] = 0x01;
        modulus[1] = number as u8;
        json!({ "kty": "RSA", "kid": number.to_string(), "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(modulus) })
    };
    let keys = |count: usize, bytes: usize| {
        let keys: Vec<Value> = (0..count).map(|number| rsa(bytes, number)).collect();
        // The last member is wrong, so that the server validates all members before it.
        redirecting(json!({
            "jwks": { "keys": keys }, "token_endpoint_auth_method": "private_key_jwt", "client_uri": "not a url",
        }))
    };
    let elliptic = || {
        let keys: Vec<Value> = (0..10)
            .map(|_| generate_key(Algorithm::ES256, None).public_jwk("sig", true))
            .collect();
        redirecting(
            json!({ "jwks": { "keys": keys }, "token_endpoint_auth_method": "private_key_jwt", "client_uri": "x" }),
        )
    };
    let unknown_issuer = TestIssuer::new("bench.example");
    let statement = |number: usize| {
        let subject = "spiffe://bench.example/ns/known/sa/x";
        let audience = crate::fixture::ISSUER;
        Draft::svid(unknown_issuer.key(), subject, audience, now())
            .header("kid", issuer.key().kid())
            .claim("jti", number.to_string())
            .sign()
    };
    let text = |length: usize| "x".repeat(length);
    let kinds: Vec<(&str, Vec<Request>)> = vec![
        (
            "60 KiB that are not JSON",
            vec![Request::register(text(60_000)); COUNT],
        ),
        (
            "deep, 60 KiB",
            vec![Request::register(format!("{{\"a\":{}", "[".repeat(60_000))); COUNT],
        ),
        (
            "many members, 60 KiB",
            vec![
                Request::register(format!(
                    "{{{}\"z\":1}}",
                    (0..6_000).map(|at| format!("\"{at}\":1,")).collect::<String>()
                ));
                COUNT
            ],
        ),
        (
            "2,000 redirect URIs",
            vec![
                redirecting(json!({
            "redirect_uris": (0..2_000).map(|at| format!("https://a.example/{at}")).collect::<Vec<_>>() }));
                COUNT
            ],
        ),
        (
            "a name of 60 KiB",
            vec![redirecting(json!({ "client_name": text(60_000) })); COUNT],
        ),
        ("ten RSA-4096 keys and a wrong member", vec![keys(10, 512); COUNT]),
        (
            "ten RSA-8192 keys and a wrong member",
            vec![keys(10, 1024); COUNT],
        ),
        ("ten ES256 keys and a wrong member", vec![elliptic(); COUNT]),
        (
            "software statement with a bad signature",
            (0..COUNT)
                .map(|number| redirecting(json!({ "software_statement": statement(number) })))
                .collect(),
        ),
    ];
    for (name, requests) in kinds {
        let us = cost(&server, &Plain, requests, &[400, 401, 413]).await;
        table.row(name, us, good);
    }
}
