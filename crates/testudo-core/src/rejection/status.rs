//! Reasons to refuse a verifiable credential for its status. The caller learns that the credential is not accepted; the
//! reason is in the log and in events.

use super::row::{Row, StatementEffect};
use std::fmt;
use testudo_protocol::oauth::ErrorCode;

/// Why the status of a credential is not that of a valid one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusReason {
    /// The credential has no status that this server can check, and its issuer must set one.
    Missing,
    /// The list is not at an origin of `status_origins`.
    ForeignList {
        /// The URL of the list.
        url: String,
    },
    /// The list states that the credential is revoked.
    Revoked {
        /// The entry of the credential.
        at: StatusEntry,
    },
    /// The list states that the credential is suspended. It may be valid again later.
    Suspended {
        /// The entry of the credential.
        at: StatusEntry,
    },
    /// The list has a value whose meaning only its issuer knows. [TSL §7]
    ApplicationSpecific {
        /// The entry of the credential.
        at: StatusEntry,
        /// The value.
        value: u8,
    },
    /// The list has a value that has no meaning. [TSL §7]
    Unassigned {
        /// The entry of the credential.
        at: StatusEntry,
        /// The value.
        value: u8,
    },
    /// The list has no entry with the index of the credential. [TSL §8.3] [BITSTRING §3.2]
    OutOfRange {
        /// The entry of the credential.
        at: StatusEntry,
    },
    /// The list is of another kind or for another purpose than the credential states. [BITSTRING §3.2]
    OtherPurpose {
        /// The entry of the credential.
        at: StatusEntry,
    },
    /// What is at the URL is not a valid list of the issuer.
    ListRefused {
        /// The URL of the list.
        url: String,
        /// Why it is refused.
        why: String,
    },
    /// The list could not be fetched, and there is no earlier one that may be used. The client is not at fault.
    ListUnavailable {
        /// The URL of the list.
        url: String,
        /// The error of the fetch.
        why: String,
        /// After how many seconds it is fetched again.
        retry_after_seconds: i64,
    },
}

/// An entry of a status list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEntry {
    /// The URL of the list.
    pub url: String,
    /// The index of the entry.
    pub index: u64,
}

impl StatusReason {
    pub(super) fn row(&self) -> Row {
        let name = match self {
            StatusReason::Missing => "credential_status_missing",
            StatusReason::ForeignList { .. } => "credential_status_foreign_list",
            StatusReason::Revoked { .. } => "credential_revoked",
            StatusReason::Suspended { .. } => "credential_suspended",
            StatusReason::ApplicationSpecific { .. } => "credential_status_application_specific",
            StatusReason::Unassigned { .. } => "credential_status_unassigned",
            StatusReason::OutOfRange { .. } => "credential_status_out_of_range",
            StatusReason::OtherPurpose { .. } => "credential_status_other_purpose",
            StatusReason::ListRefused { .. } => "credential_status_list_refused",
            // A registration can be repeated later. A known client gets the answer of a failed authentication: a list that
            // cannot be fetched must not tell it apart from a revoked credential.
            StatusReason::ListUnavailable {
                retry_after_seconds, ..
            } => {
                let sentence = "the status of software_statement cannot be checked now, try again later";
                return Row::not_admitted("credential_status_unavailable")
                    .statement_effect(StatementEffect::Member(
                        ErrorCode::TemporarilyUnavailable,
                        sentence.into(),
                    ))
                    .retry_after(*retry_after_seconds);
            }
        };
        Row::not_admitted(name)
    }
}

impl fmt::Display for StatusEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} of the status list {}", self.index, self.url)
    }
}

impl fmt::Display for StatusReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatusReason::Missing => f.write_str(
                "the credential has no status that this server can check, and `status` requires one",
            ),
            StatusReason::ForeignList { url } => {
                write!(f, "the status list {url} is not at an origin of `status_origins`")
            }
            StatusReason::Revoked { at } => write!(f, "the credential is revoked: {at}"),
            StatusReason::Suspended { at } => write!(f, "the credential is suspended: {at}"),
            StatusReason::ApplicationSpecific { at, value } => write!(
                f,
                "the status of the credential is {value}, whose meaning is specific to its issuer: {at}"
            ),
            StatusReason::Unassigned { at, value } => write!(
                f,
                "the status of the credential is {value}, which has no registered meaning: {at}"
            ),
            StatusReason::OutOfRange { at } => write!(f, "the list is shorter: there is no {at}"),
            StatusReason::OtherPurpose { at } => write!(
                f,
                "the list is of another kind or for another purpose than the credential states: {at}"
            ),
            StatusReason::ListRefused { url, why } => write!(f, "the status list {url} is refused: {why}"),
            StatusReason::ListUnavailable { url, why, .. } => {
                write!(f, "the status list {url} cannot be fetched: {why}")
            }
        }
    }
}
