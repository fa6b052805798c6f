//! Why a request goes no further: by the caller's fault, a refusal of the core, or by ours.

use testudo_core::rejection::Rejection;
use testudo_protocol::jose::SigningFault;
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
pub(crate) enum Stop {
    /// By the caller's fault.
    Refused(Rejection),
    /// By ours.
    Failed(Fault),
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Stop {
        Stop::Refused(rejection)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Failed(fault)
    }
}
