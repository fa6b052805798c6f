//! The process at the other end of a Unix socket, as the kernel states it, so that a process cannot claim to be of
//! another user.

use std::io::{BufReader, Read as _};
use testudo_core::ProcessOwner;
use tokio::net::UnixStream;

/// The list of local users. It does not contain users of a directory service; events have only their number.
const USERS: &str = "/etc/passwd";
/// Most bytes of the list that are searched for a name. An event needs the number of the user; the name is only a help
/// for readers.
const USERS_BYTES_MAX: u64 = 1024 * 1024;

/// The process that connected, and its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalProcess {
    uid: u32,
    gid: u32,
    pid: Option<i32>,
}

impl LocalProcess {
    /// The process that connected this stream, by its credentials at that moment (SO_PEERCRED).
    pub(crate) fn of(stream: &UnixStream) -> Option<LocalProcess> {
        let credentials = stream.peer_cred().ok()?;
        Some(LocalProcess {
            uid: credentials.uid(),
            gid: credentials.gid(),
            // 0 for a process outside of the container of this server.
            pid: credentials.pid().filter(|pid| *pid > 0),
        })
    }

    /// The owner with the name of the user, which is read from [`USERS`].
    pub(crate) fn owner(self) -> ProcessOwner {
        let users = std::fs::File::open(USERS).ok();
        ProcessOwner {
            uid: self.uid,
            name: users.and_then(|users| name_in(BufReader::new(users.take(USERS_BYTES_MAX)), self.uid)),
            gid: self.gid,
            pid: self.pid,
        }
    }
}

/// The first name of a user in lines of `name:password:uid:…`.
fn name_in(users: impl std::io::BufRead, uid: u32) -> Option<Box<str>> {
    // A line that is not UTF-8 ends the search without a name.
    users.lines().map_while(Result::ok).find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        let is_it = number.parse() == Ok(uid) && !name.is_empty();
        is_it.then(|| name.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_named_by_the_first_line_with_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\n\n# x\nbroken:x\n:x:7:7::/:\nalice:x:1000:100::/home/alice:/bin/sh\nbob:x:1000:100::/:\n";
        let name = |uid| name_in(users.as_bytes(), uid);
        assert_eq!(name(0).as_deref(), Some("root"));
        assert_eq!(name(1000).as_deref(), Some("alice"));
        assert_eq!(name(7), None);
        assert_eq!(name(4711), None);
    }

    #[tokio::test]
    async fn process_at_the_other_end_of_a_socket_is_known() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let process = LocalProcess::of(&ours).unwrap();
        assert_eq!(process.pid, Some(std::process::id() as i32));
    }
}
