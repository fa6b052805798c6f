//! The only use of a file with a sign-in at one moment. The file that will replace it exists from the beginning.

use super::{Kept, about};
use crate::ClientError;
use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions, TryLockError, symlink_metadata};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long another process may hold the file: a request of it ends within this time.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a held file is tried again.
const LOCK_AGAIN: Duration = Duration::from_millis(50);

/// The size of the file. A larger one is another file.
const FILE_BYTES_MAX: u64 = 64 * 1024;

pub(super) struct Turn {
    /// The file, in the folder that its path led to when the turn began.
    path: PathBuf,
    folder: PathBuf,
    next: Next,
    /// After `next`, so that no other process has its turn while the next file is removed.
    _lock: File,
}

/// The file that will replace the other one. It is removed if it does not.
struct Next {
    path: PathBuf,
    file: File,
}

impl Drop for Next {
    fn drop(&mut self) {
        // After a rename there is none.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Turn {
    /// Waits until no other process uses the file, and creates the file that will replace it.
    pub(super) async fn wait(path: &Path) -> Result<Turn, ClientError> {
        let (folder, name) = folder_and_name(path)?;
        let path = folder.join(name);
        // The file itself is replaced by each write, so the lock is another file.
        let lock = lock(&beside(&path, ".lock")).await?;
        let next = Next::create(beside(&path, ".new"))?;
        match symlink_metadata(&path) {
            Ok(found) => {
                let owner = next.file.metadata().map_err(|error| failed(&path, &error))?.uid();
                usable(&found, owner).map_err(|problem| about(&path, problem))?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path, &error)),
        }
        Ok(Turn {
            path,
            folder,
            next,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn read(&self) -> Result<Kept, ClientError> {
        let path = &*self.path;
        let named = match symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(ClientError::SignInAgain),
            named => named.map_err(|error| failed(path, &error))?,
        };
        let file = File::open(path).map_err(|error| failed(path, &error))?;
        let found = file.metadata().map_err(|error| failed(path, &error))?;
        if (named.dev(), named.ino()) != (found.dev(), found.ino()) {
            return Err(about(path, "was replaced by a symbolic link".to_owned()));
        }
        let mode = found.permissions().mode();
        if mode & 0o077 != 0 {
            let problem = format!("can be read by other users (mode {:04o})", mode & 0o777);
            return Err(about(path, problem));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        let mut bounded = file.take(FILE_BYTES_MAX);
        bounded
            .read_to_end(&mut bytes)
            .map_err(|error| failed(path, &error))?;
        serde_json::from_slice(&bytes).map_err(|_| about(path, "is not the file of a sign-in".to_owned()))
    }

    /// Replaces the file as a whole, so that a crash leaves the old or the new one.
    pub(super) fn write(&self, kept: &Kept) -> Result<(), ClientError> {
        let not_written = |error: std::io::Error| not_written(&self.path, &error);
        let text = Zeroizing::new(serde_json::to_vec(kept).map_err(|error| not_written(error.into()))?);
        let mut next = &self.next.file;
        next.write_all(&text)
            .and_then(|()| next.sync_all())
            .and_then(|()| std::fs::rename(&self.next.path, &self.path))
            .map_err(not_written)?;
        // The name is on the disk as well.
        let folder = File::open(&self.folder).map_err(not_written)?;
        folder.sync_all().map_err(not_written)
    }
}

impl Next {
    fn create(path: PathBuf) -> Result<Next, ClientError> {
        // One that a process left that was killed.
        let _ = std::fs::remove_file(&path);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(|error| not_written(&path, &error))?;
        Ok(Next { path, file })
    }
}

/// The folder without symbolic links, so that a link that is changed meanwhile does not lead to two folders.
fn folder_and_name(path: &Path) -> Result<(PathBuf, &OsStr), ClientError> {
    let name = path.file_name();
    let name = name.ok_or_else(|| about(path, "is not the name of a file".to_owned()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let found = folder.canonicalize();
    let found = found.map_err(|error| about(path, format!("cannot be written: its folder: {error}")))?;
    Ok((found, name))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

async fn lock(path: &Path) -> Result<File, ClientError> {
    let cannot = |problem: String| about(path, format!("cannot be locked: {problem}"));
    if symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(cannot("it is not a plain file".to_owned()));
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(path).map_err(|error| cannot(error.to_string()))?;
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_TIMEOUT => {
                tokio::time::sleep(LOCK_AGAIN).await;
            }
            Err(TryLockError::WouldBlock) => return Err(cannot("another process uses it".to_owned())),
            Err(TryLockError::Error(error)) => return Err(cannot(error.to_string())),
        }
    }
}

/// Whether this is a file of this user. A link, or a file of another user in a folder of several users, could make the
/// person act for another user.
fn usable(found: &Metadata, owner: u32) -> Result<(), String> {
    if found.is_symlink() {
        return Err("is a symbolic link: name the file itself".to_owned());
    }
    if !found.is_file() {
        return Err("is not a plain file".to_owned());
    }
    match found.uid() == owner {
        true => Ok(()),
        false => Err(format!("belongs to another user (uid {})", found.uid())),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> ClientError {
    about(path, format!("cannot be read: {error}"))
}

fn not_written(path: &Path, error: &std::io::Error) -> ClientError {
    about(path, format!("cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_file_of_this_user_is_used() {
        let folder = testudo_testkit::scratch::folder("client-turn");
        let (file, link) = (folder.join("file"), folder.join("link"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let of = |path: &Path| symlink_metadata(path).unwrap();
        let owner = of(&file).uid();
        assert_eq!(usable(&of(&file), owner), Ok(()));
        let refused = usable(&of(&file), owner + 1).unwrap_err();
        assert!(refused.contains("another user"), "{refused}");
        let refused = usable(&of(&link), owner).unwrap_err();
        assert!(refused.contains("symbolic link"), "{refused}");
        let refused = usable(&of(&folder), owner).unwrap_err();
        assert!(refused.contains("not a plain file"), "{refused}");
    }
}
