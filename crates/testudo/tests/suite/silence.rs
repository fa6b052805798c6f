//! Tests of connections that send nothing or send slowly: each is closed at its deadline, at every listener.

use crate::binary::{Server, Site};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testudo_testkit::http::{Connection, TlsClient};
use testudo_testkit::x509::web_certificate;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

const LIMITS: &str = r#"
first_request_timeout = "2s"
body_timeout = "2s"
write_timeout = "3s"
idle_timeout = "4s"
"#;
/// The longest time that a test waits for the end of a connection; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(40);
/// A connection that is closed earlier was closed before its deadline.
const AT_LEAST: Duration = Duration::from_millis(1_500);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A listener to which connections are opened.
#[derive(Clone)]
enum Listener {
    Plain(SocketAddr),
    Tls(SocketAddr, Arc<TlsClient>),
    Socket(PathBuf),
}

impl Listener {
    async fn open(&self) -> Box<dyn Stream> {
        match self {
            Listener::Plain(address) => Box::new(TcpStream::connect(address).await.unwrap()),
            Listener::Tls(address, client) => Box::new(client.open(*address, "localhost").await.unwrap()),
            Listener::Socket(path) => Box::new(UnixStream::connect(path).await.unwrap()),
        }
    }
}

/// The bytes that are sent at once, and those that are sent repeatedly.
struct Attack {
    name: &'static str,
    first: Vec<u8>,
    again: Vec<u8>,
}

/// A request for `/livez` over HTTP/2 on this stream. Its headers use no dynamic HPACK table.
fn http2_request(stream: u8, ends: bool) -> Vec<u8> {
    let fields = b"\x82\x86\x04\x06/livez\x01\x01a";
    let flags = if ends { 5 } else { 4 };
    let mut frame = vec![0, 0, fields.len() as u8, 1, flags, 0, 0, 0, stream];
    frame.extend_from_slice(fields);
    frame
}

fn attacks() -> Vec<Attack> {
    let attack = |name, first: &[&[u8]], again: &[u8]| Attack {
        name,
        first: first.concat(),
        again: again.to_vec(),
    };
    let livez = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    vec![
        attack("silence", &[], b""),
        attack("half an HTTP/2 preface", &[PREFACE.get(..20).unwrap()], b""),
        attack("HTTP/2 without a request", &[PREFACE, SETTINGS], b""),
        attack("HTTP/2 with pings only", &[PREFACE, SETTINGS], PING),
        attack("headers byte by byte", &[b"GET /livez HTTP/1.1\r\nX: "], b"x"),
        attack("silence after a request", &[livez], b""),
        attack(
            "headers of a second request byte by byte",
            &[livez, b"GET /l"],
            b"x",
        ),
        attack(
            "HTTP/2 with pings only after a request",
            &[PREFACE, SETTINGS, &http2_request(1, true)],
            PING,
        ),
    ]
}

