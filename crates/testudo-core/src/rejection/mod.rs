//! Every reason to refuse a request, and what each means to the three audiences: the caller (a code and a
//! sentence), the administrator or client that can fix it (a hint), and the log (what really happened).
//!
//! Reasons stand in four enums by topic: `request.rs`, `credential.rs`, `metadata.rs` and `admission.rs`. Each has
//! one row per reason (`row.rs`): its name, its code and what is said; its remedy is in `hints.rs`. `answer.rs` makes of a row the answer of
//! one endpoint; nothing else picks a code, a status or a challenge.

mod admission;
mod answer;
mod credential;
mod hints;
mod metadata;
mod request;
mod row;
#[cfg(test)]
mod tests;

pub use admission::AdmissionReason;
pub use answer::{Answer, Authorization, Endpoint, Statement};
pub use credential::CredentialReason;
pub use metadata::MetadataReason;
pub use request::RequestReason;

use row::Row;
use std::fmt;

/// Why a request is refused: the caller's fault, but for a bundle that is missing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The request itself: its body, its form, its parameters.
    Request(RequestReason),
    /// What the caller shows of itself.
    Credential(CredentialReason),
    /// What a client says of itself when it registers.
    Metadata(MetadataReason),
    /// A proven identity is not welcome, or may not have what it asks for.
    Admission(AdmissionReason),
}

impl From<RequestReason> for Rejection {
    fn from(reason: RequestReason) -> Rejection {
        Rejection::Request(reason)
    }
}

impl From<CredentialReason> for Rejection {
    fn from(reason: CredentialReason) -> Rejection {
        Rejection::Credential(reason)
    }
}

impl From<MetadataReason> for Rejection {
    fn from(reason: MetadataReason) -> Rejection {
        Rejection::Metadata(reason)
    }
}

impl From<AdmissionReason> for Rejection {
    fn from(reason: AdmissionReason) -> Rejection {
        Rejection::Admission(reason)
    }
}

impl Rejection {
    /// The name under which logs, events and counters know the reason.
    pub fn name(&self) -> &'static str {
        self.row().name
    }

    /// How to fix it, for those who may know what happened: `explain`, `doctor`, events.
    pub fn hint(&self) -> String {
        match self {
            Rejection::Request(reason) => hints::of_request(reason),
            Rejection::Credential(reason) => hints::of_credential(reason),
            Rejection::Metadata(reason) => hints::of_metadata(reason),
            Rejection::Admission(reason) => hints::of_admission(reason),
        }
        .into_owned()
    }

    fn row(&self) -> Row {
        match self {
            Rejection::Request(reason) => reason.row(),
            Rejection::Credential(reason) => reason.row(),
            Rejection::Metadata(reason) => reason.row(),
            Rejection::Admission(reason) => reason.row(),
        }
    }
}

/// What really happened, for logs and `explain`. Never sent to a caller where the row says something else; never
/// holds a credential.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::Request(reason) => reason.fmt(f),
            Rejection::Credential(reason) => reason.fmt(f),
            Rejection::Metadata(reason) => reason.fmt(f),
            Rejection::Admission(reason) => reason.fmt(f),
        }
    }
}
