//! Why a credential, its proof or its status list is refused.

use super::did::DidError;
use crate::jose::{JoseError, KeyError};
use crate::json::JsonError;
use crate::printable::excerpt;
use crate::time::Timestamp;
use std::fmt;

/// Why a credential, the proof of its holder or a status list is refused. For events and `explain`; the caller receives
/// the same sentence for every reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialError {
    /// The JWS is malformed, or its signature does not verify.
    Jose(JoseError),
    /// `typ` of the header.
    Type {
        /// The `typ` that is expected.
        expected: &'static str,
        /// `typ` of the header.
        found: Option<String>,
    },
    /// The content is not JSON of the expected form.
    Json(JsonError),
    /// A member does not have the form or the value that it must have.
    Member {
        /// Where it is, as a path with dots.
        member: &'static str,
        /// The rest of a sentence that begins with the member.
        problem: &'static str,
    },
    /// The text is not one JWS, disclosures and, at the end, the proof of the holder.
    NotSdJwt(&'static str),
    /// A disclosure.
    Disclosure {
        /// The position of the disclosure, from 0; `None` for a digest in the payload.
        position: Option<usize>,
        /// The rest of a sentence that begins with the disclosure.
        problem: &'static str,
    },
    /// A key in the credential is refused.
    Key(KeyError),
    /// A DID in the credential is refused.
    Did(DidError),
    /// The chain in `x5c` is refused.
    Chain(String),
    /// A time that is too far in the past or in the future.
    Time {
        /// Where it is.
        member: &'static str,
        /// The time.
        at: Timestamp,
        /// The rest of a sentence that begins with the member and the time.
        problem: &'static str,
    },
    /// The compressed list of status values.
    List(&'static str),
}

impl CredentialError {
    /// A member that does not have the form that it must have.
    pub(crate) fn member(member: &'static str, problem: &'static str) -> CredentialError {
        CredentialError::Member { member, problem }
    }
}

impl From<JoseError> for CredentialError {
    fn from(error: JoseError) -> CredentialError {
        CredentialError::Jose(error)
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredentialError::Jose(error) => write!(f, "{error}"),
            CredentialError::Type { expected, found } => match found {
                Some(found) => write!(f, "typ must be {expected}, and is {:?}", excerpt(found)),
                None => write!(f, "typ must be {expected}, and is missing"),
            },
            CredentialError::Json(error) => write!(f, "the content is malformed: {error}"),
            CredentialError::Member { member, problem } => write!(f, "`{member}` {problem}"),
            CredentialError::NotSdJwt(problem) => write!(f, "the SD-JWT {problem}"),
            CredentialError::Disclosure {
                position: Some(position),
                problem,
            } => write!(f, "disclosure {position} {problem}"),
            CredentialError::Disclosure {
                position: None,
                problem,
            } => write!(f, "a digest of the payload {problem}"),
            CredentialError::Key(error) => write!(f, "the key of the holder is refused: {error}"),
            CredentialError::Did(error) => write!(f, "{error}"),
            CredentialError::Chain(error) => write!(f, "x5c: {error}"),
            CredentialError::Time { member, at, problem } => write!(f, "`{member}` is {at}, {problem}"),
            CredentialError::List(problem) => write!(f, "the status list {problem}"),
        }
    }
}
