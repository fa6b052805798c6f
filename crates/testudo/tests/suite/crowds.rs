//! Tests of many connections: silent connections of another process, more connections than the limit of one address, more
//! connections than the limit of open files, and streams that fill memory.

use crate::binary::{RULES, Server, Site};
use crate::listeners::{metric, wait_for};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testudo_testkit::http::{Connection, TlsClient};
use testudo_testkit::svid_form;
use testudo_testkit::x509::web_certificate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// A connection from one of the loopback addresses.
async fn from(source: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{source}:0").parse().unwrap())?;
    socket.connect(to).await
}

// ---- Ten thousand silent connections.

/// Starts silent clients in another process; returns when all have connected.
fn silent_clients(server: SocketAddr, count: usize) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "crowds::silent_clients_of_another_process",
        ])
        .arg("--nocapture")
        .env("SILENT_CLIENTS", format!("{server} {count}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("connected") {
        line.clear();
        assert!(
            output.read_line(&mut line).unwrap() > 0,
            "the process of the silent clients ended early"
        );
    }
    (child, output)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test below, in another process"]
async fn silent_clients_of_another_process() {
    let order = std::env::var("SILENT_CLIENTS").expect("started by another test");
    let (server, count) = order.split_once(' ').unwrap();
    let (server, count): (SocketAddr, usize) = (server.parse().unwrap(), count.parse().unwrap());
    let mut waiting = Vec::new();
    for _ in 0..count {
        let stream = from("127.0.0.1", server).await;
        let opened = Instant::now();
        waiting.push(tokio::spawn(async move {
            // A connection that is closed at once counts as ended too.
            let Ok(mut stream) = stream else {
                return Duration::ZERO;
            };
            let mut buffer = [0; 1];
            let _ = stream.read(&mut buffer).await;
            opened.elapsed()
        }));
    }
    println!("connected {count}");
    let mut oldest = Duration::ZERO;
    for silent in waiting {
        oldest = oldest.max(silent.await.unwrap());
    }
    println!("oldest {}", oldest.as_millis());
}

/// Measures the latency of valid requests, each on a new connection from another address, while silent connections of one
/// address are open. Returns the 99th percentile, and the age of the oldest silent connection when it was closed.
async fn good_beside_silent(silent: usize, good: usize) -> (Duration, Duration, Server, Site) {
    let site = Site::new();
    let server = Server::start_limited(&site.config(), "ulimit -Sn 256");
    let body = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    assert_eq!(server.token(body.clone()).await.status, 200);
    let (mut clients, mut output) = silent_clients(server.address, silent);
    let mut latencies = Vec::new();
    for number in 0..good {
        let source = format!("127.0.{}.{}", 1 + number / 200, 1 + number % 200);
        let request = format!(
            "POST /token HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
            body.len()
        );
        let began = Instant::now();
        let mut stream = from(&source, server.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        latencies.push(began.elapsed());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    latencies.sort();
    let p99 = latencies[latencies.len() * 99 / 100];
    let oldest = tokio::task::spawn_blocking(move || {
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert!(clients.wait().unwrap().success(), "{rest}");
        let oldest = rest.split("oldest ").nth(1).unwrap();
        Duration::from_millis(oldest.lines().next().unwrap().trim().parse().unwrap())
    });
    (p99, oldest.await.unwrap(), server, site)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_other_addresses_are_served_while_one_address_opens_silent_connections() {
    // More silent connections than the 2,500 that one address may have. The limits are wide, because the machine may be
    // busy; `cargo xtask soak connections` measures the real figures.
    let (p99, oldest, server, _site) = good_beside_silent(4_000, 300).await;
    println!("p99 {p99:?}, oldest silent connection {oldest:?}");
    assert!(p99 < Duration::from_secs(1), "p99 {p99:?}");
    assert!(oldest < Duration::from_secs(30), "{oldest:?}");
    let admin = server.admin_address();
    let closed = "testudo_connections_closed_total{reason=\"connections_max_per_address\"}";
    assert!(metric(admin, closed).await >= 1_500.0);
    assert!(
        metric(admin, "testudo_connections_max ").await >= 1_000.0,
        "the server must raise the soft limit of 256 open files"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the full figures: cargo xtask soak connections"]
async fn soak_ten_thousand_silent_connections() {
    let (p99, oldest, ..) = good_beside_silent(10_000, 1_000).await;
    println!("10,000 silent connections of one address: good requests p99 {p99:?}, oldest silent {oldest:?}");
    assert!(p99 < Duration::from_millis(50), "p99 {p99:?}");
    assert!(oldest < Duration::from_secs(15), "{oldest:?}");
}

// ---- Limits.

#[tokio::test]
async fn oldest_silent_connection_is_closed_when_its_address_reaches_its_limit() {
    let site = Site::new();
    site.configure("connections_max_per_address = 3", RULES);
    let server = site.serve();
    let mut first = from("127.0.0.9", server.address).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(from("127.0.0.9", server.address).await.unwrap());
    }
    let ended = tokio::time::timeout(Duration::from_secs(8), first.read(&mut [0; 1])).await;
    assert!(
        ended.is_ok(),
        "the oldest connection must be closed long before its deadline"
    );
    let last = others.last_mut().unwrap();
    last.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = Connection::open(server.address).await.get("/livez").await;
    assert_eq!(answer.status, 200, "another address must be served");
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_limit_leaves_file_descriptors_for_administration() {
    let site = Site::new();
    let server = Server::start_limited(&site.config(), "ulimit -n 300");
    let admin = server.admin_address();
    assert_eq!(metric(admin, "testudo_connections_max ").await, 150.0);
    let log = server.log.lock().unwrap().clone();
    assert!(log.contains("server.connections_max is lowered"), "{log}");
    let mut silent = Vec::new();
    for number in 0..400 {
        let source = format!("127.{}.0.1", 1 + number % 200);
        silent.push(from(&source, server.address).await.unwrap());
    }
    site.ok(&["status"]);
    site.ok(&["trust", "refresh", "prod.example"]);
    let body = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    assert_eq!(
        server.token(body).await.status,
        200,
        "a first use must be served and written"
    );
    let closed = "testudo_connections_closed_total{reason=\"connections_max\"}";
    assert!(metric(admin, closed).await >= 250.0);
    assert!(!server.log.lock().unwrap().contains("could not be accepted"));
}

/// Opens five thousand streams with headers of 30 KB and bodies that never end.
#[tokio::test(flavor = "multi_thread")]
async fn http2_streams_of_one_address_use_a_bounded_amount_of_memory() {
    let site = Site::new();
    site.configure("body_timeout = \"60s\"", RULES);
    let server = site.serve();
    assert_eq!(
        Connection::open(server.address).await.get("/livez").await.status,
        200
    );
    let before = server.resident_bytes();
    let mut streams = Vec::new();
    for _ in 0..40 {
        let mut stream = from("127.0.0.9", server.address).await.unwrap();
        let mut head =
            b"\x83\x86\x04\x06/token\x01\x01a\x0f\x10\x21application/x-www-form-urlencoded".to_vec();
        for name in [b'a', b'b', b'c'] {
            // A literal field of 10,000 bytes that is not added to the HPACK table.
            head.extend_from_slice(&[0, 1, name, 0x7f, 0x91, 0x4d]);
            head.extend_from_slice(&[b'x'; 10_000]);
        }
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        for number in 0..128_u32 {
            let (first, rest) = head.split_at(16_000);
            bytes.extend(frame(1, 0, 1 + 2 * number, first));
            bytes.extend(frame(9, 4, 1 + 2 * number, rest));
        }
        let (mut reader, mut writer) = stream.split();
        let mut answers = [0; 65_536];
        let sending = async {
            writer.write_all(&bytes).await.unwrap();
        };
        // The server answers refused requests. The test must read these answers, or both sides would wait for each other.
        tokio::pin!(sending);
        loop {
            tokio::select! {
                () = &mut sending => break,
                read = reader.read(&mut answers) => assert!(read.unwrap() > 0, "the server closed the connection"),
            }
        }
        streams.push(stream);
    }
    wait_for("the server refuses requests", async || {
        metric(server.admin_address(), "testudo_requests_shed_total").await > 1_000.0
    })
    .await;
    let held = server.resident_bytes().saturating_sub(before);
    println!(
        "40 HTTP/2 connections with 128 streams each use {} KB each",
        held / 40 / 1024
    );
    // One address may use 28 MiB; the rest is memory that the allocator does not return. Without a limit, the headers
    // alone would need more than 150 MiB.
    assert!(held < 90 * 1024 * 1024, "{held}");
    let body = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    assert_eq!(
        server.token(body).await.status,
        200,
        "another address must be served"
    );
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Measures the memory of an idle connection: plain and with TLS, before and after a request.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "figures for the documentation: cargo xtask soak connections"]
async fn soak_memory_of_idle_connections() {
    const COUNT: usize = 2_000;
    let site = Site::new();
    let (own, root) = web_certificate("as.example");
    site.write("tls.crt", &own.chain_pem());
    site.write("tls.key", &own.key_pem());
    let limits =
        "first_request_timeout = \"600s\"\nidle_timeout = \"600s\"\nconnections_max_per_address = 10000";
    for tls in [
        "",
        "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }",
    ] {
        site.configure(&format!("{limits}\n{tls}"), RULES);
        let server = site.serve();
        let client = TlsClient::new(&root.chain, None);
        let mut kept: Vec<Box<dyn Send>> = Vec::new();
        for request in [
            &b""[..],
            b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x0d\x01\x05\0\0\0\x01\x82\x86\x04\x06/livez\x01\x01a",
        ] {
            let before = server.resident_bytes();
            for _ in 0..COUNT {
                let mut buffer = [0; 4096];
                if tls.is_empty() {
                    let mut stream = TcpStream::connect(server.address).await.unwrap();
                    stream.write_all(request).await.unwrap();
                    if !request.is_empty() {
                        assert!(stream.read(&mut buffer).await.unwrap() > 0);
                    }
                    kept.push(Box::new(stream));
                } else {
                    let mut stream = client.open(server.address, "as.example").await.unwrap();
                    stream.write_all(request).await.unwrap();
                    if !request.is_empty() {
                        assert!(stream.read(&mut buffer).await.unwrap() > 0);
                    }
                    kept.push(Box::new(stream));
                }
            }
            let each = server.resident_bytes().saturating_sub(before) / COUNT;
            println!(
                "{} connection, {:<28} {:>6} bytes",
                if tls.is_empty() { "plain" } else { "TLS  " },
                match request.first() {
                    None => "silent",
                    Some(b'G') => "idle after HTTP/1.1",
                    Some(_) => "idle after HTTP/2",
                },
                each
            );
        }
    }
}
