//! The programs besides the members: the etcd that stores which member is the primary, and the HAProxy that connects
//! clients to it.

use super::member::Member;
use super::tools::{Tools, as_postgres};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running program. It is stopped when the value is dropped.
pub(super) struct Service {
    child: Child,
    pub(super) address: String,
}

impl Service {
    fn start(words: &[&str], log: &Path, address: String) -> Result<Service, String> {
        let text = |error: std::io::Error| error.to_string();
        let file = std::fs::File::create(log).map_err(text)?;
        let as_well = file.try_clone().map_err(text)?;
        let (program, arguments) = words.split_first().ok_or("no program")?;
        let child = as_postgres(Vec::new(), program)
            .args(arguments)
            .stdout(Stdio::from(file))
            .stderr(Stdio::from(as_well))
            .spawn()
            .map_err(|error| format!("{program} cannot be run: {error}"))?;
        let service = Service { child, address };
        let started = Instant::now();
        while TcpStream::connect(&service.address).is_err() {
            if started.elapsed() > START_DEADLINE {
                let output = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("{program} does not accept connections:\n{output}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(service)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One etcd is enough, since the failure of etcd is not tested.
pub(super) fn etcd(tools: &Tools, folder: &Path, own_address: &str) -> Result<Service, String> {
    let address = format!("{own_address}:{}", crate::free_port());
    let (clients, peers) = (
        format!("http://{address}"),
        format!("http://127.0.0.1:{}", crate::free_port()),
    );
    let (program, data) = (
        tools.etcd.display().to_string(),
        folder.join("etcd").display().to_string(),
    );
    let cluster = format!("default={peers}");
    Service::start(
        &[
            &program,
            "--data-dir",
            &data,
            "--listen-client-urls",
            &clients,
            "--advertise-client-urls",
            &clients,
            "--listen-peer-urls",
            &peers,
            "--initial-advertise-peer-urls",
            &peers,
            "--initial-cluster",
            &cluster,
        ],
        &folder.join("etcd.log"),
        address,
    )
}

/// Starts HAProxy in front of the members. It asks each Patroni twice a second whether its member is the primary, and
/// closes sessions to members that are not.
pub(super) fn haproxy(tools: &Tools, folder: &Path, members: &[Member]) -> Result<Service, String> {
    let address = format!("127.0.0.1:{}", crate::free_port());
    let servers: String = members
        .iter()
        .map(|member| {
            format!(
                "    server {} {}:{} check port {}\n",
                member.name, member.address, member.postgres_port, member.rest_port
            )
        })
        .collect();
    let text = format!(
        "global
    maxconn 1000
defaults
    mode tcp
    timeout connect 2s
    timeout check 2s
    timeout client 30m
    timeout server 30m
listen primary
    bind {address}
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}"
    );
    let settings = folder.join("haproxy.cfg");
    std::fs::write(&settings, text).map_err(|error| error.to_string())?;
    let (program, settings) = (
        tools.haproxy.display().to_string(),
        settings.display().to_string(),
    );
    Service::start(
        &[&program, "-db", "-f", &settings],
        &folder.join("haproxy.log"),
        address,
    )
}
