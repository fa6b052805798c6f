//! The actor of a change: a verified administrator, the client, or the server itself. It is written into events,
//! records and the log.

use crate::identity::Authority;
use std::fmt;

/// The actor of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// An administrator who uses the admin API over HTTP: the identity of the access token.
    Identity {
        /// The authority of the administrator's identity.
        authority: Authority,
        /// The administrator's subject within that authority.
        subject: Box<str>,
    },
    /// An administrator who uses the admin socket: the owner of the connected process, as the operating system reports
    /// it.
    Process(ProcessOwner),
    /// An administrator who sent a signal to this server. The operating system does not report which process sent it.
    Signal,
    /// A configuration file changed. The operating system does not report which process changed it.
    FileWatch,
    /// The client that the event is about.
    Client,
    /// The server, at a scheduled time.
    Clock,
    /// The server, because a status list states that the credential of the client is revoked.
    StatusList,
    /// The server, in its sweep, which removes clients whose lifetime has ended.
    Sweep,
    /// The actor of an order that another node received, as that node recorded it; this node carries the order out.
    AsWritten(Box<str>),
}

/// The owner of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessOwner {
    /// User id.
    pub uid: u32,
    /// User name, if the operating system has one.
    pub name: Option<Box<str>>,
    /// Group id.
    pub gid: u32,
    /// Process id, if it is visible to this process: a process in a container cannot see processes outside.
    pub pid: Option<i32>,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Identity { authority, subject } => {
                // The subject of an attested identity begins with its authority; other subjects are unique only within
                // their authority, so the authority is written before them.
                match authority.path(subject) {
                    Some(_) => f.write_str(subject),
                    None => write!(f, "{} {subject}", authority.key()),
                }
            }
            Actor::Process(owner) => owner.fmt(f),
            Actor::Signal => f.write_str("signal"),
            Actor::FileWatch => f.write_str("watch"),
            Actor::Client => f.write_str("client"),
            Actor::Clock => f.write_str("clock"),
            Actor::StatusList => f.write_str("status_list"),
            Actor::Sweep => f.write_str("sweep"),
            Actor::AsWritten(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for ProcessOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid:{}", self.uid)?;
        if let Some(name) = &self.name {
            write!(f, "({name})")?;
        }
        write!(f, " gid:{}", self.gid)?;
        match self.pid {
            Some(pid) => write!(f, " pid:{pid}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actor_of_an_event_names_authority_and_subject_or_user_and_process() {
        let identity = |authority: &str, subject: &str| Actor::Identity {
            authority: Authority::of_key(authority).unwrap(),
            subject: subject.into(),
        };
        let process = |name: Option<&str>, pid| {
            Actor::Process(ProcessOwner {
                uid: 1000,
                name: name.map(Into::into),
                gid: 100,
                pid,
            })
        };
        for (actor, expected) in [
            (
                identity("spiffe://prod.example", "spiffe://prod.example/ops/alice"),
                "spiffe://prod.example/ops/alice",
            ),
            // This subject only begins with the same characters; it is not an identity of that trust domain.
            (
                identity("spiffe://prod.example", "spiffe://prod.example.evil/x"),
                "spiffe://prod.example spiffe://prod.example.evil/x",
            ),
            (identity("configuration", "ops-tool"), "configuration ops-tool"),
            (
                process(Some("alice"), Some(4711)),
                "uid:1000(alice) gid:100 pid:4711",
            ),
            (process(None, None), "uid:1000 gid:100"),
            (Actor::Signal, "signal"),
            (Actor::FileWatch, "watch"),
            (Actor::Client, "client"),
            (Actor::Clock, "clock"),
            (Actor::StatusList, "status_list"),
            (Actor::Sweep, "sweep"),
            (Actor::AsWritten("uid:0(root) gid:0".into()), "uid:0(root) gid:0"),
        ] {
            assert_eq!(actor.to_string(), expected);
        }
    }
}
