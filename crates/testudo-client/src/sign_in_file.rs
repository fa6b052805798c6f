//! The sign-in of a person in a file, for programs that run again and again.
//!
//! A refresh token is accepted once, so one process at a time uses the file, and the new token is in the file before the
//! access token is given to the caller. The new file is created before the token is sent, so that a folder that cannot be
//! written ends the command and not the sign-in. If the process is killed between the answer of the issuer and the write,
//! or the answer is lost, the person must sign in again.

mod turn;

use crate::{AccessToken, ClientError, Credentials, PersonTokens, RefreshToken, TokenClient};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use testudo_protocol::Timestamp;
use turn::Turn;
use zeroize::Zeroizing;

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
    /// Thumbprint of the key to which the refresh token is bound. [RFC9449 §5]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    jkt: Option<String>,
}

impl SignInFile {
    /// The file at this path. It need not exist.
    pub fn at(path: impl Into<PathBuf>) -> SignInFile {
        SignInFile { path: path.into() }
    }

    /// The issuer and the id of the client that the file names.
    pub async fn client(&self) -> Result<(String, String), ClientError> {
        let turn = Turn::wait(&self.path).await?;
        let kept = turn.read()?;
        Ok((kept.issuer, kept.client_id))
    }

    /// Checks that a sign-in can be kept in the file, so that a program can tell the person before the person signs in.
    pub async fn check(&self) -> Result<(), ClientError> {
        // Other programs go on to use an earlier sign-in in the file until the new one is there.
        Turn::wait(&self.path).await.map(drop)
    }
}

impl TokenClient {
    /// Keeps the sign-in of a person in the file, in the place of an earlier one.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoRefreshToken`]: the issuer gave no refresh token, so there is nothing to keep.
    pub async fn keep_sign_in(&self, file: &SignInFile, person: &PersonTokens) -> Result<(), ClientError> {
        let refresh = person.refresh_token().await;
        let refresh = refresh.ok_or(ClientError::NoRefreshToken)?;
        let turn = Turn::wait(&file.path).await?;
        turn.write(&self.kept(person.client_id(), &refresh, self.key_of_public()))
    }

    /// A new access token of the person whose sign-in is kept in the file.
    ///
    /// # Errors
    ///
    /// [`ClientError::SignInAgain`]: there is no file, or its deadlines are over. [`ClientError::SignInKey`]: the refresh
    /// token is bound to another key, so it was not sent. [`ClientError::SignInRefused`]: the issuer refused the refresh
    /// token. Only the issuer knows whether it accepts it later, so the file stays as it is.
    pub async fn token_kept_in(&self, file: &SignInFile) -> Result<Arc<AccessToken>, ClientError> {
        let turn = Turn::wait(&file.path).await?;
        let kept = turn.read()?;
        // A refresh token is sent to the issuer that issued it, and to no other one.
        if kept.issuer != self.issuer.as_str() {
            let problem = format!("is of another issuer, {:?}", kept.issuer);
            return Err(about(turn.path(), problem));
        }
        let given = self.prover.as_ref().map(|prover| prover.thumbprint());
        if kept.jkt.is_some() && kept.jkt != given {
            return Err(ClientError::SignInKey {
                file: turn.path().display().to_string(),
                bound_to: kept.jkt.unwrap_or_default(),
                given,
            });
        }
        let refresh = kept.refresh_token();
        if refresh.is_over() {
            return Err(ClientError::SignInAgain);
        }
        match self.refresh(&kept.client_id, &refresh).await {
            Ok((token, next)) => {
                // [RFC6749 §6] If the issuer gives no new one, the old one stays.
                if let Some(next) = next {
                    turn.write(&self.kept(&kept.client_id, &next, kept.jkt))?;
                }
                Ok(Arc::new(token))
            }
            Err(refused) if refused.is("invalid_grant") => Err(ClientError::SignInRefused {
                file: turn.path().display().to_string(),
                refused: Box::new(refused),
            }),
            Err(error) => Err(error),
        }
    }

    /// Thumbprint of the key to which an issuer binds the refresh tokens of this client. It binds those of a client with a
    /// credential to the credential. [RFC9449 §5]
    fn key_of_public(&self) -> Option<String> {
        match &self.credentials {
            Credentials::Public => self.prover.as_ref().map(|prover| prover.thumbprint()),
            Credentials::Svids(_) | Credentials::Assertions(_) | Credentials::Attestations(_) => None,
        }
    }

    fn kept(&self, client_id: &str, refresh: &RefreshToken, jkt: Option<String>) -> Kept {
        Kept {
            issuer: self.issuer.as_str().to_owned(),
            client_id: client_id.to_owned(),
            refresh_token: refresh.secret().to_owned(),
            unused_until: refresh.unused_until().map(Timestamp::from),
            authorization_ends: refresh.authorization_ends().map(Timestamp::from),
            jkt,
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

fn about(path: &Path, problem: String) -> ClientError {
    ClientError::SignInFile(format!("{} {problem}", path.display()))
}
