//! Who changes something: an administrator, as he was verified, or the server itself. Stands in events, records and
//! the log.

use crate::identity::Authority;
use std::fmt;

/// Who changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// An administrator over HTTP: the identity that the access token proves.
    Identity {
        /// Who vouches for the administrator.
        authority: Authority,
        /// The administrator within that authority.
        subject: Box<str>,
    },
    /// An administrator at the admin socket: the process there, as the system names it.
    Process(ProcessOwner),
    /// An administrator who sent this server a signal. The system does not say which process did.
    Signal,
    /// A file of the configuration changed. The system does not say which process changed it.
    FileWatch,
    /// The client itself, of which the event is.
    Client,
    /// The server, because a time has come.
    Clock,
    /// The server, in its search for clients whose time is over.
    Sweep,
    /// As another node wrote it down: what it ordered is carried out here.
    AsWritten(Box<str>),
}

/// Whose a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessOwner {
    /// Number of the user.
    pub uid: u32,
    /// Name of the user, where the system has one.
    pub name: Option<Box<str>>,
    /// Number of the group.
    pub gid: u32,
    /// Number of the process, where it can be seen from here: a container does not see those outside of it.
    pub pid: Option<i32>,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Identity { authority, subject } => {
                // An identity that is attested begins with its authority; other subjects are unique within theirs only.
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
            // Not an identity of that trust domain, however alike it looks.
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
            (Actor::Sweep, "sweep"),
            (Actor::AsWritten("uid:0(root) gid:0".into()), "uid:0(root) gid:0"),
        ] {
            assert_eq!(actor.to_string(), expected);
        }
    }
}
