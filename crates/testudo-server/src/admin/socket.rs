//! The admin socket as a file: who may open it is an administrator.
//!
//! It is bound inside a folder that only this user may enter, and moved to its place once its mode is right: at no
//! moment can another user connect, whatever the umask is. What is at its place already is left alone unless it is a
//! socket on which no server listens.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// What is at the place of the admin socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing.
    Free,
    /// A socket that nothing listens on.
    DeadSocket,
    /// A socket that a server listens on.
    Taken,
}

/// Binds the admin socket.
pub(super) async fn bind(path: &Path) -> Result<UnixListener, String> {
    if must_be_free(path).await? == Place::DeadSocket {
        std::fs::remove_file(path)
            .map_err(|error| format!("cannot remove the dead socket {}: {error}", path.display()))?;
    }
    let staging = Staging::new(path)?;
    let failed = |what: &str, error: Error| format!("{what} {}: {error}", path.display());
    let socket = staging.0.join("s");
    let listener =
        UnixListener::bind(&socket).map_err(|error| failed("cannot bind the admin socket", error))?;
    std::fs::set_permissions(&socket, Permissions::from_mode(0o600))
        .map_err(|error| failed("cannot narrow the mode of the admin socket", error))?;
    move_into_place(&socket, path).map_err(|error| failed("cannot move the admin socket to", error))?;
    Ok(listener)
}

/// Stops the start where another server listens.
pub async fn must_be_free(path: &Path) -> Result<Place, String> {
    match judge_the_place(path).await? {
        Place::Taken => Err(format!("another server listens on {}", path.display())),
        free @ (Place::Free | Place::DeadSocket) => Ok(free),
    }
}

/// Whether a server could listen here, in words: for `doctor`, which runs beside a server, too.
pub(crate) async fn try_the_place(path: &Path) -> Result<String, String> {
    let place = path.display();
    match judge_the_place(path).await? {
        Place::Taken => return Ok(format!("a server listens on {place}")),
        Place::Free | Place::DeadSocket => Staging::new(path)?,
    };
    Ok(format!("{place} can be made"))
}

/// Judges what is at the place. A file that is no socket stops the start: it may be a file that is still needed.
async fn judge_the_place(path: &Path) -> Result<Place, String> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Place::Free),
        Err(error) => return Err(format!("cannot look at admin.socket {}: {error}", path.display())),
    };
    let stop = |what: &str| {
        Err(format!(
            "admin.socket {} is {what}: nothing was removed; name another place, or move it away",
            path.display()
        ))
    };
    if !found.file_type().is_socket() {
        return stop(kind_of(&found));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Ok(Place::Taken),
        // A server that crashed left it behind.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(Place::DeadSocket),
        Err(error) => stop(&format!("a socket that cannot be judged ({error})")),
    }
}

fn kind_of(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    match () {
        () if kind.is_symlink() => "a symbolic link and no socket",
        () if kind.is_dir() => "a folder and no socket",
        () if kind.is_fifo() => "a named pipe and no socket",
        () if kind.is_file() => "a file and no socket",
        () => "a device and no socket",
    }
}

/// A link fails where something came to the place meanwhile; a rename would replace it. Some file systems have no
/// links.
fn move_into_place(socket: &Path, path: &Path) -> Result<(), Error> {
    match std::fs::hard_link(socket, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => std::fs::rename(socket, path),
        outcome => outcome,
    }
}

/// A folder that only this user may enter, beside the place of the socket. The names are short: the path of a socket
/// has 107 bytes at most.
struct Staging(PathBuf);

impl Staging {
    fn new(path: &Path) -> Result<Staging, String> {
        let random = crate::key_encryption::random_32()?;
        let number = random.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let folder = path.with_file_name(format!(".t{number:08x}"));
        DirBuilder::new().mode(0o700).create(&folder).map_err(|error| {
            format!(
                "cannot make a folder beside admin.socket {}: {error}",
                path.display()
            )
        })?;
        Ok(Staging(folder))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // The socket was moved out of it.
        let _ = std::fs::remove_file(self.0.join("s"));
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// The socket that this server bound, to be removed when it ends.
pub struct BoundSocket {
    path: PathBuf,
    file: Option<Identity>,
}

impl BoundSocket {
    /// The socket that was bound at `path` a moment ago.
    pub fn at(path: &Path) -> BoundSocket {
        BoundSocket {
            path: path.to_owned(),
            file: identity(path),
        }
    }

    /// Removes it, if it is still the same one: another server may have taken the place.
    pub fn remove(&self) {
        if self.file.is_some() && identity(&self.path) == self.file {
            // Where it stays, no server listens on it, and the next start removes it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Device, inode and time of the last change: the number of an inode is given again at once.
type Identity = (u64, u64, (i64, i64));

fn identity(path: &Path) -> Option<Identity> {
    let found = path.symlink_metadata().ok()?;
    let changed = (found.ctime(), found.ctime_nsec());
    let is_socket = found.file_type().is_socket();
    is_socket.then(|| (found.dev(), found.ino(), changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> PathBuf {
        testudo_testkit::scratch::folder(name).join("testudo.sock")
    }

    #[tokio::test]
    async fn dead_socket_is_replaced_and_a_live_one_is_not() {
        let path = place("dead");
        let first = bind(&path).await.unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let error = bind(&path).await.unwrap_err();
        assert!(error.contains("another server listens"), "{error}");
        drop(first);
        let _second = bind(&path).await.unwrap();
        UnixStream::connect(&path).await.unwrap();
        let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing but the socket stays behind: {left:?}");
    }

    #[tokio::test]
    async fn anything_but_a_dead_socket_stops_the_start_and_loses_nothing() {
        for (name, says) in [
            ("file", "a file"),
            ("folder", "a folder"),
            ("link", "a symbolic link"),
            ("fifo", "a named pipe"),
        ] {
            let path = place(name);
            let kept = path.with_file_name("kept");
            std::fs::write(&kept, "precious").unwrap();
            match name {
                "file" => std::fs::write(&path, "precious").unwrap(),
                "folder" => std::fs::create_dir(&path).unwrap(),
                "link" => std::os::unix::fs::symlink(&kept, &path).unwrap(),
                _ => assert!(
                    std::process::Command::new("mkfifo")
                        .arg(&path)
                        .status()
                        .unwrap()
                        .success()
                ),
            }
            let before = path.symlink_metadata().unwrap();
            let error = bind(&path).await.unwrap_err();
            assert!(error.contains(says) && error.contains("testudo.sock"), "{error}");
            assert_eq!(path.symlink_metadata().unwrap().ino(), before.ino(), "{name}");
            assert_eq!(std::fs::read_to_string(&kept).unwrap(), "precious");
        }
    }

    #[tokio::test]
    async fn socket_of_another_server_is_not_removed_at_the_end() {
        let path = place("end");
        let first = bind(&path).await.unwrap();
        let ours = BoundSocket::at(&path);
        drop(first);
        let _other = bind(&path).await.unwrap();
        ours.remove();
        UnixStream::connect(&path).await.unwrap();
        BoundSocket::at(&path).remove();
        assert!(path.symlink_metadata().is_err());
    }
}
