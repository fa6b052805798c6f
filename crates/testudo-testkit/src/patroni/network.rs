//! The network of a cluster: all members on the loopback address, or each in its own network namespace.

use super::tools::{is_root, run};
use crate::scratch;
use std::process::Command;

/// How members are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// All on 127.0.0.1. No member can be partitioned.
    Loopback,
    /// Each member in a network namespace behind a bridge, like a separate machine behind a switch. Needs root.
    Namespaces,
}

/// Addresses and namespaces. The namespaces are removed when the value is dropped.
pub(super) struct Placement {
    /// The address of etcd and HAProxy.
    pub(super) own_address: String,
    /// Address of each member.
    pub(super) addresses: Vec<String>,
    bridge: Option<Bridge>,
}

struct Bridge {
    name: String,
    namespaces: Vec<String>,
    ports: Vec<String>,
}

impl Placement {
    pub(super) fn make(network: Network, members: usize) -> Result<Placement, String> {
        match network {
            Network::Loopback => Ok(Placement {
                own_address: "127.0.0.1".to_owned(),
                addresses: vec!["127.0.0.1".to_owned(); members],
                bridge: None,
            }),
            Network::Namespaces => namespaces(members),
        }
    }

    /// The command prefix that runs a command in the namespace of a member.
    pub(super) fn prefix(&self, member: usize) -> Vec<String> {
        match &self.bridge {
            None => Vec::new(),
            Some(bridge) => ["ip", "netns", "exec", &bridge.namespaces[member]]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    /// Disconnects the member from the bridge, or connects it again. Its own link stays up: packets are lost, and
    /// neither side is notified.
    pub(super) fn set_connected(&self, member: usize, is_connected: bool) -> Result<(), String> {
        let Some(bridge) = &self.bridge else {
            return Err("a member on the loopback address cannot be partitioned".to_owned());
        };
        let port = &bridge.ports[member];
        match is_connected {
            true => ip(&["link", "set", port, "master", &bridge.name]),
            false => ip(&["link", "set", port, "nomaster"]),
        }
    }
}

fn namespaces(members: usize) -> Result<Placement, String> {
    if !is_root() {
        return Err("network namespaces need root: run cargo xtask soak as root".to_owned());
    }
    let process = std::process::id();
    // 198.18.0.0/15 is reserved for tests of networks (RFC 2544): no machine outside has such an address.
    let subnet = format!("198.{}.{}", 18 + process / 256 % 2, process % 256);
    let mut bridge = Bridge {
        name: format!("tst{process}"),
        namespaces: Vec::new(),
        ports: Vec::new(),
    };
    let own_address = format!("{subnet}.1");
    scratch::at_end(&format!("ip link del {}", bridge.name));
    ip(&["link", "add", &bridge.name, "type", "bridge"])?;
    ip(&["addr", "add", &format!("{own_address}/24"), "dev", &bridge.name])?;
    ip(&["link", "set", &bridge.name, "up"])?;
    let mut addresses = Vec::new();
    for member in 0..members {
        let (namespace, port) = (
            format!("testudo-{process}-{member}"),
            format!("tst{process}-{member}"),
        );
        let address = format!("{subnet}.{}", 11 + member);
        ip(&["netns", "add", &namespace])?;
        // From here on, the namespaces are removed when the value is dropped.
        scratch::at_end(&format!("ip netns del {namespace}"));
        bridge.namespaces.push(namespace.clone());
        bridge.ports.push(port.clone());
        ip(&[
            "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &namespace,
        ])?;
        ip(&["link", "set", &port, "master", &bridge.name, "up"])?;
        let inside = ["-n", &namespace];
        for words in [
            &["addr", "add", &format!("{address}/24"), "dev", "eth0"][..],
            &["link", "set", "eth0", "up"],
            &["link", "set", "lo", "up"],
        ] {
            ip(&[&inside[..], words].concat())?;
        }
        addresses.push(address);
    }
    Ok(Placement {
        own_address,
        addresses,
        bridge: Some(bridge),
    })
}

fn ip(words: &[&str]) -> Result<(), String> {
    run(Command::new("ip").args(words)).map(drop)
}

impl Drop for Bridge {
    fn drop(&mut self) {
        for port in &self.ports {
            let _ = ip(&["link", "del", port]);
        }
        for namespace in &self.namespaces {
            let _ = ip(&["netns", "del", namespace]);
        }
        let _ = ip(&["link", "del", &self.name]);
    }
}
