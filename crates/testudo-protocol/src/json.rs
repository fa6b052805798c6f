//! Parses untrusted JSON: depth and size are bounded, and duplicate members are refused.
//!
//! [RFC7519 §4] lets a parser keep the last of two members with one name. If two parsers use different ones, an
//! attacker can show them different values. Duplicate members are therefore refused, at every level and for unknown
//! names too.

use crate::expected_form::expected_form;
use crate::limits::{JSON_DEPTH_MAX, JSON_MEMBERS_MAX};
use crate::printable::excerpt;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The text is not JSON of the expected type, or exceeds a bound. The reason is for logs only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// The member of the outermost object in which the problem is, as the text names it.
    pub member: Option<String>,
    /// What is wrong.
    pub problem: String,
}

const DUPLICATE: &str = "duplicate member";

impl JsonError {
    /// A problem of the whole text.
    pub fn new(problem: impl Into<String>) -> JsonError {
        JsonError {
            member: None,
            problem: problem.into(),
        }
    }

    /// The error of serde_json in the text of one object, in words of the field.
    pub(crate) fn of(text: &[u8], error: &serde_json::Error) -> JsonError {
        of_member(std::str::from_utf8(text).unwrap_or_default(), error)
    }

    /// True if an object has two members with one name.
    pub fn is_duplicate(&self) -> bool {
        self.problem.starts_with(DUPLICATE)
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.member {
            Some(name) => write!(f, "member `{}`: {}", excerpt(name), self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

/// Checks `bytes` with [`check_shape`] and parses them into `T`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::new("not UTF-8"))?;
    check_shape(text)?;
    serde_json::from_str(text).map_err(|error| of_member(text, &error))
}

/// The error with the name of the member in which it is: serde_json states a line and a column.
fn of_member(text: &str, error: &serde_json::Error) -> JsonError {
    let problem = error.to_string();
    // The position in the decoded token helps no reader: the member is named instead.
    let problem = problem
        .rfind(" at line ")
        .and_then(|at| problem.get(..at))
        .unwrap_or(&problem);
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let end = lines.map(str::len).sum::<usize>() + error.column();
    let (before, after) = text.split_at_checked(end).unwrap_or((text, ""));
    if let Some(missing) = problem.strip_prefix("missing field ") {
        // The place of a member that is missing is the end of its object.
        return match after.trim().is_empty() {
            true => JsonError::new(format!("the member {missing} is missing")),
            false => JsonError {
                member: last_member(before).map(str::to_owned),
                problem: format!("its member {missing} is missing"),
            },
        };
    }
    JsonError {
        member: last_member(before).map(str::to_owned),
        problem: expected_form(problem).map_or(problem.to_owned(), |form| format!("must be {form}")),
    }
}

/// The name of the last member of the outermost object that begins in this text.
fn last_member(text: &str) -> Option<&str> {
    let (mut depth, mut rest, mut last) = (0_usize, text, None);
    while let Some(at) = rest.find(['"', '{', '[', '}', ']']) {
        let (_, found) = rest.split_at(at);
        rest = found.get(1..)?;
        match found.as_bytes().first()? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {
                let mut is_escaped = false;
                let closing = rest.find(|c| {
                    let ends = c == '"' && !is_escaped;
                    is_escaped = c == '\\' && !is_escaped;
                    ends
                });
                let Some(closing) = closing else { break };
                let (string, after) = rest.split_at(closing);
                rest = after.get(1..)?;
                if depth == 1 && rest.trim_start().starts_with(':') {
                    last = Some(string);
                }
            }
        }
    }
    last
}

/// Refuses a text that is not one JSON object, is nested too deep, or has an object with too many members or with a
/// duplicate member.
pub fn check_shape(text: &str) -> Result<(), JsonError> {
    if !text.trim_start().starts_with('{') {
        return Err(JsonError::new("not a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Walk {
        depth_left: JSON_DEPTH_MAX,
    }
    .deserialize(&mut deserializer)
    .and_then(|()| deserializer.end())
    .map_err(|error| of_member(text, &error))
}

#[derive(Clone, Copy)]
struct Walk {
    depth_left: usize,
}

impl Walk {
    fn deeper<E: serde::de::Error>(self) -> Result<Walk, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Walk { depth_left }),
            None => Err(E::custom("nested too deep")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let deeper = self.deeper()?;
        while items.next_element_seed(deeper)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let deeper = self.deeper()?;
        let mut names: Vec<Cow<'de, str>> = Vec::with_capacity(8);
        while let Some(name) = members.next_key_seed(Name)? {
            if names.len() == JSON_MEMBERS_MAX {
                return Err(serde::de::Error::custom("too many members"));
            }
            if names.contains(&name) {
                return Err(serde::de::Error::custom(DUPLICATE));
            }
            names.push(name);
            members.next_value_seed(deeper)?;
        }
        Ok(())
    }
}

/// A member's name, borrowed from the input if it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }
    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }
    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str) {
        assert!(check_shape(text).is_err(), "{text}");
    }

