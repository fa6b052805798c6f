//! The claim `aud`. [RFC7519 §4.1.3]

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, SeqAccess, Visitor};
use std::fmt;

/// The audiences of a JWT: the claim is one string, or an array of strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// One string.
    One(String),
    /// An array.
    Several(Vec<String>),
}

impl Audience {
    /// All values.
    pub fn values(&self) -> &[String] {
        match self {
            Audience::One(value) => std::slice::from_ref(value),
            Audience::Several(values) => values,
        }
    }
}

/// Not derived: the error that serde derives does not name the expected form.
impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Audience, D::Error> {
        struct OneOrSeveral;
        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Audience;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }
            fn visit_str<E>(self, value: &str) -> Result<Audience, E> {
                Ok(Audience::One(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Audience, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(values)).map(Audience::Several)
            }
        }
        deserializer.deserialize_any(OneOrSeveral)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[derive(Debug, Deserialize)]
    struct Claims {
        aud: Audience,
    }

    #[test]
    fn audience_of_another_type_is_refused_with_the_form_that_it_must_have() {
        for (text, values) in [
            (r#"{"aud":"a"}"#, vec!["a"]),
            (r#"{"aud":["a","b"]}"#, vec!["a", "b"]),
        ] {
            let claims: Claims = json::from_slice(text.as_bytes()).unwrap();
            assert_eq!(claims.aud.values(), values, "{text}");
        }
        for (text, form) in [
            (r#"{"aud":7}"#, "a string or an array of strings"),
            (r#"{"aud":{}}"#, "a string or an array of strings"),
            (r#"{"aud":null}"#, "a string or an array of strings"),
            (r#"{"aud":["a",7]}"#, "a string"),
        ] {
            let error = json::from_slice::<Claims>(text.as_bytes()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("member `aud`: must be {form}"),
                "{text}"
            );
        }
    }
}
