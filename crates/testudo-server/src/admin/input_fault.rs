//! The sentences for input that cannot be read. The texts of the parsers name types of this program and places in the
//! text, so only the facts in them are used: the name of the member or parameter, and what is wrong with it.

use testudo_protocol::expected_form::expected_form;

/// Where the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    Query,
    Body,
}

impl Input {
    fn noun(self) -> &'static str {
        match self {
            Input::Query => "query parameter",
            Input::Body => "member",
        }
    }
}

/// The sentence for an error of serde at `path`, which is empty or `.` for the input as a whole.
pub(super) fn sentence(input: Input, path: &str, message: &str) -> String {
    let message = without_position(message);
    let noun = input.noun();
    let inner = |name: &str| match path {
        "" | "." => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{name}"),
    };
    if let Some(name) = quoted(message, "unknown field `") {
        let known: Vec<&str> = names(message);
        let known = match known.is_empty() {
            true => "there are none".to_owned(),
            false => format!("known: {}", known.join(", ")),
        };
        return format!(
            "the {noun} `{}` is not known to this operation; {known}",
            inner(name)
        );
    }
    if let Some(name) = quoted(message, "missing field `") {
        return format!("the {noun} `{}` is missing", inner(name));
    }
    if let Some(name) = quoted(message, "duplicate field `") {
        return format!("the {noun} `{}` is there twice", inner(name));
    }
    let subject = match path {
        "" | "." => "the body".to_owned(),
        path => format!("the {noun} `{path}`"),
    };
    if message.starts_with("unknown variant") {
        return format!("{subject} must be one of {}", names(message).join(", "));
    }
    let is_number = [
        "invalid digit",
        "cannot parse integer",
        "number too",
        "invalid float",
    ];
    if is_number.iter().any(|start| message.starts_with(start)) {
        return format!("{subject} must be a whole number, at least 0");
    }
    if message.starts_with("provided string was not `true` or `false`") {
        return format!("{subject} must be true or false");
    }
    if let Some(form) = expected_form(message) {
        return format!("{subject} must be {form}");
    }
    format!("{subject}: {message}")
}

/// serde_json appends ` at line 1 column 8`.
fn without_position(message: &str) -> &str {
    match message.rfind(" at line ") {
        Some(at) => message.get(..at).unwrap_or(message),
        None => message,
    }
}

fn quoted<'m>(message: &'m str, start: &str) -> Option<&'m str> {
    message.strip_prefix(start)?.split('`').next()
}

/// The names after `expected`, each between backticks.
fn names(message: &str) -> Vec<&str> {
    let list = message.split_once(", expected ").map_or("", |(_, list)| list);
    list.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_parsers_becomes_a_sentence_that_names_the_member_or_parameter() {
        for (input, path, message, expected) in [
            (
                Input::Query,
                "limit",
                "invalid digit found in string",
                "the query parameter `limit` must be a whole number, at least 0",
            ),
            (
                Input::Query,
                "unknown",
                "unknown field `unknown`, expected one of `limit`, `after`",
                "the query parameter `unknown` is not known to this operation; known: limit, after",
            ),
            (
                Input::Query,
                "x",
                "unknown field `x`, there are no fields",
                "the query parameter `x` is not known to this operation; there are none",
            ),
            (
                Input::Query,
                "orphaned",
                "provided string was not `true` or `false`",
                "the query parameter `orphaned` must be true or false",
            ),
            (
                Input::Body,
                ".",
                "missing field `identity` at line 1 column 2",
                "the member `identity` is missing",
            ),
            (
                Input::Body,
                "identity",
                "invalid type: integer `7`, expected a string at line 1 column 14",
                "the member `identity` must be a string",
            ),
            (
                Input::Body,
                ".",
                "invalid type: sequence, expected struct Test at line 1 column 0",
                "the body must be an object",
            ),
            (
                Input::Body,
                "a.b",
                "unknown field `b`, expected `c` at line 1 column 9",
                "the member `a.b` is not known to this operation; known: c",
            ),
            (
                Input::Body,
                "state",
                "unknown variant `x`, expected `active` or `frozen`",
                "the member `state` must be one of active, frozen",
            ),
            (
                Input::Body,
                "n",
                "invalid value: integer `-1`, expected u32",
                "the member `n` must be a whole number, at least 0",
            ),
        ] {
            assert_eq!(sentence(input, path, message), expected);
        }
    }
}
