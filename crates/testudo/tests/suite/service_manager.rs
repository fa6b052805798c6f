//! Tests of the service manager protocol: notifications of the server, and sockets that the service manager opens for
//! it. The test acts as systemd.

use crate::binary::{RULES, Server, Site, stderr};
use rustix::time::{ClockId, clock_gettime};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// The next message at the notification socket, as lines.
fn next_message(socket: &UnixDatagram) -> Vec<String> {
    let mut bytes = [0; 4096];
    let length = socket
        .recv(&mut bytes)
        .expect("the server must send a message within the deadline");
    let text = std::str::from_utf8(&bytes[..length]).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn notification_socket(site: &Site) -> (UnixDatagram, PathBuf) {
    let path = site.folder.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    (socket, path)
}

/// Sends one request on a new connection; returns the whole answer.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    ask(&mut stream, path)
}

fn ask(stream: &mut TcpStream, path: &str) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn monotonic_microseconds() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

#[test]
fn service_manager_is_notified_of_start_reload_and_stop() {
    let site = Site::new();
    let (socket, path) = notification_socket(&site);
    let mut server = Server::start_with(&site.config(), &[("NOTIFY_SOCKET", path)]);
    let ready = next_message(&socket);
    assert_eq!(ready[0], "READY=1");
    assert_eq!(ready[1], format!("STATUS={}", server.ready_line));
    let answer = get(server.address, "/readyz");
    assert!(
        answer.starts_with("HTTP/1.1 200 "),
        "READY=1 was sent before the server answers: {answer}"
    );

    let before = monotonic_microseconds();
    server.signal("HUP");
    let reloading = next_message(&socket);
    assert_eq!(reloading[0], "RELOADING=1");
    let stamp: i64 = reloading[1]
        .strip_prefix("MONOTONIC_USEC=")
        .unwrap()
        .parse()
        .unwrap();
    // systemd ignores a notification that belongs to an earlier signal.
    assert!((before..=monotonic_microseconds()).contains(&stamp), "{stamp}");
    let reloaded = next_message(&socket);
    assert_eq!(reloaded[0], "READY=1");
    assert!(reloaded[1].starts_with("STATUS=reloaded"), "{reloaded:?}");

    // A reload of a file that cannot be used must be reported as ended too, or systemd would wait and then kill the
    // server.
    site.write("testudo.toml", "issuer = 7\n");
    server.signal("HUP");
    assert_eq!(next_message(&socket)[0], "RELOADING=1");
    let kept = next_message(&socket);
    assert_eq!(kept[0], "READY=1");
    assert!(kept[1].starts_with("STATUS=not reloaded"), "{kept:?}");

    server.signal("TERM");
    assert_eq!(next_message(&socket)[0], "STOPPING=1");
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn notification_socket_with_an_abstract_name_is_supported() {
    let site = Site::new();
    let name = format!("testudo-notify-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let variables = [("NOTIFY_SOCKET", PathBuf::from(format!("@{name}")))];
    let _server = Server::start_with(&site.config(), &variables);
    assert_eq!(next_message(&socket)[0], "READY=1");
}

#[test]
fn notification_socket_that_cannot_be_used_is_a_warning() {
    let site = Site::new();
    for (variable, printed) in [
        (
            "/nowhere/notify",
            "cannot send a message to the service manager (NOTIFY_SOCKET)",
        ),
        ("vsock:2:1234", "NOTIFY_SOCKET `vsock:2:1234` cannot be used"),
    ] {
        let server = Server::start_with(&site.config(), &[("NOTIFY_SOCKET", PathBuf::from(variable))]);
        let began = Instant::now();
        while !server.log.lock().unwrap().contains(printed) {
            assert!(began.elapsed() < PATIENCE, "{:?}", server.log.lock().unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(get(server.address, "/readyz").starts_with("HTTP/1.1 200 "));
    }
}

/// A command that starts the server from `bash`, which passes the socket on its stdin to the server as file descriptor 3.
fn command_with(site: &Site, socket: OwnedFd, process: &str) -> Command {
    let mut command = Command::new("bash");
    let serve = format!(
        "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID={process}; exec \"$0\" serve --config \"$1\""
    );
    command
        .args(["-c", &serve, env!("CARGO_BIN_EXE_testudo")])
        .arg(site.config())
        .stdin(Stdio::from(socket));
    command
}

/// Runs a server that must refuse to start. Returns its stderr.
fn refusal(mut command: Command) -> String {
    let output: Output = command.stdout(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    stderr(&output)
}

fn site_on(listen: SocketAddr) -> Site {
    let site = Site::new();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let text = text.replacen("127.0.0.1:0", &listen.to_string(), 1);
    site.write("testudo.toml", &text);
    site
}

#[test]
fn connection_that_is_opened_before_the_server_accepts_on_a_passed_socket_is_answered() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let site = site_on(address);
    for _ in 0..2 {
        let mut early = TcpStream::connect(address).unwrap();
        let passed = OwnedFd::from(socket.try_clone().unwrap());
        let mut server = Server::spawn(command_with(&site, passed, "$$"));
        assert_eq!(server.address, address);
        let answer = ask(&mut early, "/readyz");
        assert!(
            answer.starts_with("HTTP/1.1 200 "),
            "the server must be ready before it accepts connections: {answer}"
        );
        server.signal("TERM");
        assert!(server.child.wait().unwrap().success());
    }
}

#[test]
fn passed_socket_is_used_for_the_admin_listener() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let site = Site::new();
    site.configure("", RULES);
    let text = std::fs::read_to_string(site.config()).unwrap();
    let text = text.replace(
        "[admin]\nsocket = \"testudo.sock\"\nlisten = \"127.0.0.1:0\"",
        &format!("[admin]\nsocket = \"testudo.sock\"\nlisten = \"{address}\""),
    );
    site.write("testudo.toml", &text);
    let mut early = TcpStream::connect(address).unwrap();
    let server = Server::spawn(command_with(&site, OwnedFd::from(socket), "$$"));
    assert_eq!(server.admin_address(), address);
    let answer = ask(&mut early, "/metrics");
    assert!(answer.contains("testudo_"), "{answer}");
}

#[test]
fn passed_socket_whose_address_is_not_configured_prevents_the_start() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let printed = refusal(command_with(&Site::new(), OwnedFd::from(socket), "$$"));
    assert!(
        printed.contains(&format!("passed a socket on {address}")),
        "{printed}"
    );
    assert!(printed.contains("ListenStream="), "{printed}");
}

#[test]
fn passed_socket_that_is_not_tcp_prevents_the_start() {
    let site = Site::new();
    let socket = UnixListener::bind(site.folder.join("passed.sock")).unwrap();
    let printed = refusal(command_with(&site, OwnedFd::from(socket), "$$"));
    assert!(
        printed.contains("passed socket 0 (LISTEN_FDS) cannot be used"),
        "{printed}"
    );
    assert!(printed.contains("expected a listening TCP socket"), "{printed}");
}

/// Variables for another process are ignored, as sd_listen_fds(3) requires.
#[test]
fn socket_that_was_passed_to_another_process_is_not_used() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let server = Server::spawn(command_with(&Site::new(), OwnedFd::from(socket), "1"));
    assert_ne!(server.address, address);
}
