//! Sources of client attestations and WIT-SVIDs.

use crate::attestation_command::AttestationCommand;
use crate::attested::{AttestationSource, Attested};
use crate::credential_file::{read, read_token};
use crate::{ClientError, PrivateKey};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A source of attestations, and how their keys are proven.
#[derive(Clone)]
pub struct Attestations {
    source: Source,
    pub(crate) is_combined: bool,
}

#[derive(Clone)]
enum Source {
    Files { attestation: PathBuf, key: PathBuf },
    Other(Arc<dyn AttestationSource>),
}

impl Attestations {
    /// An attestation or a WIT-SVID in a file, and its private key in PEM (PKCS #8) in another. Both are read again for
    /// each token, since another program renews them.
    pub fn files(attestation: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Attestations {
        Attestations::from_source(Source::Files {
            attestation: attestation.into(),
            key: key.into(),
        })
    }

    /// A program that gets an attestation for a key of this process. It reads the public key on stdin, as a JWK, and
    /// prints the attestation. The private key stays in the memory of this process; the attestation is used until it
    /// expires.
    pub fn command(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Attestations, ClientError> {
        let arguments = arguments.into_iter().map(Into::into).collect();
        let command = AttestationCommand::new(program.into(), arguments)?;
        Ok(Attestations::source(Arc::new(command)))
    }

    /// Another source.
    pub fn source(source: Arc<dyn AttestationSource>) -> Attestations {
        Attestations::from_source(Source::Other(source))
    }

    fn from_source(source: Source) -> Attestations {
        Attestations {
            source,
            is_combined: false,
        }
    }

    /// Binds the tokens to the attested key: one DPoP proof proves that key and binds the token to it. [ABCA §5.2] An
    /// issuer that does not accept one proof for both gets two. With [`TokenClient::dpop`](crate::TokenClient::dpop), the
    /// tokens are bound to the other key instead.
    #[must_use]
    pub fn combined(mut self) -> Attestations {
        self.is_combined = true;
        self
    }

    pub(crate) async fn attested(&self, must_be_new: bool) -> Result<Attested, ClientError> {
        match &self.source {
            Source::Files { attestation, key } => {
                let text = read_token(attestation).await.map_err(unreadable)?;
                let private = PrivateKey::from_pem(&read(key).await.map_err(unreadable)?)
                    .map_err(|error| unreadable(format!("{} {error}", key.display())))?;
                Ok(Attested {
                    attestation: text,
                    key: Arc::new(private),
                })
            }
            Source::Other(source) => source.attested(must_be_new).await,
        }
    }

    /// The error with the name of the file from which the attestation comes.
    pub(crate) fn name_source(&self, error: ClientError) -> ClientError {
        match &self.source {
            Source::Files { attestation, .. } => error.in_file(attestation),
            Source::Other(_) => error,
        }
    }
}

/// Prints no attestation and no key.
impl fmt::Debug for Attestations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Files { attestation, key } => write!(f, "Attestations({attestation:?}, {key:?})"),
            Source::Other(_) => f.write_str("Attestations"),
        }
    }
}

fn unreadable(problem: String) -> ClientError {
    ClientError::Attestation {
        problem,
        hint: "name the file with the attestation, and the file with the private key that it attests, in PEM (PKCS #8)"
            .to_owned(),
    }
}
