//! Why a request ends without its result: it is refused (4xx), or this server failed (5xx).

use testudo_core::rejection::{Answer, Rejection};
use testudo_protocol::jose::SigningFault;
use testudo_protocol::oauth::ErrorCode;
use testudo_store::StoreFault;

/// Our fault: the caller may try again.
#[derive(Debug)]
pub enum Fault {
    /// The store cannot be read or written.
    Store(StoreFault),
    /// What other nodes did has not been heard for longer than `serve_without_store`.
    Unsure,
    /// Too many first uses are waiting.
    Busy,
    /// Requests in flight hold all the memory that they may.
    Full,
    /// Too many chains of client certificates are waiting to be verified.
    ChainsWaiting,
    /// Races were lost too often.
    Contended,
    /// Signing failed.
    Signing(SigningFault),
    /// No randomness.
    NoEntropy,
}

impl Fault {
    /// The answer, whichever endpoint was asked: worth another try.
    pub(crate) fn answer(&self) -> Answer {
        let (sentence, retry_after_seconds) = match self {
            Fault::Store(_)
            | Fault::Unsure
            | Fault::Busy
            | Fault::Full
            | Fault::ChainsWaiting
            | Fault::Contended => ("the server cannot do this now, try again", 1),
            Fault::Signing(_) | Fault::NoEntropy => ("the server cannot issue tokens now", 30),
        };
        Answer {
            code: ErrorCode::TemporarilyUnavailable,
            status: ErrorCode::TemporarilyUnavailable.status(),
            challenge: None,
            sentence: sentence.into(),
            retry_after_seconds: Some(retry_after_seconds),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Store(fault) => write!(f, "the store is unavailable: {fault}"),
            Fault::Unsure => f.write_str(
                "changes by other nodes have not been heard for longer than store.serve_without_store",
            ),
            Fault::Busy => f.write_str("too many first uses are waiting for the store"),
            Fault::Full => f.write_str("too many requests are in flight, or too large ones"),
            Fault::ChainsWaiting => f.write_str("too many client certificates are waiting to be verified"),
            Fault::Contended => f.write_str("the client changed too often meanwhile"),
            Fault::Signing(fault) => write!(f, "{fault}"),
            Fault::NoEntropy => f.write_str("the system has no randomness to give"),
        }
    }
}

/// Why a request goes no further.
#[derive(Debug)]
pub enum Stop {
    /// The request is refused.
    Refused(Rejection),
    /// By ours.
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
