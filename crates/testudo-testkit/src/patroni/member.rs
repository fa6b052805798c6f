//! One member of a cluster: a PostgreSQL and the Patroni that starts and stops it.

use super::tools::{Tools, as_postgres};
use crate::postgres::{SHARED_MEMORY, remove_shared_memory};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// Patroni answers from its memory, so an answer that is later than this will not come.
const REST_DEADLINE: Duration = Duration::from_secs(2);

pub(super) struct Member {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) postgres_port: u16,
    pub(super) rest_port: u16,
    folder: PathBuf,
    prefix: Vec<String>,
    patroni: Option<Child>,
}

/// Settings that all members share.
pub(super) struct Surroundings<'a> {
    pub(super) tools: &'a Tools,
    /// `host:port` of etcd.
    pub(super) etcd: &'a str,
    pub(super) folder: &'a Path,
}

impl Member {
    /// Prepares a member without starting it. Patroni creates its data.
    pub(super) fn make(
        around: &Surroundings<'_>,
        number: usize,
        address: &str,
        prefix: Vec<String>,
    ) -> Result<Member, String> {
        let name = format!("node{number}");
        let folder = around.folder.join(&name);
        super::shared_folder(&folder)?;
        let member = Member {
            name,
            address: address.to_owned(),
            postgres_port: crate::free_port(),
            rest_port: crate::free_port(),
            folder,
            prefix,
            patroni: None,
        };
        let text = member.configuration(around);
        std::fs::write(member.folder.join("patroni.yml"), text).map_err(|error| error.to_string())?;
        Ok(member)
    }

    /// No passwords are needed: only this machine can reach these addresses.
    fn configuration(&self, around: &Surroundings<'_>) -> String {
        let (name, address, folder) = (&self.name, &self.address, self.folder.display());
        let (postgres, rest) = (self.postgres_port, self.rest_port);
        let (etcd, bin) = (around.etcd, around.tools.postgres_bin.display());
        format!(
            r"
scope: testudo
name: {name}
restapi: {{ listen: '{address}:{rest}', connect_address: '{address}:{rest}' }}
etcd3: {{ hosts: ['{etcd}'] }}
bootstrap:
  dcs:
    ttl: {TTL_SECONDS}
    loop_wait: 2
    retry_timeout: 3
    synchronous_mode: true
    synchronous_mode_strict: true
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters: {{ max_connections: 100, max_wal_senders: 10, wal_keep_size: 128MB, wal_log_hints: 'on', synchronous_commit: 'on' }}
  initdb: [{{ encoding: UTF8 }}, {{ locale: C.UTF-8 }}, {{ auth: trust }}]
postgresql:
  listen: '{address}:{postgres}'
  connect_address: '{address}:{postgres}'
  data_dir: {folder}/data
  bin_dir: {bin}
  pgpass: {folder}/pgpass
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
  authentication:
    superuser: {{ username: postgres }}
    replication: {{ username: replicator }}
    rewind: {{ username: rewinder }}
  parameters: {{ unix_socket_directories: '', dynamic_shared_memory_type: {SHARED_MEMORY} }}
  pg_hba: ['host all all 0.0.0.0/0 trust', 'host replication all 0.0.0.0/0 trust']
watchdog: {{ mode: 'off' }}
"
        )
    }

    pub(super) fn start(&mut self, tools: &Tools) -> Result<(), String> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .map_err(|error| error.to_string())?;
        let as_well = log.try_clone().map_err(|error| error.to_string())?;
        let python = tools.python().display().to_string();
        let child = as_postgres(self.prefix.clone(), &python)
            .args(["-m", "patroni"])
            .arg(self.folder.join("patroni.yml"))
            .stdout(log)
            .stderr(as_well)
            .spawn()
            .map_err(|error| format!("Patroni cannot be run: {error}"))?;
        self.patroni = Some(child);
        Ok(())
    }

    /// Kills Patroni, the processes that it started, and the first process of PostgreSQL; the other processes of
    /// PostgreSQL end when they detect this.
    pub(super) fn kill(&mut self) {
        let mut pids = Vec::from_iter(self.postmaster());
        if let Some(mut patroni) = self.patroni.take() {
            pids.extend(children(&patroni.id().to_string()));
            let _ = patroni.kill();
            let _ = patroni.wait();
        }
        send("KILL", &pids);
    }

    /// Sends a signal to every process, to parents before their children.
    pub(super) fn signal(&self, name: &str) {
        let patroni = self.patroni.as_ref().map(|child| child.id().to_string());
        let firsts: Vec<String> = patroni.into_iter().chain(self.postmaster()).collect();
        send(name, &firsts);
        let others: Vec<String> = firsts.iter().flat_map(|pid| children(pid)).collect();
        send(name, &others);
    }

    /// The first process of PostgreSQL. The pid file stays after the process ends, and its number may belong to another
    /// process; the working folder of the process shows whether it is PostgreSQL.
    fn postmaster(&self) -> Option<String> {
        let data = self.folder.join("data");
        let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let pid = text.lines().next()?;
        let works_in = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        (works_in == data).then(|| pid.to_owned())
    }

    /// The log of Patroni and PostgreSQL.
    pub(super) fn log_text(&self) -> String {
        let bytes = std::fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The address of Patroni's REST API.
    pub(super) fn rest_api(&self) -> String {
        format!("{}:{}", self.address, self.rest_port)
    }

    /// The state of all members, from Patroni.
    pub(super) fn cluster(&self) -> Option<Value> {
        let (_, body) = ask(&self.rest_api(), "/cluster")?;
        serde_json::from_str(&body).ok()
    }

    /// True if Patroni answers that this member is the primary, as HAProxy asks it.
    pub(super) fn is_primary(&self) -> bool {
        answers_yes(&self.rest_api(), "/primary")
    }

    /// True if Patroni answers that this member is a running replica.
    pub(super) fn is_replica(&self) -> bool {
        answers_yes(&self.rest_api(), "/replica")
    }
}

pub(super) fn answers_yes(rest_api: &str, path: &str) -> bool {
    ask(rest_api, path).is_some_and(|(status, _)| status == 200)
}

/// Sends a request to a Patroni; status and body, if it answers.
fn ask(rest_api: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&rest_api.parse().ok()?, REST_DEADLINE).ok()?;
    stream.set_read_timeout(Some(REST_DEADLINE)).ok()?;
    stream
        .write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}

impl Drop for Member {
    fn drop(&mut self) {
        self.signal("CONT");
        self.kill();
        remove_shared_memory(&self.folder.join("data").display().to_string());
    }
}

/// The leader key in etcd expires after this time without a renewal. It is the minimum that Patroni allows.
pub const TTL_SECONDS: u64 = 20;

fn children(pid: &str) -> Vec<String> {
    let found = Command::new("pgrep").args(["-P", pid]).output();
    let text = found.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn send(signal: &str, pids: &[String]) {
    if !pids.is_empty() {
        let _ = Command::new("kill").arg(format!("-{signal}")).args(pids).output();
    }
}
