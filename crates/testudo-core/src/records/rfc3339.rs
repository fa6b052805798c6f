//! How a moment of a record is described where administrators are shown it.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;

/// RFC 3339 text in UTC, for `#[schemars(with = "Rfc3339")]`. In the store, the same moment is a number of seconds.
pub struct Rfc3339;

impl JsonSchema for Rfc3339 {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rfc3339".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}
