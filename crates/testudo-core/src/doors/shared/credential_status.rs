//! The status of a verified credential: which lists must be read, how they are verified, and what follows from them.
//! [TSL §8.3] [BITSTRING §3.2]
//!
//! It follows the verification of the signature: a credential that its issuer did not sign must not cause a request of this server.

use super::published_keys::CredentialKeys;
use crate::identity::Authority;
use crate::policy::{StatusPolicy, StatusUse};
use crate::rejection::{StatusEntry, StatusReason};
use std::sync::Arc;
use testudo_protocol::credentials::CredentialError;
use testudo_protocol::credentials::status::{
    Purpose, Status, StatusList, StatusReference, TOKEN_LIST_MEDIA_TYPE, read_bitstring_list, read_token_list,
};
use testudo_protocol::credentials::vc_jwt;
use testudo_protocol::jose::Jws;
use testudo_protocol::{Seconds, Timestamp};

/// A list is used for at least this long, whatever its issuer states: each use could otherwise send a request.
const FRESH_MIN: Seconds = Seconds(5);
/// A list is used for at most this long: a revocation must be noticed on the next day.
const FRESH_MAX: Seconds = Seconds(86_400);
/// A list without `ttl` is used for this long.
const FRESH_DEFAULT: Seconds = Seconds(300);

/// A list without an end is used until this long after it was issued: a server of lists could otherwise publish an old one
/// for ever, in which a credential is not revoked yet.
const AGE_MAX: Seconds = Seconds(7 * 86_400);

/// A list that a verified credential refers to, and the entry.
pub struct StatusNeeded<'c> {
    /// The issuer of the credential, whose keys must verify the list.
    pub authority: &'c Authority,
    /// The list.
    pub list: ListSource<'c>,
    reference: &'c StatusReference,
    max_stale: Seconds,
}

/// Where a list is, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct ListSource<'c> {
    /// The issuer, as its credentials name it.
    pub issuer: &'c str,
    /// The URL.
    pub url: &'c str,
    /// The kind of list.
    pub form: ListForm,
}

/// The kinds of status list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListForm {
    /// A Token Status List. [TSL §5.1]
    Token,
    /// A Bitstring Status List. [BITSTRING §2.2]
    Bitstring,
}

/// What is known of a list.
#[derive(Debug, Clone, Default)]
pub struct ListFound {
    /// The last list that was verified, if there is one.
    pub list: Option<Arc<StatusList>>,
    /// For how long the list has not been fresh; zero while it is.
    pub overdue: Seconds,
    /// Why there is no fresh list.
    pub failure: Option<ListFailure>,
}

/// Why there is no fresh list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListFailure {
    /// What was fetched is not a valid list of the issuer.
    Refused {
        /// Why it is refused.
        why: String,
    },
    /// Nothing was fetched.
    Unavailable {
        /// Why.
        why: String,
        /// When it is fetched again.
        again_after: Seconds,
    },
}

/// The list by which a credential was found to be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListAge {
    /// It was fetched as lately as it states itself.
    Fresh,
    /// It should have been fetched again.
    Stale,
}