    #[test]
    fn plain_object_passes() {
        check_shape(r#" {"a":1,"b":[1,2,{"c":null}],"d":-1.5e3,"e":true} "#).unwrap();
    }

    #[test]
    fn error_names_the_member_in_which_it_is() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "what is read is not looked at")]
        struct Claims {
            exp: crate::Timestamp,
            aud: Vec<String>,
            cnf: Option<Confirmation>,
        }
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "what is read is not looked at")]
        struct Confirmation {
            jwk: String,
        }
        for (text, says) in [
            (
                r#"{"sub":"a\"{","exp":"tomorrow","aud":[]}"#,
                "member `exp`: must be a number of seconds since the epoch",
            ),
            (
                "{\n \"x\": {\"exp\": 1},\n \"aud\": [7]}",
                "member `aud`: must be a string",
            ),
            (r#"{"exp":1,"exp":2}"#, "member `exp`: duplicate member"),
            (r#"{"aud":[]}"#, "the member `exp` is missing"),
            (
                r#"{"exp":1,"aud":[],"cnf":{"kid":"k"},"iat":1}"#,
                "member `cnf`: its member `jwk` is missing",
            ),
            (
                r#"{"exp":1,"aud":[],"cnf":"k"}"#,
                "member `cnf`: must be an object",
            ),
            (
                "{\"exp\u{202e}\":{\"a\":1,\"a\":2}}",
                "member `exp\\u{202e}`: duplicate member",
            ),
        ] {
            let error = from_slice::<Claims>(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(says), "{text}: {error}");
        }
        let good = r#"{"exp":1,"aud":["a"],"cnf":{"jwk":"k"}}"#;
        from_slice::<Claims>(good.as_bytes()).unwrap();
    }

    #[test]
    fn rfc7519_4_duplicate_members_are_refused_at_every_level() {
        refused(r#"{"a":1,"a":2}"#);
        refused(r#"{"x":{"a":1,"a":2}}"#);
        refused(r#"{"x":[{"a":1,"a":1}]}"#);
        refused(r#"{"a":1,"\u0061":2}"#);
    }

    #[test]
    fn depth_is_bounded_at_the_limit_and_one_past() {
        let nested =
            |depth: usize| format!("{}{}", "{\"a\":".repeat(depth - 1) + "{}", "}".repeat(depth - 1));
        check_shape(&nested(JSON_DEPTH_MAX)).unwrap();
        refused(&nested(JSON_DEPTH_MAX + 1));
        refused(&nested(100_000));
    }

    #[test]
    fn members_are_bounded_at_the_limit_and_one_past() {
        let wide = |members: usize| {
            let list: Vec<String> = (0..members).map(|n| format!("\"m{n}\":0")).collect();
            format!("{{{}}}", list.join(","))
        };
        check_shape(&wide(JSON_MEMBERS_MAX)).unwrap();
        refused(&wide(JSON_MEMBERS_MAX + 1));
    }

    #[test]
    fn anything_but_one_object_is_refused() {
        for text in [
            "",
            "[]",
            "1",
            "\"a\"",
            "{}{}",
            "{} x",
            "{",
            "\u{feff}{}",
            "{\"a\":1e400}",
        ] {
            refused(text);
        }
    }
}
