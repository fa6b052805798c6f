//! The members of client metadata, read by name and by type. [RFC7591 §2]
//!
//! A known member of the wrong type is refused, never coerced; `null` is absent.

use crate::rejection::MetadataReason;
use serde_json::{Map, Value};

pub(super) struct Members(pub(super) Map<String, Value>);

impl Members {
    pub(super) fn present(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, MetadataReason> {
        match self.present(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(MetadataReason::NotAString { member: name }),
        }
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<bool, MetadataReason> {
        match self.present(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(MetadataReason::NotABoolean { member: name }),
        }
    }

    pub(super) fn list(&self, name: &'static str) -> Result<Option<Vec<String>>, MetadataReason> {
        let refused = MetadataReason::NotAListOfStrings { member: name };
        let Some(value) = self.present(name) else {
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
