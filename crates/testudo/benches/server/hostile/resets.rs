//! HTTP/2 streams that the client resets at once: the server begins to work on each request and then discards it.

use super::{Request, Table, cost};
use crate::fixture::{Folder, Server, svid};
use std::path::Path;
use testudo_testkit::load::Connector::Plain;
use testudo_testkit::{TestIssuer, svid_form};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 50;
const STREAMS: u32 = 400;

pub(super) async fn run(binary: &Path, table: &mut Table) {
    let issuer = TestIssuer::new("bench.example");
    let folder = Folder::new(&issuer);
    let server = Server::start_binary(binary, &folder.0);
    let one = |number: usize| {
        Request::token(svid_form(
            &svid(&issuer, &format!("/ns/known/sa/s{}", number % 100)),
            &[],
        ))
    };
    let good = cost(&server, &Plain, (0..10_000).map(one).collect(), &[200]).await;
    table.heading("HTTP/2");
    for (name, with_reset) in [("streams reset at once", true), ("streams never finished", false)] {
        let before = server.cpu_seconds();
        let mut sent = 0;
        for _ in 0..CONNECTIONS {
            sent += flood(server.address, with_reset).await;
        }
        let us = (server.cpu_seconds() - before) * 1e6 / f64::from(sent);
        println!("{sent} streams on {CONNECTIONS} connections");
        table.row(name, us, good);
    }
}

/// Opens streams until the server closes the connection or `STREAMS` are open. Returns how many were sent.
async fn flood(address: std::net::SocketAddr, with_reset: bool) -> u32 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    let mut sent = 0;
    for number in 0..STREAMS {
        let id = 2 * number + 1;
        // HPACK: `:method POST`, `:scheme http`, `:path /token`, `:authority a`, the last two as literals.
        let block = [&[0x83, 0x86, 0x04, 6][..], b"/token", &[0x01, 1], b"a"].concat();
        let mut bytes = frame(1, 0x4, id, &block);
        if with_reset {
            bytes.extend(frame(3, 0, id, &8u32.to_be_bytes()));
        }
        if stream.write_all(&bytes).await.is_err() {
            break;
        }
        sent += 1;
    }
    // The answers of the server are read until it closes the connection or sends nothing more.
    let mut buffer = [0; 16 * 1024];
    let quiet = std::time::Duration::from_millis(100);
    while let Ok(Ok(read)) = tokio::time::timeout(quiet, stream.read(&mut buffer)).await {
        if read == 0 {
            break;
        }
    }
    sent.max(1)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
