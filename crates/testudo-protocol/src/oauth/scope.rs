//! Scopes. [RFC6749 §3.3]

use crate::limits::{SCOPE_BYTES_MAX, SCOPE_VALUES_MAX};
use std::fmt;

/// One scope value: `1*( %x21 / %x23-5B / %x5D-7E )`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Scope(Box<str>);

impl Scope {
    /// Parses one value.
    pub fn parse(text: &str) -> Result<Scope, &'static str> {
        let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() || !text.bytes().all(legal) {
            return Err("is not a scope value: printable ASCII without spaces, quotes and backslashes");
        }
        Ok(Scope(text.into()))
    }

    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Scope values without repetition, in the order in which they were named.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ScopeSet(Vec<Scope>);

impl ScopeSet {
    /// Parses a `scope` parameter.
    pub fn parse(text: &str) -> Result<ScopeSet, &'static str> {
        if text.len() > SCOPE_BYTES_MAX {
            return Err("is longer than 4096 bytes");
        }
        let mut set = ScopeSet::default();
        for value in text.split(' ').filter(|value| !value.is_empty()) {
            let value = Scope::parse(value);
            set.insert(
                value.map_err(|_| "has a value with a character that is not allowed in scope values")?,
            );
            if set.0.len() > SCOPE_VALUES_MAX {
                return Err("has more than 128 values");
            }
        }
        Ok(set)
    }

    /// Adds a value once.
    pub fn insert(&mut self, scope: Scope) {
        if !self.0.contains(&scope) {
            self.0.push(scope);
        }
    }

    /// True where every value of `self` is in `other`.
    pub fn is_subset_of(&self, other: &ScopeSet) -> bool {
        self.0.iter().all(|scope| other.0.contains(scope))
    }

    /// Values of `self` that are in `other` too.
    pub fn intersection(&self, other: &ScopeSet) -> ScopeSet {
        ScopeSet(
            self.0
                .iter()
                .filter(|scope| other.0.contains(scope))
                .cloned()
                .collect(),
        )
    }

    /// All values except this one.
    pub fn without(&self, value: &str) -> ScopeSet {
        let mut rest = ScopeSet::default();
        for scope in self.iter().filter(|scope| scope.as_str() != value) {
            rest.insert(scope.clone());
        }
        rest
    }

    /// True if the set has no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

/// Written as in a `scope` parameter.
impl serde::Serialize for ScopeSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Read from a record of the store, with as many values as a rule may have. That is more than one request may name.
impl<'de> serde::Deserialize<'de> for ScopeSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let values = text.split(' ').filter(|value| !value.is_empty());
        values
            .map(|value| Scope::parse(value).map_err(serde::de::Error::custom))
            .collect()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> ScopeSet {
        let mut set = ScopeSet::default();
        scopes.into_iter().for_each(|scope| set.insert(scope));
        set
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_3_malformed_scopes_are_refused() {
        assert_eq!(ScopeSet::parse("b a b").unwrap().to_string(), "b a");
        assert!(ScopeSet::parse("").unwrap().is_empty());
        for bad in ["a\"b", "a\\b", "caf\u{e9}", "a\tb", "a\u{7f}"] {
            assert!(ScopeSet::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn values_are_bounded_at_the_limit_and_one_past() {
        let scopes = |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
        assert!(ScopeSet::parse(&scopes(SCOPE_VALUES_MAX)).is_ok());
        assert!(ScopeSet::parse(&scopes(SCOPE_VALUES_MAX + 1)).is_err());
    }

    #[test]
    fn a_set_is_stored_as_its_text() {
        let many: ScopeSet = (0..300)
            .map(|number| Scope::parse(&format!("s{number}")).unwrap())
            .collect();
        for set in [ScopeSet::default(), ScopeSet::parse("a b").unwrap(), many] {
            let text = serde_json::to_string(&set).unwrap();
            assert_eq!(text, format!("\"{set}\""));
            assert_eq!(serde_json::from_str::<ScopeSet>(&text).unwrap(), set);
        }
        assert!(serde_json::from_str::<ScopeSet>("\"caf\u{e9}\"").is_err());
        assert!(serde_json::from_str::<ScopeSet>("7").is_err());
    }
}
