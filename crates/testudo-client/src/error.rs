//! Errors of the token client.

use std::fmt;
use testudo_fetch::FetchFault;

/// Why the client has no access token.
#[derive(Debug)]
#[expect(missing_docs, reason = "the sentences in Display are the documentation")]
pub enum ClientError {
    Issuer {
        issuer: String,
        problem: &'static str,
    },
    Tls(String),
    Metadata(String),
    Svid {
        problem: String,
        hint: &'static str,
    },
    /// There is an SVID, and the issuer would refuse it.
    Unfit {
        problem: String,
        hint: String,
    },
    Fetch(FetchFault),
    /// The API that was called did not answer.
    Api(FetchFault),
    DpopKey(String),
    Answer(String),
    Refused {
        status: u16,
        error: String,
        description: String,
        retry_after_seconds: Option<u64>,
        request_id: Option<String>,
    },
}

impl ClientError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ClientError::Svid { hint, .. } => Some((*hint).into()),
            ClientError::Unfit { hint, .. } => Some(hint.clone()),
            ClientError::Refused {
                retry_after_seconds,
                request_id,
                ..
            } => {
                let again = retry_after_seconds.map(|seconds| format!("try again in {seconds} s"));
                let ask = request_id.as_ref().map(|id| {
                    format!("request {id}: give it to the administrator of the server: testudo explain {id}")
                });
                let hints: Vec<String> = again.into_iter().chain(ask).collect();
                (!hints.is_empty()).then(|| hints.join("; "))
            }
            ClientError::Issuer { .. } => Some(
                "write the issuer identifier as the metadata of the server has it, such as https://as.example.net"
                    .into(),
            ),
            ClientError::Tls(_)
            | ClientError::Metadata(_)
            | ClientError::Fetch(_)
            | ClientError::Api(_)
            | ClientError::DpopKey(_)
            | ClientError::Answer(_) => None,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Issuer { issuer, problem } => write!(f, "the issuer {issuer:?} {problem}"),
            ClientError::Tls(problem) => f.write_str(problem),
            ClientError::Metadata(problem) => write!(f, "the issuer's metadata cannot be used: {problem}"),
            ClientError::Svid { problem, .. } => write!(f, "no SVID could be read: {problem}"),
            ClientError::Unfit { problem, .. } => {
                write!(
                    f,
                    "the SVID was not sent, since the issuer would refuse it: {problem}"
                )
            }
            ClientError::Fetch(fault) => write!(f, "the issuer cannot be reached: {fault}"),
            ClientError::Api(fault) => write!(f, "the API cannot be reached: {fault}"),
            ClientError::DpopKey(problem) => write!(f, "the key for DPoP cannot be used: {problem}"),
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
