//! Reads the value of a member in a request or in claims, by its type. [RFC7591 §2]
//!
//! A known member of the wrong type is refused and not converted; `null` means absent.

use crate::members::Member;
use crate::rejection::MetadataReason;
use serde_json::{Map, Value};

/// A member, and its value if it is present.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) member: &'static str,
    pub(super) value: Option<&'a Value>,
}

impl<'a> Given<'a> {
    pub(super) fn of(member: &Member, members: &'a Map<String, Value>) -> Given<'a> {
        Given {
            member: member.name,
            value: present(members, member.name),
        }
    }

    /// A member that is absent.
    pub(super) fn absent(member: &Member) -> Given<'a> {
        Given {
            member: member.name,
            value: None,
        }
    }

    pub(super) fn text(self) -> Result<Option<String>, MetadataReason> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(MetadataReason::NotAString { member: self.member }),
        }
    }

    pub(super) fn flag(self) -> Result<bool, MetadataReason> {
        match self.value {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(MetadataReason::NotABoolean { member: self.member }),
        }
    }

    pub(super) fn list(self) -> Result<Option<Vec<String>>, MetadataReason> {
        let refused = MetadataReason::NotAListOfStrings { member: self.member };
        let Some(value) = self.value else {
            return Ok(None);
        };
        let items = value
            .as_array()
            .filter(|items| items.len() <= 64)
            .ok_or(refused.clone())?;
        let texts: Option<Vec<String>> = items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect();
        texts.map(Some).ok_or(refused)
    }
}

pub(super) fn present<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}
