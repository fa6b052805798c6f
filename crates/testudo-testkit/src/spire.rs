//! A real SPIRE on loopback: a server and an agent, with join-token node attestation and the unix workload attestor.
//!
//! The binaries are built from SPIRE's Go module, once, into a folder that the caller chooses.

use crate::go_tools::go;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The version that is available from the Go module proxy; see `docs/decisions/0004-spire-version.md`.
pub const VERSION: &str = "v1.13.3";
/// Trust domain of the SPIRE under test.
pub const TRUST_DOMAIN: &str = "spire.test";

const START_DEADLINE: Duration = Duration::from_secs(60);

/// Builds `spire-server` and `spire-agent` into `folder/bin`, unless they exist.
pub fn install(folder: &Path) -> Result<PathBuf, String> {
    let bin = folder.join("bin");
    let marker = bin.join(VERSION);
    if marker.exists() {
        return Ok(bin);
    }
    let module = folder.join("module");
    std::fs::create_dir_all(&module).map_err(|error| error.to_string())?;
    std::fs::create_dir_all(&bin).map_err(|error| error.to_string())?;
    // A Go module that requires SPIRE as a tool, because `go install` with a version fails: the module proxy lists no
    // versions of SPIRE. One dependency is replaced, because its newest version has no entry in the checksum database.
    let proxy = "github.com/GoogleCloudPlatform/cloudsql-proxy";
    let text = format!("module spiretools\n\ngo 1.25\n\nreplace {proxy} => {proxy} v1.37.8\n");
    std::fs::write(module.join("go.mod"), text).map_err(|error| error.to_string())?;
    let commands = ["spire-agent", "spire-server"].map(|name| format!("github.com/spiffe/spire/cmd/{name}"));
    for command in &commands {
        go(&module, &bin, &["get", "-tool", &format!("{command}@{VERSION}")])?;
    }
    go(&module, &bin, &["install", &commands[0], &commands[1]])?;
    std::fs::write(&marker, "").map_err(|error| error.to_string())?;
    Ok(bin)
}

/// The bundle endpoint of a SPIRE server.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// The server has no bundle endpoint.
    None,
    /// Profile `https_web`: the PEM files of the certificate and its key.
    Web {
        /// The certificate chain.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// Profile `https_spiffe`.
    Spiffe,
}

/// A running SPIRE. It is stopped when the value is dropped.
pub struct Spire {
    trust_domain: String,
    endpoint_port: u16,
    bin: PathBuf,
    folder: PathBuf,
    server: Child,
    agent: Child,
}

impl Spire {
    /// Starts server and agent, which write all their files into `folder`.
    pub fn start(bin: &Path, folder: &Path) -> Result<Spire, String> {
        Spire::start_federated(bin, folder, TRUST_DOMAIN, &Endpoint::None)
    }

