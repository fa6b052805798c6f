//! The `aud` of an assertion, and the check that it is for this server.

use crate::rejection::{CredentialReason, Rejection};
use serde::Deserialize;
use std::fmt;
use testudo_protocol::limits::AUDIENCES_MAX;

/// `aud`: a string, or an array of strings. [RFC7519 §4.1.3]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Audience(Vec<String>);

impl Audience {
    pub(crate) fn is_solely(&self, value: &str) -> bool {
        matches!(self.0.as_slice(), [sole] if sole == value)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSome;
        impl<'de> serde::de::Visitor<'de> for OneOrSome {
            type Value = Audience;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }
            fn visit_str<E>(self, value: &str) -> Result<Audience, E> {
                Ok(Audience(vec![value.to_owned()]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Audience, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = items.next_element::<String>()? {
                    if values.len() == AUDIENCES_MAX {
                        return Err(serde::de::Error::custom("too many audiences"));
                    }
                    values.push(value);
                }
                Ok(Audience(values))
            }
        }
        deserializer.deserialize_any(OneOrSome)
    }
}

/// [RFC10070 §4] The audience must be the issuer identifier of this server as the only value, compared as a string;
/// `also` are further exact values that the administrator allows during a migration.
pub(crate) fn check_audience(audience: &Audience, issuer: &str, also: &[String]) -> Result<(), Rejection> {
    match audience.0.as_slice() {
        [sole] if sole == issuer || also.contains(sole) => Ok(()),
        _ => Err(CredentialReason::AudienceMismatch {
            expected: issuer.to_owned(),
            found: audience.0.clone(),
        }
        .into()),
    }
}
