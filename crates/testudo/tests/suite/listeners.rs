//! The listeners of the built binary: many connections, an orderly end, renewed certificates, odd requests.

use crate::binary::{RULES, Server, Site};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testudo_testkit::http::{Answer, Connection, TlsClient};
use testudo_testkit::svid_form;
use testudo_testkit::x509::web_certificate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const PATIENCE: Duration = Duration::from_secs(60);

async fn metric(address: SocketAddr, name: &str) -> f64 {
    let answer = Connection::open(address).await.get("/metrics").await;
    let text = String::from_utf8(answer.body).unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits for a fact, with a deadline.
async fn wait_for<F: AsyncFnMut() -> bool>(what: &str, mut is_so: F) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A stream from one of the loopback addresses.
async fn from(source: &str, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{source}:0").parse().unwrap())?;
    socket.connect(to).await
}

// ---- Ten thousand silent connections.

/// Starts the silent clients in a process of its own; returns when all have connected.
fn silent_clients(server: SocketAddr, count: usize) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "listeners::silent_clients_of_another_process",
        ])
        .arg("--nocapture")
        .env("SILENT_CLIENTS", format!("{server} {count}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("connected") {
        line.clear();
        assert!(
            said.read_line(&mut line).unwrap() > 0,
            "the silent clients ended early"
        );
    }
    (child, said)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test below, in a process of its own"]
async fn silent_clients_of_another_process() {
    let order = std::env::var("SILENT_CLIENTS").expect("started by another test");
    let (server, count) = order.split_once(' ').unwrap();
    let (server, count): (SocketAddr, usize) = (server.parse().unwrap(), count.parse().unwrap());
    let mut waiting = Vec::new();
    for _ in 0..count {
        let stream = from("127.0.0.1", server).await;
        let opened = Instant::now();
        waiting.push(tokio::spawn(async move {
            // Turned away at once is an end as well.
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

/// The latency of good requests, each from another address and over a connection of its own, while silent
/// connections of one address are open; then the age of the oldest of those.
async fn good_beside_silent(silent: usize, good: usize) -> (Duration, Duration, Server, Site) {
    let site = Site::new();
    let server = Server::start_limited(&site.config(), "ulimit -Sn 256");
    let body = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    assert_eq!(server.token(body.clone()).await.status, 200);
    let (mut clients, mut said) = silent_clients(server.address, silent);
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
        said.read_to_string(&mut rest).unwrap();
        assert!(clients.wait().unwrap().success(), "{rest}");
        let oldest = rest.split("oldest ").nth(1).unwrap();
        Duration::from_millis(oldest.lines().next().unwrap().trim().parse().unwrap())
    });
    (p99, oldest.await.unwrap(), server, site)
}

#[tokio::test(flavor = "multi_thread")]
async fn good_clients_are_served_beside_silent_connections_of_one_address() {
    // A share of 2,500, and the machine may be busy: the full figures are those of `cargo xtask soak connections`.
    let (p99, oldest, server, _site) = good_beside_silent(4_000, 300).await;
    println!("p99 {p99:?}, oldest silent connection {oldest:?}");
    assert!(p99 < Duration::from_secs(1), "p99 {p99:?}");
    assert!(oldest < Duration::from_secs(30), "{oldest:?}");
    let admin = server.admin_address();
    let closed = "testudo_connections_closed_total{reason=\"connections_max_per_address\"}";
    assert!(metric(admin, closed).await >= 1_500.0);
    assert!(
        metric(admin, "testudo_connections_max ").await >= 1_000.0,
        "256 files were raised"
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
async fn the_oldest_silent_connection_goes_where_an_address_has_used_up_its_share() {
    let site = Site::new();
    site.configure("connections_max_per_address = 3", RULES);
    let server = site.serve();
    let mut first = from("127.0.0.9", server.address).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(from("127.0.0.9", server.address).await.unwrap());
    }
    let ended = tokio::time::timeout(Duration::from_secs(8), first.read(&mut [0; 1])).await;
    assert!(ended.is_ok(), "the oldest is closed long before its deadline");
    let last = others.last_mut().unwrap();
    last.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = Connection::open(server.address).await.get("/livez").await;
    assert_eq!(answer.status, 200, "another address");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_leave_files_for_administration_where_there_are_few() {
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
    assert_eq!(server.token(body).await.status, 200, "a first use is written");
    let closed = "testudo_connections_closed_total{reason=\"connections_max\"}";
    assert!(metric(admin, closed).await >= 250.0);
    assert!(!server.log.lock().unwrap().contains("could not be accepted"));
}

/// Five thousand streams with heads of 30 KB whose bodies never end.
#[tokio::test(flavor = "multi_thread")]
async fn http2_streams_of_one_sender_hold_a_bounded_part_of_memory() {
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
            // A literal field that enters no table: 10,000 bytes.
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
        // What is turned away is answered: read along, or both sides wait.
        tokio::pin!(sending);
        loop {
            tokio::select! {
                () = &mut sending => break,
                read = reader.read(&mut answers) => assert!(read.unwrap() > 0, "the server hung up"),
            }
        }
        streams.push(stream);
    }
    wait_for("requests are turned away", async || {
        metric(server.admin_address(), "testudo_requests_shed_total").await > 1_000.0
    })
    .await;
    let held = server.resident_bytes().saturating_sub(before);
    println!(
        "40 HTTP/2 connections with 128 streams each hold {} KB each",
        held / 40 / 1024
    );
    // The share of one address is a quarter of 128 MiB; the rest is what the allocator keeps. Unbounded, it were
    // more than 150 MiB for the heads alone.
    assert!(held < 90 * 1024 * 1024, "{held}");
    let body = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    assert_eq!(server.token(body).await.status, 200, "another address is served");
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

// ---- Stopping.

#[tokio::test(flavor = "multi_thread")]
async fn a_running_request_finishes_after_sigterm_and_idle_connections_end_at_once() {
    let site = Site::new();
    site.configure("drain = \"40s\"\nbody_timeout = \"40s\"", RULES);
    let mut server = site.serve();
    let body = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(idle.read(&mut [0; 4096]).await.unwrap() > 0);
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut running = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n",
        body.len()
    );
    running.write_all(head.as_bytes()).await.unwrap();
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(body.len() / 8 + 1).collect();
    running.write_all(pieces[0]).await.unwrap();
    wait_for("the request runs", async || {
        metric(server.admin_address(), "testudo_request_bytes_in_flight").await > 0.0
    })
    .await;
    server.signal("TERM");
    let both = async {
        let _ = idle.read(&mut [0; 1]).await;
        let _ = silent.read(&mut [0; 1]).await;
    };
    tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("idle connections end at once");
    wait_for("new connections are refused", async || {
        TcpStream::connect(server.address).await.is_err()
    })
    .await;
    for piece in &pieces[1..] {
        tokio::time::sleep(Duration::from_millis(150)).await;
        running
            .write_all(piece)
            .await
            .expect("the request is still served");
    }
    let mut answer = String::new();
    running.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let ended = tokio::task::spawn_blocking(move || (server.child.wait().unwrap(), server));
    let (status, server) = tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .expect("the server ends with its last request")
        .unwrap();
    assert!(status.success());
    assert!(!server.log.lock().unwrap().contains("were cut"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_done_when_the_drain_is_over_is_cut_and_logged() {
    let site = Site::new();
    site.configure("drain = \"1s\"\nbody_timeout = \"600s\"", RULES);
    let mut server = site.serve();
    let mut running = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\na";
    running.write_all(head.as_bytes()).await.unwrap();
    wait_for("the request runs", async || {
        metric(server.admin_address(), "testudo_request_bytes_in_flight").await > 0.0
    })
    .await;
    let began = Instant::now();
    server.signal("TERM");
    let ended = tokio::task::spawn_blocking(move || (server.child.wait().unwrap(), server));
    let (_, server) = tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("an end")
        .unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    wait_for("the log says what was cut", async || {
        let log = server.log.lock().unwrap();
        log.contains("running requests were cut") && log.contains("\"requests\":1")
    })
    .await;
}

// ---- Certificates.

#[tokio::test(flavor = "multi_thread")]
async fn renewed_certificates_are_served_without_a_restart_and_sessions_go_on() {
    let site = Site::new();
    let tls = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }";
    site.configure(tls, RULES);
    let (first, first_root) = web_certificate("as.example");
    let (second, second_root) = web_certificate("as.example");
    site.write("tls.crt", &first.chain_pem());
    site.write("tls.key", &first.key_pem());
    let server = site.serve();
    let admin = server.admin_address();
    let client = TlsClient::new(&first_root.chain, None);
    let (mut kept, _) = client
        .connect(server.address)
        .await
        .expect("the first certificate");
    assert_eq!(kept.get("/livez").await.status, 200);
    let status = site.json(&["status"]);
    assert!(
        status["tls_certificates_end"]["server.tls"].is_string(),
        "{status}"
    );
    assert!(metric(admin, "testudo_tls_certificate_expires_seconds").await > 1.7e9);

    // The certificate alone: it does not fit to the key that is still there.
    site.write("tls.crt", &second.chain_pem());
    wait_for("the misfit is told", async || {
        server.log.lock().unwrap().contains("tls.certificate_refused")
    })
    .await;
    let reloaded = site.run(&["reload"]);
    assert!(reloaded.status.success(), "the rest is reloaded");
    assert!(
        client.connect(server.address).await.is_some(),
        "the earlier pair stays"
    );
    assert_eq!(site.run(&["doctor"]).status.code(), Some(1));

    site.write("tls.key", &second.key_pem());
    let renewed = Arc::new(TlsClient::new(&second_root.chain, None));
    wait_for("the new certificate is served", async || {
        renewed.connect(server.address).await.is_some()
    })
    .await;
    let (_, is_resumed) = client.connect(server.address).await.expect("a session of before");
    assert!(is_resumed, "the session goes on");
    assert_eq!(kept.get("/livez").await.status, 200, "the connection goes on");
    let events = site.ok(&["event", "list"]);
    assert!(events.contains("tls.certificate_refused"), "{events}");
    assert!(events.contains("tls.certificate_renewed"), "{events}");
    let doctor = site.ok(&["doctor"]);
    assert!(doctor.contains("it ends at "), "{doctor}");
}

#[test]
fn doctor_fails_a_certificate_that_has_ended() {
    let site = Site::new();
    let tls = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }";
    site.configure(tls, RULES);
    site.certify("as.example");
    assert!(site.run(&["doctor"]).status.success());
    let key = rcgen::KeyPair::generate().unwrap();
    let mut ended = rcgen::CertificateParams::new(vec!["as.example".into()]).unwrap();
    ended.not_after = rcgen::date_time_ymd(2026, 1, 2);
    site.write("tls.crt", &ended.self_signed(&key).unwrap().pem());
    site.write("tls.key", &key.serialize_pem());
    let doctor = site.run(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(doctor.status.code(), Some(1), "{said}");
    assert!(said.contains("ended at 2026-01-02"), "{said}");
}

#[test]
fn a_reload_says_that_a_certificate_cannot_be_used() {
    let site = Site::new();
    let tls = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }\nwatch = false";
    site.configure(tls, RULES);
    site.certify("as.example");
    let _server = site.serve();
    let (other, _) = web_certificate("as.example");
    site.write("tls.key", &other.key_pem());
    let said = crate::binary::stderr(&site.run(&["reload"]));
    assert!(said.contains("server.tls cannot be used"), "{said}");
    assert!(said.contains("do not fit together"), "{said}");
    site.write("tls.crt", &other.chain_pem());
    let said = crate::binary::stderr(&site.run(&["reload"]));
    assert!(!said.contains("server.tls"), "{said}");
}

// ---- Odd requests.

fn raw(server: SocketAddr, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(server).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn rfc9112_3_2_a_request_without_one_host_is_answered_400_at_every_listener() {
    let site = Site::new();
    let server = site.serve();
    for address in [server.address, server.admin_address()] {
        let get = |hosts: &str| {
            raw(
                address,
                &format!("GET /livez HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"),
            )
        };
        assert!(get("Host: a\r\n").starts_with("HTTP/1.1 200 "));
        for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n"] {
            let answer = get(hosts);
            assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts:?}: {answer}");
            assert!(answer.contains("exactly one Host field"), "{answer}");
            assert!(answer.to_lowercase().contains("\r\nrequest-id: "), "{answer}");
        }
    }
}

#[tokio::test]
async fn rfc9110_15_5_16_an_encoded_body_is_answered_415() {
    let site = Site::new();
    let server = site.serve();
    let body = svid_form(&site.svid("/ns/shop/sa/pay"), &[]);
    let post = async |coding: &'static str| -> Answer {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-encoding", coding),
        ];
        let mut connection = Connection::open(server.address).await;
        connection.send("POST", "/token", &headers, body.clone()).await
    };
    assert_eq!(post("identity").await.status, 200);
    for coding in ["gzip", "br", "identity, gzip"] {
        let answer = post(coding).await;
        assert_eq!((answer.status, answer.error().as_str()), (415, "invalid_request"));
        assert!(
            answer.json()["error_description"]
                .as_str()
                .unwrap()
                .contains("Content-Encoding")
        );
    }
}

/// What a connection costs that holds nothing: plain and TLS, before and after a request.
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
