//! Claims of a credential beside its subject, as far as the configuration names them. [RFC7519 §4]

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use testudo_protocol::printable::is_printable;

/// Most bytes of a claim that a template inserts.
const CAPTURED_BYTES_MAX: usize = 512;

/// The claims of a credential that the configuration names, by their source.
pub type NamedClaims = BTreeMap<ClaimSource, Value>;

/// Where a claim is: the name of a claim, or with a leading `/` a JSON Pointer. [RFC6901 §3]
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct ClaimSource(String);

impl ClaimSource {
    /// Parses a source. The error is the rest of a sentence.
    pub fn parse(text: &str) -> Result<ClaimSource, &'static str> {
        if text.is_empty() {
            return Err("is empty");
        }
        let mut after_tilde = text.split('~').skip(1);
        if text.starts_with('/') && after_tilde.any(|rest| !rest.starts_with(['0', '1'])) {
            return Err("is not a JSON Pointer: ~ is written ~0, and / within a name ~1");
        }
        Ok(ClaimSource(text.to_owned()))
    }

    /// The source as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if the claim is within another one.
    pub fn is_nested(&self) -> bool {
        self.0.strip_prefix('/').is_some_and(|path| path.contains('/'))
    }

    /// The claim, if the claims have it.
    pub fn find<'c>(&self, claims: &'c Value) -> Option<&'c Value> {
        match self.0.starts_with('/') {
            true => claims.pointer(&self.0),
            false => claims.get(&self.0),
        }
    }
}

impl fmt::Display for ClaimSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value that a claim must have: equal, and of the same type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum ClaimValue {
    /// A text.
    Text(String),
    /// A number without a fraction.
    Number(i64),
    /// True or false.
    Switch(bool),
}

impl ClaimValue {
    /// True if the claim is this value. Neither a list that contains the value nor a number as text is.
    pub fn is(&self, claim: &Value) -> bool {
        match self {
            ClaimValue::Text(text) => claim.as_str() == Some(text),
            ClaimValue::Number(number) => claim.as_i64() == Some(*number),
            ClaimValue::Switch(switch) => claim.as_bool() == Some(*switch),
        }
    }
}

impl fmt::Display for ClaimValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClaimValue::Text(text) => write!(f, "{text:?}"),
            ClaimValue::Number(number) => number.fmt(f),
            ClaimValue::Switch(switch) => switch.fmt(f),
        }
    }
}

/// The text of a claim for templates: a printable text of at most 512 bytes, or a whole number.
pub(crate) fn text_of(claim: &Value) -> Option<String> {
    match claim {
        Value::String(text) => {
            let is_usable = !text.is_empty() && text.len() <= CAPTURED_BYTES_MAX && is_printable(text);
            is_usable.then(|| text.clone())
        }
        Value::Number(number) => (number.is_i64() || number.is_u64()).then(|| number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claim_is_found_by_its_name_or_by_a_json_pointer() {
        let claims =
            json!({ "a": 1, "a/b": 2, "~": 3, "k.io": { "pod": { "uid": "u", "x/y": 4 } }, "l": ["m"] });
        for (source, expected) in [
            ("a", Some(json!(1))),
            ("a/b", Some(json!(2))),
            ("~", Some(json!(3))),
            ("/a", Some(json!(1))),
            ("/a~1b", Some(json!(2))),
            ("/~0", Some(json!(3))),
            ("/k.io/pod/uid", Some(json!("u"))),
            ("/k.io/pod/x~1y", Some(json!(4))),
            ("/l/0", Some(json!("m"))),
            ("k.io/pod/uid", None),
            ("/k.io/pod/absent", None),
            ("/l/-", None),
            ("/", None),
        ] {
            let found = ClaimSource::parse(source).unwrap().find(&claims).cloned();
            assert_eq!(found, expected, "{source}");
        }
        for bad in ["", "/~", "/a~2", "/a~", "/a/~x"] {
            assert!(ClaimSource::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn claim_of_another_type_or_a_list_with_the_value_is_not_the_value() {
        let text = ClaimValue::Text("7".to_owned());
        let (number, switch) = (ClaimValue::Number(7), ClaimValue::Switch(true));
        assert!(text.is(&json!("7")) && number.is(&json!(7)) && switch.is(&json!(true)));
        for other in [
            json!(7),
            json!(["7"]),
            json!("7 "),
            json!("07"),
            json!(""),
            json!(null),
            json!({ "7": "7" }),
        ] {
            assert!(!text.is(&other), "{other}");
        }
        for other in [json!("7"), json!(7.5), json!(8), json!([7]), json!(true)] {
            assert!(!number.is(&other), "{other}");
        }
        for other in [json!("true"), json!(1), json!(false), json!([true])] {
            assert!(!switch.is(&other), "{other}");
        }
    }

    #[test]
    fn only_printable_texts_and_whole_numbers_fill_templates() {
        assert_eq!(text_of(&json!("acme/app")).as_deref(), Some("acme/app"));
        assert_eq!(text_of(&json!(12345)).as_deref(), Some("12345"));
        let longest = "x".repeat(CAPTURED_BYTES_MAX);
        assert!(text_of(&json!(longest)).is_some());
        for other in [
            json!(""),
            json!(format!("{longest}x")),
            json!("a\u{0}b"),
            json!("a\u{202e}b"),
            json!(1.5),
            json!(true),
            json!(null),
            json!(["a"]),
            json!({ "a": 1 }),
        ] {
            assert_eq!(text_of(&other), None, "{other}");
        }
    }
}
