//! Starts the built binary and runs its commands.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use testudo_testkit::TestIssuer;
use testudo_testkit::http::{Answer, Connection};

pub const ISSUER: &str = "https://as.example";

/// A folder with a configuration and the bundle of `prod.example`.
pub struct Site {
    pub folder: PathBuf,
    pub issuer: TestIssuer,
}

pub const RULES: &str = r#"
[[rules]]
name = "payments"
identities = ["spiffe://prod.example/ns/{namespace}/sa/{service}"]
scopes = ["orders.read", "orders.write"]
default_scopes = ["orders.read"]
resources = ["https://api.example.net/orders"]
redirect_uris = ["https://{service}.{namespace}.apps.example.net/callback"]
client_name = "{service} in {namespace}"
client_idle_lifetime = "30d"
"#;

impl Site {
    pub fn new() -> Site {
        let site = Site {
            folder: folder(),
            issuer: TestIssuer::new("prod.example"),
        };
        site.write("bundle.json", &site.issuer.bundle().to_string());
        site.configure("", RULES);
        site
    }

    pub fn configure(&self, server: &str, rules: &str) {
        let text = format!(
            r#"
issuer = "{ISSUER}"
[server]
listen = ["127.0.0.1:0"]
{server}
[store]
url = "sqlite:testudo.db"
[admin]
socket = "testudo.sock"
listen = "127.0.0.1:0"
[[trust_domains]]
name = "prod.example"
bundle = {{ file = "bundle.json" }}
{rules}
"#
        );
        self.write("testudo.toml", &text);
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("testudo.toml")
    }

    pub fn svid(&self, path: &str) -> String {
        self.issuer.svid(path, ISSUER, now())
    }

    pub fn serve(&self) -> Server {
        Server::start(&self.config())
    }

    /// Moves the site to PostgreSQL.
    pub fn over_postgres(self, url: &str) -> Site {
        let text = std::fs::read_to_string(self.config()).unwrap();
        let key = "ERERERERERERERERERERERERERERERERERERERERERE";
        let store = format!("url = \"{url}\"\nkey_encryption_key = \"{key}\"");
        let limits = "registrations_per_minute = 1000000\nbundle = { file";
        let text = text.replace("url = \"sqlite:testudo.db\"", &store).replacen("bundle = { file", limits, 1);
        std::fs::write(self.config(), text).unwrap();
        self
    }

    /// Runs a command against this site.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(
            &[arguments, &["--config", self.config().to_str().unwrap()]].concat(),
            "",
        )
    }

    /// Runs a command that must succeed; its stdout.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command with `--json` that must succeed.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn run(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_testudo"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub fn folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("testudo-bin-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// A running server process.
pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    pub ready_line: String,
}

impl Server {
    pub fn start(config: &Path) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_testudo"))
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let ready_line = loop {
            match lines.next() {
                Some(Ok(line)) if line.starts_with("ready") => break line,
                Some(Ok(line)) => said.push_str(&format!("{line}\n")),
                _ => panic!("the server did not become ready:\n{said}"),
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        let address = ready_line
            .split("://")
            .nth(1)
            .unwrap()
            .split([',', ' '])
            .next()
            .unwrap()
            .parse()
            .unwrap();
        Server {
            child,
            address,
            ready_line,
        }
    }

    pub async fn token(&self, body: String) -> Answer {
        Connection::open(self.address).await.post("/token", body).await
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    pub fn kill_9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
