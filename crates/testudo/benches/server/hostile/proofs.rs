//! Refused DPoP proofs beside good credentials.

use super::{Request, Table, cost};
use crate::fixture::{Folder, Server, now, svid};
use crate::proofs::dpop;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::path::Path;
use testudo_protocol::jose::Algorithm;
use testudo_testkit::load::Connector::Plain;
use testudo_testkit::token::Draft;
use testudo_testkit::{TestIssuer, generate_key, svid_form};

const COUNT: usize = 10_000;

/// Each proof has another key, so the server imports the key for it.
pub(super) async fn run(binary: &Path, table: &mut Table) {
    let issuer = TestIssuer::new("bench.example");
    let folder = Folder::new(&issuer);
    let server = Server::start_binary(binary, &folder.0);
    let request = |number: usize, proof: String| {
        let svid = svid(&issuer, &format!("/ns/known/sa/s{}", number % 100));
        let mut request = Request::token(svid_form(&svid, &[]));
        request.headers.push(("dpop", proof));
        request
    };
    let new_key = || generate_key(Algorithm::ES256, None);
    let good = || {
        (0..COUNT)
            .map(|number| request(number, dpop(&new_key(), &number.to_string())))
            .collect()
    };
    // The first requests register the clients.
    cost(&server, &Plain, good(), &[200]).await;
    let good = cost(&server, &Plain, good(), &[200]).await;
    table.heading("DPoP proofs, ES256, each with another key");
    table.row("good, known client", good, good);
    let forged = |number: usize| {
        let proof = dpop(&new_key(), &number.to_string());
        let signature = URL_SAFE_NO_PAD.encode([7; 64]);
        request(number, format!("{}{signature}", &proof[..proof.len() - 86]))
    };
    let forged = (0..COUNT).map(forged).collect();
    let us = cost(&server, &Plain, forged, &[400]).await;
    table.row("bad signature", us, good);
    let elsewhere = |number: usize| {
        let uri = "https://elsewhere.example/token";
        request(
            number,
            Draft::dpop(&new_key(), uri, &number.to_string(), now()).sign(),
        )
    };
    let elsewhere = (0..COUNT).map(elsewhere).collect();
    let us = cost(&server, &Plain, elsewhere, &[400]).await;
    table.row("another htu", us, good);
}
