//! A PostgreSQL cluster with failover: three members with synchronous replication under Patroni, an etcd that stores
//! which of them is the primary, and an HAProxy that connects clients to it. All run on loopback, or each member in a
//! network namespace.

mod front;
mod member;
mod network;
mod tools;

pub use member::TTL_SECONDS;
pub use network::Network;
pub use tools::{Tools, install};

use front::Service;
use member::{Member, Surroundings};
use network::Placement;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// With two members, the loss of one would leave no synchronous standby.
const MEMBERS: usize = 3;
const POLL: Duration = Duration::from_millis(100);

/// The cluster. It is stopped when the value is dropped.
pub struct Cluster {
    tools: Tools,
    folder: PathBuf,
    // Members are stopped before their network is removed.
    members: Vec<Member>,
    haproxy: Service,
    _etcd: Service,
    places: Placement,
}

/// The state of the cluster, from the primary's Patroni.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The primary.
    pub primary: usize,
    /// The synchronous standby, without which no commit is acknowledged.
    pub synchronous_standby: Option<usize>,
    /// Members that replicate from the primary on its timeline.
    pub streaming: Vec<usize>,
}

/// Asks members whether they are the primary.
pub struct PrimaryProbe {
    rest_apis: Vec<String>,
}

impl PrimaryProbe {
    /// The members that answer that they are the primary, asked as HAProxy does. Members without an answer are not
    /// included.
    pub fn claimed_primaries(&self) -> Vec<usize> {
        let members = self.rest_apis.iter().enumerate();
        let claiming = members.filter(|(_, address)| member::answers_yes(address, "/primary"));
        claiming.map(|(number, _)| number).collect()
    }
}

impl Cluster {
    /// Starts the cluster in `folder` and waits until all members are running.
    pub fn start(tools: Tools, folder: &Path, network: Network) -> Result<Cluster, String> {
        let _ = std::fs::remove_dir_all(folder);
        shared_folder(folder)?;
        let tools = tools.readable_in(folder)?;
        let places = Placement::make(network, MEMBERS)?;
        let etcd = front::etcd(&tools, folder, &places.own_address)?;
        let around = Surroundings {
            tools: &tools,
            etcd: &etcd.address,
            folder,
        };
        let mut members = Vec::new();
        for (number, address) in places.addresses.iter().enumerate() {
            let mut member = Member::make(&around, number, address, places.prefix(number))?;
            member.start(&tools)?;
            members.push(member);
        }
        let haproxy = front::haproxy(&tools, folder, &members)?;
        let cluster = Cluster {
            tools,
            folder: folder.to_owned(),
            members,
            haproxy,
            _etcd: etcd,
            places,
        };
        cluster.wait_until_whole(Duration::from_secs(120))?;
        Ok(cluster)
    }

    /// The port of HAProxy on loopback, which connects to the primary.
    pub fn port(&self) -> u16 {
        let port = self.haproxy.address.rsplit(':').next();
        port.and_then(|port| port.parse().ok()).unwrap_or_default()
    }

    /// Creates a database with this name; returns its URL through HAProxy.
    pub fn database(&self, name: &str) -> Result<String, String> {
        let port = self.port().to_string();
        let at = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
        tools::run(
            Command::new(self.tools.postgres_bin.join("createdb"))
                .args(at)
                .arg(name),
        )?;
        Ok(format!("postgres://postgres@127.0.0.1:{port}/{name}"))
    }

    /// Name of a member in HAProxy and Patroni.
    pub fn name(&self, member: usize) -> &str {
        &self.members[member].name
    }

    /// The state of the cluster, if the primary can be reached.
    pub fn view(&self) -> Option<View> {
        let primary = (0..MEMBERS).find(|number| self.members[*number].is_primary())?;
        let state = self.members[primary].cluster()?;
        let state = state["members"].as_array()?;
        let find = |number: usize| state.iter().find(|one| one["name"] == self.name(number));
        let timeline = &find(primary)?["timeline"];
        let others = (0..MEMBERS).filter_map(|number| Some((number, find(number)?)));
        // The entry of a stopped member stays in etcd for a while, so the member itself is asked.
        let following: Vec<(usize, &Value)> = others
            .filter(|(_, one)| one["state"] == "streaming" && one["timeline"] == *timeline)
            .filter(|(number, _)| self.members[*number].is_replica())
            .collect();
        let synchronous = following.iter().find(|(_, one)| one["role"] == "sync_standby");
        Some(View {
            primary,
            synchronous_standby: synchronous.map(|(number, _)| *number),
            streaming: following.iter().map(|(number, _)| *number).collect(),
        })
    }

    /// Waits until one member is the primary and all others replicate from it, one of them synchronously.
    pub fn wait_until_whole(&self, deadline: Duration) -> Result<View, String> {
        self.wait_until("the cluster is whole", deadline, |view| {
            view.synchronous_standby.is_some() && view.streaming.len() == MEMBERS - 1
        })
    }

    /// Waits until the state of the cluster satisfies `is_so`.
    pub fn wait_until(
        &self,
        what: &str,
        deadline: Duration,
        is_so: impl Fn(&View) -> bool,
    ) -> Result<View, String> {
        let started = Instant::now();
        loop {
            let view = self.view();
            match view {
                Some(view) if is_so(&view) => return Ok(view),
                _ if started.elapsed() > deadline => {
                    return Err(format!(
                        "deadline exceeded while waiting until {what}; the state of the cluster is {view:?}\n{}",
                        self.logs()
                    ));
                }
                _ => std::thread::sleep(POLL),
            }
        }
    }

    /// Kills a member's PostgreSQL and its Patroni, as a loss of power would.
    pub fn kill(&mut self, member: usize) {
        self.members[member].kill();
    }

    /// Starts a member that was killed.
    pub fn restart(&mut self, member: usize) -> Result<(), String> {
        self.members[member].start(&self.tools)
    }

    /// Sends a signal to every process of a member: `STOP` pauses it, `CONT` continues it.
    pub fn signal(&self, member: usize, name: &str) {
        self.members[member].signal(name);
    }

    /// Disconnects a member from the network in both directions without closing connections; or connects it again.
    pub fn set_connected(&self, member: usize, is_connected: bool) -> Result<(), String> {
        self.places.set_connected(member, is_connected)
    }

    /// A probe that asks each member whether it is the primary, for use on another thread.
    pub fn primary_probe(&self) -> PrimaryProbe {
        PrimaryProbe {
            rest_apis: self.members.iter().map(Member::rest_api).collect(),
        }
    }

    /// The log of a member's Patroni and PostgreSQL so far.
    pub fn log(&self, member: usize) -> String {
        self.members[member].log_text()
    }

    /// The last lines of every log, for an error.
    fn logs(&self) -> String {
        let last = |text: String| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(15)..].join("\n")
        };
        let mut all = String::new();
        for member in &self.members {
            all.push_str(&format!("--- {}\n{}\n", member.name, last(member.log_text())));
        }
        for name in ["etcd.log", "haproxy.log"] {
            let text = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
            all.push_str(&format!("--- {name}\n{}\n", last(text)));
        }
        all
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.members.clear();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A folder in which PostgreSQL's user can write.
fn shared_folder(folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777))
        .map_err(|error| error.to_string())
}
