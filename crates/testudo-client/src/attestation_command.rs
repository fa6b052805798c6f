//! Attestations that a program gets for the key of this process.

use crate::attested::{AttestationSource, Attested, AttestedFuture};
use crate::{ClientError, PrivateKey, look};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use testudo_protocol::limits::ASSERTION_BYTES_MAX;
use testudo_protocol::{Seconds, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// A program that takes longer is ended: the callers of the token wait for it.
const DEADLINE: Duration = Duration::from_secs(60);
/// An attestation is used until so long before it expires: it must be valid when the server verifies it.
const MARGIN: Seconds = Seconds(30);

/// Runs a program for each attestation; its stderr is the one of this process. The key is generated once, and is in the memory of this process only.
pub(crate) struct AttestationCommand {
    program: PathBuf,
    arguments: Vec<String>,
    key: Arc<PrivateKey>,
    kept: tokio::sync::Mutex<Option<String>>,
}

impl AttestationCommand {
    pub(crate) fn new(program: PathBuf, arguments: Vec<String>) -> Result<AttestationCommand, ClientError> {
        Ok(AttestationCommand {
            program,
            arguments,
            key: Arc::new(PrivateKey::generate()?),
            kept: tokio::sync::Mutex::default(),
        })
    }

    async fn run(&self) -> Result<String, ClientError> {
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.failed(format!("cannot be started: {error}")))?;
        let printed = tokio::time::timeout(DEADLINE, self.talk(child)).await;
        printed.map_err(|_| self.failed(format!("has not ended after {} s", DEADLINE.as_secs())))?
    }

    async fn talk(&self, mut child: Child) -> Result<String, ClientError> {
        let io = |error: std::io::Error| self.failed(error.to_string());
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not need the key may close its stdin.
            let _ = stdin.write_all(self.key.public_jwk().as_bytes()).await;
        }
        let mut stdout = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            // More output than this is no attestation: the program then writes into a closed pipe, and ends.
            let mut bounded = pipe.take(ASSERTION_BYTES_MAX as u64 + 1);
            bounded.read_to_end(&mut stdout).await.map_err(io)?;
        }
        let status = child.wait().await.map_err(io)?;
        if !status.success() {
            return Err(self.failed(format!("ended with {status}")));
        }
        let text = String::from_utf8(stdout).map_err(|_| self.failed("printed no UTF-8 text".to_owned()))?;
        Ok(text.trim().to_owned())
    }

    fn failed(&self, problem: String) -> ClientError {
        ClientError::Attestation {
            problem: format!("{} {problem}", self.program.display()),
            hint:
                "the program must read a public key on stdin, as a JWK, and print an attestation of that key"
                    .to_owned(),
        }
    }
}

impl AttestationSource for AttestationCommand {
    fn attested(&self, must_be_new: bool) -> AttestedFuture<'_> {
        Box::pin(async move {
            let mut kept = self.kept.lock().await;
            let now = Timestamp::from(SystemTime::now());
            let is_valid = |attestation: &String| {
                look::expiry(attestation)
                    .is_ok_and(|expiry| expiry.is_some_and(|expiry| expiry > now + MARGIN))
            };
            let attestation = match kept.take().filter(|kept| !must_be_new && is_valid(kept)) {
                Some(attestation) => attestation,
                None => self.run().await?,
            };
            *kept = Some(attestation.clone());
            Ok(Attested {
                attestation,
                key: self.key.clone(),
            })
        })
    }
}
