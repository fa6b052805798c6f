//! The sign-in of a person in a file, for programs that run again and again.
//!
//! A refresh token is accepted once, so one process at a time uses the file, and the new token is in the file before the
//! access token is given to the caller. If the process is killed between the answer of the issuer and the write, the
//! person must sign in again.

use crate::{AccessToken, ClientError, PersonTokens, RefreshToken, TokenClient};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use testudo_protocol::Timestamp;
use zeroize::Zeroizing;

/// How long another process may hold the file: a request of it ends within this time.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a held file is tried again.
const LOCK_AGAIN: Duration = Duration::from_millis(50);

/// The size of the file. A larger one is another file.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A file with the sign-in of a person. Only its owner can read it.
#[derive(Debug, Clone)]
pub struct SignInFile {
    path: PathBuf,
}

/// The content of the file. It has no `Debug`.
#[derive(Serialize, Deserialize)]
struct Kept {
    issuer: String,
    client_id: String,
    refresh_token: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    unused_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    authorization_ends: Option<Timestamp>,
}

impl SignInFile {
    /// The file at this path. It need not exist.
    pub fn at(path: impl Into<PathBuf>) -> SignInFile {
        SignInFile { path: path.into() }
    }

    /// The issuer and the id of the client that the file names.
    pub async fn client(&self) -> Result<(String, String), ClientError> {
        let turn = self.turn().await?;
        let kept = turn.read()?;
        Ok((kept.issuer, kept.client_id))
    }

    /// Waits until no other process uses the file.
    async fn turn(&self) -> Result<Turn<'_>, ClientError> {
        // The file itself is replaced by each write, so the lock is another file.
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let (name, began) = (PathBuf::from(name), Instant::now());
        let failed = |error: std::io::Error| about(&name, format!("cannot be locked: {error}"));
        let mut options = OpenOptions::new();
        let lock = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name);
        let lock = lock.map_err(failed)?;
        loop {
            match lock.try_lock() {
                Ok(()) => {
                    return Ok(Turn {
                        file: self,
                        _lock: lock,
                    });
                }
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_TIMEOUT => {
                    tokio::time::sleep(LOCK_AGAIN).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(about(&self.path, "is used by another process".to_owned()));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }
}

impl TokenClient {
    /// Keeps the sign-in of a person in the file, in the place of an earlier one.
    pub async fn keep_sign_in(&self, file: &SignInFile, person: &PersonTokens) -> Result<(), ClientError> {
        let refresh = person.refresh_token().await;
        let refresh = refresh.ok_or_else(|| {
            about(
                &file.path,
                "was not written: the issuer gave no refresh token to keep".to_owned(),
            )
        })?;
        let turn = file.turn().await?;
        turn.write(&self.kept(person, &refresh))
    }

    /// A new access token of the person whose sign-in is kept in the file.
    ///
    /// # Errors
    ///
    /// [`ClientError::SignInAgain`]: what the person granted ended, or was revoked.
    pub async fn token_kept_in(&self, file: &SignInFile) -> Result<Arc<AccessToken>, ClientError> {
        let turn = file.turn().await?;
        let kept = turn.read()?;
        // A refresh token is sent to the issuer that issued it, and to no other one.
        if kept.issuer != self.issuer.as_str() {
            let problem = format!("is of another issuer, {:?}", kept.issuer);
            return Err(about(&file.path, problem));
        }
        let person = PersonTokens::kept(&kept.client_id, kept.refresh_token());
        let token = self.token_of(&person).await;
        match person.refresh_token().await {
            Some(next) if next.secret() != kept.refresh_token => turn.write(&self.kept(&person, &next))?,
            Some(_) => {}
            // The issuer refused it, now and for ever.
            None => turn.remove()?,
        }
        token
    }

    fn kept(&self, person: &PersonTokens, refresh: &RefreshToken) -> Kept {
        Kept {
            issuer: self.issuer.as_str().to_owned(),
            client_id: person.client_id().to_owned(),
            refresh_token: refresh.secret().to_owned(),
            unused_until: refresh.unused_until().map(Timestamp::from),
            authorization_ends: refresh.authorization_ends().map(Timestamp::from),
        }
    }
}

impl Kept {
    fn refresh_token(&self) -> RefreshToken {
        let time = |time: Option<Timestamp>| {
            let seconds = u64::try_from(time?.0).ok()?;
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
        };
        let secret = Zeroizing::new(self.refresh_token.clone());
        RefreshToken::kept(secret, time(self.unused_until), time(self.authorization_ends))
    }
}

/// The only use of the file at this moment.
struct Turn<'f> {
    file: &'f SignInFile,
    _lock: File,
}

impl Turn<'_> {
    fn read(&self) -> Result<Kept, ClientError> {
        let path = &*self.file.path;
        let failed = |error: std::io::Error| about(path, format!("cannot be read: {error}"));
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(ClientError::SignInAgain),
            opened => opened.map_err(failed)?,
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(about(
                path,
                format!("can be read by other users (mode {:04o})", mode & 0o777),
            ));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        let mut bounded = file.take(FILE_BYTES_MAX);
        bounded.read_to_end(&mut bytes).map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(|_| about(path, "is not the file of a sign-in".to_owned()))
    }

    /// Replaces the file as a whole, so that a crash leaves the old or the new one.
    fn write(&self, kept: &Kept) -> Result<(), ClientError> {
        let path = &*self.file.path;
        let failed = |error: std::io::Error| about(path, format!("cannot be written: {error}"));
        let text = Zeroizing::new(serde_json::to_vec(kept).map_err(|error| failed(error.into()))?);
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let _ = std::fs::remove_file(&name);
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&name)
            .map_err(failed)?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        std::fs::rename(&name, path).map_err(failed)?;
        // The name is on the disk as well.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        folder.sync_all().map_err(failed)
    }

    fn remove(&self) -> Result<(), ClientError> {
        let path = &*self.file.path;
        let removed = std::fs::remove_file(path);
        removed.map_err(|error| about(path, format!("cannot be removed: {error}")))
    }
}

fn about(path: &Path, problem: String) -> ClientError {
    ClientError::SignInFile(format!("{} {problem}", path.display()))
}
