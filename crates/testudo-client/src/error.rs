//! Errors of the token client.

use std::fmt;
use testudo_fetch::FetchFault;

/// Why the client has no access token.
#[derive(Debug)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum ClientError {
    Issuer(&'static str),
    Tls(String),
    Metadata(String),
    Svid(String),
    Fetch(FetchFault),
    Answer(String),
    Refused {
        status: u16,
        error: String,
        description: String,
        retry_after_seconds: Option<u64>,
    },
}

impl ClientError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ClientError::Svid(_) => Some(
                "check that SPIFFE_ENDPOINT_SOCKET is set and that this workload is registered with the SPIRE server"
                    .into(),
            ),
            ClientError::Refused { error, .. } if error == "invalid_client" => Some(
                "the reason is in the events of the server: run testudo event list, or testudo explain --credential FILE"
                    .into(),
            ),
            ClientError::Refused {
                retry_after_seconds: Some(seconds),
                ..
            } => Some(format!("try again in {seconds} s")),
            ClientError::Issuer(_)
            | ClientError::Tls(_)
            | ClientError::Metadata(_)
            | ClientError::Fetch(_)
            | ClientError::Answer(_)
            | ClientError::Refused {
                retry_after_seconds: None,
                ..
            } => None,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Issuer(problem) => write!(f, "the issuer {problem}"),
            ClientError::Tls(problem) => f.write_str(problem),
            ClientError::Metadata(problem) => write!(f, "the issuer's metadata cannot be used: {problem}"),
            ClientError::Svid(problem) => write!(f, "no SVID could be read: {problem}"),
            ClientError::Fetch(fault) => write!(f, "the issuer cannot be reached: {fault}"),
            ClientError::Answer(problem) => write!(f, "the issuer's answer cannot be used: {problem}"),
            ClientError::Refused {
                status,
                error,
                description,
                ..
            } => {
                write!(
                    f,
                    "the issuer refused the request: {error} ({description}, status {status})"
                )
            }
        }
    }
}

impl std::error::Error for ClientError {}

impl From<FetchFault> for ClientError {
    fn from(fault: FetchFault) -> ClientError {
        ClientError::Fetch(fault)
    }
}
