//! Why a request has no success: it is refused (4xx), or this server failed (5xx).

use testudo_core::rejection::{Answer, Rejection};
use testudo_protocol::jose::SigningFault;
use testudo_protocol::oauth::ErrorCode;
use testudo_store::{CommitError, StoreFault};

/// A fault of this server. The caller may try again.
#[derive(Debug)]
pub enum Fault {
    /// The store cannot be read or written.
    Store(StoreFault),
    /// This node has not known the changes of other nodes for longer than `store.serve_without_store`.
    Unsure,
    /// Too many first uses are waiting.
    Busy,
    /// Requests in flight use all the memory that they may.
    Full,
    /// Too many requests wait for the record of the client that they name, before they are verified.
    LookUpsWaiting,
    /// Too many chains of client certificates are waiting to be verified.
    ChainsWaiting,
    /// Other requests changed the records of this one at every attempt.
    Contended,
    /// Signing failed.
    Signing(SigningFault),
    /// The state of a page could not be encrypted.
    Sealing(String),
    /// A browser could not be asked for a passkey.
    Passkeys(String),
    /// The operating system gave no random bytes.
    NoEntropy,
}

impl From<CommitError> for Fault {
    fn from(error: CommitError) -> Fault {
        match error {
            CommitError::Conflict(_) => Fault::Contended,
            CommitError::Unavailable(fault) => Fault::Store(fault),
            CommitError::Busy => Fault::Busy,
        }
    }
}

impl Fault {
    /// The answer, the same at every endpoint: the caller should try again later.
    pub(crate) fn answer(&self) -> Answer {
        let (sentence, retry_after_seconds) = match self {
            Fault::Store(_)
            | Fault::Unsure
            | Fault::Busy
            | Fault::Full
            | Fault::LookUpsWaiting
            | Fault::ChainsWaiting
            | Fault::Contended => ("the server cannot do this now, try again", 1),
            Fault::Signing(_) | Fault::Sealing(_) | Fault::Passkeys(_) | Fault::NoEntropy => {
                ("the server cannot issue tokens now", 30)
            }
        };
        Answer {
            code: ErrorCode::TemporarilyUnavailable,
            status: ErrorCode::TemporarilyUnavailable.status(),
            challenge: None,
            sentence: sentence.into(),
            retry_after_seconds: Some(retry_after_seconds),
            fresh: None,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Store(fault) => write!(f, "the store is unavailable: {fault}"),
            Fault::Unsure => f.write_str(
                "this node has not known the changes of other nodes for longer than store.serve_without_store",
            ),
            Fault::Busy => f.write_str("too many first uses are waiting for the store"),
            Fault::Full => f.write_str("requests in flight use all the memory that they may"),
            Fault::LookUpsWaiting => {
                f.write_str("too many requests wait for the record of the client that they name")
            }
            Fault::ChainsWaiting => f.write_str("too many client certificates are waiting to be verified"),
            Fault::Contended => f.write_str("other requests changed the records of this request at every attempt"),
            Fault::Signing(fault) => write!(f, "{fault}"),
            Fault::Sealing(fault) | Fault::Passkeys(fault) => f.write_str(fault),
            Fault::NoEntropy => f.write_str("the operating system gave no random bytes"),
        }
    }
}

/// Why a request ends without success.
#[derive(Debug)]
pub enum Stop {
    /// The request is refused.
    Refused(Rejection),
    /// This server failed.
    Failed(Fault),
}

impl<R: Into<Rejection>> From<R> for Stop {
    fn from(rejection: R) -> Stop {
        Stop::Refused(rejection.into())
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Failed(fault)
    }
}
