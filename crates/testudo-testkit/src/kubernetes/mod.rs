//! A real Kubernetes API server on loopback, with an etcd. It has no node and no controller, so no workload runs, but
//! it validates what is applied as every cluster does.

mod accounts;
mod install;
mod reviews;

pub use accounts::{PodOf, TokenOf};
pub use install::{Tools, install};
pub use reviews::{Answering, ReviewRequest, ReviewServer};

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A start takes about 10 s on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(180);
/// The token of the one user that the server has from the start.
pub const ADMINISTRATOR: &str = "admin";
/// The issuer of the tokens of every cluster that does not set another one.
pub const DEFAULT_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// The first key pair for tokens of service accounts.
pub const FIRST_KEY: &str = "accounts";
const POLL: Duration = Duration::from_millis(100);

/// The API server. It is stopped when the value is dropped.
pub struct ApiServer {
    folder: PathBuf,
    address: String,
    program: PathBuf,
    flags: Vec<String>,
    /// etcd, then the API server.
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
        let (clients, peers) = (
            format!("http://127.0.0.1:{clients}"),
            format!("http://127.0.0.1:{peers}"),
        );
        let flags = [
            &*format!("--etcd-servers={clients}"),
            &format!("--service-account-issuer={DEFAULT_ISSUER}"),
            &format!("--api-audiences={DEFAULT_ISSUER}"),
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            "--bind-address=127.0.0.1",
            &format!("--secure-port={port}"),
            "--cert-dir=certificates",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
        ];
        let mut server = ApiServer {
            address: format!("https://127.0.0.1:{port}"),
            folder,
            program: tools.api_server.clone(),
            flags: flags.iter().chain(more).map(|&flag| flag.to_owned()).collect(),
            processes: Vec::new(),
        };
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
        server.serve(FIRST_KEY, &[FIRST_KEY])?;
        Ok(server)
    }

    /// Starts the API server again: it signs tokens of service accounts with the key pair `signing` and publishes the
    /// public keys of `published`. A key pair that is not there yet is created.
    pub fn restart_with_keys(&mut self, signing: &str, published: &[&str]) -> Result<(), String> {
        self.stop_serving();
        self.serve(signing, published)
    }

    /// Stops the API server; etcd continues to run.
    pub fn stop_serving(&mut self) {
        for mut process in self.processes.drain(1..) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn serve(&mut self, signing: &str, published: &[&str]) -> Result<(), String> {
        let mut flags = self.flags.clone();
        flags.push(format!("--service-account-signing-key-file={signing}.key"));
        for name in published {
            key_pair(&self.folder, name)?;
            flags.push(format!("--service-account-key-file={name}.pub"));
        }
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        self.spawn(&self.program.clone(), &flags)?;
        let began = Instant::now();
        while !matches!(self.ask("GET", "/readyz", ""), Ok(answer) if answer.status == 200) {
            if began.elapsed() > START_DEADLINE {
                return Err(format!(
                    "the API server did not become ready: {}",
                    self.folder.display()
                ));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// The URL of the API server, without a path.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The certificates with which its certificate is verified, PEM.
    pub fn root_pem(&self) -> String {
        std::fs::read_to_string(self.folder.join("certificates/apiserver.crt")).unwrap_or_default()
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
                "accept: application/json, application/jwk-set+json",
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

/// A key pair for service account tokens, as `kubeadm` creates it: RSA.
fn key_pair(folder: &Path, name: &str) -> Result<(), String> {
    let private = format!("{name}.key");
    if folder.join(&private).exists() {
        return Ok(());
    }
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(folder)
            .output()
            .map_err(|error| format!("openssl cannot be run: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    };
    openssl(&["genrsa", "-out", &private, "2048"])?;
    openssl(&["rsa", "-in", &private, "-pubout", "-out", &format!("{name}.pub")])
}
