//! Refused certificate chains: in TLS handshakes, and in the header fields of a proxy (RFC 9440).

use super::{Request, Table, cost, enough};
use crate::fixture::{Folder, Server};
use crate::mutual_tls::{ID, MutualTls, request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType};
use std::path::Path;
use testudo_testkit::TestIssuer;
use testudo_testkit::load::Connector;
use testudo_testkit::x509::{X509Chain, X509Issuer};

/// The maximum cost of a refused chain, as a multiple of the verification of a valid chain.
const GOOD_VERIFICATIONS: f64 = 4.0;

pub(super) async fn run(binary: &Path, raw: (f64, f64), table: &mut Table) {
    let fixture = MutualTls::new();
    let server = Server::start_binary(binary, &fixture.folder.0);
    let handshakes = 1_000;
    let each = |chain: &X509Chain| fixture.connector(chain.clone(), false);
    let requests = vec![Request::token(String::from_utf8(request().to_vec()).unwrap()); handshakes];
    let own = fixture.authority.svid("/ns/known/sa/x");
    cost(&server, &each(&own), requests.clone(), &[200]).await;
    let good = cost(&server, &each(&own), requests.clone(), &[200]).await;
    table.heading("X.509-SVIDs, a TLS handshake for each request");
    table.row("good, signed by the root", good, good);
    // The deepest chain that is accepted: a leaf and four intermediates.
    let deep = deepest(&fixture.authority);
    let most_expensive = cost(&server, &each(&deep), requests.clone(), &[200]).await;
    table.row("good, four intermediates, cached", most_expensive, most_expensive);
    // For a chain that is not cached, five signatures are verified in addition.
    let most_expensive = most_expensive + 5.0 * raw.0;
    for (name, chain) in spoilt(&fixture.authority) {
        // The server may refuse the chain in the handshake, with an answer, or by closing the connection.
        let count = enough(&server, &each(&chain), &requests[0], handshakes).await;
        let us = cost(&server, &each(&chain), requests[..count].to_vec(), &[0, 400, 401]).await;
        table.row(&name, us, most_expensive);
    }
    let connector = fixture.connector(spoilt(&fixture.authority).remove(0).1, true);
    let us = cost(&server, &connector, requests, &[0, 400, 401]).await;
    table.row("nine intermediates, on kept connections", us, good);
    drop(server);
    fields(binary, &fixture, raw, table).await;
}

/// The same chains from a proxy, without handshakes, so that only the verification is measured.
async fn fields(binary: &Path, fixture: &MutualTls, raw: (f64, f64), table: &mut Table) {
    let folder = Folder::new(&TestIssuer::new("bench.example"));
    std::fs::write(
        folder.0.join("bundle.json"),
        fixture.authority.bundle().to_string(),
    )
    .unwrap();
    folder.edit(
        "[server]",
        "[server]\nproxy = { trusted = [\"127.0.0.0/8\"], client_certificate_header = \"client-cert\" }",
    );
    folder.edit("bundle = {", "credentials = [\"x509_svid\"]\nbundle = {");
    let server = Server::start_binary(binary, &folder.0);
    let with = |chain: &X509Chain| {
        let encode = |der: &Vec<u8>| format!(":{}:", STANDARD.encode(der));
        let mut one = Request::token(String::from_utf8(request().to_vec()).unwrap());
        let (leaf, rest) = chain.chain.split_first().unwrap();
        one.headers.push(("client-cert", encode(leaf)));
        if !rest.is_empty() {
            one.headers.push((
                "client-cert-chain",
                rest.iter().map(encode).collect::<Vec<_>>().join(", "),
            ));
        }
        one
    };
    // Different leaves, so that no cached verification result is used.
    let leaves: Vec<Request> = (0..2_000)
        .map(|_| with(&fixture.authority.svid("/ns/known/sa/x")))
        .collect();
    cost(&server, &Connector::Plain, leaves[..500].to_vec(), &[200]).await;
    let good = cost(&server, &Connector::Plain, leaves[500..].to_vec(), &[200]).await;
    table.heading("X.509-SVIDs in RFC 9440 fields");
    table.row("good, signed by the root, not cached", good, good);
    let limit = good + (GOOD_VERIFICATIONS - 1.0) * raw.0;
    for (name, chain) in spoilt(&fixture.authority) {
        let count = enough(&server, &Connector::Plain, &with(&chain), 1_500).await;
        let us = cost(
            &server,
            &Connector::Plain,
            vec![with(&chain); count],
            &[400, 401, 431],
        )
        .await;
        table.row(&name, us, limit);
    }
}

