//! The form that a value must have, in words for people. The errors of serde name types of Rust.

/// The form in an error of serde about the type of a value: `a whole number, at least 0` for `u32`. `None` if the error
/// is about something else.
pub fn expected_form(error: &str) -> Option<&str> {
    if !error.starts_with("invalid type") && !error.starts_with("invalid value") {
        return None;
    }
    let (_, expected) = error.rsplit_once("expected ")?;
    Some(match expected {
        "a borrowed string" | "string" | "str" => "a string",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        other if other.starts_with("struct ") => "an object",
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_of_rust_is_named_by_its_form_in_json() {
        for (error, form) in [
            ("invalid type: integer `7`, expected a string", Some("a string")),
            (
                "invalid type: string \"expected x\", expected u32",
                Some("a whole number, at least 0"),
            ),
            (
                "invalid value: integer `-1`, expected i64",
                Some("a whole number"),
            ),
            ("invalid type: string \"60\", expected f64", Some("a number")),
            ("invalid type: null, expected a boolean", Some("true or false")),
            (
                "invalid type: sequence, expected struct Claims",
                Some("an object"),
            ),
            ("invalid type: map, expected a sequence", Some("an array")),
            (
                "invalid type: map, expected a string or an array of strings",
                Some("a string or an array of strings"),
            ),
            ("missing field `exp`", None),
            ("date out of range", None),
        ] {
            assert_eq!(expected_form(error), form, "{error}");
        }
    }
}
