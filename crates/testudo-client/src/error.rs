//! What can go wrong on the workload's side.

use std::fmt;
use testudo_fetch::FetchFault;

/// Why there is no token.
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
                "is SPIFFE_ENDPOINT_SOCKET set, and is this workload registered with the SPIRE server?"
                    .into(),
            ),
            ClientError::Refused { error, .. } if error == "invalid_client" => Some(
                "the server says why in its events: testudo event list, or testudo explain --credential FILE"
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
            ClientError::Svid(problem) => write!(f, "no SVID: {problem}"),
            ClientError::Fetch(fault) => write!(f, "the issuer cannot be reached: {fault}"),
            ClientError::Answer(problem) => write!(f, "the issuer's answer cannot be used: {problem}"),
            ClientError::Refused {
                status,
                error,
                description,
                ..
            } => {
                write!(f, "the issuer refuses: {error} ({description}, status {status})")
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
