//! Starts the built binary and runs its commands.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::x509::{X509Issuer, web_certificate};
use testudo_testkit::{TestIssuer, free_port, generate_key};

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

    /// Writes a certificate for the server and the root that issued it: `tls.crt`, `tls.key`, `root.pem`.
    pub fn certify(&self, host: &str) {
        let (server, root) = web_certificate(host);
        self.write("tls.crt", &server.chain_pem());
        self.write("tls.key", &server.key_pem());
        self.write("root.pem", &root.chain_pem());
    }

    /// Writes a file; only its owner can read a private key, as `check` requires.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        match name.ends_with(".key") {
            true => write_private(&path, text),
            false => std::fs::write(&path, text).unwrap(),
        }
    }

    /// Adds a section to the configuration.
    pub fn append(&self, section: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        self.write("testudo.toml", &format!("{text}\n{section}\n"));
    }

    /// Lets only signals and orders reload the configuration, so that no reload of the watch comes before them.
    pub fn unwatch(&self) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        let unwatched = text.replacen("[server]\n", "[server]\nwatch = false\n", 1);
        assert_ne!(text, unwatched);
        self.write("testudo.toml", &unwatched);
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

    /// A site whose server is reachable at its issuer URL. Returns the URL too.
    pub fn under_its_own_name() -> (Site, String) {
        let site = Site::new();
        let port = free_port();
        let issuer = format!("http://127.0.0.1:{port}");
        let text = std::fs::read_to_string(site.config()).unwrap();
        let text = text
            .replace(ISSUER, &issuer)
            .replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1);
        std::fs::write(site.config(), text).unwrap();
        (site, issuer)
    }

    /// Lets the trust domain of the site issue WIT-SVIDs too, and returns the key that signs them. `challenge`: whether
    /// their proofs need a challenge.
    pub fn issue_wit_svids(&self, challenge: &str) -> SigningKey {
        let key = generate_key(Algorithm::ES256, Some("wit"));
        let mut bundle = self.issuer.bundle();
        let keys = bundle["keys"].as_array_mut().unwrap();
        keys.push(key.public_jwk("wit-svid", true));
        self.write("bundle.json", &bundle.to_string());
        let text = std::fs::read_to_string(self.config()).unwrap();
        let accepted = format!(
            "challenge = \"{challenge}\"\ncredentials = [\"jwt_svid\", \"wit_svid\"]\nbundle = {{ file"
        );
        self.write("testudo.toml", &text.replacen("bundle = { file", &accepted, 1));
        key
    }

    /// A site with TLS at `https://localhost:PORT` that accepts both kinds of SVID. In its folder are the X.509-SVID of
    /// `/ns/shop/sa/pay` (`svid.pem`, `svid.key`) and the root of its own certificate (`root.pem`).
    pub fn with_mutual_tls(rule: &str) -> (Site, String) {
        let site = Site::new();
        let port = free_port();
        let issuer = format!("https://localhost:{port}");
        site.certify("localhost");
        let x509 = X509Issuer::new("prod.example");
        let mut bundle = site.issuer.bundle();
        bundle["keys"].as_array_mut().unwrap().push(x509.jwk());
        site.write("bundle.json", &bundle.to_string());
        let svid = x509.svid("/ns/shop/sa/pay");
        site.write("svid.pem", &svid.chain_pem());
        site.write("svid.key", &svid.key_pem());
        let tls = "tls = { certificate = \"tls.crt\", private_key = \"tls.key\" }";
        let text = std::fs::read_to_string(site.config()).unwrap();
        let text = text
            .replace(ISSUER, &issuer)
            .replacen(
                "listen = [\"127.0.0.1:0\"]",
                &format!("listen = [\"127.0.0.1:{port}\"]\n{tls}"),
                1,
            )
            .replace(
                "bundle = { file",
                "credentials = [\"jwt_svid\", \"x509_svid\"]\nbundle = { file",
            )
            .replace("name = \"payments\"", &format!("name = \"payments\"\n{rule}"));
        std::fs::write(site.config(), text).unwrap();
        (site, issuer)
    }

    /// Moves the site to PostgreSQL, and lets clients register there.
    pub fn over_postgres(self, url: &str) -> Site {
        self.move_to_postgres(url);
        self
    }

    /// The same for a site that is configured again and again.
    pub fn move_to_postgres(&self, url: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        let key = "P4DmWGtsyIpx4YFDV-kWotaK7o9RQT54KpalCx2qcl0";
        let store = format!("url = \"{url}\"\nkey_encryption_key = \"{key}\"");
        let limits = "registrations_per_minute = 1000000\nbundle = { file";
        let text = text
            .replace("url = \"sqlite:testudo.db\"", &store)
            .replacen("bundle = { file", limits, 1);
        std::fs::write(self.config(), format!("{text}\n[registration]\n")).unwrap();
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

    /// The events that `event list --json` prints, with additional options.
    #[track_caller]
    pub fn events(&self, options: &[&str]) -> Vec<serde_json::Value> {
        json_lines(&self.ok(&[&["event", "list", "--json"], options].concat()))
    }
}