impl<'c> StatusNeeded<'c> {
    /// The lists that must be read for a credential of `authority` with these references. `issuer` is the name of the
    /// authority in its credentials.
    pub fn of(
        authority: &'c Authority,
        issuer: &'c str,
        policy: &StatusPolicy,
        references: &'c [StatusReference],
    ) -> Result<Vec<StatusNeeded<'c>>, StatusReason> {
        if policy.r#use == StatusUse::Ignore {
            return Ok(Vec::new());
        }
        let mut needed = Vec::new();
        for reference in references {
            let (url, form) = match reference {
                StatusReference::TokenList { url, .. } => (url, ListForm::Token),
                StatusReference::Bitstring { url, .. } => (url, ListForm::Bitstring),
                // A kind of status that this server does not know is no status.
                StatusReference::Unknown => continue,
            };
            let origin = reference.origin();
            if !origin.is_some_and(|origin| policy.origins.contains(&origin)) {
                return Err(StatusReason::ForeignList { url: url.clone() });
            }
            needed.push(StatusNeeded {
                authority,
                list: ListSource { issuer, url, form },
                reference,
                max_stale: policy.max_stale,
            });
        }
        match (policy.r#use, needed.is_empty()) {
            (StatusUse::Required, true) => Err(StatusReason::Missing),
            (StatusUse::Required | StatusUse::IfPresent | StatusUse::Ignore, _) => Ok(needed),
        }
    }

    /// Whether the credential is valid by what is known of the list. A list whose `exp` is over is never used, whatever
    /// `status_max_stale` is. [TSL §13.7]
    pub fn decide(&self, found: &ListFound, now: Timestamp) -> Result<ListAge, StatusReason> {
        let is_usable = |list: &&Arc<StatusList>| {
            list.expires.is_none_or(|expires| now < expires) && found.overdue <= self.max_stale
        };
        let Some(list) = found.list.as_ref().filter(is_usable) else {
            return Err(self.without_list(found));
        };
        self.judge(list.status(self.reference))?;
        Ok(match found.overdue > Seconds(0) {
            true => ListAge::Stale,
            false => ListAge::Fresh,
        })
    }

    fn without_list(&self, found: &ListFound) -> StatusReason {
        let url = self.list.url.to_owned();
        match found.failure.clone() {
            Some(ListFailure::Refused { why }) => StatusReason::ListRefused { url, why },
            Some(ListFailure::Unavailable { why, again_after }) => StatusReason::ListUnavailable {
                url,
                why,
                retry_after_seconds: again_after.0.max(1),
            },
            None => StatusReason::ListUnavailable {
                url,
                why: "the list that was fetched last is too old".to_owned(),
                retry_after_seconds: 1,
            },
        }
    }

    /// The meaning of the values. [TSL §7.1] A bit of a bitstring list means what its purpose is. [BITSTRING §2.2]
    fn judge(&self, status: Status) -> Result<(), StatusReason> {
        let at = self.entry();
        let value = match status {
            Status::Valid => return Ok(()),
            Status::OutOfRange => return Err(StatusReason::OutOfRange { at }),
            Status::OtherPurpose => return Err(StatusReason::OtherPurpose { at }),
            Status::NotValid { value } => value,
        };
        Err(match self.reference {
            StatusReference::Bitstring {
                purpose: Purpose::Revocation,
                ..
            } => StatusReason::Revoked { at },
            StatusReference::Bitstring {
                purpose: Purpose::Suspension,
                ..
            } => StatusReason::Suspended { at },
            StatusReference::TokenList { .. } | StatusReference::Unknown => match value {
                0x01 => StatusReason::Revoked { at },
                0x02 => StatusReason::Suspended { at },
                0x03 | 0x0c..=0x0f => StatusReason::ApplicationSpecific { at, value },
                _ => StatusReason::Unassigned { at, value },
            },
        })
    }

    fn entry(&self) -> StatusEntry {
        let index = match self.reference {
            StatusReference::TokenList { index, .. } | StatusReference::Bitstring { index, .. } => *index,
            StatusReference::Unknown => 0,
        };
        StatusEntry {
            url: self.list.url.to_owned(),
            index,
        }
    }
}

impl ListForm {
    /// The media types of a list. A server that states another one publishes something else at this URL. [TSL §8.2]
    pub fn media_types(self) -> &'static [&'static str] {
        match self {
            ListForm::Token => &[TOKEN_LIST_MEDIA_TYPE],
            ListForm::Bitstring => &[vc_jwt::MEDIA_TYPE, "application/jwt"],
        }
    }
}

impl ListSource<'_> {
    /// Verifies and reads a list that was fetched from the URL, with the keys that can verify it.
    pub fn read(
        &self,
        list: &Jws,
        keys: &CredentialKeys<'_>,
        now: Timestamp,
    ) -> Result<StatusList, CredentialError> {
        let keys = keys.issuer_keys();
        let mut read = match self.form {
            ListForm::Token => read_token_list(list, self.url, keys, now),
            ListForm::Bitstring => read_bitstring_list(list, self.url, self.issuer, keys, now),
        }?;
        let end = read.expires.or(read.issued.map(|issued| issued + AGE_MAX));
        let end = end.ok_or(CredentialError::List(
            "states neither when it was issued nor when it ends",
        ))?;
        if now >= end {
            return Err(CredentialError::List(
                "has no end and was issued more than 7 days ago",
            ));
        }
        read.expires = Some(end);
        Ok(read)
    }
}

/// For how long after it was fetched a list is fresh: what it states in `ttl`, within the bounds of this server, and not
/// longer than until its end. [TSL §13.7]
pub fn fresh_for(list: &StatusList, fetched: Timestamp) -> Seconds {
    let wanted = list.ttl.unwrap_or(FRESH_DEFAULT).clamp(FRESH_MIN, FRESH_MAX);
    match list.expires {
        Some(expires) => wanted.min(expires - fetched),
        None => wanted,
    }
}

#[cfg(test)]
mod tests;
