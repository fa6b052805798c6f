//! What a client says of itself when it registers. It can see all of it, and is told what is wrong.

use super::row::Row;
use std::fmt;
use testudo_protocol::oauth::ErrorCode;

/// What is wrong with client metadata. [RFC7591 §2]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataReason {
    /// A member has a value that it cannot have.
    Member {
        /// Its name.
        member: &'static str,
        /// What is wrong with the value.
        problem: &'static str,
    },
    /// A redirect URI is one that the client cannot have.
    RedirectUri {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A private key stands in `jwks`: it is no longer secret.
    PrivateKeyDisclosed,
    /// What replaces a registration is not what may replace one. [RFC7592 §2.2]
    ReplacementMalformed {
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl MetadataReason {
    pub(super) fn row(&self) -> Row {
        match self {
            MetadataReason::Member { problem, .. } => {
                Row::new("metadata_refused", ErrorCode::InvalidClientMetadata, problem)
            }
            MetadataReason::RedirectUri { problem } => {
                Row::new("redirect_uri_refused", ErrorCode::InvalidRedirectUri, problem)
            }
            MetadataReason::PrivateKeyDisclosed => Row::new(
                "private_key_disclosed",
                ErrorCode::InvalidClientMetadata,
                "the jwks contains a private key: it is no longer secret, replace it",
            ),
            MetadataReason::ReplacementMalformed { problem } => {
                Row::new("replacement_malformed", ErrorCode::InvalidRequest, problem)
            }
        }
    }
}

impl fmt::Display for MetadataReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataReason::Member { member, problem } => write!(f, "{member}: {problem}"),
            MetadataReason::RedirectUri { .. }
            | MetadataReason::PrivateKeyDisclosed
            | MetadataReason::ReplacementMalformed { .. } => f.write_str(self.row().said.sentence()),
        }
    }
}
