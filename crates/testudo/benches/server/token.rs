//! `cargo xtask bench token`: measures valid requests, and compares them with the cryptographic operations alone.

use crate::fixture::{CONNECTIONS, Folder, Server, mint, svid};
use crate::mutual_tls::MutualTls;
use crate::proofs;
use crate::raw::raw_cryptography;
use hyper::body::Bytes;
use std::sync::Arc;
use testudo_testkit::load::{Connector, drive};
use testudo_testkit::postgres::Postgres;
use testudo_testkit::scratch;
use testudo_testkit::{TestIssuer, svid_form};

pub async fn run(is_full: bool) {
    let raw = raw_cryptography();
    let issuer = Arc::new(TestIssuer::new("bench.example"));
    let folder = Folder::new(&issuer);
    let mut server = Server::start(&folder.0);
    println!(
        "ready after start, empty store           {:>9.1} ms",
        server.ready_after.as_secs_f64() * 1e3
    );
    println!(
        "resident memory, idle                    {:>9.1} MB",
        server.resident_mb()
    );

    // Registers 100 clients, then warms up the code paths.
    let known = |number: usize| format!("/ns/known/sa/s{}", number % 100);
    let warm = drive(server.address, CONNECTIONS, mint(&issuer, 4_000, known)).await;
    assert_eq!(warm.bad, 0);

    let fresh = server
        .measure("known client, fresh SVID", mint(&issuer, 60_000, known))
        .await;
    let same = Bytes::from(svid_form(&svid(&issuer, &known(0)), &[]));
    let before = server.batches_written().await;
    let repeated = server
        .measure("known client, same SVID", Arc::new(vec![same; 120_000]))
        .await;
    let written = server.batches_written().await - before;
    println!("  store batches for 120,000 repeated tokens: {written}");
    println!(
        "  fresh SVID: {:.2} times the raw verify + sign; same SVID: {:.2} times the raw sign",
        fresh / (raw.0 + raw.1),
        repeated / raw.1
    );

    let new = |number: usize| format!("/ns/n{}/sa/s{number}", number % 50);
    server
        .measure("first use, durable", mint(&issuer, 50_000, new))
        .await;

    let resident = server.resident_mb();
    let size = folder.store_bytes();
    let refused = drive(
        server.address,
        CONNECTIONS,
        mint(&issuer, 200_000, |number| format!("/none/{number}")),
    )
    .await;
    assert_eq!(refused.good, 0);
    println!(
        "200,000 distinct refused identities: memory {:+.1} MB, store {:+.2} MB",
        server.resident_mb() - resident,
        (folder.store_bytes() as f64 - size as f64) / 1e6
    );
    if is_full {
        million(&mut server, &issuer, &folder).await;
    }
    drop(server);
    proofs::run().await;
    mutual_tls(raw).await;
    postgres(&issuer).await;
}

/// Measures token requests with X.509-SVIDs, on kept connections and with a handshake for each request.
async fn mutual_tls(raw: (f64, f64)) {
    let fixture = MutualTls::new();
    let server = Server::start(&fixture.folder.0);
    for (name, is_kept, count) in [
        ("X.509-SVID, kept connection", true, 60_000),
        ("X.509-SVID, handshake each", false, 4_000),
    ] {
        let us = fixture.measure(&server, name, is_kept, count).await;
        println!(
            "  {:.2} times the raw sign, {:.2} times the raw 2 verify + 2 sign",
            us / raw.1,
            us / (2.0 * (raw.0 + raw.1))
        );
    }
}

/// Measures first uses with PostgreSQL, with one node and with two, and requests of known clients.
async fn postgres(issuer: &Arc<TestIssuer>) {
    let database = match Postgres::start(&scratch::folder("postgres")) {
        Ok(database) => database,
        Err(why) => {
            println!("PostgreSQL was not measured: {why}");
            return;
        }
    };
    let url = database.database("bench").unwrap();
    let folders = [Folder::new(issuer), Folder::new(issuer)];
    for folder in &folders {
        let key = "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0";
        folder.edit(
            "url = \"sqlite:bench.db\"",
            &format!("url = \"{url}\"\nkey_encryption_key = \"{key}\""),
        );
    }
    let first = Server::start(&folders[0].0);
    let new = |tag: &'static str| move |number: usize| format!("/ns/{tag}{}/sa/s{number}", number % 50);
    first
        .measure("first use, PostgreSQL", mint(issuer, 20_000, new("a")))
        .await;
    let known = mint(issuer, 20_000, |number| {
        format!("/ns/a{}/sa/s{}", number % 50, number % 50)
    });
    drive(
        first.address,
        CONNECTIONS,
        mint(issuer, 50, |number| format!("/ns/a{}/sa/s{number}", number % 50)),
    )
    .await;
    let (reads, written) = (
        first.status("store_reads").await,
        first.status("store_batches_written").await,
    );
    first.measure("known client, PostgreSQL", known).await;
    let reads = first.status("store_reads").await - reads;
    let written = first.status("store_batches_written").await - written;
    println!("  queries for 20,000 tokens to known clients: {reads} reads, {written} batches");
    let second = Server::start(&folders[1].0);
    first
        .measure_over(
            "first use, two nodes",
            &Connector::Plain,
            &[&second],
            mint(issuer, 20_000, new("b")),
        )
        .await;
}

async fn million(server: &mut Server, issuer: &Arc<TestIssuer>, folder: &Folder) {
    for chunk in 0..20 {
        let bodies = mint(issuer, 50_000, |number| {
            format!("/ns/m{}/sa/c{chunk}-{number}", number % 50)
        });
        let outcome = drive(server.address, CONNECTIONS, bodies).await;
        assert_eq!(outcome.bad, 0);
        eprint!("\r{} of 1,000,000 first uses", (chunk + 1) * 50_000);
    }
    eprintln!();
    println!(
        "resident memory after 1,000,000 first uses {:>7.1} MB",
        server.resident_mb()
    );
    server.stop();
    *server = Server::start(&folder.0);
    println!(
        "ready after start, 1,000,000 clients     {:>9.1} ms",
        server.ready_after.as_secs_f64() * 1e3
    );
    let active = mint(issuer, 100_000, |number| {
        format!("/ns/m{}/sa/c{}-{number}", number % 50, number % 2)
    });
    drive(server.address, CONNECTIONS, active).await;
    println!(
        "resident memory, 1,000,000 stored, 100,000 active {:.1} MB",
        server.resident_mb()
    );
}
