//! A PostgreSQL that fails over: three members with synchronous replication under Patroni, an etcd that says which of
//! them leads, and an HAProxy that leads there. All of it on loopback, or with each member in a network namespace.

mod front;
mod member;
mod network;
mod tools;

pub use member::TTL_SECONDS;
pub use network::Network;
pub use tools::{Tools, install};

use front::Service;
use member::{Member, Surroundings};
use network::Places;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// With two a lost one leaves no synchronous standby.
const MEMBERS: usize = 3;
const POLL: Duration = Duration::from_millis(100);

/// The cluster. Ends with the value.
pub struct Cluster {
    tools: Tools,
    folder: PathBuf,
    // Members end before the network in which they are.
    members: Vec<Member>,
    haproxy: Service,
    _etcd: Service,
    places: Places,
}

/// What the primary's Patroni says of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The member that leads.
    pub primary: usize,
    /// The member without which nothing is acknowledged.
    pub synchronous_standby: Option<usize>,
    /// Members that follow the primary on its timeline.
    pub streaming: Vec<usize>,
}

/// Asks members whether they lead.
pub struct Witness {
    rest_apis: Vec<String>,
}

impl Witness {
    /// The members that say that they are the primary, as HAProxy asks them. Those that do not answer say nothing.
    pub fn who_claims_to_lead(&self) -> Vec<usize> {
        let members = self.rest_apis.iter().enumerate();
        let claiming = members.filter(|(_, address)| member::says_yes(address, "/primary"));
        claiming.map(|(number, _)| number).collect()
    }
}

impl Cluster {
    /// Starts it in `folder` and waits until it is whole.
    pub fn start(tools: Tools, folder: &Path, network: Network) -> Result<Cluster, String> {
        let _ = std::fs::remove_dir_all(folder);
        shared_folder(folder)?;
        let tools = tools.readable_in(folder)?;
        let places = Places::make(network, MEMBERS)?;
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

    /// The port on loopback behind which the primary is.
    pub fn port(&self) -> u16 {
        let port = self.haproxy.address.rsplit(':').next();
        port.and_then(|port| port.parse().ok()).unwrap_or_default()
    }

    /// Makes a database of this name; its URL by way of HAProxy.
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

    /// Name of a member, as HAProxy and Patroni call it.
    pub fn name(&self, member: usize) -> &str {
        &self.members[member].name
    }

    /// What the primary says, if there is one that can be reached.
    pub fn view(&self) -> Option<View> {
        let primary = (0..MEMBERS).find(|number| self.members[*number].is_primary())?;
        let said = self.members[primary].cluster()?;
        let said = said["members"].as_array()?;
        let find = |number: usize| said.iter().find(|one| one["name"] == self.name(number));
        let timeline = &find(primary)?["timeline"];
        let others = (0..MEMBERS).filter_map(|number| Some((number, find(number)?)));
        // What etcd says of a member that is gone stays there for a while: the member is asked itself.
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

    /// Waits until one member leads and all others follow it, one of them synchronously.
    pub fn wait_until_whole(&self, deadline: Duration) -> Result<View, String> {
        self.wait_until("the cluster is whole", deadline, |view| {
            view.synchronous_standby.is_some() && view.streaming.len() == MEMBERS - 1
        })
    }

    /// Waits until the primary says this.
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
                        "waited in vain until {what}; the primary says {view:?}\n{}",
                        self.said()
                    ));
                }
                _ => std::thread::sleep(POLL),
            }
        }
    }

    /// Kills a member's PostgreSQL and its Patroni, as where the machine loses power.
    pub fn kill(&mut self, member: usize) {
        self.members[member].kill();
    }

    /// Starts a member that was killed.
    pub fn restart(&mut self, member: usize) -> Result<(), String> {
        self.members[member].start(&self.tools)
    }

    /// Sends a signal to every process of a member: `STOP` pauses it, `CONT` lets it go on.
    pub fn signal(&self, member: usize, name: &str) {
        self.members[member].signal(name);
    }

    /// Takes a member off the network, both ways, and no peer is told; or puts it back.
    pub fn set_connected(&self, member: usize, is_connected: bool) -> Result<(), String> {
        self.places.set_connected(member, is_connected)
    }

    /// Who asks each member whether it leads, on a thread of its own.
    pub fn witness(&self) -> Witness {
        Witness {
            rest_apis: self.members.iter().map(Member::rest_api).collect(),
        }
    }

    /// What a member's Patroni and PostgreSQL wrote so far.
    pub fn log(&self, member: usize) -> String {
        self.members[member].said()
    }

    /// The last lines of every log, for an error.
    fn said(&self) -> String {
        let last = |text: String| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(15)..].join("\n")
        };
        let mut all = String::new();
        for member in &self.members {
            all.push_str(&format!("--- {}\n{}\n", member.name, last(member.said())));
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

fn free_port() -> Result<u16, String> {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}
