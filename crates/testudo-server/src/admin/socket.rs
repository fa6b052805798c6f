//! The admin socket as a file: a user who may open it is an administrator.
//!
//! The socket is bound inside a folder that only this user may enter, and moved to its path after its mode is set. So
//! at no time can another user connect, whatever the umask is. A file that is already at the path is not replaced,
//! unless it is a socket on which no server listens.

use crate::socket_path::{STAGED, staging};
use std::fs::{DirBuilder, Metadata, Permissions};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// What is at the path of the admin socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketState {
    /// Nothing.
    Free,
    /// A socket on which no server listens.
    UnusedSocket,
    /// A socket on which a server listens.
    Taken,
}

/// Binds the admin socket.
pub(super) async fn bind(path: &Path) -> Result<UnixListener, String> {
    if must_be_free(path).await? == SocketState::UnusedSocket {
        std::fs::remove_file(path)
            .map_err(|error| format!("cannot remove the unused socket {}: {error}", path.display()))?;
    }
    let staging = Staging::new(path)?;
    let failed = |what: &str, error: Error| format!("{what} {}: {error}", path.display());
    let socket = staging.0.join(STAGED);
    let listener =
        UnixListener::bind(&socket).map_err(|error| failed("cannot bind the admin socket", error))?;
    std::fs::set_permissions(&socket, Permissions::from_mode(0o600))
        .map_err(|error| failed("cannot set mode 0600 on the admin socket", error))?;
    move_into_place(&socket, path).map_err(|error| failed("cannot move the admin socket to", error))?;
    Ok(listener)
}

/// Fails if another server listens at the path.
pub async fn must_be_free(path: &Path) -> Result<SocketState, String> {
    match state_of(path).await? {
        SocketState::Taken => Err(format!("another server listens on {}", path.display())),
        free @ (SocketState::Free | SocketState::UnusedSocket) => Ok(free),
    }
}

/// Whether a server could listen at the path or already listens there, as text for `doctor`.
pub(crate) async fn check_path(path: &Path) -> Result<String, String> {
    let place = path.display();
    match state_of(path).await? {
        SocketState::Taken => return Ok(format!("a server listens on {place}")),
        SocketState::Free | SocketState::UnusedSocket => Staging::new(path)?,
    };
    Ok(format!("{place} can be created"))
}

/// Finds out what is at the path. A file that is not a socket is an error: it may still be needed.
async fn state_of(path: &Path) -> Result<SocketState, String> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(SocketState::Free),
        Err(error) => {
            return Err(format!(
                "cannot read the state of admin.socket {}: {error}",
                path.display()
            ));
        }
    };
    let stop = |what: &str| {
        Err(format!(
            "admin.socket {} is {what}: nothing was removed; configure another path, or move the file away",
            path.display()
        ))
    };
    if !found.file_type().is_socket() {
        return stop(kind_of(&found));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Ok(SocketState::Taken),
        // A server that crashed did not remove it.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(SocketState::UnusedSocket),
        Err(error) => stop(&format!("a socket to which no connection is possible ({error})")),
    }
}

fn kind_of(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    match () {
        () if kind.is_symlink() => "a symbolic link and not a socket",
        () if kind.is_dir() => "a folder and not a socket",
        () if kind.is_fifo() => "a named pipe and not a socket",
        () if kind.is_file() => "a file and not a socket",
        () => "a device and not a socket",
    }
}

/// Creates a hard link, which fails where a file was created at the path meanwhile; a rename would replace that file. A
/// rename is used only on file systems without hard links.
fn move_into_place(socket: &Path, path: &Path) -> Result<(), Error> {
    match std::fs::hard_link(socket, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => std::fs::rename(socket, path),
        outcome => outcome,
    }
}

/// A folder beside the path of the socket that only this user may enter.
struct Staging(PathBuf);

impl Staging {
    fn new(path: &Path) -> Result<Staging, String> {
        let random = crate::key_encryption::random_32()?;
        let number = random.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let folder = staging(path, number);
        DirBuilder::new().mode(0o700).create(&folder).map_err(|error| {
            format!(
                "cannot create a folder beside admin.socket {}: {error}",
                path.display()
            )
        })?;
        Ok(Staging(folder))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Removes the first name of the socket; its path is another link to it.
        let _ = std::fs::remove_file(self.0.join(STAGED));
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// The socket that this server bound and removes when it ends.
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

    /// Removes the socket, if it is still the same one: another server may have bound a socket at the path.
    pub fn remove(&self) {
        if self.file.is_some() && identity(&self.path) == self.file {
            // If it cannot be removed, the next start removes it, since no server listens on it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Device, inode and time of the last change, since the system may give the number of an inode to another file at once.
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
    async fn socket_without_a_server_is_replaced_and_one_with_a_server_is_not() {
        let path = place("dead");
        let first = bind(&path).await.unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let error = bind(&path).await.unwrap_err();
        assert!(error.contains("another server listens"), "{error}");
        drop(first);
        let _second = bind(&path).await.unwrap();
        UnixStream::connect(&path).await.unwrap();
        let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "only the socket is left in the folder: {left:?}");
    }

    #[tokio::test]
    async fn file_at_the_path_that_is_not_a_socket_prevents_the_start_and_is_kept() {
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