/// Writes a file that only its owner can read, as private keys must be.
pub fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Parses text with one JSON object per line.
#[track_caller]
pub fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn run(arguments: &[&str], stdin: &str) -> Output {
    run_to_end(Command::new(env!("CARGO_BIN_EXE_testudo")).args(arguments), stdin)
}

/// Writes a program that others start by its name.
pub fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// `PATH` of a shell that finds the built binary as `testudo`.
pub fn search_path() -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_testudo")).parent().unwrap();
    format!("{}:{}", binary.display(), std::env::var("PATH").unwrap())
}

/// Runs a program to its end with this text on stdin.
pub fn run_to_end(command: &mut Command, stdin: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub fn folder() -> PathBuf {
    testudo_testkit::scratch::folder("bin")
}

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// A running server process.
pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    /// `ready on …`
    pub ready_line: String,
    /// Everything that the server wrote to stderr.
    pub log: std::sync::Arc<std::sync::Mutex<String>>,
    log_reader: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn start(config: &Path) -> Server {
        Server::start_logging(config, "info")
    }

    /// Starts the server with this level of the log.
    pub fn start_logging(config: &Path, level: &str) -> Server {
        Server::start_with(config, &[("RUST_LOG", level.into())])
    }

    /// Starts the server with these environment variables.
    pub fn start_with(config: &Path, variables: &[(&str, PathBuf)]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testudo"));
        command
            .env("RUST_LOG", "info")
            .envs(variables.iter().cloned())
            .args(["serve", "--config"])
            .arg(config);
        Server::spawn(command)
    }

    /// Starts the server from a shell that sets limits first, such as `ulimit -n 300`.
    pub fn start_limited(config: &Path, limits: &str) -> Server {
        let mut command = Command::new("bash");
        let serve = format!("{limits} && exec \"$0\" serve --config \"$1\"");
        command
            .args(["-c", &serve, env!("CARGO_BIN_EXE_testudo")])
            .arg(config);
        Server::spawn(command)
    }

    /// Resident memory of the process, bytes.
    pub fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Runs the command, which starts a server, and waits until the server is ready.
    pub fn spawn(mut command: Command) -> Server {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut written = String::new();
        let ready_line = loop {
            match lines.next() {
                Some(Ok(line)) => {
                    written.push_str(&format!("{line}\n"));
                    if let Some(ready_line) = ready_message(&line) {
                        break ready_line;
                    }
                }
                _ => panic!("the server did not become ready:\n{written}"),
            }
        };
        let log = std::sync::Arc::new(std::sync::Mutex::new(written));
        let kept = log.clone();
        let log_reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let address = testudo_testkit::ready_address(&ready_line);
        Server {
            child,
            address,
            ready_line,
            log,
            log_reader: Some(log_reader),
        }
    }

    /// The address of the admin listener, which is the last one in the ready line.
    pub fn admin_address(&self) -> std::net::SocketAddr {
        self.ready_line
            .rsplit("http://")
            .next()
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    pub async fn token(&self, body: String) -> Answer {
        Connection::open(self.address).await.post("/token", body).await
    }

    /// Ends the server; returns everything that it wrote to stderr.
    pub fn log_until_end(&mut self) -> String {
        self.signal("TERM");
        if let Some(reader) = self.log_reader.take() {
            reader.join().unwrap();
        }
        // The log ends before the process does, and only its end releases the lock of its database.
        self.child.wait().unwrap();
        self.log.lock().unwrap().clone()
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

/// The message of the log line `server.ready`, in either format of the log.
fn ready_message(line: &str) -> Option<String> {
    let message = match serde_json::from_str::<serde_json::Value>(line) {
        Ok(line) => line["message"].as_str()?.to_owned(),
        Err(_) => {
            let message = line.get(line.find(" INFO ")? + 6..)?;
            message.split(" event=").next()?.to_owned()
        }
    };
    message.starts_with("ready on ").then_some(message)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