/// Runs an attack. Returns the time until the server closed the connection.
async fn run_attack(stream: Box<dyn Stream>, attack: Attack) -> Duration {
    let began = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(stream);
    writer.write_all(&attack.first).await.unwrap();
    let writing = tokio::spawn(async move {
        while !attack.again.is_empty() && writer.write_all(&attack.again).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        // The task must not end here: that would drop this half of the connection.
        std::future::pending::<()>().await;
    });
    let mut buffer = [0; 4096];
    let end = async { while !matches!(reader.read(&mut buffer).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(PATIENCE, end)
        .await
        .unwrap_or_else(|_| panic!("{}: the connection is still open", attack.name));
    writing.abort();
    began.elapsed()
}

/// Runs every attack at every listener in parallel; each connection must be closed, but not before its deadline.
async fn run_all_attacks(listeners: Vec<(&'static str, Listener)>) {
    let mut running = Vec::new();
    for (listener, target) in listeners {
        for attack in attacks() {
            let stream = target.open().await;
            let name = attack.name;
            running.push((listener, name, tokio::spawn(run_attack(stream, attack))));
        }
    }
    for (listener, name, attack) in running {
        let lasted = attack
            .await
            .unwrap_or_else(|error| panic!("{listener}: {name}: {error}"));
        assert!(lasted >= AT_LEAST, "{listener}: {name}: closed after {lasted:?}");
    }
}

fn metrics_address(server: &Server) -> SocketAddr {
    let text = server.ready_line.rsplit("://").next().unwrap();
    text.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_and_slow_connections_are_closed_at_plain_listeners_and_at_the_admin_socket() {
    let site = Site::new();
    site.configure(LIMITS, crate::binary::RULES);
    let server = site.serve();
    let listeners = vec![
        ("public", Listener::Plain(server.address)),
        ("admin", Listener::Plain(server.admin_address())),
        ("socket", Listener::Socket(site.folder.join("testudo.sock"))),
    ];
    run_all_attacks(listeners).await;
    let metrics = Connection::open(server.admin_address())
        .await
        .get("/metrics")
        .await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    for reason in ["first_request_timeout", "idle_timeout"] {
        let name = format!("testudo_connections_closed_total{{reason=\"{reason}\"}} ");
        let count = metrics.split(&name).nth(1).and_then(|rest| rest.lines().next());
        assert!(count.unwrap().parse::<u32>().unwrap() >= 6, "{reason}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_and_slow_connections_are_closed_at_every_tls_listener() {
    let site = Site::new();
    let (own, root) = web_certificate("localhost");
    site.write("tls.crt", &own.chain_pem());
    site.write("tls.key", &own.key_pem());
    let tls = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }";
    let mtls = "mtls = { listen = [\"127.0.0.1:0\"], url = \"https://mtls.as.example\" }";
    site.configure(&format!("{LIMITS}\n{tls}\n{mtls}"), crate::binary::RULES);
    let text = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), text.replace("[admin]", &format!("[admin]\n{tls}"))).unwrap();
    let server = site.serve();
    let addresses: Vec<SocketAddr> = server
        .ready_line
        .split("https://")
        .skip(1)
        .map(|rest| rest.split([' ', ',']).next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(addresses.len(), 3, "{}", server.ready_line);
    let client = Arc::new(TlsClient::new(&root.chain, None));
    let mut listeners = Vec::new();
    for (name, address) in ["public", "mtls", "admin"].into_iter().zip(addresses) {
        listeners.push((name, Listener::Tls(address, client.clone())));
        // A connection on which the client sends no byte, not even the handshake.
        let attack = Attack {
            name: "silence before the handshake",
            first: Vec::new(),
            again: Vec::new(),
        };
        let stream = Listener::Plain(address).open().await;
        listeners.push((name, Listener::Tls(address, client.clone())));
        let lasted = tokio::spawn(run_attack(stream, attack));
        drop(listeners.pop());
        assert!(lasted.await.unwrap() >= AT_LEAST, "{name}");
    }
    run_all_attacks(listeners).await;
}

#[tokio::test]
async fn connection_in_use_is_not_closed_at_the_deadline_of_its_first_request() {
    let site = Site::new();
    site.configure(LIMITS, crate::binary::RULES);
    let server = site.serve();
    let mut connection = Connection::open(server.address).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(9) {
        assert_eq!(connection.get("/livez").await.status, 200);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn body_that_arrives_too_slowly_is_answered_408_and_the_connection_is_closed() {
    let site = Site::new();
    site.configure(LIMITS, crate::binary::RULES);
    let server = site.serve();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let writing = tokio::spawn(async move {
        while writer.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let mut answer = String::new();
    let reading = reader.read_to_string(&mut answer);
    // A reset after the answer also counts as closed.
    let _ = tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the connection is still open");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("the body did not arrive in time"), "{answer}");
    writing.abort();
    let metrics = Connection::open(server.admin_address())
        .await
        .get("/metrics")
        .await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(
        metrics.contains("testudo_request_bodies_late_total 1"),
        "{metrics}"
    );
}

/// Sends requests and never reads an answer. Returns the time until the server closed the connection.
async fn never_read(stream: &mut Box<dyn Stream>, requests: &[u8]) -> Duration {
    let began = Instant::now();
    let writing = async { while stream.write_all(requests).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, writing)
        .await
        .expect("the connection is still open");
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_of_a_client_that_never_reads_its_answers_is_closed() {
    let site = Site::new();
    site.configure(LIMITS, crate::binary::RULES);
    let server = site.serve();
    let request = "GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: a\r\n\r\n";
    let metrics = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    for (listener, request) in [
        (Listener::Plain(server.address), request),
        (Listener::Plain(server.admin_address()), metrics),
        (Listener::Socket(site.folder.join("testudo.sock")), metrics),
    ] {
        let lasted = never_read(&mut listener.open().await, request.repeat(50).as_bytes()).await;
        assert!(lasted >= AT_LEAST, "{lasted:?}");
    }
    let answer = Connection::open(metrics_address(&server))
        .await
        .get("/metrics")
        .await;
    let text = String::from_utf8(answer.body).unwrap();
    assert!(
        text.contains("testudo_connections_closed_total{reason=\"write_timeout\"} 3"),
        "{text}"
    );
}

#[tokio::test]
async fn http2_connection_whose_only_stream_has_no_window_is_closed() {
    let site = Site::new();
    site.configure(LIMITS, crate::binary::RULES);
    let server = site.serve();
    // SETTINGS_INITIAL_WINDOW_SIZE = 0: the body of the answer can never be sent, while the client sends PING frames.
    let no_window: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    let attack = Attack {
        name: "no window",
        first: [PREFACE, no_window, &http2_request(1, true)].concat(),
        again: PING.to_vec(),
    };
    let lasted = run_attack(Listener::Plain(server.address).open().await, attack).await;
    assert!(lasted >= AT_LEAST, "{lasted:?}");
}

#[tokio::test]
async fn http2_connection_with_an_unread_answer_is_closed_although_other_streams_are_used() {
    let site = Site::new();
    site.configure(LIMITS, crate::binary::RULES);
    let server = site.serve();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let no_window: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    let began = Instant::now();
    let unread = [PREFACE, no_window, &http2_request(1, true)].concat();
    stream.write_all(&unread).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut buffer = [0; 4096];
    let reading = async { while !matches!(reader.read(&mut buffer).await, Ok(0) | Err(_)) {} };
    // A new request each second, with a window for its answer.
    let asking = async {
        for id in (3..=255).step_by(2) {
            let window = [0, 0, 4, 8, 0, 0, 0, 0, id, 0, 0, 255, 255];
            let request = [&http2_request(id, true)[..], &window].concat();
            if writer.write_all(&request).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = reading => {}
        () = asking => {}
        () = tokio::time::sleep(PATIENCE) => panic!("the connection is still open"),
    }
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

/// Sends a complete request and the beginning of a second one in one write.
#[tokio::test(flavor = "multi_thread")]
async fn incomplete_second_request_in_the_same_write_has_the_deadline_of_a_first_request() {
    let site = Site::new();
    site.configure(
        "first_request_timeout = \"2s\"\nidle_timeout = \"600s\"",
        crate::binary::RULES,
    );
    let server = site.serve();
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n";
    let get = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    let post = format!("POST /token HTTP/1.1\r\nHost: a\r\n{form}\r\na=b");
    let mut running = Vec::new();
    for whole in [get, &post] {
        let attack = Attack {
            name: "incomplete headers after a complete request",
            first: format!("{whole}GET /livez HTTP/1.1\r\nX: y").into_bytes(),
            again: Vec::new(),
        };
        let stream = Listener::Plain(server.address).open().await;
        running.push(tokio::spawn(run_attack(stream, attack)));
    }
    // For comparison: without further bytes, the connections are idle and must stay open.
    let mut kept = Vec::new();
    for whole in [get, &post] {
        let mut stream = Listener::Plain(server.address).open().await;
        stream.write_all(whole.as_bytes()).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        kept.push(stream);
    }
    for attack in running {
        let lasted = attack.await.unwrap();
        assert!(lasted >= AT_LEAST, "{lasted:?}");
    }
    for mut stream in kept {
        let ended = tokio::time::timeout(Duration::from_secs(3), stream.read(&mut [0; 1])).await;
        assert!(ended.is_err(), "an idle connection was closed");
    }
}
