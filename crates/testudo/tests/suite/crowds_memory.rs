//! Tests that senders which fill the memory of requests with little traffic do not prevent other clients from being
//! served.

use crate::binary::{RULES, Server, Site};
use crate::listeners::{metric, wait_for};
use std::net::SocketAddr;
use testudo_testkit::http::Connection;
use testudo_testkit::svid_form;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const SENDERS: [&str; 4] = ["127.1.0.1", "127.2.0.1", "127.3.0.1", "127.4.0.1"];
/// Connections of each sender.
const CONNECTIONS: usize = 8;
/// Streams of each connection.
const STREAMS: u32 = 126;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// HTTP/2 with a window of 0 bytes for answers, and headers of 27 KB of which each is sent in about sixty bytes: one field
/// of 3,900 bytes is added to the HPACK table, and each request refers to it seven times.
fn heads(start: &[u8], flags: u8) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for number in 0..STREAMS {
        let mut head = start.to_vec();
        if number == 0 {
            head.extend_from_slice(b"\x40\x03x-a\x7f\xbd\x1d");
            head.extend_from_slice(&[b'v'; 3_900]);
            head.extend_from_slice(&[0xbe; 6]);
        } else {
            head.extend_from_slice(&[0xbe; 7]);
        }
        bytes.extend(frame(1, flags, 1 + 2 * number, &head));
    }
    bytes
}

/// Opens all connections of all senders, and waits until the server has sent some bytes on each.
async fn open_connections(to: SocketAddr, bytes: &[u8]) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for source in SENDERS {
        for _ in 0..CONNECTIONS {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
            let mut stream = socket.connect(to).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            open.push(stream);
        }
    }
    for stream in &mut open {
        assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
    }
    open
}

/// Sends every kind of request that the server must answer from another address.
async fn assert_others_are_served(site: &Site, server: &Server) {
    let (public, admin) = (server.address, server.admin_address());
    for (address, path) in [
        (public, "/livez"),
        (public, "/readyz"),
        (public, "/jwks"),
        (admin, "/livez"),
        (admin, "/readyz"),
        (admin, "/metrics"),
    ] {
        let answer = Connection::open(address).await.get(path).await;
        assert_eq!(answer.status, 200, "{address}{path}");
    }
    let body = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    assert_eq!(server.token(body).await.status, 200);
    site.ok(&["status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_answers_of_four_addresses_do_not_affect_other_clients() {
    let site = Site::new();
    site.configure("write_timeout = \"8s\"", RULES);
    let server = site.serve();
    let start = b"\x82\x86\x04\x05/jwks\x01\x01a";
    let open = open_connections(server.address, &heads(start, 5)).await;
    assert_others_are_served(&site, &server).await;
    wait_for("each connection with unread answers is closed", async || {
        assert_others_are_served(&site, &server).await;
        let closed = "testudo_connections_closed_total{reason=\"write_timeout\"}";
        metric(server.admin_address(), closed).await >= open.len() as f64
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unsent_bodies_of_four_addresses_do_not_affect_other_clients() {
    let site = Site::new();
    // If memory is nearly full, a body must arrive within a sixteenth of this time.
    site.configure("body_timeout = \"64s\"", RULES);
    let server = site.serve();
    let start = b"\x83\x86\x04\x06/token\x01\x01a\x0f\x10\x21application/x-www-form-urlencoded";
    let _open = open_connections(server.address, &heads(start, 4)).await;
    let in_flight = metric(server.admin_address(), "testudo_request_bytes_in_flight").await;
    println!("{in_flight} bytes in flight");
    assert_others_are_served(&site, &server).await;
    wait_for(
        "the connections that use most memory for the longest time are closed",
        async || {
            assert_others_are_served(&site, &server).await;
            let closed = "testudo_connections_closed_total{reason=\"memory\"}";
            metric(server.admin_address(), closed).await >= 4.0
        },
    )
    .await;
    assert_others_are_served(&site, &server).await;
}
