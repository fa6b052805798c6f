//! Measures token requests with a DPoP proof, and compares them with the cryptographic operations alone.

use crate::fixture::{CONNECTIONS, Folder, ISSUER, Server, mint, svid};
use hyper::body::Bytes;
use std::sync::Arc;
use testudo_protocol::Timestamp;
use testudo_protocol::jose::Algorithm;
use testudo_protocol::oauth::dpop::DpopClaims;
use testudo_testkit::load::{Connector, drive};
use testudo_testkit::{TestIssuer, generate_key, svid_form};

/// Requests of one measurement: their proofs are made before it and are accepted for 60 seconds.
const REQUESTS: usize = 20_000;

pub async fn run(raw: (f64, f64)) {
    let issuer = Arc::new(TestIssuer::new("bench.example"));
    let folder = Folder::new(&issuer);
    let server = Server::start(&folder.0);
    let known = |number: usize| format!("/ns/known/sa/s{}", number % 100);
    let warm = drive(server.address, CONNECTIONS, mint(&issuer, 4_000, known)).await;
    assert_eq!(warm.bad, 0);

    let bodies = mint(&issuer, REQUESTS, known);
    let written = server.batches_written().await;
    let fresh = server
        .measure_over("DPoP, fresh SVID", &proofs(), &[], bodies)
        .await;
    let same = Bytes::from(svid_form(&svid(&issuer, &known(0)), &[]));
    let bodies = Arc::new(vec![same; REQUESTS]);
    let repeated = server
        .measure_over("DPoP, same SVID", &proofs(), &[], bodies)
        .await;
    let written = server.batches_written().await - written;
    println!("  store batches for {} used proofs: {written}", 2 * REQUESTS);
    println!(
        "  fresh SVID: {:.2} times the raw 2 verify + sign; same SVID: {:.2} times the raw verify + sign",
        fresh / (2.0 * raw.0 + raw.1),
        repeated / (raw.0 + raw.1)
    );
}

/// A new proof for each request.
fn proofs() -> Connector {
    let key = generate_key(Algorithm::ES256, None);
    let htu = format!("{ISSUER}/token");
    let iat = Timestamp::from(std::time::SystemTime::now());
    let proof = |number: usize| {
        let claims = DpopClaims {
            jti: &format!("{number:022}"),
            htm: "POST",
            htu: &htu,
            iat,
            nonce: None,
        };
        claims.sign(&key, None).unwrap()
    };
    Connector::PlainWithProofs(Arc::new((0..REQUESTS).map(proof).collect()))
}
