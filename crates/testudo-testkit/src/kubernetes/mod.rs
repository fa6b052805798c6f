//! A real Kubernetes API server on loopback, with an etcd. It has no node and no controller, so no workload runs, but
//! it validates what is applied as every cluster does.

mod install;

pub use install::{Tools, install};

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A start takes about 10 s on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(180);
/// The token of the one user that the server has from the start.
const ADMINISTRATOR: &str = "admin";
const POLL: Duration = Duration::from_millis(100);

/// The API server. It is stopped when the value is dropped.
pub struct ApiServer {
    folder: PathBuf,
    address: String,
    processes: Vec<Child>,
}

/// An answer of the API server.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The object, or a `Status` with the error.
    pub body: Value,
}

impl ApiServer {
    /// Starts the API server, which writes all its files into `folder`.
    pub fn start(tools: &Tools, folder: &Path) -> Result<ApiServer, String> {
        ApiServer::start_with(tools, folder, &[])
    }

    /// The same with more flags.
    pub fn start_with(tools: &Tools, folder: &Path, more: &[&str]) -> Result<ApiServer, String> {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let folder = std::path::absolute(folder).map_err(|error| error.to_string())?;
        let [clients, peers, port] = [crate::free_port(), crate::free_port(), crate::free_port()];
        let tokens = format!("{ADMINISTRATOR},admin,1,\"system:masters\"\n");
        std::fs::write(folder.join("tokens.csv"), tokens).map_err(|error| error.to_string())?;
        key_pair(&folder)?;
        let mut server = ApiServer {
            address: format!("https://127.0.0.1:{port}"),
            folder,
            processes: Vec::new(),
        };
        let (clients, peers) = (
            format!("http://127.0.0.1:{clients}"),
            format!("http://127.0.0.1:{peers}"),
        );
        server.spawn(
            &tools.etcd,
            &[
                "--data-dir=etcd",
                &format!("--listen-client-urls={clients}"),
                &format!("--advertise-client-urls={clients}"),
                &format!("--listen-peer-urls={peers}"),
                &format!("--initial-advertise-peer-urls={peers}"),
                &format!("--initial-cluster=default={peers}"),
            ],
        )?;
        let issuer = "https://kubernetes.default.svc.cluster.local";
        server.spawn(
            &tools.api_server,
            &[
                &[
                    &*format!("--etcd-servers={clients}"),
                    &format!("--service-account-issuer={issuer}"),
                    &format!("--api-audiences={issuer}"),
                    "--service-account-signing-key-file=accounts.key",
                    "--service-account-key-file=accounts.pub",
                    "--token-auth-file=tokens.csv",
                    "--authorization-mode=RBAC",
                    "--bind-address=127.0.0.1",
                    &format!("--secure-port={port}"),
                    "--cert-dir=certificates",
                    "--service-cluster-ip-range=10.0.0.0/24",
                    "--disable-admission-plugins=ServiceAccount",
                ],
                more,
            ]
            .concat(),
        )?;
        let began = Instant::now();
        while !matches!(server.ask("GET", "/readyz", ""), Ok(answer) if answer.status == 200) {
            if began.elapsed() > START_DEADLINE {
                return Err(format!(
                    "the API server did not become ready: {}",
                    server.folder.display()
                ));
            }
            std::thread::sleep(POLL);
        }
        Ok(server)
    }

    /// Sends a request as the administrator; the body is YAML or JSON.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Result<Answer, String> {
        self.ask_as(ADMINISTRATOR, method, path, body)
    }

    /// One request with another token.
    pub fn ask_as(&self, token: &str, method: &str, path: &str, body: &str) -> Result<Answer, String> {
        let file = self.folder.join("request.yaml");
        std::fs::write(&file, body).map_err(|error| error.to_string())?;
        let output = Command::new("curl")
            .args(["-sk", "-X", method, "-w", "\n%{http_code}"])
            .args([
                "-H",
                &format!("authorization: Bearer {token}"),
                "-H",
                "accept: application/json",
            ])
            .args(["-H", "content-type: application/yaml", "--data-binary"])
            .arg(format!("@{}", file.display()))
            .arg(format!("{}{path}", self.address))
            .output()
            .map_err(|error| format!("curl cannot be run: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (body, status) = text.rsplit_once('\n').unwrap_or_default();
        Ok(Answer {
            status: status.parse().unwrap_or_default(),
            body: serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())),
        })
    }

    fn spawn(&mut self, program: &Path, arguments: &[&str]) -> Result<(), String> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = std::fs::File::create(self.folder.join(format!("{name}.log")))
            .map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
        self.processes.push(child);
        Ok(())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        // The API server is stopped before its etcd.
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The key pair for service account tokens.
fn key_pair(folder: &Path) -> Result<(), String> {
    let pair = rcgen::KeyPair::generate().map_err(|error| error.to_string())?;
    std::fs::write(folder.join("accounts.key"), pair.serialize_pem())
        .and_then(|()| std::fs::write(folder.join("accounts.pub"), pair.public_key_pem()))
        .map_err(|error| error.to_string())
}
