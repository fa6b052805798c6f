//! Tests of the listeners of the built binary: graceful stop, renewed certificates, malformed requests.

use crate::binary::{RULES, Site};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testudo_testkit::http::{Answer, Connection, TlsClient};
use testudo_testkit::svid_form;
use testudo_testkit::x509::web_certificate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(60);

pub async fn metric(address: SocketAddr, name: &str) -> f64 {
    let answer = Connection::open(address).await.get("/metrics").await;
    let text = String::from_utf8(answer.body).unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits until a condition is true, with a deadline.
pub async fn wait_for<F: AsyncFnMut() -> bool>(what: &str, mut is_so: F) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// ---- Stopping.

#[tokio::test(flavor = "multi_thread")]
async fn running_request_finishes_after_sigterm_and_idle_connections_are_closed_at_once() {
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
        .expect("idle connections must be closed at once");
    wait_for("new connections are refused", async || {
        TcpStream::connect(server.address).await.is_err()
    })
    .await;
    for piece in &pieces[1..] {
        tokio::time::sleep(Duration::from_millis(150)).await;
        running
            .write_all(piece)
            .await
            .expect("the running request must still be served");
    }
    let mut answer = String::new();
    running.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let ended = tokio::task::spawn_blocking(move || (server.child.wait().unwrap(), server));
    let (status, server) = tokio::time::timeout(Duration::from_secs(30), ended)
        .await
        .expect("the server must end after its last request")
        .unwrap();
    assert!(status.success());
    assert!(
        !server
            .log
            .lock()
            .unwrap()
            .contains("were ended without an answer")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_run_longer_than_the_drain_are_aborted_and_logged() {
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
        .expect("the server must end within the deadline")
        .unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    wait_for("the log contains the number of aborted requests", async || {
        let log = server.log.lock().unwrap();
        log.contains("running requests were ended without an answer") && log.contains("\"requests\":1")
    })
    .await;
}

// ---- Certificates.

#[tokio::test(flavor = "multi_thread")]
async fn renewed_tls_certificates_are_served_without_a_restart_and_sessions_continue() {
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
        .expect("a handshake with the first certificate");
    assert_eq!(kept.get("/livez").await.status, 200);
    let status = site.json(&["status"]);
    assert!(
        status["tls_certificates_end"]["server.tls"].is_string(),
        "{status}"
    );
    assert!(metric(admin, "testudo_tls_certificate_expires_seconds").await > 1.7e9);

    // Only the certificate is replaced, so it does not match the key.
    site.write("tls.crt", &second.chain_pem());
    wait_for("the mismatch is logged", async || {
        server.log.lock().unwrap().contains("tls.certificate_refused")
    })
    .await;
    let reloaded = site.run(&["reload"]);
    assert!(
        reloaded.status.success(),
        "the rest of the configuration must be reloaded"
    );
    assert!(
        client.connect(server.address).await.is_some(),
        "the earlier pair must stay in use"
    );
    assert_eq!(site.run(&["doctor"]).status.code(), Some(1));

    site.write("tls.key", &second.key_pem());
    let renewed = Arc::new(TlsClient::new(&second_root.chain, None));
    wait_for("the new certificate is served", async || {
        renewed.connect(server.address).await.is_some()
    })
    .await;
    let (_, is_resumed) = client
        .connect(server.address)
        .await
        .expect("a handshake with an earlier session");
    assert!(is_resumed, "the session must be resumed");
    assert_eq!(
        kept.get("/livez").await.status,
        200,
        "the open connection must work"
    );
    // The events are written after the certificate is in use, or kept.
    for event in ["tls.certificate_refused", "tls.certificate_renewed"] {
        wait_for(event, async || site.ok(&["event", "list"]).contains(event)).await;
    }
    let doctor = site.ok(&["doctor"]);
    assert!(doctor.contains("the certificate expires at "), "{doctor}");
}

#[test]
fn doctor_reports_an_expired_certificate_as_a_failure() {
    let site = Site::new();
    let tls = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }";
    site.configure(tls, RULES);
    site.certify("as.example");
    assert!(site.run(&["doctor"]).status.success());
    let key = rcgen::KeyPair::generate().unwrap();
    let mut expired = rcgen::CertificateParams::new(vec!["as.example".into()]).unwrap();
    expired.not_after = rcgen::date_time_ymd(2026, 1, 2);
    site.write("tls.crt", &expired.self_signed(&key).unwrap().pem());
    site.write("tls.key", &key.serialize_pem());
    let doctor = site.run(&["doctor"]);
    let printed = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(doctor.status.code(), Some(1), "{printed}");
    assert!(printed.contains("expired at 2026-01-02"), "{printed}");
}

#[test]
fn reload_reports_a_tls_certificate_that_cannot_be_used() {
    let site = Site::new();
    let tls = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }\nwatch = false";
    site.configure(tls, RULES);
    site.certify("as.example");
    let _server = site.serve();
    let (other, _) = web_certificate("as.example");
    site.write("tls.key", &other.key_pem());
    let printed = crate::binary::stderr(&site.run(&["reload"]));
    assert!(printed.contains("server.tls cannot be used"), "{printed}");
    assert!(printed.contains("do not match"), "{printed}");
    site.write("tls.crt", &other.chain_pem());
    let printed = crate::binary::stderr(&site.run(&["reload"]));
    assert!(!printed.contains("cannot be used"), "{printed}");
}

// ---- Malformed requests.

fn raw(server: SocketAddr, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(server).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn rfc9112_3_2_request_without_exactly_one_host_is_answered_400_at_every_listener() {
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
            let kept = raw(address, &format!("GET /livez HTTP/1.1\r\n{hosts}\r\n"));
            assert!(
                kept.contains("\r\nconnection: close\r\n"),
                "the connection must be closed: {kept}"
            );
            assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts:?}: {answer}");
            assert!(answer.contains("exactly one Host field"), "{answer}");
            assert!(answer.to_lowercase().contains("\r\nrequest-id: "), "{answer}");
        }
    }
}

#[test]
fn rfc9112_3_2_invalid_host_is_answered_400_and_the_connection_is_closed() {
    let site = Site::new();
    let server = site.serve();
    for address in [server.address, server.admin_address()] {
        for host in ["a, b", "a/b", "u@a"] {
            let answer = raw(address, &format!("GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert!(answer.starts_with("HTTP/1.1 400 "), "{host:?}: {answer}");
            assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        }
    }
}

#[tokio::test]
async fn rfc9110_15_5_16_encoded_body_is_answered_415() {
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
    assert_eq!(
        post("").await.status,
        200,
        "an empty Content-Encoding counts as absent"
    );
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