    /// Starts server and agent of a trust domain, with a bundle endpoint on loopback. The server trusts the web
    /// certificates in the file `roots.pem` beside `folder`, if it exists, in place of those of the system.
    pub fn start_federated(
        bin: &Path,
        folder: &Path,
        trust_domain: &str,
        endpoint: &Endpoint,
    ) -> Result<Spire, String> {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder.join("server")).map_err(|error| error.to_string())?;
        std::fs::create_dir_all(folder.join("agent")).map_err(|error| error.to_string())?;
        let endpoint_port = crate::free_port();
        let federation = federation(endpoint, endpoint_port);
        write_configuration(folder, crate::free_port(), trust_domain, &federation)?;
        let server = spawn(bin, folder, "server", &[])?;
        wait_for("the SPIRE server", || {
            run(bin, &["healthcheck", "-socketPath", &socket(folder, "server")]).is_ok()
        })?;
        let node = format!("spiffe://{trust_domain}/node");
        let token = run(
            bin,
            &[
                "token",
                "generate",
                "-socketPath",
                &socket(folder, "server"),
                "-spiffeID",
                &node,
            ],
        )?;
        let token = token.split_whitespace().last().unwrap_or_default().to_owned();
        let agent = spawn(bin, folder, "agent", &["-joinToken", &token])?;
        let spire = Spire {
            trust_domain: trust_domain.to_owned(),
            endpoint_port,
            bin: bin.to_owned(),
            folder: folder.to_owned(),
            server,
            agent,
        };
        wait_for("the SPIRE agent", || folder.join("agent.sock").exists())?;
        Ok(spire)
    }

    /// The address of the Workload API, in the form of `SPIFFE_ENDPOINT_SOCKET`.
    pub fn workload_api(&self) -> String {
        format!("unix:{}", socket(&self.folder, "agent"))
    }

    /// The port of the bundle endpoint.
    pub fn endpoint_port(&self) -> u16 {
        self.endpoint_port
    }

    /// Registers a workload, which is identified by the user id of its process.
    pub fn register(&self, path: &str, uid: u32) -> Result<(), String> {
        self.register_federated(path, uid, &[])
    }

    /// Registers a workload that also receives the bundles of these trust domains.
    pub fn register_federated(&self, path: &str, uid: u32, federates_with: &[&str]) -> Result<(), String> {
        let id = format!("spiffe://{}{path}", self.trust_domain);
        let parent = format!("spiffe://{}/node", self.trust_domain);
        let selector = format!("unix:uid:{uid}");
        let others: Vec<String> = federates_with
            .iter()
            .map(|other| format!("spiffe://{other}"))
            .collect();
        let mut arguments = vec![
            "entry",
            "create",
            "-parentID",
            &parent,
            "-spiffeID",
            &id,
            "-selector",
            &selector,
        ];
        for other in &others {
            arguments.extend(["-federatesWith", other]);
        }
        self.server(&arguments).map(drop)
    }

    /// A JWT-SVID from the agent; waits until the agent has received the registration entry.
    pub fn jwt_svid(&self, audience: &str) -> Result<String, String> {
        let mut found = Err(String::new());
        wait_for("an SVID from the agent", || {
            found = run_agent(
                &self.bin,
                &[
                    "api",
                    "fetch",
                    "jwt",
                    "-audience",
                    audience,
                    "-socketPath",
                    &socket(&self.folder, "agent"),
                ],
            );
            found.is_ok()
        })
        .map_err(|error| format!("{error}: {found:?}; {}", self.end_of_agent_log()))?;
        let text = found?;
        let token = text
            .split_whitespace()
            .find(|word| word.matches('.').count() == 2 && word.starts_with("eyJ"));
        token
            .map(str::to_owned)
            .ok_or_else(|| format!("the output of the agent has no token: {text:?}"))
    }

    /// Makes SPIRE publish a new authority of this kind (`jwt` or `x509`), which does not sign yet; returns its id.
    pub fn prepare_authority(&self, kind: &str) -> Result<String, String> {
        self.authority(kind, "prepare", "prepared_authority")
    }

    /// The id of the authority of this kind that signs.
    pub fn active_authority(&self, kind: &str) -> Result<String, String> {
        self.authority(kind, "show", "active")
    }

    fn authority(&self, kind: &str, step: &str, member: &str) -> Result<String, String> {
        let shown = self.server(&["localauthority", kind, step, "-output", "json"])?;
        let shown: serde_json::Value = serde_json::from_str(&shown).map_err(|error| error.to_string())?;
        let id = shown[member]["authority_id"].as_str();
        id.map(str::to_owned)
            .ok_or_else(|| format!("SPIRE printed no {member}: {shown}"))
    }

    /// The steps of an authority of this kind after it was prepared: `activate`, and when another one is active, `taint`
    /// and `revoke`.
    pub fn change_authority(&self, kind: &str, step: &str, id: &str) -> Result<(), String> {
        self.server(&["localauthority", kind, step, "-authorityID", id])
            .map(drop)
    }

    /// The serial number of the agent's own certificate. A new one is shown as soon as the agent has used it.
    pub fn agent_serial(&self) -> Result<String, String> {
        let shown = self.server(&["agent", "list", "-output", "json"])?;
        let shown: serde_json::Value = serde_json::from_str(&shown).map_err(|error| error.to_string())?;
        let serial = shown["agents"][0]["x509svid_serial_number"].as_str();
        serial
            .map(str::to_owned)
            .ok_or_else(|| format!("the list of agents has no serial number: {shown}"))
    }

    fn end_of_agent_log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("agent.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        format!("last lines of agent.log, newest first: {lines:#?}")
    }

    /// The bundle document.
    pub fn bundle(&self) -> Result<String, String> {
        self.server(&["bundle", "show", "-format", "spiffe"])
    }

    /// Runs a command of `spire-server` at this server.
    pub fn server(&self, arguments: &[&str]) -> Result<String, String> {
        let socket = socket(&self.folder, "server");
        run(&self.bin, &[arguments, &["-socketPath", &socket]].concat())
    }
}