/// A change of the parameters of an authority.
type Change = Box<dyn FnOnce(&mut CertificateParams)>;

fn named(name: &str) -> impl FnOnce(&mut CertificateParams) {
    let name = name.to_owned();
    move |parameters| {
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
    }
}

/// A certificate chain in the order in which it is sent: a leaf, then the intermediates below `root`.
fn chain_of(root: &X509Issuer, changes: Vec<Change>) -> X509Chain {
    let mut authorities: Vec<X509Issuer> = Vec::new();
    for change in changes {
        let above = authorities.last().unwrap_or(root);
        let next = above.intermediate(change);
        authorities.push(next);
    }
    let leaf = authorities.last().unwrap_or(root).leaf(ID, |_| {});
    authorities.iter().rev().fold(leaf, X509Chain::followed_by)
}

fn deepest(root: &X509Issuer) -> X509Chain {
    let names = ["one", "two", "three", "four"];
    chain_of(root, names.map(|name| Box::new(named(name)) as _).into())
}

/// Chains that no configured authority signed.
fn spoilt(configured: &X509Issuer) -> Vec<(String, X509Chain)> {
    let unknown_issuer = X509Issuer::new("bench.example");
    let same = || Box::new(named("same")) as Change;
    let padded = |bytes: usize| {
        Box::new(move |parameters: &mut CertificateParams| {
            named("same")(parameters);
            parameters.custom_extensions = (0..15)
                .map(|at| {
                    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, at], vec![7; bytes / 15])
                })
                .collect();
        }) as Change
    };
    let four = |root: &X509Issuer| deepest(root);
    // All certificates have the same name as subject and issuer: a search for a path finds no authority and cannot stop
    // early.
    let namesake = unknown_issuer.intermediate(named("same"));
    // A certificate with the name of the root and the key of an unknown authority: only the signature shows that it is
    // forged.
    let mut kinds = vec![
        (
            "nine intermediates of one name",
            chain_of(&namesake, (0..9).map(|_| same()).collect()),
        ),
        (
            "nine intermediates of one name, padded",
            chain_of(&namesake, (0..9).map(|_| padded(1_500)).collect()),
        ),
        (
            "four intermediates of one name",
            chain_of(&unknown_issuer, (0..4).map(|_| same()).collect()),
        ),
        ("four intermediates, in order", four(&unknown_issuer)),
        (
            "four intermediates, padded",
            chain_of(&unknown_issuer, (0..4).map(|_| padded(3_000)).collect()),
        ),
        (
            "leaf of an unknown authority with the name of the root",
            unknown_issuer.leaf(ID, |_| {}),
        ),
    ];
    let doubled = deepest(&unknown_issuer);
    let again = doubled.chain[1].clone();
    let mut same_key = doubled;
    same_key.chain.truncate(2);
    same_key.chain.extend([again.clone(), again.clone(), again]);
    kinds.push(("one intermediate four times: same names, same keys", same_key));
    kinds.push((
        "an intermediate with an RSA key of 8192 bits",
        with_large_rsa(&unknown_issuer),
    ));
    let mut backwards = deepest(configured);
    backwards.chain[1..].reverse();
    kinds.push(("four good intermediates in the wrong order", backwards));
    kinds
        .into_iter()
        .map(|(name, chain)| (name.to_owned(), chain))
        .collect()
}

/// An RSA public key of 8192 bits without a private key.
struct LargeRsa(Vec<u8>);

impl LargeRsa {
    fn new() -> LargeRsa {
        let mut modulus = vec![0xa5; 1024];
        modulus[1023] = 0x01;
        // SEQUENCE { INTEGER modulus, with a zero before its high bit; INTEGER 65537 }
        let modulus = [&[0x02, 0x82, 0x04, 0x01, 0x00][..], &modulus].concat();
        let numbers = [&modulus[..], &[0x02, 0x03, 0x01, 0x00, 0x01]].concat();
        let length = u16::try_from(numbers.len()).unwrap().to_be_bytes();
        LargeRsa([&[0x30, 0x82][..], &length, &numbers].concat())
    }
}

impl rcgen::PublicKeyData for LargeRsa {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

/// A chain whose intermediate has such a key, so that the server would have to verify one RSA signature.
fn with_large_rsa(unknown_issuer: &X509Issuer) -> X509Chain {
    let mut parameters = None;
    let namesake = unknown_issuer.intermediate(|own| {
        named("large")(own);
        parameters = Some(own.clone());
    });
    let mut chain = namesake.leaf(ID, |_| {});
    chain
        .chain
        .push(unknown_issuer.certify(&parameters.unwrap(), &LargeRsa::new()));
    chain
}