impl Drop for Spire {
    fn drop(&mut self) {
        for child in [&mut self.agent, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn socket(folder: &Path, name: &str) -> String {
    folder.join(format!("{name}.sock")).display().to_string()
}

/// The section of the server's configuration for its bundle endpoint.
fn federation(endpoint: &Endpoint, port: u16) -> String {
    let profile = match endpoint {
        Endpoint::None => return String::new(),
        Endpoint::Spiffe => "profile \"https_spiffe\" {}".to_owned(),
        Endpoint::Web { certificate, key } => format!(
            "profile \"https_web\" {{ serving_cert_file {{ cert_file_path = \"{}\", key_file_path = \"{}\", file_sync_interval = \"1h\" }} }}",
            certificate.display(),
            key.display()
        ),
    };
    format!(
        "federation {{ bundle_endpoint {{ address = \"127.0.0.1\", port = {port}, refresh_hint = \"60s\"\n{profile} }} }}"
    )
}

fn write_configuration(folder: &Path, port: u16, trust_domain: &str, federation: &str) -> Result<(), String> {
    let place = folder.display();
    let server = format!(
        r#"
server {{
  bind_address = "127.0.0.1"
  bind_port = "{port}"
  socket_path = "{place}/server.sock"
  trust_domain = "{trust_domain}"
  data_dir = "{place}/server"
  log_level = "WARN"
  default_jwt_svid_ttl = "5m"
  default_x509_svid_ttl = "30s"
  agent_ttl = "1h"
  {federation}
}}
plugins {{
  DataStore "sql" {{ plugin_data {{ database_type = "sqlite3", connection_string = "{place}/server/datastore.sqlite3" }} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
}}
"#
    );
    let agent = format!(
        r#"
agent {{
  data_dir = "{place}/agent"
  log_level = "WARN"
  server_address = "127.0.0.1"
  server_port = "{port}"
  socket_path = "{place}/agent.sock"
  trust_domain = "{trust_domain}"
  insecure_bootstrap = true
}}
plugins {{
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
  WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"#
    );
    std::fs::write(folder.join("server.conf"), server).map_err(|error| error.to_string())?;
    std::fs::write(folder.join("agent.conf"), agent).map_err(|error| error.to_string())
}

fn spawn(bin: &Path, folder: &Path, name: &str, more: &[&str]) -> Result<Child, String> {
    let log = std::fs::File::create(folder.join(format!("{name}.log"))).map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    let roots = folder.with_file_name("roots.pem");
    let roots = roots.exists().then_some(("SSL_CERT_FILE", roots));
    Command::new(bin.join(format!("spire-{name}")))
        .arg("run")
        .arg("-config")
        .arg(folder.join(format!("{name}.conf")))
        .args(more)
        .envs(roots)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("spire-{name} cannot be started: {error}"))
}

fn run(bin: &Path, arguments: &[&str]) -> Result<String, String> {
    run_program(&bin.join("spire-server"), arguments)
}

fn run_agent(bin: &Path, arguments: &[&str]) -> Result<String, String> {
    run_program(&bin.join("spire-agent"), arguments)
}

fn run_program(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!(
        "{} failed: {text}{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// Polls until `is_there` is true, or fails at a deadline with the name of what was expected.
fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) -> Result<(), String> {
    let started = Instant::now();
    while started.elapsed() < START_DEADLINE {
        if is_there() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Err(format!("deadline exceeded while waiting for {what}"))
}
